"""`cim device`: devices registered, bound, and given keys."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection

from cim.commands import shown
from cim.commands.acting import HERE, dry, moment, opened, say, until
from cim.commands.health import health
from cim.commands.listing import as_json, here, show
from cim.errors import Conflict, InvalidQuery, NotFound
from cim.feeds import devices, registering, types
from cim.feeds.written import text_of
from cim.load.pipeline import Request
from cim.settings import Settings
from cim.store.queries.feeds import keys as queries

SOURCE = "registered"
"""The system of devices that are registered by hand."""


@click.group()
def device() -> None:
    """Devices: registered, bound to what they stand in, given keys. 设备登记、绑定与密钥。

    DEVICE is its key in its source, or #ID as our own id.

    \b
    Example:
      cim device register --class power_meter --id meter-7 --bind unit:U-1001
      cim device register devices.csv --source 设备平台
      cim device key meter-7
    """


@contextmanager
def _writing(dry_run: bool) -> Iterator[tuple[Connection, Settings]]:
    """One transaction; nothing is kept of a dry run."""
    with opened() as (settings, engine), engine.connect() as connection:
        yield connection, settings
        if dry_run:
            connection.rollback()
            say("dry run: nothing was kept", "试运行：未保存任何内容")
        else:
            connection.commit()


@device.command()
@click.argument(
    "path", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--class", "class_code", help="Its class, such as power_meter 设备类别.")
@click.option("--id", "key", help="Its key, by which its messages name it 设备编号.")
@click.option("--name", help="Name 名称.")
@click.option("--bind", "to", metavar="KIND:KEY", help="What it is bound to 绑定对象.")
@click.option("--gateway", help="The device that it speaks through 网关.")
@click.option("--source", help="Name of the system that its key is of 来源系统.")
@dry
def register(path: Path | None, dry_run: bool, **said: str | None) -> None:
    """Register one device, or a file of them as `cim load devices` takes it. 登记设备。

    Each gets the streams that its class has (`cim device types`). Registering again is an update:
    what is not said stays. Rows that cannot come in are named, and kept (`cim quarantine`).

    \b
    Example:
      cim device register --class lift --id lift-3 --bind entrance:#12
      cim device register devices.csv --source 设备平台 --dry-run
    """
    if path is not None:
        sys.exit(_register_file(path, said["source"], dry_run))
    if not said["class_code"] or not said["key"]:
        raise InvalidQuery(
            "Name a file, or one device by --class and --id.",
            "请给出文件，或用 --class 与 --id 指定一台设备。",
        )
    row: dict[str, Any] = {"id": said["key"], "class": said["class_code"]}
    row |= {n: said[a] for n, a in ONE.items() if said[a]}
    source = said["source"] or SOURCE
    with _writing(dry_run) as (connection, settings):
        done = registering.register(connection, settings, [row], source)
        for fault in done.faults:
            raise _refused(fault)
        _new_source(source, done.source_new)
        say(
            f"{done.new} new, {done.changed} changed; {done.streams} streams made",
            f"新增 {done.new}，变更 {done.changed}；新建数据流 {done.streams}",
        )


ONE = {"name": "name", "bind": "to", "gateway": "gateway"}
"""What is said of one device → the option that says it."""


def _register_file(path: Path, source: str | None, dry_run: bool) -> int:
    """Register a file, and say what of it could not come in; the exit code."""
    with opened() as (settings, engine), engine.connect() as connection:
        name = source or path.stem
        known = connection.execute(queries.SOURCE, {"name": name}).first()
        asked = Request(source=source)
        report, streams = devices.register(connection, settings, path, asked)
        # Kept before it is told: whoever reads the first lines alone (`| head`) ends us.
        if dry_run:
            connection.rollback()
        else:
            connection.commit()
    _new_source(report.source, known is None)
    counts, aside = report.counts, report.set_aside
    say(
        f"{counts.new} new, {counts.changed} changed, {aside} set aside; {streams} streams made",
        f"新增 {counts.new}，变更 {counts.changed}，待修 {aside}；新建数据流 {streams}",
    )
    shown.outcome(report, dry_run)
    return report.exit_code


def _new_source(name: str, new: bool) -> None:
    if new:
        say(f"the source {name} is new", f"来源系统 {name} 为新建")


def _refused(fault: registering.Fault) -> InvalidQuery:
    """Why the one device that was typed cannot come in."""
    if fault.field == "class":
        return InvalidQuery(
            f"There is no class {fault.value}: `cim device types` lists them.",
            f"没有类别 {fault.value}：运行 cim device types 查看。",
        )
    return InvalidQuery(
        f"--{fault.field} {fault.value}: {fault.en}.",
        f"--{fault.field} {fault.value}：{fault.zh}。",
    )


@device.command()
@click.argument("device")
@click.argument("to", required=False, metavar="[KIND:KEY]")
@click.option("--source", help="Name of the system that its key is of 来源系统.")
@click.option("--nothing", is_flag=True, help="Bind it to nothing 解除绑定.")
@click.option("--since", metavar="TIME", help="From then on, as 2026-03-09T08:00+08:00 起始时间.")
@dry
def bind(
    device: str,
    to: str | None,
    source: str | None,
    nothing: bool,
    since: str | None,
    dry_run: bool,
) -> None:
    """Bind a device to KIND:KEY or KIND:#ID, or show what it was bound to. 绑定设备。

    Kinds are unit, entrance, storey, building, estate, facility, project. Readings stay with what
    it was bound to at their time. --since says that it has been so since then.

    \b
    Example:
      cim device bind meter-7 unit:U-1001
      cim device bind lift-3 entrance:#12
      cim device bind meter-7
    """
    with _writing(dry_run) as (connection, _):
        one = devices.find(connection, device, source)
        if to or nothing:
            changed = devices.bind(connection, one, None if nothing else to, _time(since))
            say("bound" if changed else "as it was", "已绑定" if changed else "未变化")
        for row in connection.execute(queries.BINDINGS, {"device": one.id}):
            what = f"{row.bind_type}:#{row.bind_id}" if row.bind_type else "nothing 无"
            until_ = here(row.valid_to) if row.valid_to else "now 至今"
            click.echo(f"{here(row.valid_from)} … {until_}  {what}")


def _time(word: str | None) -> datetime | None:
    """A moment that was typed; without a zone it is one of here."""
    if word is None:
        return None
    try:
        said = datetime.fromisoformat(word)
        return said if said.tzinfo else said.replace(tzinfo=HERE)
    except ValueError:
        raise InvalidQuery(
            f"{word} is no time; write 2026-03-09T08:00+08:00.",
            f"{word} 不是时间；写作 2026-03-09T08:00+08:00。",
        ) from None


@device.command("types")
@click.option("--class", "class_code", help="Of this class alone 仅该类别.")
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take over classes and streams from a JSON file 从文件载入.",
)
@as_json
@dry
def show_types(class_code: str | None, path: Path | None, as_json: bool, dry_run: bool) -> None:
    """Show the streams that devices of each class have, or take over others. 设备类型。

    A file is what --json prints, or a JSON list of objects with class and streams, each of these
    with name, zh, en, property, unit, type, kind, low, high, interval_s, retention. Streams that
    devices have already stay as they are.

    \b
    Example:
      cim device types --class lift
      cim device types --class lift --json > our-types.json
      cim device types --file our-types.json --dry-run
    """
    if path is not None:
        with _writing(dry_run) as (connection, _):
            number = types.take_over(connection, path)
            say(f"{number} streams of classes", f"已载入 {number} 个类型数据流")
        return
    show(
        lambda connection: connection.execute(queries.TYPES, {"class": class_code}).mappings(),
        COLUMNS,
        as_json=as_json,
    )


COLUMNS: dict[str, Any] = {
    "class 类别": lambda row: row["class_code"],
    "stream 数据流": lambda row: row["name"],
    "名称": lambda row: row["name_zh"],
    "unit 单位": lambda row: row["unit_ucum"] or "",
    "type 类型": lambda row: f"{row['result_type']}, {row['kind']}",
    "limits 范围": lambda row: (
        ""
        if row["low"] is None and row["high"] is None
        else " … ".join("" if end is None else f"{end:g}" for end in (row["low"], row["high"]))
    ),
    "every s 间隔": lambda row: str(row["interval_s"] or ""),
    "kept 保存": lambda row: row["retention"],
}
"""What is shown of a stream of a class."""


@device.command()
@click.argument("device", required=False)
@click.option("--source", help="Name of the system that its key is of 来源系统.")
@click.option("--end", is_flag=True, help="End its key, make none 终止密钥.")
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="For each device of a file, a line each 批量.",
)
@until
@dry
def key(
    device: str | None,
    source: str | None,
    end: bool,
    path: Path | None,
    until: datetime | None,
    dry_run: bool,
) -> None:
    """Make a key for a device or a gateway and print it, once. 设备密钥。

    The key it had ends. With it a device publishes below cim/v1/USER/ at the broker, or pushes over
    HTTP; it writes its own streams alone, a gateway those of the devices behind it.

    \b
    Example:
      cim device key meter-7 --until 2028-01-01
      cim device key --file devices.txt > keys.jsonl
      cim device key meter-7 --end
    """
    names = {device: ""} if device else {}
    if path is not None:
        for number, line in enumerate(text_of(path).splitlines(), 1):
            if line.strip():  # a device that is there twice has one key
                names.setdefault(line.strip(), f"{path.name}:{number}: ")
    if not names:
        raise InvalidQuery("Name a device, or a file of them.", "请给出设备或设备清单文件。")
    expires = moment(until)
    if expires is not None and expires <= datetime.now(UTC):
        raise InvalidQuery("--until must be a day to come.", "--until 必须为将来的日期。")
    lines = []
    with _writing(dry_run) as (connection, _):
        for name, where in names.items():
            one = _found(connection, name, source, where)
            if end:
                had = devices.end_key(connection, one)
                lines.append(f"{name}: {'ended 已终止' if had else 'had none 没有密钥'}")
                continue
            made = devices.make_key(connection, one.id, expires)
            told = {"device": name, "id": one.id, "user": made.username, "key": made.key}
            lines.append(json.dumps(told, ensure_ascii=False))
    for line in lines if end or not dry_run else []:
        click.echo(line)


def _found(connection: Connection, name: str, source: str | None, where: str) -> devices.Device:
    """A device that a list names; who is none is said with its line."""
    try:
        return devices.find(connection, name, source)
    except (NotFound, Conflict) as error:
        raise type(error)(f"{where}{error}", f"{where}{error.zh}") from None


@device.command()
@click.argument("device")
@click.option("--source", help="Name of the system that its key is of 来源系统.")
@click.option("--days", default=devices.CLAIM_DAYS, show_default=True, type=click.IntRange(1, 3650))
@dry
def claim(device: str, source: str | None, days: int, dry_run: bool) -> None:
    """Make a code by which whoever puts a device up gets its key, once. 设备认领码。

    Printed beside the device, or as a QR code on it: `POST /devices/claim` takes it.

    \b
    Example:
      cim device claim meter-7 --days 90
    """
    with _writing(dry_run) as (connection, _):
        one = devices.find(connection, device, source)
        code = devices.make_claim(connection, one, days)
    if not dry_run:
        say("the code, shown this once:", "认领码仅显示这一次：")
        click.echo(code)


device.add_command(health)
