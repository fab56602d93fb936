"""`cim quarantine`: the rows that could not come in, and how to get them mended."""

import getpass
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, text

from cim import settings as settings_module
from cim.errors import InvalidQuery, UnknownFormat
from cim.load import setaside
from cim.load.kinds import KINDS
from cim.load.mapping import BESIDE
from cim.load.readers import READERS
from cim.load.setaside import Bundle
from cim.security.identity import stand_for
from cim.security.signing import CONSOLE
from cim.settings import Settings
from cim.store import engine
from cim.store.queries.incoming import quarantine as statements
from cim.store.queries.security.callers import record

_KIND = click.option("--kind", type=click.Choice(list(KINDS)), help="Only rows of this kind.")
_CODE = click.option("--reason", help="Only rows with this reason, by its code.")


@click.group(invoke_without_command=True)
@click.pass_context
def quarantine(ctx: click.Context) -> None:
    """Rows that were set aside: list them, take them out to mend, or dismiss them.

    A row is cleared by itself when the mended one is loaded.

    \b
    Example:
      cim quarantine
      cim quarantine export mend-me.csv
      cim load mend-me.csv
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
    with _connected(settings_module.load()) as connection:
        found = connection.execute(text(statements.SUMMARY), {"kind": kind, "reason": reason}).all()
    if not found:
        click.echo("nothing is set aside 没有暂存的数据")
        return
    table = Table("kind 种类")
    for title in ("source 来源", "file 文件", "reason 原因", "rows 行数"):
        table.add_column(title, overflow="fold")
    for row in found:
        why = f"{row.reason}\n{row.reason_en}\n{row.reason_zh}"
        table.add_row(row.kind, Text(row.source), Text(row.file), why, f"{row.rows:,}")
    Console().print(table)


@quarantine.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_KIND
@_CODE
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def export(file: Path, kind: str | None, reason: str | None, force: bool) -> None:
    """Write the open rows to FILE as CSV: where, why, and the columns as they came.

    Mend the values in their columns, and load FILE: the mapping file beside it says all that the
    load has to know. Rows of several kinds or sources become a file each. The outline is in the
    column `geometry` as WKT, in the coordinates of the file it came from. Only the owner can read
    FILE, for there may be personal data in it.

    \b
    Example:
      cim quarantine export mend-me.csv
      cim load mend-me.csv
    """
    stem = file.name.removesuffix(file.suffix) if file.suffix.lower() == ".csv" else file.name
    if Path(stem).suffix.lower() in READERS:
        raise UnknownFormat(
            f"{file.name}: rows to mend are written as CSV; name it {Path(stem).stem}.csv",
            f"{file.name}：待改数据只导出为 CSV；请命名为 {Path(stem).stem}.csv",
        )
    settings = settings_module.load()
    with _connected(settings) as connection:
        named = setaside.names_of(stem, setaside.bundles(connection, kind, reason))
        if not force:
            _absent([file.with_name(name) for name in named])
        for name, bundle in named.items():
            path = file.with_name(name)
            if bundle.sealed:
                _tell(connection, bundle)
            count = _write(connection, settings, path, bundle)
            click.echo(f"{count:,} rows 行  {bundle.kind} ({bundle.source}) → {path}")
            click.echo(f"  mend, then 修改后载入: cim load {path}")
    if not named:
        click.echo("nothing is set aside 没有暂存的数据")


def _tell(connection: Connection, bundle: Bundle) -> None:
    """Note in the audit log that rows of people are opened; kept before any is."""
    who = f"{CONSOLE}:{getpass.getuser()}"
    connection.execute(stand_for(actor=who, purpose="mending", address=CONSOLE))
    connection.execute(record("people.aside", object_type="import", persons=bundle.rows))
    connection.commit()


@contextmanager
def _connected(settings: Settings) -> Iterator[Connection]:
    """A connection, closed however it ends."""
    database = engine.connect(settings)
    try:
        with database.connect() as connection:
            yield connection
    finally:
        database.dispose()


def _absent(paths: list[Path]) -> None:
    """Refuse to write over a file that somebody may be mending."""
    there = [path.name for path in paths if path.exists()]
    if there:
        raise InvalidQuery(
            f"{', '.join(there)} is there already and may hold mended rows; --force writes over it",
            f"{'、'.join(there)} 已存在，其中可能有修改后的数据；要覆盖请加 --force",
        )


def _write(connection: Connection, settings: Settings, path: Path, bundle: Bundle) -> int:
    """A bundle and its mapping file; both there or neither, and read by their owner alone."""
    found = setaside.layout(connection, settings, bundle)
    beside = path.with_name(path.name + BESIDE)
    with _owned(path) as out:
        count = setaside.write(connection, settings, bundle, found, out)
        with _owned(beside, "utf-8") as words:
            json.dump(setaside.mapping_of(bundle, found), words, ensure_ascii=False, indent=1)
    return count


@contextmanager
def _owned(path: Path, encoding: str = "utf-8-sig") -> Iterator[TextIO]:
    """A file that only its owner reads, in its place once it is whole."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding=encoding, newline="") as out:
            yield out
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


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
    with _connected(settings_module.load()) as connection:
        count = connection.execute(
            text(statements.CLEAR), {"kind": kind, "reason": reason}
        ).rowcount
        connection.commit()
    click.echo(f"{count:,} rows dismissed 行不再处理")
