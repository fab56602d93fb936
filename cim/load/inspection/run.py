"""The way through a file: open, look at the first rows, propose, look at all, say."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cim import crs
from cim.codes.identifiers import CITIZEN_ID
from cim.errors import BadMapping, CimError, SourceError
from cim.load import coordinates, mapping, matching, mending, pipeline, readers
from cim.load.inspection import kinds
from cim.load.inspection.columns import LONGEST, Tally, sounds_personal
from cim.load.inspection.outcome import Column, Inspection, Oddity, Proposal, Score
from cim.load.inspection.places import DRAWN, Places
from cim.load.inspection.trying import Trial
from cim.load.kind import Kind
from cim.load.kinds import KINDS
from cim.load.mapping import Settled
from cim.load.matching import Guess
from cim.load.matching.values import MOBILE
from cim.load.pipeline import Request
from cim.load.source import Batch, Source, no_rows
from cim.privacy.masks import HIDDEN
from cim.settings import Settings

WHOLE = 200_000
"""Rows that are all looked at; of those behind them every EIGHTH batch is."""

EIGHTH = 8

PREVIEWED = 20
"""Rows that are shown."""


@dataclass(frozen=True)
class _Look:
    """A file that was opened, its first rows, and what was settled by them."""

    path: Path
    source: Source
    first: Batch
    request: Request
    kind: Kind | None
    scores: list[Score]
    guesses: list[Guess]
    system: str | None
    layers: tuple[str, ...]
    notes: list[tuple[str, str]]


def inspect(
    settings: Settings, path: Path, kind: str | None = None, request: Request | None = None
) -> Inspection:
    """Look at a file as `kind`, or as the kind that it probably is.

    Raises SourceError (with UnknownFormat, BadMapping) where the file cannot be read at all; an
    unknown coordinate system is no error here but a question, with proposals.
    """
    look = _open(path, kind, request or Request())
    hidden = look.kind is not None and look.kind.personal
    tallies = [Tally(name) for name in look.source.fields]
    count = look.source.count
    places = Places(look.system, count // DRAWN if count else None)
    trial = _trial(look, settings)
    rows, sampled, looked = 0, False, 0
    for number, batch in enumerate(_batches(look)):
        rows += len(batch)
        if looked >= WHOLE and number % EIGHTH:
            sampled = True
            continue
        looked += len(batch)
        row_no = batch.row_no
        for tally in tallies:
            tally.add(batch.columns.column(tally.name), row_no)
        if batch.geometry is not None:
            places.add(batch.geometry, row_no)
        if trial is not None:
            trial.add(batch)
    columns = [t.done(hidden=hidden, personal_kind=hidden) for t in tallies]
    odd = [*_key(look, tallies), *(trial.oddities() if trial else []), *places.oddities()]
    return _outcome(look, rows, tallies, places, odd, columns, sampled)


def kinds_of(path: Path, request: Request) -> list[Score]:
    """The kinds that a file may hold, by its first rows, the likeliest first."""
    return [each for each in _open(path, None, request).scores if each.score >= kinds.LIKELY]


def _open(path: Path, kind: str | None, request: Request) -> _Look:
    """Open the file, look at its first rows, and settle kind, mapping and coordinates."""
    request = pipeline.with_file(path, request)
    found = readers.layers(path)
    source = _read(path, request, found)
    _no_names(path, source)
    first = next(source.batches, None)
    if first is None or len(first) == 0:
        raise no_rows(path.name, source)
    peek = Places(None, None)
    if first.geometry is not None:
        peek.add(first.geometry, first.row_no)
    name = path.name if source.layer in (None, path.stem) else f"{path.name} {source.layer}"
    scores, guesses = kinds.score(name, source.fields, first, peek.types)
    chosen = kind or (scores[0].name if scores[0].score >= kinds.LIKELY else None)
    notes: list[tuple[str, str]] = []
    system = _system(path, source, first, request, notes)
    one = KINDS.get(chosen or "")
    mine = guesses.get(chosen or "", [])
    if one is not None and request.fields:
        mapping.check(list(one.all_fields), source.fields, request.fields)
        mine = matching.propose(
            one.all_fields, first, source.fields, request.fields, personal=one.personal
        )
    return _Look(path, source, first, request, one, scores, mine, system, tuple(found), notes)


def _read(path: Path, request: Request, layers: list[str]) -> Source:
    """The file, or its first layer where it has several and none was named."""
    try:
        return mending.read(path, request.layer, request.encoding, request.mends)
    except SourceError:
        if request.layer is not None or len(layers) < 2:
            raise
        return mending.read(path, layers[0], request.encoding, request.mends)


def _no_names(path: Path, source: Source) -> None:
    """Refuse a first line that holds somebody's number, and do not repeat it."""
    if any(CITIZEN_ID.fullmatch(n.strip()) or MOBILE.fullmatch(n.strip()) for n in source.fields):
        raise BadMapping(
            f"{path.name}: the first line seems to be data; it must name the columns",
            f"{path.name}：首行似乎是数据；首行应为列名",
        )


def _system(
    path: Path, source: Source, first: Batch, request: Request, notes: list[tuple[str, str]]
) -> str | None:
    """The coordinate system where it is said and can be true; else None, with a note why."""
    try:
        return coordinates.settle(path.name, source, first, request.crs)
    except CimError as error:
        notes.append((str(error), error.zh))
        return None


def _batches(look: _Look) -> Iterator[Batch]:
    yield look.first
    yield from look.source.batches


def _trial(look: _Look, settings: Settings) -> Trial | None:
    """The checks of the kind, where every field that it needs has a column."""
    if look.kind is None:
        return None
    sure = {g.field.name: g.column for g in look.guesses if g.column and g.sure >= matching.SURE}
    if any(field.required and field.name not in sure for field in look.kind.all_fields):
        return None
    return Trial(look.kind, Settled(sure, (), ()), look.system, settings)


def _key(look: _Look, tallies: list[Tally]) -> list[Oddity]:
    """What is wrong with the column that would be the key."""
    column = next((g.column for g in look.guesses if g.field.name == "ext_id"), None)
    tally = next((t for t in tallies if t.name == column), None)
    if tally is None or not tally.repeats:
        return []
    many = tally.uncounted or tally.more
    return [
        Oddity(
            f"rows whose key ({column}) another row has{' at least' if many else ''}",
            f"编号（{column}）重复的行{'（至少）' if many else ''}",
            tally.repeats,
            tuple(tally.repeated),
        )
    ]


def _outcome(
    look: _Look,
    rows: int,
    tallies: list[Tally],
    places: Places,
    odd: list[Oddity],
    columns: list[Column],
    sampled: bool,
) -> Inspection:
    kind, source = look.kind, look.source
    bounds = coordinates.extent(look.first)
    proposals = [
        Proposal(g.field.name, g.field.zh, g.field.en, g.field.required, g.column, g.sure,
                 g.en, g.zh) for g in look.guesses
    ]  # fmt: skip
    personal = kind is not None and kind.personal
    return Inspection(
        file=look.path.name,
        layer=source.layer,
        layers=look.layers,
        format=source.format,
        encoding=source.encoding,
        rows=rows,
        crs=look.system or (source.crs and crs.canonical(source.crs)),
        crs_proposals=tuple(coordinates.propose(bounds) if bounds else ()),
        extent=places.extent,
        geometry=dict(places.types) if look.first.geometry is not None else None,
        kinds=tuple(score for score in look.scores if score.score > 0),
        kind=kind.name if kind else None,
        columns=tuple(columns),
        mapping=tuple(proposals),
        missing=tuple(p.field for p in proposals if p.required and p.column is None),
        oddities=tuple(odd),
        preview=_preview(look, tallies, personal=personal),
        footprints=None if personal else places.footprints(),
        sampled=sampled,
        notes=(*source.notes, *look.notes),
    )


def _preview(look: _Look, tallies: list[Tally], *, personal: bool) -> dict[str, Any]:
    """The first rows; what may tell who somebody is, is hidden."""
    first = look.first.columns.slice(0, PREVIEWED)
    listed = []
    for tally in tallies:
        hide = personal or tally.personal or sounds_personal(tally.name)
        values = first.column(tally.name).to_pylist()
        listed.append([None if v is None else HIDDEN if hide else str(v)[:LONGEST] for v in values])
    return {
        "columns": [t.name for t in tallies],
        "rows": [list(r) for r in zip(*listed, strict=True)],
        "numbers": look.first.row_no[:PREVIEWED].tolist(),
    }
