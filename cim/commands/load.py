"""`cim load`: a file into the city."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from cim import settings as settings_module
from cim.errors import BadMapping, SourceError
from cim.intake.bringing import Units, bring
from cim.load import mapping, models, pipeline
from cim.load.kind import Kind
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.load.readers import READERS
from cim.load.report import ODD, STEPS, Report
from cim.load.rows import REASONS


def _fields(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    """Print every kind with its fields, and stop."""
    if not value or ctx.resilient_parsing:
        return
    for kind in KINDS.values():
        click.echo(f"\n{kind.name}  {kind.zh}: {kind.en}")
        for field in kind.all_fields:
            star = "*" if field.required else " "
            click.echo(f"  {star} {field.name:<18} {field.zh}  {field.en}")
    click.echo("\n* required 必填")
    ctx.exit()


@click.command(epilog="Exit codes: 0 all in, 1 some rows set aside, 2 nothing loaded.")
@click.argument("kind", type=click.Choice([*KINDS, models.KIND.name, "city"]))
@click.argument("file", type=click.Path(path_type=Path))
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
@click.option("--layer", help="The layer to read, where the file has several.")
@click.option("--encoding", help="Encoding of text, where it is not recognised.")
@click.option("--at", help="Where a model stands: LON,LAT,ROTATION of its middle.")
@click.option("--building", type=int, help="The building a model is laid on, by our id.")
@click.option("--rotation", type=float, help="How a model is turned: degrees clockwise from north.")
@click.option("--every-space", is_flag=True, help="Every room of a model is a unit of its own.")
@click.option("--full", is_flag=True, help="The file is complete: what it lacks has ended.")
@click.option("--dry-run", is_flag=True, help="Do everything but keep it.")
@click.option("--no-units", is_flag=True, help="Do not make storeys and units now.")
@click.option("--quiet", is_flag=True, help="No progress, no table.")
@click.option(
    "--fields",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_fields,
    help="List the kinds with their fields and stop.",
)
def load(
    kind: str,
    file: Path,
    pairs: tuple[str, ...],
    mapping_file: Path | None,
    dry_run: bool,
    no_units: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Load FILE as KIND into the city; loading it again is an update.

    KIND `city` takes a folder and loads every file in it that is named after a kind; KIND `model`
    takes a floor model (IFC).
    One file is one transaction: it comes in whole or not at all. Rows that cannot come in are kept
    with their reason; see `cim quarantine`.

    \b
    Example:
      cim load buildings footprints.shp --map floors_above=层数
      cim load buildings beijing.json --crs gcj02
      cim load model tower.ifc --at 113.75,23.02,15
      cim load city my-city/
    """
    request = Request(fields=mapping.said(pairs), mapping=mapping_file, **options)
    brought = {**KINDS, models.KIND.name: models.KIND}
    files = _city(file) if kind == "city" else [(brought[kind], file)]
    if kind == "city" and not request.source:
        request = Request(**(vars(request) | {"source": file.resolve().name}))
    settings = settings_module.load()
    last = max((n for n, (one, _) in enumerate(files) if one.derives), default=-1)
    reports = []
    units = None if no_units else Units()
    for number, (one, path) in enumerate(files):
        if units:
            units.now = number == last
        with _progress(path.name, quiet) as progress:
            report = bring(
                settings, one, path, request, units=units, keep=not dry_run, progress=progress
            )
        reports.append(report)
        if not quiet:
            _show(report, dry_run)
    if not quiet and not dry_run and any(report.came_in for report in reports):
        click.echo("next 下一步: cim tile build")
    sys.exit(_code(reports))


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


@contextmanager
def _progress(name: str, quiet: bool) -> Iterator[pipeline.Progress]:
    """A bar on a terminal, a line a step elsewhere, nothing when quiet; on stderr."""
    if quiet:
        yield lambda step, done, total: None
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        seen: list[str] = []

        def line(step: str, done: int, total: int | None) -> None:
            if step not in seen:
                seen.append(step)
                click.echo(f"{name}: {STEPS[step]} …", err=True)

        yield line
        return
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.completed:,} rows 行"), TimeElapsedColumn(), console=console,
    )  # fmt: skip
    with bar:
        task = bar.add_task(f"{name} {STEPS['read']}", total=None)

        def move(step: str, done: int, total: int | None) -> None:
            # A full bar would stop the clock, and there is more to do than reading.
            goal = None if total is None else max(total, done + 1)
            bar.update(task, description=f"{name} {STEPS[step]}", completed=done, total=goal)

        yield move


def _show(report: Report, dry_run: bool) -> None:
    """The outcome as a table, in both languages, with what was guessed and what is odd."""
    for en, zh in report.notes:
        click.echo(f"{en}\n{zh}")
    for name in report.guessed:
        click.echo(f"{name} ← {report.mapping[name]}  (guessed 按列名推断)")
    table = Table(title=f"{report.file} → {report.kind} ({report.source})", show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    counts = report.counts
    rows = [
        ("read 读入", report.read), ("new 新增", counts.new), ("changed 更新", counts.changed),
        ("unchanged 未变", counts.unchanged), ("repaired 已修复", report.repaired),
        ("merged pieces 合并的分块", report.merged), ("missing 文件中已无", counts.missing),
        ("ended 已终止", counts.ended), ("set aside 暂存待改", report.set_aside),
    ]  # fmt: skip
    for label, number in rows:
        table.add_row(label, f"{number:,}")
    for reason, number in report.aside.items():
        en, zh = REASONS[reason]
        table.add_row(f"   {en}\n   {zh}", f"{number:,}", style="red")
    for odd, number in report.warnings.items():
        en, zh = ODD.get(odd, (odd, odd))
        table.add_row(f"   ! {en}\n     {zh}", f"{number:,}", style="yellow")
    Console().print(table)
    click.echo(f"{report.seconds:.1f} s, {report.read / max(report.seconds, 1e-6):,.0f} rows/s")
    if dry_run:
        click.echo("dry run: nothing was kept 试运行：未保存任何内容")
    elif report.set_aside:
        click.echo(
            f"see 查看: cim quarantine list; mend and load again 修改后重新载入: "
            f"cim load {report.kind} FILE --source {report.source}"
        )
