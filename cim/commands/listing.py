"""What there is of a kind, on the terminal: a table for people, or a JSON list for programs."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from cim.commands.acting import opened

Row = Mapping[str, Any]


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
    table = Table(*columns)
    for row in rows:
        table.add_row(*(cell(row) for cell in columns.values()))
    Console().print(table)
