"""What there is of a kind, on the terminal: a table for people, or a JSON list for programs."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from cim.commands.acting import opened

Row = Mapping[str, Any]


HERE: Final = timezone(timedelta(hours=8))
"""China Standard Time, for times that do not say their zone."""


def here(moment: datetime, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A moment as people in China read it.

    >>> from datetime import UTC
    >>> here(datetime(2026, 3, 9, 16, 30, tzinfo=UTC), "%m-%d %H:%M")
    '03-10 00:30'
    """
    return f"{moment.astimezone(HERE):{form}}"


def as_json(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")(command)


def show(
    read: Callable[[Connection], Iterable[Mapping[Any, Any]]],
    columns: Mapping[str, Callable[[Row], str]],
    *,
    as_json: bool,
) -> None:
    """Read rows and print them: all they hold as JSON, else the `columns`, each by its head."""
    with opened() as (_, engine), engine.connect() as connection:
        rows = [dict(row) for row in read(connection)]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, default=str))
        return
    table = Table()
    for name in columns:
        table.add_column(name, overflow="fold")  # nothing is cut off: keys and topics are copied
    for row in rows:
        table.add_row(*(cell(row) for cell in columns.values()))
    Console().print(table)
