"""`cim load`: a file looked at, and brought into the city."""

import difflib
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import cast

import click

from cim import settings as settings_module
from cim.commands import shown
from cim.errors import BadMapping, InvalidQuery, SourceError
from cim.intake.bringing import Units, bring, bring_terrain, end_mesh
from cim.load import inspection, mapping, meshes, models, terrain
from cim.load.inspection import Inspection
from cim.load.kind import Kind
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.load.readers import READERS
from cim.load.report import Report
from cim.settings import Settings


def _kinds() -> dict[str, Kind]:
    """What can stand for KIND, `city` besides."""
    others = (models.KIND, meshes.KIND, terrain.KIND)
    return {**KINDS, **{kind.name: kind for kind in others}}


@click.command(epilog="Exit codes: 0 all in, 1 some rows set aside, 2 nothing loaded.")
@click.argument("words", nargs=-1, metavar="[KIND] FILE…")
@click.option("--inspect", "look", is_flag=True, help="Look at FILE, load nothing.")
@click.option("--json", "as_json", is_flag=True, help="With --inspect: as JSON.")
@click.option(
    "--write-mapping",
    is_flag=True,
    help="With --inspect: write the proposed mapping beside FILE, to confirm or mend.",
)
@click.option("--force", is_flag=True, help="Write over a mapping file that is there.")
@click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Say what a field is read from; nothing after = leaves the field out. May be repeated.",
)
@click.option(
    "--mapping",
    "mapping_file",
    type=click.Path(path_type=Path),
    help="JSON of field to column; FILE.map.json beside the file is found by itself.",
)
@click.option("--crs", help="The file's coordinate system: EPSG:4547, gcj02, bd09 …")
@click.option(
    "--source",
    help="Name of the system the file comes from, by which a later file "
    "updates it; without, the file's name.",
)
@click.option("--layer", help="The layer or sheet to read, where the file has several.")
@click.option("--encoding", help="Encoding of text, where it is not recognised.")
@click.option("--full", is_flag=True, help="The file is complete: what it lacks has ended.")
@click.option(
    "--at",
    help="Of a model: LON,LAT,ROTATION of its middle; of a mesh: LON,LAT,HEIGHT,ROTATION.",
)
@click.option("--building", type=int, help="Of a model or mesh: the building that it is laid on.")
@click.option("--rotation", type=float, help="Of a model or mesh: degrees clockwise from north.")
@click.option("--up", type=click.Choice(["y", "z"]), help="Of a mesh: the axis that points up.")
@click.option("--scale", type=float, help="Of a mesh: metres to its unit, 0.001 for millimetres.")
@click.option("--every-space", is_flag=True, help="Of a model: every room is a unit of its own.")
@click.option(
    "--heights",
    type=click.Choice(terrain.SURFACES),
    help="Of terrain: what its heights are above; the city's height datum unless the file says.",
)
@click.option("--surveyed", type=click.DateTime(["%Y-%m-%d"]), help="Of terrain: day of survey.")
@click.option(
    "--end",
    multiple=True,
    metavar="NAME",
    help="Of terrain: the raster of that name is the city's no more. Of meshes: buildings drawn as "
    "those of that source or file are drawn as before. May be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Do everything but keep it.")
@click.option("--no-units", is_flag=True, help="Do not make storeys and units now.")
@click.option("--quiet", is_flag=True, help="No progress, no table.")
@click.option("--fields", is_flag=True, help="List the fields of KIND, or of every kind, and stop.")
def load(
    words: tuple[str, ...],
    look: bool,
    as_json: bool,
    write_mapping: bool,
    force: bool,
    fields: bool,
    **options: object,
) -> None:
    """Load FILE as KIND into the city; loading it again is an update.

    First --inspect shows what FILE holds, what is odd in it, and which column would be which
    field; KIND may be left out then, and wherever a mapping file beside FILE says it.
    KIND `city` takes a folder and loads every file in it that is named after a kind, `model` an
    IFC file with the storeys and rooms of a building, `mesh` an OBJ, glTF, PLY or STL file that a
    building is drawn as, `terrain` rasters of ground heights, the later on top of the earlier.
    One file is one transaction: it comes in whole or not at all. Rows that cannot come in are kept
    with their reason; see `cim quarantine`.

    \b
    Example:
      cim load --inspect footprints.shp
      cim load --inspect footprints.shp --write-mapping
      cim load buildings footprints.shp --map floors_above=层数
      cim load buildings beijing.json --crs gcj02
      cim load city my-city/
      cim load terrain coarse.tif fine.tif --heights egm96
      cim load terrain --end coarse
      cim load mesh --end tower
      cim load mend-me.csv
      cim load --fields buildings
    """
    if fields:
        shown.fields([_known(word) for word in words] or list(KINDS.values()))
        return
    wish = _wish(options)
    if words[:1] == (terrain.KIND.name,) or (look and len(words) == 1 and _looks(words[0])):
        sys.exit(_terrain(words, wish, look, as_json, options))
    if words == (meshes.KIND.name,) and wish.end:
        sys.exit(_end_meshes(wish.end, options))
    kind, path = _target(words)
    request, how = _request(options)
    settings = settings_module.load()
    if not (look or as_json or write_mapping):
        sys.exit(_bring(settings, kind, path, request, **how))
    if kind in ("city", models.KIND.name, meshes.KIND.name):
        raise InvalidQuery("--inspect looks at one table of data", "--inspect 只检查单个数据文件")
    found = inspection.inspect(settings, path, kind or mapping.kind_of(path), request)
    _present(found, as_json)
    if write_mapping:
        _write_mapping(path, found, request, force)
    elif not as_json and _may_ask(found):
        fields_ = {**found.wish(shown.LIKELY), **request.fields}
        sys.exit(_bring(settings, found.kind, path, replace(request, fields=fields_), **how))


def _wish(options: dict[str, object]) -> terrain.Wish:
    """What was said of rasters."""
    said = {name: options[name] for name in ("crs", "source", "full")}
    said["heights"], surveyed = options.pop("heights"), options.pop("surveyed")
    said["end"] = options.pop("end")
    said["surveyed"] = surveyed.date() if isinstance(surveyed, datetime) else None
    return terrain.Wish(**said)  # type: ignore[arg-type]  # named as its fields


def _looks(word: str) -> bool:
    """Whether a file goes by the name of a raster and of nothing else."""
    path = Path(word)
    return path.is_file() and terrain.is_raster(path)


def _terrain(
    words: tuple[str, ...],
    wish: terrain.Wish,
    look: bool,
    as_json: bool,
    options: dict[str, object],
) -> int:
    """Rasters of ground heights looked at, or loaded together; the exit code."""
    named = words[words[0] == terrain.KIND.name :]
    paths = [Path(word) for word in named]
    if not paths and not wish.end:
        raise InvalidQuery(
            "say a file: cim load terrain FILE …, or what is to end: cim load terrain --end NAME",
            "请写明文件：cim load terrain 文件 …；或要终止的栅格：cim load terrain --end 名称",
        )
    if look or as_json:
        from cim.load.terrain.looking import look as see  # noqa: PLC0415 - a quarter of a second

        for path in paths:
            _present(see(path, wish), as_json)
        return 0
    quiet, dry_run = bool(options["quiet"]), bool(options["dry_run"])
    with shown.progress(paths[-1].name if paths else wish.end[-1], quiet) as progress:
        reports = bring_terrain(
            settings_module.load(), paths, wish, keep=not dry_run, progress=progress
        )
    if not quiet:
        for report in reports:
            shown.outcome(report, dry_run)
        if not dry_run:
            click.echo("next 下一步: cim tile build")
    return 0


def _end_meshes(names: Sequence[str], options: dict[str, object]) -> int:
    """Meshes taken back by the names of their sources or files; the exit code."""
    settings, building = settings_module.load(), cast("int | None", options["building"])
    for name in names:
        report = end_mesh(settings, name, building, keep=not options["dry_run"])
        if not options["quiet"]:
            shown.outcome(report, bool(options["dry_run"]))
    if not (options["quiet"] or options["dry_run"]):
        click.echo("next 下一步: cim tile update")
    return 0


def _request(options: dict[str, object]) -> tuple[Request, dict[str, bool]]:
    """What was asked of the file, and how it is to be brought."""
    how = {name: bool(options.pop(name)) for name in ("dry_run", "no_units", "quiet")}
    pairs, file = options.pop("pairs"), options.pop("mapping_file")
    return Request(fields=mapping.said(pairs), mapping=file, **options), how  # type: ignore[arg-type]  # named as its fields


def _target(words: tuple[str, ...]) -> tuple[str | None, Path]:
    """KIND where it was said, and FILE."""
    if len(words) == 2:
        known = words[0] == "city" or words[0] in _kinds()
        if not known and words[1] in _kinds():
            raise InvalidQuery(
                f"the kind comes first: cim load {words[1]} {words[0]}",
                f"种类写在文件前面：cim load {words[1]} {words[0]}",
            )
        return (words[0] if known else _known(words[0]).name), Path(words[1])
    if len(words) == 1 and not (words[0] in _kinds() and not Path(words[0]).exists()):
        return None, Path(words[0])
    raise InvalidQuery(
        "say a kind and a file: cim load buildings FILE; cim load --inspect FILE proposes the kind",
        "请写明种类和文件：cim load buildings 文件；不确定种类时用 cim load --inspect 文件",
    )


def _known(word: str) -> Kind:
    """The kind of that name; InvalidQuery with what it may have been meant for."""
    if word in _kinds():
        return _kinds()[word]
    chinese = {kind.zh: kind.name for kind in _kinds().values()}
    near = [name for zh, name in chinese.items() if word in (zh, name.removesuffix("s"))]
    near = near or difflib.get_close_matches(word.lower(), [*_kinds(), "city"], 3, 0.5)
    listed = ", ".join((*_kinds(), "city"))
    raise InvalidQuery(
        f"no kind is called {word}; " + (f"perhaps {', '.join(near)}" if near else listed),
        f"没有名为 {word} 的种类；"
        + (f"是否指 {'、'.join(near)}" if near else f"种类有：{listed}"),
    )


def _bring(
    settings: Settings,
    kind: str | None,
    path: Path,
    request: Request,
    *,
    dry_run: bool,
    no_units: bool,
    quiet: bool,
) -> int:
    """Load the file or the files of a folder; the exit code."""
    files = _city(path) if kind == "city" else [(_kinds()[kind or _said(path, request)], path)]
    if kind == "city" and not request.source:
        request = replace(request, source=path.resolve().name)
    last = max((n for n, (one, _) in enumerate(files) if one.derives), default=-1)
    reports = []
    units = None if no_units else Units()
    for number, (one, each) in enumerate(files):
        if units:
            units.now = number == last
        with shown.progress(each.name, quiet) as progress:
            report = bring(
                settings, one, each, request, units=units, keep=not dry_run, progress=progress
            )
        reports.append(report)
        if not quiet:
            shown.outcome(report, dry_run)
    shown_in_3d = any(
        one.derives and report.came_in for (one, _), report in zip(files, reports, strict=True)
    )
    if shown_in_3d and not quiet and not dry_run:
        click.echo("next 下一步: cim tile build")
    return _code(reports)


def _said(path: Path, request: Request) -> str:
    """The kind that a mapping file beside the data says."""
    kind = mapping.kind_of(path, request.mapping)
    if kind is not None:
        return _known(kind).name
    if path.suffix.lower() == ".ifc":
        return models.KIND.name
    if path.suffix.lower() in meshes.ENDINGS:
        return meshes.KIND.name
    scores = inspection.kinds_of(path, request)
    likely = scores[0].name if scores else "KIND"
    raise InvalidQuery(
        f"say what {path.name} holds: cim load {likely} {path.name}"
        + (f" (it looks like {likely})" if scores else ""),
        f"请写明 {path.name} 的种类：cim load {likely} {path.name}"
        + (f"（看起来是{KINDS[likely].zh}）" if scores else ""),
    )


def _present(found: Inspection, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False, default=str))
    else:
        shown.inspection(found)


def _write_mapping(path: Path, found: Inspection, request: Request, force: bool) -> None:
    """The proposed mapping beside the data; a field that nothing was found for is null."""
    target = path.with_name(path.name + mapping.BESIDE)
    if target.exists() and not force:
        raise InvalidQuery(
            f"{target.name} is there already; --force writes over it",
            f"{target.name} 已存在；要覆盖请加 --force",
        )
    if found.kind is None:
        raise InvalidQuery(
            f"it is not clear what {path.name} holds; say the kind too",
            f"无法判断 {path.name} 的种类，请写明种类",
        )
    wish = found.wish(shown.LIKELY)
    taken = set(wish.values())
    content = {
        "kind": found.kind,
        "crs": request.crs,
        "layer": found.layer if len(found.layers) > 1 else None,
        "fields": {each.field: wish.get(each.field) for each in found.mapping},
        "unsure": [f for f, c in wish.items() if c and f not in found.wish(inspection.SURE)],
        "unused": [column.name for column in found.columns if column.name not in taken],
    }
    text = json.dumps({k: v for k, v in content.items() if v is not None}, ensure_ascii=False,
                      indent=1)  # fmt: skip
    target.write_text(text + "\n", "utf-8")
    click.echo(f"look it over, mend it, then 请核对修改后载入: cim load {path}   ({target.name})")


def _may_ask(found: Inspection) -> bool:
    """Whether somebody sits before a terminal and wants the file loaded as proposed."""
    ready = found.kind and not found.missing and (found.geometry is None or found.crs)
    if not ready or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    question = f"load it now as {found.kind} with this mapping? 按此映射现在载入？"
    return click.confirm(question, default=False)


def _code(reports: list[Report]) -> int:
    """0 all in, 1 some set aside, 2 nothing loaded at all."""
    if not any(report.came_in for report in reports):
        return 2
    return max(min(report.exit_code, 1) for report in reports)


def _city(folder: Path) -> list[tuple[Kind, Path]]:
    """The files of a folder that are named after a kind, in the order of the kinds."""
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder", f"{folder} 不是文件夹")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in READERS)
    found = [(kind, path) for kind in KINDS.values() for path in files if path.stem == kind.name]
    if not found:
        raise BadMapping(
            f"{folder.name} has no file named after a kind: {', '.join(KINDS)}",
            f"{folder.name} 中没有以种类命名的文件：{'、'.join(KINDS)}",
        )
    return found
