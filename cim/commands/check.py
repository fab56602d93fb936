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
from cim.store.queries import findings, quality

EXAMPLES = 5
"""Ids shown of what is at fault."""

KEPT = 2_000
"""Findings of one check that are kept with their place, for the map."""


@click.command(epilog="Exit codes: 0 invariants hold, whatever was found; 1 one is broken.")
@click.option(
    "--json",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the result to this file.",
)
@click.option(
    "--stale",
    "months",
    default=24,
    show_default=True,
    type=click.IntRange(1, 1200),
    help="Months after which data that nobody touched count as stale.",
)
@click.option("--dry-run", is_flag=True, help="Do not keep the result for the map.")
def check(file: Path | None, months: int, dry_run: bool) -> None:
    """Prove that storeys and units are as they must be, and say what the data lack.

    The city is not changed; the result is kept, so that the viewer shows each finding on the map.

    \b
    Example:
      cim check
      cim check --json quality.json --stale 12
    """
    store = engine.connect(settings_module.load())
    try:
        with store.connect() as connection:
            result = examine(connection, months)
            if dry_run:
                connection.rollback()
            else:
                connection.commit()
    finally:
        store.dispose()
    _show(result)
    if file:
        file.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    sys.exit(0 if result["whole"] else 1)


def examine(connection: Connection, months: int = 24) -> dict[str, Any]:
    """The result: `whole`, `invariants`, `findings` and `collections`; the caller commits."""
    connection.execute(quality.measure_plans())
    connection.execute(findings.FORGET)
    checks = {
        "invariants": [_asked(connection, check) for check in quality.INVARIANTS],
        "findings": [_asked(connection, check) for check in findings.FINDINGS],
    }
    collections = [
        {
            "name": row.name,
            "objects": row.objects,
            "placed": row.placed,
            "rate": round(row.placed / row.objects, 4) if row.objects else None,
            "days_since_change": row.days,
            "stale": row.stale,
        }
        for row in connection.execute(findings.mapped(months))
    ]
    result = {
        "whole": not any(entry["count"] for entry in checks["invariants"]),
        **checks,
        "stale_months": months,
        "collections": collections,
    }
    connection.execute(findings.KEEP_RUN, {"result": orjson.dumps(result).decode()})
    return result


def _asked(connection: Connection, check: quality.Check) -> dict[str, Any]:
    connection.execute(findings.look(check))
    count, ids = connection.execute(findings.COUNT, {"examples": EXAMPLES}).one()
    if count:
        connection.execute(findings.keep(check), {"most": KEPT})
    connection.execute(findings.DONE)
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
        "stale 陈旧",
    )
    table = Table(*names, title="Collections 数据集", title_justify="left")
    for entry in entries:
        rate = "" if entry["rate"] is None else f"{entry['rate']:.1%}"
        days = "" if entry["days_since_change"] is None else str(entry["days_since_change"])
        table.add_row(entry["name"], f"{entry['objects']:,}", rate, days, f"{entry['stale']:,}")
    return table
