"""`cim quarantine`: the rows that could not come in, and how to get them mended."""

import csv
import os
from pathlib import Path
from typing import Any

import click
import orjson
import shapely
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, text

from cim import settings as settings_module
from cim.load.kind import SEALED
from cim.load.kinds import KINDS
from cim.settings import Settings
from cim.store import columns, engine
from cim.store.queries import quarantine as statements

_REASON = ("file", "row_no", "field", "value", "reason_en", "reason_zh")
_KIND = click.option("--kind", type=click.Choice(list(KINDS)), help="Only rows of this kind.")
_CODE = click.option("--reason", help="Only rows with this reason, by its code.")


@click.group(invoke_without_command=True)
@click.pass_context
def quarantine(ctx: click.Context) -> None:
    """Rows that were set aside: list them, take them out to mend, or dismiss them.

    A row is cleared by itself when a mended one with its key is loaded from the same source.

    \b
    Example:
      cim quarantine
      cim quarantine export mend-me.csv --kind buildings
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(listing)


@quarantine.command("list")
@_KIND
@_CODE
def listing(kind: str | None = None, reason: str | None = None) -> None:
    """Count the open rows by kind, source, file and reason.

    \b
    Example:
      cim quarantine list --kind buildings
    """
    database = engine.connect(settings_module.load())
    with database.connect() as connection:
        found = connection.execute(text(statements.SUMMARY), {"kind": kind, "reason": reason}).all()
    database.dispose()
    if not found:
        click.echo("nothing is set aside 没有暂存的数据")
        return
    table = Table("kind 种类", "source 来源", "file 文件", "reason 原因", "rows 行数")
    for row in found:
        why = f"{row.reason}\n{row.reason_en}\n{row.reason_zh}"
        table.add_row(row.kind, row.source, row.file, why, f"{row.rows:,}")
    Console().print(table)


@quarantine.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_KIND
@_CODE
def export(file: Path, kind: str | None, reason: str | None) -> None:
    """Write the open rows to FILE as CSV: where, why, and the columns as they came.

    The outline is in the column `geometry` as WKT, in the coordinates of the file it came from.
    Only the owner can read FILE, for there may be personal data in it.

    \b
    Example:
      cim quarantine export mend-me.csv
    """
    settings = settings_module.load()
    database = engine.connect(settings)
    with database.connect() as connection:
        count = _write(connection, settings, file, {"kind": kind, "reason": reason})
    database.dispose()
    click.echo(f"{count:,} rows 行 → {file}")


def _write(
    connection: Connection, settings: Settings, file: Path, wanted: dict[str, str | None]
) -> int:
    """The rows as CSV, a batch at a time, in a file that only its owner reads."""
    names = list(connection.execute(text(statements.COLUMNS), wanted).scalars())
    sealed = bool(connection.execute(text(statements.SEALED), wanted).scalar_one())
    count = 0
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="") as out:
        extra = ["record"] if sealed else []
        writer = csv.writer(out)
        writer.writerow([*_REASON, *names, *extra, "geometry"])
        for batch in columns.read(connection, text(statements.ROWS), wanted):
            rows = [dict(zip(batch, row, strict=True)) for row in zip(*batch.values(), strict=True)]
            for row in rows:
                record = row["record"] or {}
                came = [_cell(record.get(name)) for name in names]
                shape = "" if row["geom"] is None else _wkt(row["geom"])
                unsealed = [_open(settings, row["record_enc"])] if sealed else []
                writer.writerow([*(row[name] for name in _REASON), *came, *unsealed, shape])
            count += len(rows)
    return count


def _open(settings: Settings, sealed: bytes | None) -> str:
    """A sealed row in clear, as JSON."""
    if sealed is None:
        return ""
    from cim import privacy  # noqa: PLC0415 - the key is read only if needed

    return privacy.open_vault(settings).decrypt([sealed], SEALED)[0] or ""


def _cell(value: Any) -> Any:
    """A value for a cell: text that a spreadsheet would run as a formula is made harmless."""
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    if isinstance(value, str) and value[:1] in "=+@\t\r":
        return "'" + value
    return value


def _wkt(wkb: bytes) -> str:
    """The outline as text; where it is no WKB, the text that was in its place, or hexadecimal.

    >>> _wkt(b"POLYGON((1 2"), _wkt(b"\\x01\\xff")
    ('POLYGON((1 2', '01ff')
    """
    raw = bytes(wkb)
    shape = shapely.from_wkb(raw, on_invalid="ignore")
    if shape is not None:
        return str(shapely.to_wkt(shape, rounding_precision=-1))
    text = raw.decode("utf-8", "replace")
    return text if text.isprintable() and "\ufffd" not in text else raw.hex()


@quarantine.command()
@_KIND
@_CODE
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(kind: str | None, reason: str | None, yes: bool) -> None:
    """Dismiss open rows that nobody will mend; they stay in the history.

    \b
    Example:
      cim quarantine clear --kind buildings --reason sliver
    """
    if not yes:
        click.confirm("dismiss the rows that are set aside? 确定不再处理这些暂存数据？", abort=True)
    database = engine.connect(settings_module.load())
    with database.begin() as connection:
        count = connection.execute(
            text(statements.CLEAR), {"kind": kind, "reason": reason}
        ).rowcount
    database.dispose()
    click.echo(f"{count:,} rows dismissed 行不再处理")
