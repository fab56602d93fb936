"""`cim webhook`: who is told of alarms and sent readings over HTTP, and what could not be sent."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from sqlalchemy import Connection

from cim import settings as settings_module
from cim.commands.acting import acting, as_who, dry, opened, say
from cim.commands.listing import Row, as_json, here, show
from cim.errors import InvalidQuery, NotFound
from cim.feeds.webhooks import hooks
from cim.feeds.webhooks.filters import MODES, keeper
from cim.privacy import open_vault
from cim.security.rights import SYSTEM
from cim.store.queries.feeds import webhooks as queries


@click.group()
def webhook() -> None:
    """Who is told of alarms and sent readings over HTTP: regulators, platforms. 告警与读数推送。

    Messages are signed as Standard Webhooks has it; docs/howto/webhooks.md says how to take them.
    They are sent by `cim worker`.

    \b
    Example:
      cim webhook add 电梯安检 https://regulator.example/lifts --classes lift \\
        --readings every --as system
      cim webhook list
      cim webhook dead
      cim webhook again 电梯安检 --as system
    """


def _found(connection: Connection, name: str) -> int:
    row = connection.execute(queries.by_name(name)).first()
    if row is None:
        raise NotFound(f"There is no webhook {name}.", f"没有名为 {name} 的推送。")
    return int(row.id)


LISTS = ("kinds", "classes", "entries", "properties", "datastreams")


def _filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which alarms and readings."""
    for option in (
        click.option("--kinds", help="Kinds of alarms, with commas between 类别: 故障,困人."),
        click.option("--classes", help="Classes of devices 设备类别: lift,smoke."),
        click.option("--entries", help="What happens to alarms 事件: begin,end."),
        click.option("--severity", type=click.IntRange(1, 4), help="That, or worse 最低级别."),
        click.option("--area", type=int, help="In the area of that id 行政区划编号."),
        click.option("--estate", type=int, help="In the estate of that id 小区编号."),
        click.option(
            "--homes/--no-homes",
            default=None,
            help="Devices in units too 含户内设备; for the security administrator.",
        ),
        click.option(
            "--secrecy", type=int, help="Devices up to that level too 最高密级; for the same."
        ),
        click.option("--alarms/--no-alarms", default=None, help="Alarms, or none 是否推送告警."),
        click.option(
            "--readings",
            type=click.Choice([*MODES, "none"]),
            help="Readings 读数: every, changed, of each message the latest, none.",
        ),
        click.option("--properties", help="Readings of what is measured 观测属性: fault,speed."),
        click.option("--datastreams", help="Readings of these, by their ids 数据流编号: 11,12."),
        click.option("--every", "every_s", type=int, help="Seconds of one message 间隔秒数."),
    ):
        command = option(command)
    return command


def _said(given: dict[str, Any], kept: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A filter from the options, over what is kept; an empty list, and none, is any again."""
    found = dict(kept or {})
    for name, value in given.items():
        if value is None:
            continue
        if name in LISTS:
            words = [one.strip() for one in value.split(",") if one.strip()]
            found[name] = [_number(one) for one in words] if name == "datastreams" else words
        else:
            found[name] = None if value == "none" else value
        if found[name] == []:
            found[name] = None
    if given.get("readings") == "none":
        for name in ("properties", "datastreams", "every_s"):
            found.pop(name, None)
    return {name: value for name, value in found.items() if value is not None}


def _number(word: str) -> int:
    if not (word.isascii() and word.isdecimal()):
        raise InvalidQuery(
            "--datastreams takes ids, with commas between.", "--datastreams 须为编号，以逗号分隔。"
        )
    return int(word)


@contextmanager
def _deciding(who: str, dry_run: bool, *filters: Mapping[str, Any]) -> Iterator[Connection]:
    """A transaction of the administrator who decides on such filters."""
    with acting(who, dry_run, keeper(*filters)) as connection:
        yield connection


@webhook.command()
@click.argument("name")
@click.argument("url")
@_filtered
@as_who
@dry
def add(name: str, url: str, who: str, dry_run: bool, **given: Any) -> None:
    """Tell somebody of alarms from now on, and send readings; the secret is shown once. 新增推送。

    \b
    Example:
      cim webhook add 应急 https://duty.example/alarms --severity 3 --as system
      cim webhook add 电梯安检 https://regulator.example/lifts --classes lift \\
        --readings every --every 10 --as system
      cim webhook add 燃气 https://gas.example/homes --classes gas --homes --as security
    """
    told = _said(given)
    with _deciding(who, dry_run, told) as connection:
        vault = open_vault(settings_module.load())
        id, secret = hooks.add(connection, vault, name, url, told, who)
    if dry_run:
        return
    say(f"webhook {id} is told from now on", f"推送 {id} 已启用")
    click.echo(secret)
    say("the secret is shown this once", "密钥仅显示这一次")


@webhook.command("list")
@as_json
def list_them(as_json: bool) -> None:
    """Show who is told, of what, and how that fares. 列出推送。

    \b
    Example:
      cim webhook list --json
    """
    columns: dict[str, Callable[[Row], str]] = {
        "name 名称": lambda row: row["name"] + ("" if row["enabled"] else " (off 停用)"),
        "url 地址": lambda row: row["url"],
        "which 范围": lambda row: json.dumps(row["filter"], ensure_ascii=False),
        "waiting 待发": lambda row: str(row["waiting"]),
        "given up 失败": lambda row: str(row["dead"]),
        "readings 读数": lambda row: (
            f"{row['readings_sent']}"
            + (f" ({row['readings_dropped']} dropped 丢弃)" if row["readings_dropped"] else "")
        ),
        "sent last 最近成功": lambda row: here(row["last_sent"]) if row["last_sent"] else "",
        "fails 原因": lambda row: row["failing"] or "",
    }
    show(hooks.listed, columns, as_json=as_json)


@webhook.command()
@click.argument("name")
@click.option("--url", help="Another address 新地址.")
@click.option("--on/--off", "enabled", default=None, help="In use, or not 启用或停用.")
@click.option("--secret", is_flag=True, help="A new secret, shown once 更换密钥.")
@click.option(
    "--at-once", is_flag=True, help="The old secret signs no more 旧密钥立即失效; else for a day."
)
@_filtered
@as_who
@dry
def change(
    name: str,
    url: str | None,
    enabled: bool | None,
    secret: bool,
    at_once: bool,
    who: str,
    dry_run: bool,
    **given: Any,
) -> None:
    """Change an address, a secret, or of what somebody is told; the rest stays. 修改推送。

    \b
    Example:
      cim webhook change 电梯安检 --off --as system
      cim webhook change 电梯安检 --secret --as system
      cim webhook change 电梯安检 --classes "" --readings none --as system
    """
    asked = any(value is not None for value in given.values())
    if not (url or secret or asked or enabled is not None):
        raise InvalidQuery("Say what is to be changed.", "请指定要修改的内容。")
    with opened() as (_, engine), engine.begin() as connection:
        kept = connection.execute(queries.KEPT, {"id": _found(connection, name)}).one()
    told = _said(given, kept.filter) if asked else None
    switched = not (url or secret or asked)
    with _deciding(who, dry_run, *([] if switched else [kept.filter, told or {}])) as connection:
        vault = open_vault(settings_module.load())
        said = {"url": url, "enabled": enabled, "secret": secret, "at_once": at_once}
        fresh = hooks.change(connection, vault, kept.id, said | {"filter": told})
    if dry_run:
        return
    say(f"{name} is changed", f"{name} 已修改")
    if fresh:
        click.echo(fresh)


@webhook.command()
@click.argument("name")
@as_who
@dry
def end(name: str, who: str, dry_run: bool) -> None:
    """Tell somebody no more; what waits for them is dropped. 删除推送。

    \b
    Example:
      cim webhook end 电梯安检 --as system
    """
    with acting(who, dry_run, SYSTEM) as connection:
        hooks.end(connection, _found(connection, name))
        say(f"{name} is told no more", f"{name} 已删除")


@webhook.command()
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000))
@as_json
def dead(limit: int, as_json: bool) -> None:
    """Show what was given up after many tries. 列出失败的推送。

    \b
    Example:
      cim webhook dead --json
    """
    columns: dict[str, Callable[[Row], str]] = {
        "id 编号": lambda row: str(row["id"]),
        "to 推送": lambda row: row["name"],
        "what 内容": lambda row: (
            f"{row['event_id']} {row['kind']}"
            if row["event_id"]
            else f"{row['readings']} readings 读数"
        ),
        "at 时间": lambda row: here(row["at"]),
        "tries 次数": lambda row: str(row["tries"]),
        "why 原因": lambda row: row["error"] or "",
    }
    show(lambda c: hooks.dead(c, None, limit), columns, as_json=as_json)


@webhook.command()
@click.argument("name")
@click.option("--id", type=int, help="One delivery alone 仅重发一条.")
@as_who
@dry
def again(name: str, id: int | None, who: str, dry_run: bool) -> None:
    """Send what was given up again. 重发。

    \b
    Example:
      cim webhook again 电梯安检 --id 17 --as system
    """
    with acting(who, dry_run, SYSTEM) as connection:
        count = hooks.again(connection, _found(connection, name), id)
        say(f"{count} wait again", f"{count} 条重新等待发送")
