"""`cim changes`: the change feed, shown, followed, and taken away when it is old."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import click
import orjson
import psycopg
from sqlalchemy import Connection

from cim import settings as settings_module
from cim.errors import InvalidQuery
from cim.store import changes as feed
from cim.store import engine
from cim.store.changes import LATEST, TYPES, Ask
from cim.store.faults import folder_of, translated
from cim.store.queries.changes import CHANNEL

EVERYTHING = [(100, None)]
"""Who has the database sees what is not public too."""

OVER = 1.0
"""Seconds between two looks where nothing is heard."""


@click.group()
def changes() -> None:
    """What changed in the city, in order. 变更记录。

    \b
    Example:
      cim changes show --limit 20
      cim changes follow --collection buildings,units >> changes.jsonl
    """


def _chosen(_: click.Context, __: click.Parameter, said: str | None) -> frozenset[str] | None:
    chosen = None if said is None else frozenset(filter(None, said.split(",")))
    if chosen is not None and (not chosen or not chosen <= frozenset(TYPES.values())):
        raise click.BadParameter(f"known are {', '.join(sorted(TYPES.values()))}")
    return chosen


AFTER = click.option("--after", metavar="POSITION", help="Go on behind this position 起始位置.")
WHICH = click.option(
    "--collection", "chosen", callback=_chosen, help="These alone, with commas between 数据集."
)


@contextmanager
def _connection() -> Iterator[Connection]:
    store = engine.connect(settings_module.load())
    try:
        with store.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection
    finally:
        store.dispose()


def _say(page: feed.Page) -> None:
    for change in page.changes:
        sys.stdout.write(orjson.dumps(vars(change)).decode() + "\n")
    sys.stdout.flush()


@changes.command()
@AFTER
@WHICH
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, 1_000_000),
    help="Changes at most 最多条数.",
)  # fmt: skip
def show(after: str | None, chosen: frozenset[str] | None, limit: int) -> None:
    """Write changes as JSON, one a line, from the oldest that is kept on. 显示。

    The position to go on from is said at the end. `--after latest` says where the feed ends.

    \b
    Example:
      cim changes show --collection buildings --limit 20
    """
    with _connection() as connection:
        ask = Ask(after, min(limit, 1000), chosen, sight=EVERYTHING)
        while True:
            page = feed.run(connection, feed.read(ask))
            _say(page)
            limit -= len(page.changes)
            ask = replace(ask, after=page.next, limit=max(min(limit, 1000), 1))
            if limit <= 0 or not page.more:
                break
    click.echo(f"next: {page.next}", err=True)


@changes.command()
@AFTER
@WHICH
def follow(after: str | None, chosen: frozenset[str] | None) -> None:
    """Write changes as they come, from the end of the feed on unless said. 持续输出。

    Ends with Ctrl-C, or when nobody reads any more. Each line has its `position`: what was cut off
    goes on with `--after` the last one.

    \b
    Example:
      cim changes follow >> changes.jsonl
    """
    with _connection() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        connection.exec_driver_sql(f"LISTEN {CHANNEL}")
        ask = Ask(after or LATEST, 1000, chosen, sight=EVERYTHING)
        try:
            while True:
                page = feed.run(connection, feed.read(ask))
                _say(page)
                ask = replace(ask, after=page.next)
                if not page.more:
                    with translated(folder_of(connection)):
                        list(driver.notifies(timeout=OVER, stop_after=1))
        except (KeyboardInterrupt, BrokenPipeError):
            sys.stderr.close()


@changes.command()
@click.option(
    "--days", type=click.FloatRange(0), help="Keep what is younger 保留天数; CIM_CHANGE_DAYS."
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, keep nothing 试运行.")
def trim(days: float | None, dry_run: bool) -> None:
    """Take away what is older than so many days; the worker does it every hour. 清理。

    Subscribers that stand before what is left are told to begin again.

    \b
    Example:
      cim changes trim --days 90
    """
    settings = settings_module.load()
    store = engine.connect(settings)
    try:
        with store.connect() as connection:
            kept = timedelta(days=settings.change_days if days is None else days)
            try:
                before = datetime.now(UTC) - kept
            except OverflowError:
                raise InvalidQuery("--days is too large.", "--days 过大。") from None
            gone = feed.trim(connection, before)
            if dry_run:
                connection.rollback()
            else:
                connection.commit()
    finally:
        store.dispose()
    click.echo(f"{gone:,} entries taken away\n已清理 {gone:,} 条")
