"""`cim webhook`: who is told of alarms over HTTP, and what could not be told."""

import json
from collections.abc import Callable
from typing import Any

import click
from sqlalchemy import Connection

from cim import settings as settings_module
from cim.commands.acting import acting, as_who, say
from cim.commands.listing import Row, as_json, show
from cim.errors import InvalidQuery, NotFound
from cim.feeds.webhooks import hooks
from cim.privacy import open_vault
from cim.security.rights import SYSTEM
from cim.store.queries.feeds import webhooks as queries


@click.group()
def webhook() -> None:
    """Who is told of alarms over HTTP: regulators, platforms. 告警推送。

    Messages are signed as Standard Webhooks has it; docs/howto/alarms.md says how to take them.
    They are sent by `cim worker`.

    \b
    Example:
      cim webhook add 电梯安检 https://regulator.example/alarms --classes lift --as system
      cim webhook list
      cim webhook dead
      cim webhook again 电梯安检 --as system
    """


def _found(connection: Connection, name: str) -> int:
    row = connection.execute(queries.by_name(name)).first()
    if row is None:
        raise NotFound(f"There is no webhook {name}.", f"没有名为 {name} 的推送。")
    return int(row.id)


def _filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which alarms."""
    for option in (
        click.option("--kinds", help="Kinds, with commas between 类别: 故障,困人."),
        click.option("--classes", help="Classes of devices 设备类别: lift,smoke."),
        click.option("--entries", help="What happens to them 事件: begin,end."),
        click.option("--severity", type=click.IntRange(1, 4), help="That, or worse 最低级别."),
        click.option("--area", type=int, help="In the area of that id 行政区划编号."),
        click.option("--estate", type=int, help="In the estate of that id 小区编号."),
        click.option(
            "--homes", is_flag=True, default=None, help="Devices in units too 含户内设备."
        ),
        click.option("--secrecy", type=int, help="Devices up to that level too 最高密级."),
    ):
        command = option(command)
    return command


def _said(given: dict[str, Any]) -> dict[str, Any]:
    """A filter from the options."""
    lists = ("kinds", "classes", "entries")
    return {
        name: [one.strip() for one in value.split(",")] if name in lists else value
        for name, value in given.items()
        if value is not None
    }


@webhook.command()
@click.argument("name")
@click.argument("url")
@_filtered
@as_who
def add(name: str, url: str, who: str, **given: Any) -> None:
    """Tell somebody of alarms from now on; the secret is shown once. 新增推送。

    \b
    Example:
      cim webhook add 电梯安检 https://regulator.example/alarms --classes lift --as system
    """
    with acting(who, False, SYSTEM) as connection:
        vault = open_vault(settings_module.load())
        id, secret = hooks.add(connection, vault, name, url, _said(given), who)
    say(f"webhook {id} is told of alarms from now on", f"推送 {id} 已启用")
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
        "sent last 最近成功": lambda row: (
            f"{row['last_sent']:%Y-%m-%d %H:%M:%S}" if row["last_sent"] else ""
        ),
        "fails 原因": lambda row: row["failing"] or "",
    }
    show(hooks.listed, columns, as_json=as_json)


@webhook.command()
@click.argument("name")
@click.option("--url", help="Another address 新地址.")
@click.option("--on/--off", "enabled", default=None, help="In use, or not 启用或停用.")
@click.option("--secret", is_flag=True, help="A new secret, shown once 更换密钥.")
@_filtered
@as_who
def change(
    name: str, url: str | None, enabled: bool | None, secret: bool, who: str, **given: Any
) -> None:
    """Change an address, a secret, or of what somebody is told. 修改推送。

    \b
    Example:
      cim webhook change 电梯安检 --off --as system
      cim webhook change 电梯安检 --secret --as system
    """
    told = _said(given) or None
    if not (url or secret or told or enabled is not None):
        raise InvalidQuery("Say what is to be changed.", "请指定要修改的内容。")
    with acting(who, False, SYSTEM) as connection:
        vault = open_vault(settings_module.load())
        said = {"url": url, "enabled": enabled, "secret": secret, "filter": told}
        fresh = hooks.change(connection, vault, _found(connection, name), said)
    say(f"{name} is changed", f"{name} 已修改")
    if fresh:
        click.echo(fresh)


@webhook.command()
@click.argument("name")
@as_who
def end(name: str, who: str) -> None:
    """Tell somebody no more; what waits for them is dropped. 删除推送。

    \b
    Example:
      cim webhook end 电梯安检 --as system
    """
    with acting(who, False, SYSTEM) as connection:
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
        "alarm 告警": lambda row: f"{row['event_id']} {row['kind']}",
        "at 时间": lambda row: f"{row['at']:%Y-%m-%d %H:%M:%S}",
        "tries 次数": lambda row: str(row["tries"]),
        "why 原因": lambda row: row["error"] or "",
    }
    show(lambda c: hooks.dead(c, None, limit), columns, as_json=as_json)


@webhook.command()
@click.argument("name")
@click.option("--id", type=int, help="One delivery alone 仅重发一条.")
@as_who
def again(name: str, id: int | None, who: str) -> None:
    """Send what was given up again. 重发。

    \b
    Example:
      cim webhook again 电梯安检 --id 17 --as system
    """
    with acting(who, False, SYSTEM) as connection:
        count = hooks.again(connection, _found(connection, name), id)
    say(f"{count} wait again", f"{count} 条重新等待发送")
