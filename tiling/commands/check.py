"""`cim tile check`: is a tileset sound, and is it the city's?"""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from os.path import lexists
from pathlib import Path

import click

from cim import settings as configuration
from cim.crs.geoid import geoid
from cim.errors import NotFound
from cim.settings import Settings
from cim.store.engine import connect
from cim.store.queries.tiles import manifest
from tiling.check.census import compare
from tiling.check.findings import Fault
from tiling.check.tileset import Report, check
from tiling.city import parts
from tiling.commands.progress import bar, jobs_option, pool
from tiling.disk.folder import CURRENT
from tiling.out import explicit
from tiling.terrain import check as terrain_check
from tiling.terrain.check import is_terrain

SHOWN = 20
"""Faults that are printed one by one; of more, so many kinds are."""

FEW = 3
"""Faults printed of each kind where there are many."""

LONGEST = 300
"""Letters of a file's name, or of a sentence, that are printed."""

NUMBER = re.compile(r"[\d.,]*\d")
"""What differs between faults of one kind."""

FILE = "tileset.json"


@click.command("check")
@click.argument("place", metavar="[PATH|URL]", required=False)
@click.option("--all", "everything", is_flag=True, help="every tileset of this city")
@jobs_option("processes that judge tiles")
@click.option(
    "--against-database/--no-database",
    "against",
    default=None,
    help="hold the tiles against the city's database  [default: for this city's own tilesets]",
)
@click.option(
    "--khronos/--no-khronos",
    default=True,
    show_default=True,
    help="let Khronos' glTF validator go through every tile too, where Node has it",
)
def check_command(
    place: str | None, everything: bool, jobs: int, against: bool | None, khronos: bool
) -> None:
    """Check a tileset, or those of this city where none is named.

    PATH is a folder, a tileset.json or a .3tz; a URL leads to a tileset.json.  Every rule that a
    tileset can break unnoticed is gone through: bounds, errors, availability, counts, heights,
    precision; and whether this city's tiles hold just what its database does.  Exit code 1 where
    anything is wrong.

    \b
    Example:
      cim tile check
      cim tile check build/tiles/buildings/tileset.json
      cim tile check http://127.0.0.1:8000/tiles/3d/buildings/tileset.json
    """
    if bool(place) == everything and place:
        raise click.UsageError("either a PATH or URL, or --all / 或给出 PATH 或 URL，或用 --all")
    settings = configuration.load()
    faults = 0
    with pool(jobs) as executor:
        for one in [place] if place else own(settings, recorded=against is not False):
            report = _checked(one, executor, khronos=khronos)
            counted = _count(settings, one, report, against)
            _verdict(report, counted=counted, khronos=khronos and not is_terrain(one))
            faults += len(report.faults)
            for further in () if place else beside(one):
                report = again(further, report)
                _verdict(report, counted=False, khronos=False)
                faults += len(report.faults)
    if not place and (settings.tiles_dir / FILE).is_file():
        report = check(settings.tiles_dir / FILE, contents=False)
        _verdict(report, counted=False, khronos=False)
        faults += len(report.faults)
    if faults:
        raise SystemExit(1)


def own(settings: Settings, *, recorded: bool = False) -> list[str]:
    """Every tileset of this city on disk, archives too, and its terrain.

    One whose link leads nowhere is among them, as are those that the database has on record where
    `recorded` are asked for.  Raises NotFound where there is none.
    """
    names = {path.parent.parent.name for path in settings.tiles_dir.glob(f"*/*/{FILE}")}
    names |= {path.name for path in settings.tiles_dir.glob("*") if lexists(path / CURRENT)}
    if recorded:
        names |= _recorded(settings)
    found = [str(settings.tiles_dir / name / CURRENT) for name in sorted(names)]
    found += map(str, sorted(settings.tiles_dir.glob("*.3tz")))
    if not found:
        raise NotFound(
            f"no tileset at {settings.tiles_dir}: run `cim tile build` first",
            f"{settings.tiles_dir} 处没有瓦片集：请先运行 `cim tile build`",
        )
    return found


def _recorded(settings: Settings) -> set[str]:
    """The tilesets that the database has on record."""
    engine = connect(settings)
    try:
        with engine.connect() as connection:
            return set(connection.scalars(manifest.names()))
    finally:
        engine.dispose()


def beside(place: str) -> list[Path]:
    """The explicit tree beside an implicit one, if there is one."""
    found = Path(place) / explicit.FOLDER / FILE
    return [found] if found.is_file() else []


def again(place: Path, before: Report) -> Report:
    """The check of an explicit tree that should lead to the contents that were judged `before`."""
    report = check(place, contents=False)
    lost = before.uris ^ {uri.removeprefix("../") for uri in report.uris}
    for uri in sorted(lost):
        report.faults.append(
            Fault(uri, "12", "one tree leads there, the other does not", "显式与隐式瓦片树不一致")
        )
    return report


def inside(settings: Settings, place: str) -> bool:
    """Whether a tileset is this city's own, on disk; an archive is of the day it was made."""
    path = Path(place).absolute()
    return path.exists() and path.suffix != ".3tz" and path.is_relative_to(settings.tiles_dir)


def whose(report: Report) -> str | None:
    """The name of the one tileset a report is on, which the database may know; a part's is its."""
    return report.titles[0].lower() if len(report.titles) == 1 else None


def told(faults: Sequence[Fault]) -> Iterator[str]:
    """A line for each fault; where there are many, those of each kind counted, and the first few.

    >>> list(told([Fault("a.glb", "5", "3 vertices outside", "3 个顶点超出")]))
    ['a.glb: [5] 3 vertices outside / 3 个顶点超出']
    """
    kinds: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        kinds.setdefault((fault.rule, NUMBER.sub("…", fault.en)), []).append(fault)
    few = len(faults) <= SHOWN
    ordered = sorted(kinds.values(), key=len, reverse=True)
    for found in [list(faults)] if few else ordered[:SHOWN]:
        for fault in found if few else found[:FEW]:
            yield f"{shown(fault.file)}: [{fault.rule}] {shown(fault.en)} / {shown(fault.zh)}"
        if len(found) > FEW and not few:
            rest = len(found) - FEW
            yield f"  … {rest:,} more of this kind / 同类另有 {rest:,} 处"
    if not few and len(ordered) > SHOWN:
        rest = sum(map(len, ordered[SHOWN:]))
        yield f"… {rest:,} more, of other kinds / 其他各类另有 {rest:,} 处"


def shown(words: str) -> str:
    """What a tileset says, fit for a terminal: on one line, and without what steers it.

    >>> shown("a\\x1b[31m.glb" + "b" * 1000)[:8]
    'a�[31m.g'
    """
    words = words if len(words) <= LONGEST else words[:LONGEST] + "…"
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in words)


def _checked(place: str, executor: Executor | None, *, khronos: bool) -> Report:
    """The check of a tileset, with a bar while it goes on."""
    with bar(place) as progress:
        if is_terrain(place):
            return terrain_check.check(place, executor=executor, progress=progress)
        return check(place, executor=executor, progress=progress, khronos=khronos)


def _count(settings: Settings, place: str, report: Report, against: bool | None) -> bool:
    """Hold a tileset against the database if it is to be; whether it was."""
    if is_terrain(place):
        return _held(settings, place, report, against)
    name = whose(report)
    if not (inside(settings, place) if against is None else against):
        return False
    engine = connect(settings)
    try:
        with engine.connect() as connection, connection.begin():
            if name and parts.layer(connection, name):
                report.faults += compare(connection, name, report, geoid(settings))
            elif against is None:
                return False
            else:
                raise NotFound(
                    f"{place} is no tileset that the database knows of",
                    f"数据库中没有与 {place} 对应的瓦片集",
                )
    finally:
        engine.dispose()
    return True


def _held(settings: Settings, place: str, report: Report, against: bool | None) -> bool:
    """Hold terrain against the city's rasters, where it is its own; whether it was."""
    if against is False or not inside(settings, place):
        return False
    from tiling.terrain import census as terrain_census  # noqa: PLC0415 - rasters: a quarter of a second that few need

    engine = connect(settings)
    try:
        with engine.connect() as connection:
            report.faults += terrain_census.compare(settings, connection, place, report)
    finally:
        engine.dispose()
    return True


def _verdict(report: Report, *, counted: bool, khronos: bool) -> None:
    click.echo(
        f"{report.path}: {report.tiles:,} tiles, {report.features:,} features, "
        f"{len(report.faults):,} faults / {report.tiles:,} 个瓦片，{report.features:,} 个要素，"
        f"{len(report.faults):,} 处错误"
    )
    for line in told(report.faults):
        click.echo(f"  {line}")
    for (en, zh), count in sorted(report.unjudged.items()):
        click.echo(f"  not judged: {count:,} × {en} / 未检查：{count:,} × {zh}")
    if counted:
        click.echo("  held against the database / 已与数据库核对")
    if khronos and report.tiles and not report.khronos:
        click.echo(
            "  Khronos' glTF validator is not installed: `npm install gltf-validator` / "
            "未安装 Khronos glTF 验证器"
        )
