"""The addresses of a whole file, looked for: the file again, with what each row's address is.

Every row comes back with its own columns, matched or not; what is not matched says why.  The city
is only read.
"""

import csv
import io
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
from sqlalchemy import Connection

from cim.addresses import LADDER, Address, Gazetteer, parse_many
from cim.addresses.judging import STATUSES, Candidate, Verdict
from cim.errors import BadMapping, SourceError
from cim.intake.uploads import path_of
from cim.load.kinds.addresses import FIELDS, LONGEST
from cim.load.mending import harmless
from cim.load.pipeline import Progress
from cim.load.readers import read
from cim.load.report import Report
from cim.load.rows import REASONS
from cim.load.setaside import wkt
from cim.load.source import Batch, Source
from cim.settings import Settings
from cim.store import engine, geocoding
from cim.store.queries import addresses as queries
from cim.store.queries import geocode

KIND: Final = "address_match"
"""What such a job goes by."""

TOGETHER: Final = 2_000
"""Addresses of one statement."""

COLUMNS: Final = (
    "match_status", "match_reason", "match_id", "match_address", "match_level", "match_score",
    "match_remainder", "match_object", "match_object_id", "match_building_id", "match_unit_id",
    "match_lon", "match_lat", "match_alternatives",
)  # fmt: skip
"""What a row is given beside its own columns."""

EMPTY: Final = ("no address in this row", "本行没有地址")
LONG: Final = (f"longer than {LONGEST} characters", f"超过 {LONGEST} 个字符")

_TEXT: Final = next(each for each in FIELDS if each.name == "full_text")


@dataclass(frozen=True)
class Options:
    """How a file is to be read, and how much is to be said.

    `columns` make up the address, in order; none means the one whose name says so.
    """

    columns: tuple[str, ...] = ()
    layer: str | None = None
    encoding: str | None = None
    alternatives: int = 3


@dataclass
class Found:
    """What came of a file: rows by status, and which columns were taken for the address."""

    file: str
    columns: tuple[str, ...]
    rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    def report(self) -> Report:
        """The same as jobs keep their outcomes."""
        told = [
            (f"{en}: {count:,} rows", f"{zh}：{count:,} 行") for en, zh, count in self.tallies()
        ]
        return Report(
            kind=KIND,
            file=self.file,
            source="",
            mapping={f"full_text.{n}" if n else "full_text": c for n, c in enumerate(self.columns)},
            read=self.rows,
            notes=[*self.notes, *told],
            seconds=self.seconds,
        )

    def tallies(self) -> list[tuple[str, str, int]]:
        """Each status in both languages, with its rows."""
        return [
            (f"{status}, {en}", zh, self.counts[status]) for status, (en, zh) in STATUSES.items()
        ]


def match(
    settings: Settings,
    path: Path,
    out: Path | None,
    options: Options,
    progress: Progress = lambda step, done, total: None,
    most: int | None = None,
) -> Found:
    """Look for the addresses of a file and write it with what was found, as CSV.

    Nothing is written without `out`; where anything fails, nothing stands there.  At most `most`
    rows are read.  Raises SourceError for a file that cannot be read, BadMapping where no column
    holds addresses.
    """
    began = time.monotonic()
    source = read(path, layer=options.layer, encoding=options.encoding)
    columns = chosen(path.name, source.fields, options.columns)
    found = Found(path.name, columns, notes=source.notes)
    database = engine.connect(settings)
    part = out.with_name(f".{out.name}.part") if out else None
    try:
        with database.connect() as connection:
            connection.execute(geocode.INTERPRETED)
            known = Gazetteer((a, b, c) for a, b, c in connection.execute(queries.names()))
            with _written(part) as file:
                writer = csv.writer(file)
                for table in _looked(connection, source, found, options, known):
                    if found.rows and table.heading:
                        writer.writerow(table.heading)
                    writer.writerows(table.rows)
                    progress("read", found.rows, source.count)
                    if most is not None and found.rows >= most:
                        break
            progress("commit", found.rows, found.rows)
        if found.rows == 0:
            raise SourceError(f"{path.name} has no rows", f"{path.name} 中没有数据行")
        if out and part:
            os.replace(part, out)
    finally:
        database.dispose()
        if part:
            with suppress(FileNotFoundError):
                part.unlink()
    found.seconds = time.monotonic() - began
    return found


def result_of(settings: Settings, group: str, job: int) -> Path:
    """Where the result of a job lies: in the folder of its group, with which it goes."""
    return path_of(settings, group, f".matches-{job}.csv")


def chosen(file: str, fields: Sequence[str], said: Sequence[str]) -> tuple[str, ...]:
    """The columns that make up the address; BadMapping where they are not there, or none is.

    >>> chosen("a.csv", ["name", "地址"], []), chosen("a.csv", ["镇", "路"], ["镇", "路"])
    (('地址',), ('镇', '路'))
    """
    listed = ", ".join(fields[:50])
    missing = [name for name in said if name not in fields]
    if missing:
        raise BadMapping(
            f"{file} has no column {', '.join(missing)}; it has: {listed}",
            f"{file} 没有列 {'、'.join(missing)}；现有列：{listed}",
        )
    if said:
        return tuple(said)
    names = (_TEXT.name, _TEXT.zh, *_TEXT.names)
    for wanted in names:
        for name in fields:
            if name.strip().lower() == wanted.lower():
                return (name,)
    likely = [name for name in fields if "地址" in name or "address" in name.lower()]
    if len(likely) != 1:
        raise BadMapping(
            f"{file}: say which column holds the address (--column); it has: {listed}",
            f"{file}：请指明地址所在的列（--column）；现有列：{listed}",
        )
    return (likely[0],)


@dataclass(frozen=True)
class _Table:
    heading: list[str] | None
    rows: list[list[Any]]


def _looked(
    connection: Connection, source: Source, found: Found, options: Options, known: Gazetteer
) -> Iterator[_Table]:
    """Batch by batch, the rows of the file with what was found; counted as they go."""
    heading: list[str] | None = None
    for batch in source.batches:
        own = list(batch.columns.schema.names)
        place = ["geometry"] if batch.geometry is not None else []
        if heading is None:
            taken = {*own, *place}
            given = [name if name not in taken else f"{name}_2" for name in COLUMNS]
            heading = [harmless(name) for name in (*own, *place)] + given
        texts = _texts(batch, found.columns)
        cells = _cells(batch)
        answers: list[list[Any]] = []
        for at in range(0, len(texts), TOGETHER):
            answers += _answers(connection, texts[at : at + TOGETHER], options, known, found)
        broken = batch.broken
        rows = []
        for no, (mine, answer) in enumerate(zip(cells, answers, strict=True)):
            code = None if broken is None else broken[no]
            rows.append([*mine, *(_unread(code) if code else answer)])
        first = found.rows == 0
        found.rows += len(rows)
        yield _Table(heading if first else None, rows)


def _texts(batch: Batch, columns: Sequence[str]) -> list[str]:
    """The address of each row, of one column or several one after the other."""
    parts = [batch.columns.column(name).to_pylist() for name in columns]
    return [
        "".join(str(word).strip() for word in row if word is not None)
        for row in zip(*parts, strict=True)
    ]


def _cells(batch: Batch) -> list[list[Any]]:
    """The row's own columns as cells."""
    columns = [[_cell(value) for value in column.to_pylist()] for column in batch.columns.columns]
    if batch.geometry is not None:
        columns.append([None if value is None else wkt(value) for value in batch.geometry])
    return [list(row) for row in zip(*columns, strict=True)]


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return harmless(value)
    return orjson.dumps(value, default=str).decode() if isinstance(value, dict | list) else value


def _unread(code: str) -> list[Any]:
    en, zh = REASONS.get(code, (code, code))
    return _row("none", (en, zh), None, "", ())


def _answers(
    connection: Connection, texts: list[str], options: Options, known: Gazetteer, found: Found
) -> list[list[Any]]:
    """What is said of some rows; a text that stands in several is looked for once."""
    places = {text: no for no, text in enumerate(dict.fromkeys(filter(_usable, texts)))}
    addresses = taken_apart(list(places), known)
    steps = geocoding.steps(addresses, 1 + options.alternatives)
    verdicts = geocoding.run(connection, steps) if addresses else []
    answers = []
    for text in texts:
        if text in places:
            answer = _said(verdicts[places[text]])
        else:
            answer = _row("none", LONG if text else EMPTY, None, "", ())
        found.counts[answer[0]] += 1
        answers.append(answer)
    return answers


def _usable(text: str) -> bool:
    return 0 < len(text) <= LONGEST


def taken_apart(texts: list[str], known: Gazetteer | None) -> list[Address]:
    """The texts parsed, many at once; without the pieces, which nobody asks for here."""
    columns = parse_many(texts, known)
    levels: list[dict[str, str]] = [{} for _ in texts]
    for name in LADDER:
        values = columns[name]
        for no in np.flatnonzero(values != np.array(None)).tolist():
            levels[no][name] = values[no]
    pairs = zip(levels, columns["norm_text"].tolist(), columns["remainder"].tolist(), strict=True)
    return [Address(each, norm, left, ()) for each, norm, left in pairs]


def _said(verdict: Verdict) -> list[Any]:
    best = verdict.match
    return _row(
        verdict.status, STATUSES[verdict.status], best, verdict.remainder, verdict.alternatives
    )


def _row(
    status: str,
    why: tuple[str, str],
    best: Candidate | None,
    remainder: str,
    others: Sequence[Candidate],
) -> list[Any]:
    """The cells of COLUMNS."""
    thing, key = best.object if best and best.object else (None, None)
    told = [
        {"id": each.id, "address": each.text, "level": each.level, "score": each.score}
        for each in others
    ]
    return [
        status, " ".join((why[1], why[0])), best and best.id, best and harmless(best.text),
        best and best.level, best and best.score, harmless(remainder), thing, key,
        best and best.building_id, best and best.unit_id, best and best.lon, best and best.lat,
        orjson.dumps(told).decode() if told else None,
    ]  # fmt: skip


class _written:
    """A file of the owner's alone, in the bytes that spreadsheets know for UTF-8; or none."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def __enter__(self) -> io.TextIOBase:
        if self.path is None:
            self.file: io.TextIOBase = open(os.devnull, "w", encoding="utf-8")
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            self.file = open(
                os.open(self.path, flags, 0o600), "w", encoding="utf-8-sig", newline=""
            )
        return self.file

    def __exit__(self, *error: object) -> None:
        self.file.close()
