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
from cim.codes import names
from cim.commands.acting import say
from cim.commands.listing import as_json, here
from cim.feeds.fleet import check
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

STATES = {
    "never": "从未上报", "silent": "静默", "outside": "超限", "alarm": "告警", "passed": "正常",
}  # fmt: skip
"""How a device was found, in Chinese."""

CLASSES = {code: item["zh"] for code, item in names("device_class").items()}
DEVICE: dict[str, Callable[[Row], str]] = {
    "id 编号": lambda row: str(row["id"]),
    "name 名称": lambda row: row["name"] or "",
    "class 类别": lambda row: CLASSES.get(row["class"]) or str(row["class"]),
    "vendor 供应商": lambda row: str(row["vendor"] or ""),
    "bound to 绑定": lambda row: (
        f"{row['bound_to']['type']}:#{row['bound_to']['id']}" if row["bound_to"] else ""
    ),
    "heard 最近上报": lambda row: (
        here(datetime.fromisoformat(row["heard"])) if row["heard"] else ""
    ),
}
"""What is shown of a device."""

WORST_HEALTH = DEVICE | {
    "online 在线率": _share("online_rate"),
    "complete 完整率": _share("completeness"),
    "offline h 离线": _plain("offline_hours"),
    "battery % 电量": _plain("battery"),
    "alarms 告警": _plain("alarms"),
    "faults 故障": _plain("faults"),
}
WORST_INSPECTED = DEVICE | {"state 状态": lambda row: f"{row['state']} {STATES[row['state']]}"}


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
        _show(found, *((HEALTH, WORST_HEALTH) if hours is None else (INSPECTED, WORST_INSPECTED)))


async def _asked(
    settings: Settings, days: int, hours: int | None, worst: int, by: dict[str, Any]
) -> dict[str, Any]:
    """Groups and the worst devices, as the service answers them."""
    direct = await connect_direct(settings, timeout=PATIENCE).open()
    now = datetime.now(UTC)
    try:
        await check(direct, by)
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


def _show(
    found: dict[str, Any],
    columns: Mapping[str, Callable[[Row], str]],
    worst: Mapping[str, Callable[[Row], str]],
) -> None:
    """A table of groups, and one of the worst devices."""
    if not any(row["devices"] for row in found["groups"]):
        say("no device is meant by that", "没有符合条件的设备")
        return
    Console().print(_table(found["groups"], columns))
    if not found["worst"]:
        return
    Console().print(_table(found["worst"], worst, "worst 最差"))


def _table(
    rows: list[Row], columns: Mapping[str, Callable[[Row], str]], title: str | None = None
) -> Table:
    table = Table(title=title)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(cell(row) for cell in columns.values()))
    return table
