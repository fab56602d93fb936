"""Files into the store: read, map, check, place, compare, keep.

    readers/   a format is one file with `read` and one entry in READERS
    kinds/     what can be loaded: a kind is one file and one entry in KINDS
    fields     a column's type: text, number, year, code …; one parser each, in PARSERS
    mapping    which column of the file is which field
    rows       a batch being checked, and what is wrong with which row; REASONS
    pipeline   the road from the first batch to the last statement; `load` is the whole of it

A check is one function `check(rows, context) -> None` that calls `rows.set_aside(mask, field,
reason)` or `rows.warn(mask, reason)`; a kind names its checks.  What is wrong only in the light
of the whole file or of the database is a check in SQL: `cim.store.incoming.stage`.

Solids of city models travel as columns beside the rows: `source.Solids`,
`cim.store.incoming.solids`.

One file is one transaction: the caller's.  Memory holds a few batches, whatever the file's size.
"""
