"""A batch on its way: checked in a thread, and made ready to be sent while another is written."""

import gc
import re
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cim.errors import SourceError
from cim.load import checks
from cim.load.kind import SEALED, Context, Kind
from cim.load.mapping import Settled
from cim.load.mending import Mends
from cim.load.rows import Rows, records
from cim.load.solids import Kept, aside
from cim.load.source import Batch, Source
from cim.store.copy import columns
from cim.store.incoming.stage import KEY_TYPES
from cim.store.incoming.straight import Straight

AHEAD = 3
"""Batches that are being checked while another is written."""

LONGEST_KEY = 500
"""Characters of a key; an index cannot hold one of some thousands."""

_ROUNDED = re.compile(r"\d(\.\d+)?E\+\d{2,3}")
"""A long number as a spreadsheet writes it."""

SWITCH = 0.0005
"""Seconds that a thread waits for Python's lock; the usual ten times that held the others up."""


@dataclass(frozen=True)
class Job:
    """A file whose mapping and coordinate system are settled."""

    kind: Kind
    path: Path
    source: Source
    mapping: Settled
    system: str | None
    context: Context
    types: dict[str, str]
    encoding: str | None
    mends: Mends | None
    straight: Straight | None = None
    solids: Kept | None = None
    """What mended rows came with at first."""


@dataclass
class Checked:
    """A batch on its way to the staging table."""

    rows: Rows
    staged: columns.Encoded
    faults: dict[str, Any]
    keys: np.ndarray[Any, np.dtype[np.int64]]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Threads that take turns quickly, and no search for cycles of objects.

    Batches have none, and the search took a third of the time.
    """
    usual, collecting = sys.getswitchinterval(), gc.isenabled()
    gc.disable()
    sys.setswitchinterval(SWITCH)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
        if collecting:
            gc.enable()


def ahead(pool: Executor, job: Job, batches: Iterator[Batch]) -> Iterator[Checked]:
    """Checked batches in order, a few of them in the making while one is taken."""
    waiting: deque[Future[Checked]] = deque()
    for batch in batches:
        waiting.append(pool.submit(_check, job, batch))
        if len(waiting) >= AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _check(job: Job, batch: Batch) -> Checked:
    """Everything that can be said of a batch by itself, and what is in made ready to be sent."""
    kind = job.kind
    rows = checks.read_fields(batch, job.mapping, kind.all_fields)
    _rounded(job, rows)
    if kind.geometry and job.system is not None:
        checks.read_geometry(rows, kind.geometry, job.system, needed=kind.needs_geometry)
    for check in kind.checks:
        check(rows, job.context)
    rows.columns["ext_id"] = _keys(job, rows)
    if kind.fold:
        kind.fold(rows)
    made = _staged(job, rows)
    keys = np.fromiter(map(hash, made["ext_id"].tolist()), np.int64)
    if job.straight is None:
        staged = columns.encode(made, KEY_TYPES | job.types)
    else:
        staged = columns.encode(job.straight.rows(made), job.straight.types)
    return Checked(rows, staged, _faults(job, rows), keys)


def _keys(job: Job, rows: Rows) -> np.ndarray[Any, Any]:
    if "ext_id" in job.mapping.columns:
        keys = rows.words("ext_id")
        rows.set_aside(keys == np.array(None), "ext_id", "missing")
        if max(map(len, filter(None, keys.tolist())), default=0) > LONGEST_KEY:
            long = np.array([key is not None and len(key) > LONGEST_KEY for key in keys], bool)
            rows.set_aside(long, "ext_id", "too_long")
            keys[long] = None
        return keys
    if job.kind.key:
        return checks.key_from_fields(rows, job.kind.key)
    return checks.key_from_place(rows)


def _rounded(job: Job, rows: Rows) -> None:
    """Keys, and those of other things, of which a spreadsheet has left some digits: 4.42E+11.

    Of rows that come back mended none is taken: that their keys were right is why they are known.
    """
    mapped = [field for field in job.kind.all_fields if field.name in job.mapping.columns]
    for field in mapped:
        if not field.tells_apart:
            continue
        values = rows.words(field.name)
        listed = [v is not None and "E+" in v and bool(_ROUNDED.fullmatch(v)) for v in values]
        bad = np.array(listed, bool)
        if field.name == "ext_id" and job.mends is not None and bad.any():
            where, column = int(rows.row_no[bad][0]), job.mapping.columns["ext_id"]
            raise SourceError(
                f"{job.path.name} row {where}: a spreadsheet has rounded {column} (as in 4.42E+11);"
                " export the rows again, and open them with that column imported as text",
                f"{job.path.name} 第 {where} 行：“{column}”已被电子表格改成科学计数"
                "（如 4.42E+11）；请重新导出，并在打开时将该列按文本导入",
            )
        rows.set_aside(bad, field.name, "rounded", values)


def _staged(job: Job, rows: Rows) -> dict[str, Any]:
    """The rows that are in, as columns of the staging table; what has no column is NULL there."""
    keep = rows.keep
    staged: dict[str, Any] = {"row_no": rows.row_no[keep], "ext_id": rows.words("ext_id")[keep]}
    for name in job.types:
        if name == "attrs":
            attrs = np.array(checks.attributes(rows, job.mapping), dtype=object)
            staged[name] = attrs[keep]
        elif name == job.kind.geometry_column and rows.geometry is not None:
            staged[name] = rows.geometry[keep]
        elif name in rows.columns:
            staged[name] = rows.columns[name][keep]
    return staged


def _faults(job: Job, rows: Rows) -> dict[str, Any]:
    """The rows that are not, with their reasons and as they came."""
    faults = rows.faults
    keys = rows.words("ext_id")
    return {
        "row_no": faults.row_no,
        "ext_id": [keys[place] for place in faults.place],
        "field": faults.field,
        "value": [None] * len(faults) if job.kind.personal else faults.value,
        "reason": faults.reason,
        **as_came(job, rows.batch, faults.place),
    }


def as_came(job: Job, batch: Batch, places: list[int]) -> dict[str, Any]:
    """Rows as the file has them: in clear without what is withheld, or sealed as personal data."""
    if job.mapping.withheld:
        batch = replace(batch, columns=batch.columns.drop_columns(list(job.mapping.withheld)))
    found: list[Any] = records(batch, places) if places else []
    nothing = [None] * len(places)
    geometry = nothing if batch.geometry is None else [batch.geometry[p] for p in places]
    if job.context.vault is None:
        clear = {"record": found, "record_enc": nothing, "geom": geometry}
        return clear | aside(batch.solids, places)
    sealed = job.context.vault.encrypt([item.decode() for item in found], SEALED)
    return {"record": nothing, "record_enc": sealed, "geom": nothing} | aside(None, places)
