"""`cim address`: addresses taken apart, and those of a whole file looked for."""

import sys
from pathlib import Path
from typing import IO

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cim import settings as settings_module
from cim.addresses import LADDER, Gazetteer, deepest, full_text, parse
from cim.commands import shown
from cim.errors import InvalidQuery
from cim.intake import address_match
from cim.store import engine
from cim.store.incoming import names
from cim.store.queries import addresses as queries

LOOK = 1_000
"""Rows that a dry run looks at."""


@click.group()
def address() -> None:
    """Addresses: take them apart, look for those of a file.

    \b
    Example:
      cim address parse 虎门镇浦江路2号丰泰花园3栋803
      cim address match list.xlsx --out matched.csv
    """


@address.command("parse")
@click.argument("words", nargs=-1, metavar="[ADDRESS]…")
@click.option("--file", type=click.File(encoding="utf-8"), help="One address a line; - for stdin.")
@click.option("--plain", is_flag=True, help="Without the names that the city knows: no database.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def parse_(words: tuple[str, ...], file: IO[str] | None, plain: bool, as_json: bool) -> None:
    """Take each ADDRESS apart into the fifteen levels; nothing is looked for.

    \b
    Example:
      cim address parse 虎门镇浦江路2号丰泰花园3栋803
      cim address parse --file addresses.txt --json
    """
    if not words and file is None:
        raise InvalidQuery("say an address, or --file", "请给出地址，或使用 --file")
    known = None if plain else _gazetteer()
    lines = (line.rstrip("\n") for line in file) if file else ()
    for text in (*words, *lines):
        found = parse(text, known)
        if as_json:
            told = {
                "text": text,
                "norm_text": found.norm_text,
                "full_text": full_text(found.levels),
                "level": deepest(found.levels),
                "levels": found.levels,
                "remainder": found.remainder,
            }
            click.echo(orjson.dumps(told).decode())
            continue
        table = Table(title=Text(text), title_justify="left", show_header=False)
        for name, value in found.levels.items():
            table.add_row(f"{LADDER[name]} {name}", Text(value))
        table.add_row("norm_text", Text(found.norm_text))
        table.add_row("remainder 剩余", Text(found.remainder))
        Console().print(table)


@address.command(epilog="Exit codes: 0 every row is matched, 1 some are not, 2 nothing was done.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The result, CSV; without, FILE.matched.csv beside FILE.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    help="The column with the address; repeated, its parts in order.",
)
@click.option("--layer", help="The layer or sheet to read, where the file has several.")
@click.option("--encoding", help="Encoding of text, where it is not recognised.")
@click.option(
    "--alternatives",
    default=3,
    show_default=True,
    type=click.IntRange(0, 20),
    help="Most other candidates that are told of each row.",
)
@click.option("--dry-run", is_flag=True, help=f"Look at {LOOK:,} rows, write nothing.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--quiet", is_flag=True, help="No progress, no table.")
def match(file: Path, out: Path | None, dry_run: bool, force: bool, **options: object) -> None:
    """Look for the addresses of FILE, and write it again with what was found.

    FILE is any that `cim load` reads. Every row comes back with its own columns: what it was
    matched with, at which level, with which score, what of it is left over, and what else it may
    be; rows that are not matched say why. The city is not changed. Only the owner can read the
    result, for there may be personal data in it.

    \b
    Example:
      cim address match list.xlsx --out matched.csv
      cim address match list.csv --column 镇街 --column 路名 --column 门牌 --dry-run
    """
    quiet = bool(options.pop("quiet"))
    result = out or file.with_name(f"{file.stem}.matched.csv")
    if result.exists() and not force and not dry_run:
        raise InvalidQuery(
            f"{result.name} is there already; --force writes over it",
            f"{result.name} 已存在；加 --force 覆盖",
        )
    asked = address_match.Options(columns=tuple(options.pop("columns")), **options)  # type: ignore[arg-type]  # named as its fields
    target, most = (None, LOOK) if dry_run else (result, None)
    with shown.progress(file.name, quiet) as progress:
        found = address_match.match(settings_module.load(), file, target, asked, progress, most)
    if not quiet:
        _show(found)
        click.echo("nothing was written 未写入文件" if dry_run else f"→ {result}")
    sys.exit(0 if found.counts["matched"] == found.rows else 1)


@address.command("names")
def anew() -> None:
    """Keep the names anew that addresses are made of, as they are suggested while one types.

    Loading keeps them; this is for a database that was filled by other programs.

    \b
    Example:
      cim address names
    """
    store = engine.connect(settings_module.load())
    try:
        with store.begin() as connection:
            count = names.anew(connection)
    finally:
        store.dispose()
    click.echo(f"{count:,} names\n{count:,} 个名称")


def _gazetteer() -> Gazetteer:
    store = engine.connect(settings_module.load())
    try:
        with store.connect() as connection:
            return Gazetteer((a, b, c) for a, b, c in connection.execute(queries.names()))
    finally:
        store.dispose()


def _show(found: address_match.Found) -> None:
    for en, zh in found.notes:
        click.echo(f"{en}\n{zh}")
    title = Text(f"{found.file} ({' + '.join(found.columns)})")
    table = Table(title=title, show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    table.add_row("rows 行数", f"{found.rows:,}")
    for en, zh, count in found.tallies():
        table.add_row(f"{en}\n{zh}", f"{count:,}")
    Console().print(table)
