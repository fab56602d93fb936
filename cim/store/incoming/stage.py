"""The staging table of one load: where a file's rows wait, checked one by one, to be compared.

Everything here is temporary and ends with the transaction.  What is wrong with a row only in the
light of the whole file or of the database is said here, by `Stage.set_aside`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table

from cim.store.copy import columns
from cim.store.queries.incoming import load as statements

if TYPE_CHECKING:
    from cim.store.incoming.straight import Straight

ROWS, FAULTS = "stage_rows", "stage_faults"
"""The temporary tables: rows that are in so far, and rows that are not."""

KEY_TYPES = {"row_no": "int8", "ext_id": "text"}
"""Columns that every load stages."""

CAME_TYPES = {
    "record": "jsonb",
    "record_enc": "bytea",
    "geom": "bytea",
    "solid": "bytea",
    "solid_lods": "text",
    "solid_above": "text",
}
"""What a row came with, as it is kept of one that is set aside."""

FAULT_TYPES = {
    "row_no": "int8",
    "ext_id": "text",
    "field": "text",
    "value": "text",
    "reason": "text",
    **CAME_TYPES,
}


@dataclass
class Counts:
    """What became of the rows that came in, and what the file no longer has."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    missing: int = 0
    ended: int = 0


@dataclass
class Stage:
    """One load on its way into one table.

    `types` are the staged columns with their PostgreSQL types, `row_no` and `ext_id` not among
    them; those that are columns of `table` are compared and written.  `full` says that what the
    file no longer has is to be marked as ended.  Columns that are `insert_only` are written with
    a new row and never again; where a `sticky` one is NULL in the file, what is kept stays.
    `guards` names columns with the column that says how their value was come by: what was given
    stays.  `rows` counts what was staged, however many of them are set aside later;
    `snapshot` which transactions had ended when the load began;
    `followed` is what a kind keeps of the rows that it looked at as they came;
    `stood` tells the state of the places in which the rows were put as they were read;
    `straight` that they are written where they belong at once.
    """

    connection: Connection
    table: Table
    object_type: str
    types: dict[str, str]
    source_id: int
    import_id: int
    geometry: str | None = None
    full: bool = False
    settings: Any = None
    insert_only: frozenset[str] = frozenset()
    sticky: frozenset[str] = frozenset()
    guards: dict[str, str] = field(default_factory=dict)
    tallies: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    keys: list[NDArray[np.int64]] = field(default_factory=list)
    followed: Any = None
    stood: str | None = None
    snapshot: str | None = None
    straight: "Straight | None" = None

    def create(self) -> None:
        """Make the temporary tables, and drop those of an earlier load in this transaction."""
        for setting in statements.SETTINGS:
            self.run(setting)
        for name in self.connection.execute(statements.bound(statements.LEFT_OVER)).scalars():
            self.run(f"DROP TABLE {name}")
        self.run(statements.create_stage(ROWS, KEY_TYPES | self.types))
        self.run(statements.create_stage(FAULTS, FAULT_TYPES))

    def add(self, rows: columns.Encoded, keys: NDArray[np.int64] | None = None) -> int:
        """Append rows that passed their own checks; `keys` are hashes of their keys."""
        self.rows += rows.rows
        if keys is not None:
            self.keys.append(keys)
        return columns.send(self.connection, self.table.fullname if self.straight else ROWS, rows)

    def add_faults(self, faults: Mapping[str, Sequence[Any]]) -> int:
        """Append rows that did not."""
        return columns.write(self.connection, FAULTS, faults, FAULT_TYPES)

    def all_differ(self) -> bool:
        """Whether no two rows have one key, as far as that is known without asking the database."""
        hashes = np.concatenate([*self.keys, np.empty(0, np.int64)])
        self.keys[:] = [hashes]
        hashes.sort()
        return len(hashes) == self.rows and not (hashes[1:] == hashes[:-1]).any()

    def run(self, sql: str, **parameters: Any) -> int:
        """Execute a statement of `queries.load`; the number of rows it touched."""
        return self.connection.execute(statements.bound(sql), parameters).rowcount

    def number(self, sql: str, **parameters: Any) -> int:
        """The single number a statement gives."""
        return int(self.connection.execute(statements.bound(sql), parameters).scalar_one() or 0)

    def analyse(self) -> None:
        """Let the planner know the sizes; what is joined by key is joined as a whole."""
        self.run(statements.COARSE)
        self.run(f"ANALYZE {ROWS}")
        self.run(statements.USUAL)

    def set_aside(
        self, condition: str, field: str | None, reason: str, *, value: str = "NULL", **extra: Any
    ) -> int:
        """Move rows `s` that meet an SQL condition to the faults.

        `value` is an SQL expression over `s` for the value at fault.
        """
        return self.run(
            statements.set_aside(ROWS, FAULTS, condition, value),
            field=field,
            reason=reason,
            **extra,
        )

    def has(self, name: str) -> bool:
        """Whether a column is staged."""
        return name in self.types

    def kept(self) -> dict[str, str]:
        """Columns whose value in the store may win over the file's, with the SQL that decides."""
        sticky = {name: f"coalesce(s.{name}, t.{name})" for name in self.sticky}
        return sticky | {
            name: f"CASE WHEN t.{method} = 'given' THEN t.{name} ELSE s.{name} END"
            for name, method in self.guards.items()
        }

    @property
    def written(self) -> list[str]:
        """Staged columns that the table has too."""
        return [name for name in self.types if name in self.table.c]
