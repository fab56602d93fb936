"""`cim db`: the database itself, embedded or not."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import click
import psutil
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import text

from cim import settings as settings_module
from cim.errors import CimError, StoreMissing
from cim.settings import Settings
from cim.store import dictionary, engine, migrate
from cim.store.server import embedded, programs

_FOREIGN = (
    "CIM_DATABASE_URL names a server that is not ours: it is used, never started nor stopped",
    "CIM_DATABASE_URL 指定的服务器不由本程序管理:只使用,不启动也不停止",
)


@click.group()
def db() -> None:
    """The database: start, stop, look at it.

    Without CIM_DATABASE_URL every command starts the embedded one by itself.

    \b
    Example:
      cim db status
      cim db psql -- -c "SELECT count(*) FROM city.building"
    """


@db.command()
def start() -> None:
    """Start the embedded database and bring its tables up to date.

    \b
    Example:
      cim db start
    """
    settings = settings_module.load()
    if settings.database_url:
        _say(*_FOREIGN)
        return
    engine.connect(settings).dispose()
    here = embedded.cluster(settings).data
    _say(f"the database is up in {here}", f"数据库已启动:{here}")


@db.command()
def stop() -> None:
    """Stop the embedded database; the next command that needs it starts it again.

    \b
    Example:
      cim db stop
    """
    settings = settings_module.load()
    if settings.database_url:
        _say(*_FOREIGN)
    elif embedded.cluster(settings).stop():
        _say("the database is stopped", "数据库已停止")
    else:
        _say("the database was not up", "数据库本未运行")


@db.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(as_json: bool) -> None:
    """Say where the database is, whether it is up, and how full. Starts nothing.

    The exit code is 0 when it is up and fit for use, 1 when not.

    \b
    Example:
      cim db status --json
    """
    settings = settings_module.load()
    state = _state(settings)
    if as_json:
        click.echo(json.dumps(state, ensure_ascii=False))
    else:
        width = max(map(len, state))
        for name, value in state.items():
            click.echo(f"{name:<{width}}  {_shown(name, value)}")
    if not state["up"] or state["problem"]:
        raise SystemExit(1)


@db.command("migrate")
def bring_up() -> None:
    """Bring the tables to where this program needs them.

    The embedded database is brought up by every command; one of your own, by this one alone.

    \b
    Example:
      CIM_DATABASE_URL=postgresql://cim@host/city cim db migrate
    """
    settings = settings_module.load()
    if not settings.database_url:
        embedded.start(settings)
    opened = engine.open_engine(settings)
    try:
        with opened.begin() as connection:
            before, after = migrate.migrate(connection)
    finally:
        opened.dispose()
    was = before or "empty"
    if before == after:
        _say(f"the tables are at revision {after} already", f"数据表已是最新版本 {after}")
    else:
        _say(f"the tables are at revision {after} now (was: {was})", f"数据表已更新到版本 {after}")


@db.command()
def url() -> None:
    """Print the database's URL, for psql, QGIS or pg_dump. Starts nothing.

    \b
    Example:
      pg_dump "$(cim db url)" > city.sql
    """
    click.echo(engine.url(settings_module.load()))


@db.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    """Open psql on the database; what follows -- is for psql.

    \b
    Example:
      cim db psql -- -c "SELECT name FROM city.estate"
    """
    settings = settings_module.load()
    engine.connect(settings).dispose()
    program = shutil.which("psql")
    if program is None:
        found = programs.installed()
        program = found[0].path("psql") if found else None
    if program is None or not Path(program).exists():
        raise StoreMissing(
            "no psql on this machine. Install it with: sudo apt-get install postgresql-client",
            "本机没有 psql。请安装:sudo apt-get install postgresql-client",
        )
    reached = conninfo_to_dict(engine.url(settings))
    secret = reached.pop("password", None)  # never an argument: `ps` shows those to everybody
    environment = os.environ | ({"PGPASSWORD": str(secret)} if secret else {})
    where = make_conninfo("", **{name: str(value) for name, value in reached.items()})
    os.execve(program, [program, "-d", where, *arguments], environment)


@db.command("dictionary")
@click.option(
    "--write",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file instead.",
)
def print_dictionary(write: Path | None) -> None:
    """Print the data dictionary: every table and column, with its meaning. Needs no database.

    \b
    Example:
      cim db dictionary --write docs/data-dictionary.md
    """
    page = dictionary.render()
    if write is None:
        click.echo(page, nl=False)
    else:
        write.write_text(page, "utf-8")


def _shown(name: str, value: object) -> str:
    """A value of the state as people read it.

    >>> _shown("free_bytes", 3 * 2**30), _shown("problem", None)
    ('3,072 MiB', '-')
    """
    if name.endswith("bytes") and isinstance(value, int):
        return f"{value / 2**20:,.0f} MiB"
    return "-" if value is None else str(value)


def _say(en: str, zh: str) -> None:
    click.echo(f"{en}\n{zh}")


def _state(settings: Settings) -> dict[str, Any]:
    """What there is to know without starting or changing anything."""
    state: dict[str, Any] = {
        "kind": "external" if settings.database_url else "embedded",
        "up": False,
        "problem": None,
        "revision": None,
        "newest_revision": migrate.head(),
        "postgresql": None,
        "postgis": None,
        "bytes": None,
    }
    if not settings.database_url:
        cluster = embedded.cluster(settings)
        state["folder"] = str(cluster.data)
        state["free_bytes"] = _free(cluster.data)
        if not cluster.answers:
            state["problem"] = "stopped" if cluster.exists else "not made yet"
            return state
        state["pid"] = cluster.pid()
    try:
        _look(settings, state)
    except CimError as error:
        state["problem"] = str(error)
    return state


def _look(settings: Settings, state: dict[str, Any]) -> None:
    """Fill in what only the database itself knows; raises what is wrong with it."""
    opened = engine.open_engine(settings)
    try:
        with opened.connect() as connection:
            state["up"] = True
            state |= connection.execute(_FACTS).mappings().one()
            state["revision"] = migrate.current(connection)
            if migrate.check_revision(state["revision"]):
                migrate.check_locale(connection)
            else:
                state["problem"] = "its tables are behind this program: cim db migrate"
    finally:
        opened.dispose()


_FACTS = text("""
    SELECT current_setting('server_version') AS postgresql,
           (SELECT extversion FROM pg_extension WHERE extname = 'postgis') AS postgis,
           pg_database_size(current_database()) AS bytes
""")


def _free(folder: Path) -> int | None:
    """Bytes free where the folder is, or will be."""
    for place in (folder, *folder.parents):
        if place.exists():
            return int(psutil.disk_usage(str(place)).free)
    return None
