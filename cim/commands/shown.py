"""What `cim load` shows: an inspection, the outcome of a load, and how far it is."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from cim.load import matching, pipeline
from cim.load.inspection import Inspection, Oddity
from cim.load.inspection.outcome import Column
from cim.load.kind import Kind
from cim.load.report import ODD, STEPS, Report
from cim.load.rows import REASONS

SEALED = "cim.sealed"
"""What lets Ctrl-C stop this command again."""

LIKELY = 50
"""From here on a proposal is written into a mapping file."""


def fields(kinds: list[Kind]) -> None:
    """Every kind with its fields, Chinese names included."""
    for kind in kinds:
        click.echo(f"\n{kind.name}  {kind.zh}: {kind.en}")
        for field in kind.all_fields:
            star = "*" if field.required else " "
            click.echo(f"  {star} {field.name:<18} {field.zh}  {field.en}")
    click.echo("\n* required 必填")


@contextmanager
def progress(name: str, quiet: bool) -> Iterator[pipeline.Progress]:
    """A bar on a terminal, a line a step elsewhere, nothing when quiet; on stderr.

    Once it is made final Ctrl-C stops nothing any more, till the command ends or the next begins:
    it would be said that nothing was kept.
    """
    root = click.get_current_context().find_root()
    root.meta.pop(SEALED, lambda: None)()
    before = signal.getsignal(signal.SIGINT)

    def restore() -> None:
        signal.signal(signal.SIGINT, before)

    with _shown(name, quiet) as show:

        def told(step: str, done: int, total: int | None) -> None:
            mine = threading.current_thread() is threading.main_thread()  # else it hears none
            if step == "commit" and mine and signal.getsignal(signal.SIGINT) is before:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                root.meta[SEALED] = root.call_on_close(restore)
            show(step, done, total)

        yield told


@contextmanager
def _shown(name: str, quiet: bool) -> Iterator[pipeline.Progress]:
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
        TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.completed:,} rows 行"), TimeElapsedColumn(), console=console,
    )  # fmt: skip
    with bar:
        task = bar.add_task(f"{name} {STEPS['read']}", total=None)

        def move(step: str, done: int, total: int | None) -> None:
            # A full bar would stop the clock, and there is more to do than reading.
            goal = None if total is None else max(total, done + 1)
            bar.update(task, description=f"{name} {STEPS[step]}", completed=done, total=goal)

        yield move


def outcome(report: Report, dry_run: bool) -> None:
    """The outcome as a table, in both languages, with what was guessed and what is odd."""
    for en, zh in (*report.notes, *report.doubts):
        click.echo(f"{en}\n{zh}")
    for name in report.guessed:
        click.echo(f"{name} ← {report.mapping[name]}  (guessed 按列名推断)")
    title = Text(f"{report.file} → {report.kind} ({report.source})")
    table = Table(title=title, show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    counts = report.counts
    rows = [
        ("read 读入", report.read), ("new 新增", counts.new), ("changed 更新", counts.changed),
        ("unchanged 未变", counts.unchanged), ("repaired 已修复", report.repaired),
        ("merged pieces 合并的分块", report.merged), ("missing 文件中已无", counts.missing),
        ("ended 已终止", counts.ended), ("set aside 暂存待改", report.set_aside),
    ]  # fmt: skip
    if report.mended:
        rows.append(("back from the quarantine 由暂存返回", report.mended))
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
    _aside(report)
    if dry_run:
        click.echo("dry run: nothing was kept 试运行：未保存任何内容")
    elif report.set_aside:
        click.echo(
            f"mend them 修改暂存数据: cim quarantine export mend-me.csv --kind {report.kind}, "
            "cim load mend-me.csv"
        )


def _aside(report: Report) -> None:
    """The first rows that were set aside, one by one."""
    if not report.first:
        return
    table = Table("row 行", "column 列", "value 值", title=Text(report.file))
    table.add_column("reason 原因", overflow="fold")
    for row in report.first:
        en, zh = REASONS[row.reason]
        value = Text((row.value or "")[:60], overflow="fold")
        where = report.mapping.get(row.field or "", row.field or "")
        table.add_row(f"{row.row_no:,}", Text(where, overflow="fold"), value, f"{en}\n{zh}")
    Console().print(table)
    if report.set_aside > len(report.first):
        rest = report.set_aside - len(report.first)
        click.echo(f"and {rest:,} more 另有 {rest:,} 行: cim quarantine list --kind {report.kind}")


def inspection(found: Inspection) -> None:
    """What a file holds and how it would be loaded."""
    console = Console()
    console.print(_heading(found))
    for en, zh in found.notes:
        click.echo(f"{en}\n{zh}")
    if found.columns:
        console.print(_columns(found))
    if found.mapping:
        console.print(_mapping(found))
    for oddity in found.oddities:
        click.echo(f"! {_odd(oddity)}")
    if found.missing:
        names = ", ".join(found.missing)
        click.echo(f"no column for 缺少必填字段的列: {names}; --map {found.missing[0]}=COLUMN")


def _heading(found: Inspection) -> Table:
    table = Table(title=Text(found.file), show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    kinds = ", ".join(f"{kind.name} ({kind.score})" for kind in found.kinds[:3]) or "?"
    rows = "" if found.rows is None else f"{found.rows:,}"
    rows += "  (values of a part of them 仅抽样统计数值)" if found.sampled else ""
    shapes = ", ".join(f"{name} {n:,}" for name, n in (found.geometry or {}).items())
    lines = [
        ("kind 种类", f"{found.kind or '?'}   likely 可能: {kinds}"), ("rows 行数", rows),
        ("format 格式", " ".join(filter(None, (found.format, found.encoding)))),
        ("layer 图层", _layer(found)), ("geometry 几何", shapes),
        ("coordinates 坐标系", _crs(found)), ("extent 范围", _extent(found)),
    ]  # fmt: skip
    for label, value in lines:
        if value:
            table.add_row(label, Text(value))
    return table


def _layer(found: Inspection) -> str:
    if len(found.layers) < 2:
        return ""
    others = ", ".join(name for name in found.layers if name != found.layer)
    return f"{found.layer}   (--layer: {others})"


def _crs(found: Inspection) -> str:
    if found.geometry is None:
        return ""
    if found.crs is not None:
        return found.crs.partition("\n")[0][:80]
    likely = "\n".join(f"--crs {c.code}  {c.sure} %  {c.en} {c.zh}" for c in found.crs_proposals)
    return f"not said 未说明; {likely or 'nothing fits 无法推断'}"


def _extent(found: Inspection) -> str:
    if found.extent is None:
        return ""
    west, south, east, north = found.extent
    return f"{west:.5f} – {east:.5f} E, {south:.5f} – {north:.5f} N"


def _columns(found: Inspection) -> Table:
    table = Table(
        "column 列", "type 类型", "filled 有值", "different 不同值", "range, samples 取值"
    )
    for column in found.columns:
        more = "≥ " if column.more else ""
        cell = Text(_values(column), overflow="fold")
        for oddity in column.oddities:
            cell.append(f"\n! {_odd(oddity)}", style="yellow")
        name = Text(column.name, overflow="fold")
        table.add_row(name, column.type, f"{column.filled:,}", f"{more}{column.distinct:,}", cell)
    return table


def _values(column: Column) -> str:
    if column.filled and not column.samples:
        return "(hidden 已隐藏)"
    span = "" if column.least is None else f"{_plain(column.least)} … {_plain(column.most)}; "
    return span + ", ".join(text[:24] for text in column.samples[:3])


def _plain(value: str | float | None) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _mapping(found: Inspection) -> Table:
    table = Table("field 字段", "", "column 列", "sure", "why 依据", title=f"→ {found.kind}")
    for each in found.mapping:
        if each.column is None and not (each.required or each.why_en):
            continue
        star = "*" if each.required else ""
        sure = "" if each.column is None else f"{each.sure} %"
        style = None if each.sure >= matching.SURE else "yellow" if each.column else "red"
        why = Text(f"{each.why_en}\n{each.why_zh}" if each.why_en else "", overflow="fold")
        column = Text(each.column or "", overflow="fold")
        table.add_row(f"{each.field} {each.zh}", star, column, sure, why, style=style)
    return table


def _odd(oddity: Oddity) -> str:
    rows = ", ".join(map(str, oddity.rows))
    where = f"  (row 行 {rows}{' …' if oddity.count > len(oddity.rows) else ''})" if rows else ""
    return f"{oddity.en} {oddity.zh}: {oddity.count:,}{where}"
