"""`cim feed rollup` and `cim feed retention`: readings summed up again, and taken away in time."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from cim.commands.acting import dry, opened, say
from cim.commands.bar import bar
from cim.errors import InvalidQuery
from cim.settings import Settings

DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.option("--from", "since", type=DAY, metavar="DAY", help="Sum up again from this day 起始日.")
@click.option("--to", "until", type=DAY, metavar="DAY", help="Until the end of this day 截止日.")
@dry
def rollup(since: datetime | None, until: datetime | None, dry_run: bool) -> None:
    """Sum up readings by five minutes, hours and days. 汇总读数。

    `cim feed run` does it by the clock. Without days what is due is summed up; with them, days of
    UTC are done again: after readings were written past the program, or a stream became a counter.
    Sums of readings that are past their days stay as they are.

    \b
    Example:
      cim feed rollup
      cim feed rollup --from 2026-03-01 --to 2026-03-31 --dry-run
    """
    span = _span(since, until)
    with opened() as (settings, _):
        done = asyncio.run(_rolled(settings, span, dry_run))
    if done is None:
        say("Readings are being summed up by another program; try again in a moment.",
            "另一程序正在汇总读数，请稍后再试。")  # fmt: skip
        raise SystemExit(1)
    say(*done)


def _span(since: datetime | None, until: datetime | None) -> tuple[datetime, datetime] | None:
    if since is None and until is None:
        return None
    if since is None or until is None or until < since:
        raise InvalidQuery(
            "--from and --to go together, and --to is no day before --from.",
            "--from 与 --to 须同时给出，且 --to 不早于 --from。",
        )
    return since.replace(tzinfo=UTC), until.replace(tzinfo=UTC) + timedelta(days=1)


async def _rolled(
    settings: Settings, span: tuple[datetime, datetime] | None, dry_run: bool
) -> tuple[str, str] | None:
    """What was done, in two sentences; None where somebody else is at it."""
    from cim.feeds.history.rolling import roll  # noqa: PLC0415 - a driver, for this alone
    from cim.store import feeding  # noqa: PLC0415 - the same
    from cim.store.queries.feeds import rollups  # noqa: PLC0415 - the same

    connection = await feeding.opener(settings)()
    try:
        if span:
            row = await connection.fetchrow(rollups.COUNT_SPAN, *span)
            if dry_run:
                return (
                    f"{row['readings']:,} readings of {row['streams']:,} streams would be summed "
                    "up again; nothing was done",
                    f"将重新汇总 {row['streams']:,} 条数据流的 {row['readings']:,} 条读数；未执行",
                )
            await connection.execute(rollups.MARK_SPAN, *span)
        if dry_run:
            due = await connection.fetchval(rollups.DUE, datetime.now(UTC))
            return f"{due:,} hours and marks are due", f"待汇总的小时与标记：{due:,}"
        with bar("summing up 汇总", None) as advance:
            done = await roll(connection, datetime.now(UTC), lambda _, count: advance(count))
    finally:
        await connection.close()
    if done is None:
        return None
    return (
        f"{done.readings:,} readings; {done.hours:,} hours and {done.days:,} days for the first "
        f"time, {done.again:,} hours of streams again",
        f"读数 {done.readings:,} 条；新汇总 {done.hours:,} 小时、{done.days:,} 天，"
        f"重新汇总 {done.again:,} 个数据流小时",
    )


HOW = {
    "dropped": ("the whole partition", "整个分区"),
    "deleted": ("rows of classes past their days", "到期类别的行"),
    "copied": ("most rows; the others were copied", "大部分行，其余已复制保留"),
    "settled": ("dead letters, settled for 90 days", "已处理满 90 天的死信"),
    "waits": ("waits: not summed up yet, or in use", "暂缓：尚未汇总或正在使用"),
}
"""How something is taken away, in words."""


@click.command()
@dry
def retention(dry_run: bool) -> None:
    """Take away readings and sums that are past their days. 清理到期读数。

    The worker does it every hour. Days of readings go by the class of their stream
    (city.retention_class), sums by their level (city.rollup_level).

    \b
    Example:
      cim feed retention --dry-run
    """
    from cim.store.retention import retain  # noqa: PLC0415 - for this alone

    with opened() as (_, engine):
        found: list[Any] = retain(engine, datetime.now(UTC), dry_run=dry_run)
    for taken in found:
        en, zh = HOW[taken.how]
        click.echo(f"{taken.table}  {taken.rows:>12,}  {en} {zh}")
    if dry_run:
        say(f"{len(found)} partitions; dry run: nothing was taken away",
            f"共 {len(found)} 个分区；试运行：未清理")  # fmt: skip
    else:
        say(f"{len(found)} partitions", f"共 {len(found)} 个分区")
