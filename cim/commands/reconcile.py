"""`cim reconcile`: the buildings of two sources laid beside each other."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from cim import settings as settings_module
from cim.errors import NotFound
from cim.store import engine
from cim.store.queries import matches

DECISIONS = {"same": "同一建筑", "different": "不同建筑", "proposed": "待定"}
"""What can be decided of a pair; `proposed` takes a decision back."""


@contextmanager
def _city() -> Iterator[Connection]:
    """A transaction in the city's database."""
    database = engine.connect(settings_module.load())
    try:
        with database.begin() as connection:
            yield connection
    finally:
        database.dispose()


@click.group()
def reconcile() -> None:
    """Find buildings that two sources both have, and keep what is decided of each pair.

    Pairs are proposed by overlap of their outlines, by code and by address. Nothing is merged or
    ended; `cim check` no longer tells of pairs that were decided to be different.

    \b
    Example:
      cim reconcile propose 测绘2024 房产登记
      cim reconcile list
      cim reconcile decide 17 18 same
      cim reconcile accept 测绘2024 房产登记 --above 90
    """


@reconcile.command()
@click.argument("first")
@click.argument("second")
@click.option(
    "--least", default=30, show_default=True, type=click.IntRange(1, 100), help="Lowest score."
)
@click.option("--dry-run", is_flag=True, help="Say what would be proposed, and keep nothing.")
def propose(first: str, second: str, least: int, dry_run: bool) -> None:
    """Propose pairs of the sources FIRST and SECOND; earlier decisions stay.

    \b
    Example:
      cim reconcile propose 测绘2024 房产登记 --least 50
    """
    with _city() as connection:
        first, second, pair = _sources(connection, first, second)
        connection.execute(matches.FORGET, pair)
        connection.execute(matches.PROPOSE, pair | {"least": least})
        found = connection.execute(matches.SUMMARY, pair).one()
        if dry_run:
            connection.rollback()
    table = Table(title=Text(f"{first} · {second}"), title_justify="left", show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    for label, number in (
        (f"buildings of 建筑数 {first}", found.in_a), (f"buildings of 建筑数 {second}", found.in_b),
        ("proposed pairs 待定配对", found.proposed), ("same 已定为同一", found.same),
        ("different 已定为不同", found.different),
        (f"in several pairs 一对多 {first}", found.several),
        (f"only in 仅见于 {first}", found.in_a - found.paired_a),
        (f"only in 仅见于 {second}", found.in_b - found.paired_b),
    ):  # fmt: skip
        table.add_row(Text(label), f"{number:,}")
    Console().print(table)
    if dry_run:
        click.echo("dry run: nothing was kept 试运行：未保存任何内容")


@reconcile.command("list")
@click.option("--decision", type=click.Choice(list(DECISIONS)), help="Only such pairs.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1_000_000))
@click.option(
    "--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write them here."
)
def listing(decision: str | None, limit: int, file: Path | None) -> None:
    """List pairs, the surest first.

    \b
    Example:
      cim reconcile list --decision proposed --limit 20
    """
    asked = {"a": None, "b": None, "decision": decision, "limit": limit, "offset": 0}
    with _city() as connection:
        found = connection.execute(matches.LIST, asked).mappings().all()
    if file:
        rows = [dict(row) for row in found]
        file.write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
        click.echo(f"{len(rows):,} pairs 对 → {file}")
        return
    if not found:
        click.echo("no pairs; propose some first: cim reconcile propose FIRST SECOND")
        click.echo("没有配对；请先运行 cim reconcile propose 来源一 来源二")
        return
    table = Table("id", "score 得分", "overlap 重叠", "also 另有", "first 甲", "second 乙", "")
    for row in found:
        also = " ".join(word for word, true in row["reasons"].items() if true)
        table.add_row(
            str(row["id"]), str(row["score"]), _percent(row["overlap"]), also,
            Text(_named(row, "a")), Text(_named(row, "b")), DECISIONS[row["decision"]],
        )  # fmt: skip
    Console().print(table)


def _percent(part: float | None) -> str:
    return "" if part is None else f"{part:.0%}"


def _named(row: Any, side: str) -> str:
    return " ".join(
        str(word) for word in (row[f"{side}_id"], row[f"{side}_name"], row[f"{side}_key"]) if word
    )


@reconcile.command()
@click.argument("ids", nargs=-1, required=True, type=int)
@click.argument("decision", type=click.Choice(list(DECISIONS)))
def decide(ids: tuple[int, ...], decision: str) -> None:
    """Keep what was decided of the pairs IDS; `proposed` takes it back.

    \b
    Example:
      cim reconcile decide 17 18 different
    """
    with _city() as connection:
        known = set(connection.execute(matches.known(), {"ids": list(ids)}).scalars())
        unknown = ", ".join(str(key) for key in ids if key not in known)
        if unknown:
            raise NotFound(f"no pair has the id {unknown}", f"没有编号为 {unknown} 的配对")
        asked = {"ids": list(ids), "decision": decision, "by": getpass.getuser()}
        count = connection.execute(matches.DECIDE, asked).rowcount
    click.echo(f"{count:,} pairs: {decision} · 对配对已定为{DECISIONS[decision]}")


@reconcile.command()
@click.argument("first")
@click.argument("second")
@click.option("--above", default=90, show_default=True, type=click.IntRange(1, 100))
@click.option("--dry-run", is_flag=True, help="Only count them.")
def accept(first: str, second: str, above: int, dry_run: bool) -> None:
    """Decide the sure ones the same: a high score, and neither building in another pair.

    \b
    Example:
      cim reconcile accept 测绘2024 房产登记 --above 95
    """
    with _city() as connection:
        _, _, pair = _sources(connection, first, second)
        asked = {**pair, "least": above, "decision": "same", "by": getpass.getuser()}
        count = connection.execute(matches.ACCEPT, asked).rowcount
        if dry_run:
            connection.rollback()
    click.echo(f"{count:,} pairs: same · 对配对已定为同一建筑")
    if dry_run:
        click.echo("dry run: nothing was kept 试运行：未保存任何内容")


def _sources(connection: Connection, first: str, second: str) -> tuple[str, str, dict[str, int]]:
    """Two sources in the order in which they were compared first, and their ids.

    Pairs are kept in one order alone, so that no pair is decided twice.  NotFound names the
    sources that there are.
    """
    known = {row.name: row.id for row in connection.execute(matches.SOURCES)}
    for name in (first, second):
        if name not in known:
            raise NotFound(
                f"no buildings came from a source {name}; there are: {', '.join(known)}",
                f"没有来自“{name}”的建筑；现有来源：{'、'.join(known)}",
            )
    if first == second:
        raise NotFound("a source is not compared with itself", "不能与自身比对")
    pair = {"a": known[first], "b": known[second]}
    if connection.execute(matches.TURNED, pair).scalar_one():
        return second, first, {"a": pair["b"], "b": pair["a"]}
    return first, second, pair
