"""`cim alarm`: alarms listed and worked on, their rules, and their history proved."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection, text

from cim.commands.acting import acting, as_who, dry, opened, say
from cim.commands.listing import Row, as_json, here, show
from cim.errors import NotFound, SourceError
from cim.feeds.alarms import acting as work
from cim.feeds.alarms import proving, rules
from cim.feeds.alarms.acting import Act
from cim.feeds.written import json_of
from cim.security import chains
from cim.security.rights import ALARMS_WRITE

SHOWN = 20
"""Faults that are named one by one."""

NUMBER = click.IntRange(1, (1 << 63) - 1)
"""An id."""

_LIST = text("""
    SELECT e.id, e.kind, e.severity, coalesce(e.state, 'open') AS state, e.started_at, e.ended_at,
        coalesce(e.message_zh, e.place, '') AS message_zh, e.message_en, e.device_id,
        e.false_alarm, (SELECT count(*) FROM city.event_unit x WHERE x.event_id = e.id) AS units
    FROM city.event e
    WHERE (:every OR e.ended_at IS NULL) AND e.kind <> '门禁'
        AND (CAST(:device AS bigint) IS NULL OR e.device_id = :device)
    ORDER BY e.id DESC LIMIT :limit""")

_HISTORY = text("""
    SELECT id, event_id, kind, at, noted_at, actor, note, value, value_text, lane, no,
        encode(digest, 'hex') AS digest
    FROM city.event_entry WHERE event_id = :id ORDER BY id""")


@click.group()
def alarm() -> None:
    """Alarms, the rules they are raised by, their history. 告警。

    \b
    Example:
      cim alarm list
      cim alarm ack 7 --note 维保已派单 --as duty
      cim alarm verify --anchor last.json --write-anchor new.json
      cim alarm rules
    """


@alarm.command("list")
@click.option("--all", "every", is_flag=True, help="Those that have ended too 含已结束.")
@click.option("--device", type=NUMBER, help="Of one device, by its id 设备编号.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000))
@as_json
def list_them(every: bool, device: int | None, limit: int, as_json: bool) -> None:
    """Show alarms that go on, newest first. 列出告警。

    \b
    Example:
      cim alarm list --all --device 101 --json
    """
    asked = {"every": every, "device": device, "limit": limit}
    show(lambda c: c.execute(_LIST, asked).mappings(), COLUMNS, as_json=as_json)


COLUMNS: dict[str, Callable[[Row], str]] = {
    "id 编号": lambda row: str(row["id"]),
    "kind 类别": lambda row: row["kind"],
    "severity 级别": lambda row: str(row["severity"] or ""),
    "state 状态": lambda row: row["state"] + (" false 误报" if row["false_alarm"] else ""),
    "begun 开始": lambda row: here(row["started_at"]),
    "units 影响户数": lambda row: str(row["units"]),
    "message 内容": lambda row: row["message_zh"],
}
"""What is shown of an alarm."""


@alarm.command()
@click.argument("id", type=NUMBER)
@as_json
def history(id: int, as_json: bool) -> None:
    """Show all that happened to one alarm. 告警历史。

    \b
    Example:
      cim alarm history 7
    """
    columns: dict[str, Callable[[Row], str]] = {
        "what 事件": lambda row: row["kind"],
        "at 时间": lambda row: here(row["at"]),
        "who 操作者": lambda row: row["actor"] or "",
        "note 备注": lambda row: row["note"] or row["value_text"] or "",
        "digest 摘要": lambda row: row["digest"][:16],
    }

    def entries(connection: Connection) -> list[Row]:
        found: list[Row] = [
            dict(row) for row in connection.execute(_HISTORY, {"id": id}).mappings()
        ]
        if not found:
            raise NotFound(f"No alarm has the id {id}.", f"没有编号为 {id} 的告警。")
        return found

    show(entries, columns, as_json=as_json)


def _act(name: str, what: Act, help_: str, done: tuple[str, str]) -> None:
    """A command that does something with an alarm."""

    def run(id: int, note: str | None, who: str, dry_run: bool) -> None:
        with acting(who, dry_run, ALARMS_WRITE) as connection:
            work.act(connection, id, what, note)
            say(f"alarm {id}: {done[0]}", f"告警 {id}：{done[1]}")

    run.__doc__ = help_
    noted = click.option("--note", help="What is to be said of it 备注; no names of people.")
    alarm.command(name)(click.argument("id", type=NUMBER)(noted(as_who(dry(run)))))


_EXAMPLE = "\n\n\b\nExample:\n  cim alarm {} 7 --note 已派单 --as duty\n"
_act("ack", "acknowledge", "Take an alarm on. 确认。" + _EXAMPLE.format("ack"),
     ("acknowledged", "已确认"))  # fmt: skip
_act("note", "note", "Write into an alarm's history. 备注。" + _EXAMPLE.format("note"),
     ("noted", "已备注"))  # fmt: skip
_act("close", "end", "End an alarm by hand. 结束。" + _EXAMPLE.format("close"),
     ("ended", "已结束"))  # fmt: skip
_act("false", "false", "Mark an alarm as false. 标记误报。" + _EXAMPLE.format("false"),
     ("marked as false", "已标记为误报"))  # fmt: skip
_act("reopen", "reopen", "Open an ended alarm again. 重新打开。" + _EXAMPLE.format("reopen"),
     ("open again", "已重新打开"))  # fmt: skip


@alarm.command()
@click.option(
    "--anchor",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What an earlier run wrote: the history must hold it still 以前的锚点.",
)
@click.option(
    "--write-anchor",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the ends of the chains, to be kept elsewhere 写出锚点.",
)
def verify(anchor: Path | None, write_anchor: Path | None) -> None:
    """Prove that nobody changed the history of alarms. 校验告警历史。

    Finds entries that were changed, removed, or put in by hand, and alarms that are not what their
    history says. The exit code is 0 where all is as it was written, 1 where not.

    \b
    Example:
      cim alarm verify --anchor last.json --write-anchor new.json
    """
    held = chains.read_anchor(anchor.read_text("utf-8")) if anchor else None
    with opened() as (_, engine):
        steady = engine.execution_options(isolation_level="REPEATABLE READ")
        with steady.connect() as connection:
            verdict = proving.verify(connection, held)
    for fault in verdict.faults[:SHOWN]:
        at = f" {here(fault.at)}" if fault.at else ""
        say(
            f"chain {fault.lane}, entry {fault.no}{at}: {fault.en}",
            f"链 {fault.lane} 第 {fault.no} 条{at}：{fault.zh}",
        )
    if len(verdict.faults) > SHOWN:
        rest = len(verdict.faults) - SHOWN
        say(f"and {rest} more", f"另有 {rest} 处")
    if verdict.faults:
        raise SystemExit(1)
    say(
        f"{verdict.lines:,} entries are as they were written",
        f"{verdict.lines:,} 条告警历史均未被改动",
    )
    if write_anchor:
        write_anchor.write_text(chains.write_anchor(verdict.anchor), "utf-8")


@alarm.command("rules")
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Rules to add or change, a JSON list 规则文件.",
)
@click.option("--as", "who", envvar="CIM_AS", metavar="ACCOUNT", help="Who changes rules 操作者.")
@as_json
@dry
def show_rules(path: Path | None, who: str | None, as_json: bool, dry_run: bool) -> None:
    """Show the rules that alarms are raised by, or bring rules from a file. 告警规则。

    A rule of the file changes the one of its `id`, else the one of its name; else it is added. All
    of a file come in, or none.

    \b
    Example:
      cim alarm rules --json
      cim alarm rules --file rules.json --as duty --dry-run
    """
    if path is None:
        show(_rules, RULE_COLUMNS, as_json=as_json)
        return
    if who is None:
        raise click.UsageError("--as ACCOUNT is needed to change rules; 修改规则须指定 --as 账户")
    said = _rules_of(path)
    with acting(who, dry_run, ALARMS_WRITE) as connection:
        named = {row.name: row.id for row in rules.listed(connection)}
        for one in said:
            name = one.get("name", "")
            given = {key: value for key, value in one.items() if key != "id"}
            id = one.get("id", named.get(name))
            if id is None:
                id = named[name] = rules.add(connection, DEFAULTS | given, who)
                say(f"rule {id} is added: {name}", f"新增规则 {id}：{name}")
            else:
                rules.change(connection, id, given, who)
                say(f"rule {id} is changed: {name}", f"修改规则 {id}：{name}")


def _rules_of(path: Path) -> list[dict[str, Any]]:
    """What a file of rules says; SourceError where it is none."""
    said = json_of(path)
    found = said if isinstance(said, list) else [said]
    if not all(isinstance(one, dict) for one in found):
        raise SourceError(
            f"{path.name}: a rule is an object with name, type, condition …",
            f"{path.name}：每条规则须为含 name、type、condition 等字段的对象。",
        )
    return found


DEFAULTS: dict[str, Any] = {
    "condition": {}, "severity": 2, "cooldown_s": 0, "enabled": True, "event_kind": "告警",
    "affects": "bound",
}  # fmt: skip
"""What a rule in a file need not say."""


def _rules(connection: Connection) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in row._mapping.items() if name != "ended_at"}
        for row in rules.listed(connection)
    ]


RULE_COLUMNS: dict[str, Callable[[Row], str]] = {
    "id 编号": lambda row: str(row["id"]),
    "name 名称": lambda row: f"{row['name']}\n{row['name_en'] or ''}",
    "type 类型": lambda row: row["type"],
    "severity 级别": lambda row: str(row["severity"]),
    "condition 条件": lambda row: json.dumps(row["condition"], ensure_ascii=False),
    "in use 启用": lambda row: "✓" if row["enabled"] else "",
}
"""What is shown of a rule."""
