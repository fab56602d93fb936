"""`cim device health`: how reliable devices have been, and which do not pass an inspection."""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cim import settings as settings_module
from cim.commands.listing import as_json
from cim.settings import Settings
from cim.store.engine import connect_direct
from cim.store.queries.feeds import fleet
from cim.store.queries.linked.pieces import living

MOST_SECRET = 32_767
"""Who has the database sees every device."""

PATIENCE = 300.0
"""Seconds that it may take: a million devices are looked through in a few."""

Row = Mapping[str, Any]


def _share(name: str) -> Callable[[Row], str]:
    return lambda row: "" if row[name] is None else f"{row[name]:.1%}"


def _plain(name: str) -> Callable[[Row], str]:
    return lambda row: "" if row[name] is None else f"{row[name]:,}"


def _named(row: Row) -> str:
    key = row["key"] or {}
    return str(key.get("zh") or key.get("name") or key.get("code") or ("全部" if row["by"] == "all"
                                                                      else "—"))  # fmt: skip


HEALTH: dict[str, Callable[[Row], str]] = {
    "by 按": lambda row: str(row["by"]),
    "name 名称": _named,
    "devices 设备": _plain("devices"),
    "online now 在线": _plain("online_now"),
    "online 在线率": _share("online_rate"),
    "complete 完整率": _share("completeness"),
    "delay s 时延": _plain("delay_s"),
    "battery low 低电量": _plain("batteries_low"),
    "alarms 告警": _plain("alarms"),
    "false 误报": _plain("false_alarms"),
    "faults 故障": _plain("faults"),
    "repair h 修复": _plain("repair_hours"),
}
INSPECTED: dict[str, Callable[[Row], str]] = {
    "by 按": lambda row: str(row["by"]),
    "name 名称": _named,
    "devices 设备": _plain("devices"),
    "passed 正常": _plain("passed"),
    "alarm 告警": _plain("alarm"),
    "outside 超限": _plain("outside"),
    "silent 静默": _plain("silent"),
    "never 从未上报": _plain("never"),
}


@click.command()
@click.option(
    "--days", default=7, show_default=True, type=click.IntRange(1, 366),
    help="Whole days of China, until today 统计天数.",
)  # fmt: skip
@click.option(
    "--hours", type=click.IntRange(1, 8760),
    help="Inspect instead: who spoke within so many hours, and is well 远程巡检.",
)  # fmt: skip
@click.option("--class", "class", help="Devices of this class 设备类别.")
@click.option("--vendor", type=int, help="Of the vendor of this id 供应商.")
@click.option("--area", type=int, help="In the area of this id, or below it 区域.")
@click.option(
    "--worst", default=10, show_default=True, type=click.IntRange(0, 1000),
    help="How many devices are listed 列出最差设备数.",
)  # fmt: skip
@as_json
def health(days: int, hours: int | None, worst: int, as_json: bool, **by: Any) -> None:
    """How reliable devices have been, by class, vendor and area. 设备健康与远程巡检。

    \b
    Example:
      cim device health --days 30 --class smoke
      cim device health --hours 24
    """
    everything = fleet.sight(None, living(None), MOST_SECRET)
    found = asyncio.run(_asked(settings_module.load(), days, hours, worst, everything | by))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        _show(found, HEALTH if hours is None else INSPECTED)


async def _asked(
    settings: Settings, days: int, hours: int | None, worst: int, by: dict[str, Any]
) -> dict[str, Any]:
    """Groups and the worst devices, as the service answers them."""
    direct = await connect_direct(settings, timeout=PATIENCE).open()
    now = datetime.now(UTC)
    try:
        if hours is not None:
            row = await direct.row(fleet.inspection(now, hours, (0, worst), **by))
        else:
            until = await direct.value(fleet.UNTIL())
            period = (until - timedelta(days=days), until)
            row = await direct.row(fleet.health(now, period, (0, worst), **by))
    finally:
        await direct.close()
    assert row is not None
    return {name: json.loads(row[name]) for name in ("groups", "worst")}


def _show(found: dict[str, Any], columns: Mapping[str, Callable[[Row], str]]) -> None:
    """A table of groups, and one of the worst devices."""
    groups = Table()
    for name in columns:
        groups.add_column(name, overflow="fold")
    for row in found["groups"]:
        groups.add_row(*(cell(row) for cell in columns.values()))
    Console().print(groups)
    if not found["worst"]:
        return
    rows = [{name: row[name] for name in row if name != "bound_to"} for row in found["worst"]]
    devices = Table(title="worst 最差")
    for name in rows[0]:
        devices.add_column(name, overflow="fold")
    for row in rows:
        devices.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(devices)
