"""`cim feed dead`: messages that could not come in."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

import click
from sqlalchemy import Connection, TextClause

from cim.commands.acting import dry, opened, say
from cim.commands.listing import as_json, here, show
from cim.errors import InvalidQuery
from cim.store.queries.feeds import letters as queries

FATES = {
    "stored": "已入库", "duplicate": "重复", "late": "其中迟到", "corrected": "已更正",
    "out_of_range": "其中超量程", "left_out": "略去", "settled": "已处理",
}  # fmt: skip
"""What becomes of readings besides being dead letters, in Chinese."""


def tell(fates: Mapping[str, int]) -> None:
    """How many readings had which fate, or became dead letters for which reason."""
    for fate, number in sorted(fates.items()):
        click.echo(f"{fate}: {number:,}  {FATES.get(fate) or _sentence(fate)[1]}")
    if not fates:
        say("nothing came in", "没有读数")


def left(fates: Mapping[str, int]) -> bool:
    """Whether something could not come in: the exit code is 1 then, as of a load."""
    return any(number for fate, number in fates.items() if fate not in FATES)


@click.group()
def dead() -> None:
    """Messages that could not come in: listed, brought again, dropped. 死信。

    \b
    Example:
      cim feed dead list
      cim feed dead replay --reason no_device
    """


def _chosen(command: Any) -> Any:
    """Options that say which."""
    for option in (
        click.option("--feed", "feed_", help="Of this feed 接入源."),
        click.option("--reason", help="For this reason 原因."),
        click.option("--id", "ids", multiple=True, type=int, help="These; may be repeated 编号."),
    ):
        command = option(command)
    return command


def _asked(
    connection: Connection, feed_: str | None, reason: str | None, ids: tuple[int, ...]
) -> dict[str, Any]:
    """What was chosen; NotFound for a feed, InvalidQuery for a reason that there is not."""
    from cim.feeds import adding  # noqa: PLC0415 - the decoders, for this alone
    from cim.feeds.reasons import REASONS  # noqa: PLC0415 - where letters are chosen alone

    if feed_ is not None:
        adding.check(connection, feed_)
    if reason is not None and reason not in REASONS:
        known = ", ".join(REASONS)
        raise InvalidQuery(
            f"There is no reason {reason}; there are {known}.",
            f"没有原因 {reason}；可用：{known}。",
        )
    return {"feed": feed_, "reason": reason, "ids": list(ids) or None}


COUNTED: dict[str, Any] = {
    "feed 接入源": lambda row: row["feed"] or "",
    "reason 原因": lambda row: "\n".join((row["reason"], *_sentence(row["reason"]))),
    "letters 死信": lambda row: f"{row['letters']:,}",
    "more 另有": lambda row: f"{row['repeats']:,}",
}
LETTERS: dict[str, Any] = {
    "no. 编号": lambda row: str(row["id"]),
    "came 收到": lambda row: here(row["received_at"], "%m-%d %H:%M:%S"),
    "feed, topic 主题": lambda row: f"{row['feed'] or ''}\n{row['topic']}",
    "reason 原因": lambda row: "\n".join((row["reason"], _sentence(row["reason"])[1])),
    "detail 详情": lambda row: (row["detail"] or "")[:120],
    "payload 报文": lambda row: "" if row["payload"] is None else str(row["payload"])[:80],
}
"""What is shown of dead letters, together and one by one."""


def _sentence(reason: str) -> tuple[str, str]:
    from cim.feeds.reasons import sentence  # noqa: PLC0415 - where letters are shown alone

    return sentence(reason)


@dead.command("list")
@_chosen
@click.option("--count", is_flag=True, help="How many of each feed and reason 汇总.")
@click.option("--settled", is_flag=True, help="Those too that are settled 包括已处理.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
@as_json
def list_dead(count: bool, settled: bool, limit: int, as_json: bool, **which: Any) -> None:
    """Show them with their reasons; as JSON with what they held. 列出死信。

    \b
    Example:
      cim feed dead list --count
      cim feed dead list --feed lora --reason no_device --json
    """

    def found(one: Connection, statement: TextClause) -> Iterable[Any]:
        asked = {**_asked(one, **which), "settled": settled, "after": 0, "limit": limit}
        return one.execute(statement, asked).mappings()

    if count:
        show(lambda one: found(one, queries.COUNTED), COUNTED, as_json=as_json)
        return
    show(lambda one: map(_told, found(one, queries.LETTERS)), LETTERS, as_json=as_json)


def _told(row: Any) -> dict[str, Any]:
    """A letter as JSON holds it: its payload as text, or as base64 where it is none."""
    payload = row["payload"]
    if payload is None:
        return dict(row)
    try:
        return {**row, "payload": bytes(payload).decode()}
    except UnicodeDecodeError:
        return {**row, "payload": {"base64": base64.b64encode(payload).decode()}}


@dead.command("replay")
@_chosen
@click.option("--correct", is_flag=True, help="Replace what is there of the same time 覆盖.")
def replay_dead(correct: bool, **which: Any) -> None:
    """Bring them again, once what was missing is there. 重放死信。

    What comes in is settled; the others say why not, and the exit code is 1. Of what came twice
    with different values (differs), --correct takes the later.

    \b
    Example:
      cim feed dead replay --feed lora --reason no_device
      cim feed dead replay --reason differs --correct
    """
    from cim.feeds import replay as replaying  # noqa: PLC0415 - drivers, for this alone

    with opened() as (settings, engine), engine.connect() as connection:
        asked = _asked(connection, **which)
        fates = replaying.again(settings, connection, asked, correct=correct)
    tell(fates)
    if left(fates):
        raise SystemExit(1)


@dead.command()
@_chosen
@dry
def drop(dry_run: bool, **which: Any) -> None:
    """Say that they will never come in; what they held is forgotten. 丢弃死信。

    \b
    Example:
      cim feed dead drop --reason not_decodable --dry-run
    """
    if not any(which.values()):
        raise InvalidQuery(
            "Say which: --feed, --reason or --id.", "请用 --feed、--reason 或 --id 指定。"
        )
    with opened() as (_, engine), engine.connect() as connection:
        number = connection.execute(
            queries.DROP, {**_asked(connection, **which), "settled": False}
        ).rowcount
        if dry_run:
            connection.rollback()
        else:
            connection.commit()
    say(f"{number:,} dropped", f"已丢弃 {number:,} 条")
    if dry_run:
        say("dry run: nothing was kept", "试运行：未保存任何内容")
