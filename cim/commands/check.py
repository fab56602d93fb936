"""`cim check`: is the city in the database whole, and how good are its data."""

import sys
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from cim import settings as settings_module
from cim.store import engine
from cim.store.queries import quality

EXAMPLES = 5
"""Ids shown of what is at fault."""


@click.command(epilog="Exit codes: 0 invariants hold, whatever was found; 1 one is broken.")
@click.option(
    "--json",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the result to this file.",
)
def check(file: Path | None) -> None:
    """Prove that storeys and units are as they must be, and say what the data lack.

    Nothing is changed.

    \b
    Example:
      cim check
      cim check --json quality.json
    """
    store = engine.connect(settings_module.load())
    try:
        with store.connect() as connection:
            result = examine(connection)
    finally:
        store.dispose()
    _show(result)
    if file:
        file.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    sys.exit(0 if result["whole"] else 1)


def examine(connection: Connection) -> dict[str, Any]:
    """The result: `whole`, `invariants`, `findings` and `collections`."""
    connection.execute(quality.measure_plans())
    invariants = [_asked(connection, check) for check in quality.INVARIANTS]
    findings = [_asked(connection, check) for check in quality.FINDINGS]
    collections = [
        {
            "name": row.name,
            "objects": row.objects,
            "placed": row.placed,
            "rate": round(row.placed / row.objects, 4) if row.objects else None,
            "days_since_change": row.days,
        }
        for row in connection.execute(quality.mapped())
    ]
    return {
        "whole": not any(entry["count"] for entry in invariants),
        "invariants": invariants,
        "findings": findings,
        "collections": collections,
    }


def _asked(connection: Connection, check: quality.Check) -> dict[str, Any]:
    count, ids = connection.execute(check.statement, {"examples": EXAMPLES}).one()
    return {
        "name": check.name,
        "en": check.en,
        "zh": check.zh,
        "object_type": check.object_type,
        "count": count,
        "examples": ids,
    }


def _show(result: dict[str, Any]) -> None:
    console = Console()
    console.print(_table("Invariants 不变量", result["invariants"]))
    console.print(_table("Data quality 数据质量", result["findings"]))
    console.print(_collections(result["collections"]))
    broken = [entry for entry in result["invariants"] if entry["count"]]
    if broken:
        click.echo(f"{len(broken)} invariants are broken")
        click.echo(f"有 {len(broken)} 项不变量被破坏")
    else:
        click.echo("every invariant holds")
        click.echo("所有不变量均成立")


def _table(title: str, entries: list[dict[str, Any]]) -> Table:
    table = Table("", "count 数量", "for example 示例", title=title, title_justify="left")
    for entry in entries:
        ids = ", ".join(map(str, entry["examples"]))
        shown = f"{entry['object_type']} {ids}" if ids else ""
        table.add_row(f"{entry['en']}\n{entry['zh']}", f"{entry['count']:,}", shown)
    return table


def _collections(entries: list[dict[str, Any]]) -> Table:
    names = (
        "collection 数据集",
        "objects 数量",
        "on the map 上图率",
        "days since change 未更新天数",
    )
    table = Table(*names, title="Collections 数据集", title_justify="left")
    for entry in entries:
        rate = "" if entry["rate"] is None else f"{entry['rate']:.1%}"
        days = "" if entry["days_since_change"] is None else str(entry["days_since_change"])
        table.add_row(entry["name"], f"{entry['objects']:,}", rate, days)
    return table
