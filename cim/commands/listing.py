"""What there is of a kind, on the terminal: a table for people, or a JSON list for programs."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from cim.commands.acting import HERE, opened

Row = Mapping[str, Any]


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


def _plain(value: object) -> str:
    """What JSON has no word for: times as ISO 8601 has them, the rest as text."""
    return value.isoformat() if isinstance(value, date) else str(value)


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
        click.echo(json.dumps(rows, ensure_ascii=False, default=_plain))
        return
    table = Table()
    for name in columns:
        table.add_column(name, overflow="fold")  # nothing is cut off: keys and topics are copied
    for row in rows:
        table.add_row(*(cell(row) for cell in columns.values()))
    Console().print(table)
