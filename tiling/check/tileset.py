"""Is this tileset sound?  Every file is read back and every rule gone through.

`check` walks tileset.json, external tilesets and subtrees, then judges every content, in several
processes if it is given them; the rules on contents are in tiling.check.rules.  It needs no
database and no other program.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
from deflate import DeflateError
from numpy.typing import NDArray

from tiling.check import limits
from tiling.check import points as points_content
from tiling.check.content import Content, names, tables
from tiling.check.findings import MANY_FAULTS, UNREADABLE, Fault, Notes, Piece
from tiling.check.khronos import Validator
from tiling.check.reading import Unjudged, parse_content
from tiling.check.rules import HOUSE, RULES
from tiling.check.sources import Archive, Silent, Source, joined, opened
from tiling.check.walk import Walk
from tiling.formats.packed import unpacked

AT_ONCE = 16
"""Contents that a process is handed at a time."""

WAITING = 8
"""Such handfuls under way: what bounds the memory."""

SILENT = (
    "the server answers no more: the rest was not gone through",
    "服务器不再应答，其余未检查",
)

Progress = Callable[[int, int], None]
"""Called with the contents judged and their total."""

Ids = NDArray[np.uint64]


@dataclass
class Report:
    """What was found in the tileset at `path`.

    `unjudged` counts what is of a kind that is not read here; `held` are the features of each
    content; `titles` what the tilesets within call themselves, by their number; `uris` where its
    contents are; `khronos` says whether Khronos' validator went through them too.
    """

    path: str
    tiles: int = 0
    features: int = 0
    faults: list[Fault] = field(default_factory=list)
    unjudged: Counter[tuple[str, str]] = field(default_factory=Counter)
    held: list["Held"] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    uris: set[str] = field(default_factory=set)
    khronos: bool = False

    def ids(self, group: int) -> Ids:
        """What names each feature of one of the tilesets within, (n,)."""
        return np.concatenate(
            [np.empty(0, np.uint64), *(one.ids for one in self.held if one.piece.group == group)]
        )


@dataclass(frozen=True)
class Held:
    """A content, and what names each of its features, in the order of its table."""

    piece: Piece
    ids: Ids


@dataclass
class Judged:
    """What a handful of contents came to: faults, what is not read here, and the features."""

    faults: list[Fault] = field(default_factory=list)
    unjudged: Counter[tuple[str, str]] = field(default_factory=Counter)
    held: list[Held] = field(default_factory=list)
    khronos: bool = False
    silent: bool = False


def check(
    place: str | Path,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
    khronos: bool = False,
    contents: bool = True,
) -> Report:
    """Everything wrong with the tileset at `place`: a folder, a tileset.json, a .3tz or a URL.

    With `khronos`, contents go through Khronos' validator too where it is installed; without
    `contents` only the tree is judged, that leads to contents which others lead to as well.  What
    cannot be read is a fault.
    """
    source, name = opened(place)
    notes = Notes()
    pieces = list(Walk(source, notes).pieces(name))
    report = Report(str(place), tiles=len(pieces), titles=notes.titles)
    report.uris = {piece.uri for piece in pieces}
    handfuls = _judged(source, pieces if contents else [], executor, khronos=khronos)
    done = 0
    for judged in handfuls:
        report.faults += judged.faults
        report.unjudged += judged.unjudged
        report.khronos |= judged.khronos
        report.held += judged.held
        done = min(done + AT_ONCE, len(pieces))
        if progress:
            progress(done, len(pieces))
        if judged.silent or len(report.faults) >= limits.FAULTS:
            en, zh = SILENT if judged.silent else MANY_FAULTS
            report.faults.append(Fault(name, "limits", en, zh))
            break
    report.faults += notes.faults
    report.unjudged += notes.unjudged
    whole = all(fault.rule != "limits" for fault in report.faults)
    if not contents:
        report.features = sum(filter(lambda count: count > 0, notes.promised))
    elif whole:
        _counted(report, notes, name)
    if whole:
        _left_over(report, notes, source, name)
    return report


def _judged(
    source: Source, pieces: Sequence[Piece], executor: Executor | None, *, khronos: bool
) -> Iterator[Judged]:
    """What the pieces come to, a handful at a time, with few under way."""
    handfuls = [pieces[start : start + AT_ONCE] for start in range(0, len(pieces), AT_ONCE)]
    if executor is None or len(handfuls) < 2:
        with Validator(wanted=khronos) as validator:
            for handful in handfuls:
                yield judge(source, handful, validator)
        return
    left = iter(handfuls)
    waiting: list[Future[Judged]] = []
    while True:
        for handful in islice(left, WAITING - len(waiting)):
            waiting.append(executor.submit(judge_apart, source, handful, khronos))
        if not waiting:
            return
        yield waiting.pop(0).result()


def judge_apart(source: Source, pieces: Sequence[Piece], khronos: bool) -> Judged:
    """`judge` in a process of its own, whose validator stays for the next handful."""
    return judge(source, pieces, _validator(khronos))


@cache
def _validator(wanted: bool) -> Validator:
    return Validator(wanted=wanted)


def judge(source: Source, pieces: Sequence[Piece], validator: Validator) -> Judged:
    """Every rule on some contents."""
    found = Judged(khronos=validator.there)
    for piece in pieces:
        try:
            _judge(source, piece, found, validator)
        except FileNotFoundError:
            found.faults.append(
                Fault(piece.uri, "12", "available, but not there", "标为可用但文件不存在")
            )
        except Silent as fault:
            found.faults.append(Fault(piece.uri, "12", str(fault), fault.zh))
            found.silent = True
            break
        except Unjudged as fault:
            found.unjudged[str(fault), fault.zh] += 1
        except UNREADABLE as fault:
            zh = getattr(fault, "zh", f"无法读取：{fault}")
            found.faults.append(Fault(piece.uri, "24", str(fault), zh))
    return found


def _judge(source: Source, piece: Piece, found: Judged, validator: Validator) -> None:
    data = source.read(piece.uri)
    copy = source.copy(piece.uri)
    if copy is not None and not _stands_for(copy, data):
        found.faults.append(
            Fault(piece.uri, "12", "the gzip file beside it is another", "旁边的 gzip 文件与其不符")
        )
    for en in validator.issues(data):
        found.faults.append(Fault(piece.uri, "Khronos", en, en))
    if data[:4] == points_content.MAGIC:
        for rule, en, zh in points_content.findings(data, piece.matrix, piece.volumes):
            found.faults.append(Fault(piece.uri, rule, en, zh))
        return
    glb = parse_content(data, lambda uri: source.read(joined(piece.uri, uri)))
    content = Content(glb, piece.matrix, piece.volumes, piece.ours)
    _ = content.parts  # what cannot be judged at all says so here
    for rule, findings in (*RULES, *HOUSE) if piece.ours else RULES:
        try:
            new = [Fault(piece.uri, rule, en, zh) for en, zh in findings(content)]
        except UNREADABLE as fault:  # the other rules may still have something to say
            zh = getattr(fault, "zh", f"无法读取：{fault}")
            new = [Fault(piece.uri, "24", str(fault), zh)]
        found.faults += [fault for fault in new if fault not in found.faults]
    if piece.ours:
        found.held.append(Held(piece, names(glb)))
    else:
        count = sum(int(table["count"]) for table in tables(glb)[:1])
        found.held.append(Held(piece, np.arange(count, dtype=np.uint64)))


def _stands_for(copy: bytes, data: bytes) -> bool:
    """Whether a gzip file holds just this; its last bytes say how much it unpacks to."""
    try:
        return int.from_bytes(copy[-4:], "little") == len(data) and unpacked(copy) == data
    except (DeflateError, ValueError):
        return False


def _counted(report: Report, notes: Notes, name: str) -> None:
    """19: each feature stands once, and there are as many as promised."""
    for group, promised in enumerate(notes.promised):
        ids = report.ids(group)
        report.features += ids.size
        if promised < 0:
            continue
        if np.unique(ids).size != ids.size:
            report.faults.append(
                Fault(name, "19", "a feature stands in two tiles", "同一要素出现在多个瓦片")
            )
        if promised != ids.size:
            report.faults.append(Fault(name, "19", "features are missing", "要素数与元数据不符"))


def _left_over(report: Report, notes: Notes, source: Source, name: str) -> None:
    """12: of a tileset of ours, no file is left over; an archive's index leads to its files."""
    if isinstance(source, Archive):
        report.faults += [Fault(report.path, "3tz", en, zh) for en, zh in source.faults()]
    files = source.files() if notes.promised and notes.promised[0] >= 0 else None
    for file in sorted(files or ()):
        known = file.removesuffix(".gz")
        if known.endswith((".glb", ".subtree")) and known not in notes.reached:
            report.faults.append(
                Fault(file, "12", "on disk, but not available", "文件存在但未标为可用")
            )
