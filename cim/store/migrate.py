"""Bring a database's tables to where this program's stand.

Revisions are numbered 0001, 0002 …, so which of two is newer can be seen without Alembic; it is
imported only when there is something to migrate.
"""

from importlib.resources import as_file, files

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from cim.errors import StoreError, StoreLocale, StoreMissing, StoreVersion
from cim.store.server.programs import POSTGIS, POSTGRESQL, version_of

_LOCK = 0x63696D
"""The advisory lock that makes two migrating commands take turns."""

_STATE = text("""
    SELECT current_setting('server_version_num')::int / 10000 AS postgresql,
           (SELECT default_version FROM pg_available_extensions WHERE name = 'postgis') AS offered,
           (SELECT extversion FROM pg_extension WHERE extname = 'postgis') AS postgis,
           to_regclass('platform.alembic_version') IS NOT NULL AS migrated
""")

_KEEPER = text("""
    DO $$ DECLARE one record; BEGIN
        FOR one IN SELECT * FROM pg_policies
                WHERE schemaname = 'pii' AND policyname = 'keeper' AND roles <> ARRAY[current_user]
        LOOP
            EXECUTE format('ALTER POLICY keeper ON pii.%I TO CURRENT_USER', one.tablename);
        END LOOP;
    END $$""")
"""Whoever owns the tables keeps the rows of people: a restored database may have another owner."""


def head() -> str:
    """The newest revision this program knows."""
    folder = files("cim.store.migrations") / "versions"
    names = [entry.name for entry in folder.iterdir() if entry.name.endswith(".py")]
    return max(name[:4] for name in names if name[:4].isdigit())


def current(connection: Connection) -> str | None:
    """The revision of the database; None where it was never migrated.

    Raises StoreVersion or StoreMissing where its PostgreSQL or PostGIS will not do.
    """
    state = connection.execute(_STATE).one()
    if state.postgresql < POSTGRESQL:
        raise StoreVersion(
            f"the server is PostgreSQL {state.postgresql}; {POSTGRESQL} or later is needed",
            f"服务器为 PostgreSQL {state.postgresql},需要 {POSTGRESQL} 或更高版本",
        )
    offered = state.postgis or state.offered
    if offered is None:
        raise StoreMissing(
            "the server has no PostGIS; on Debian: sudo apt-get install "
            f"postgresql-{state.postgresql}-postgis-3",
            "服务器未安装 PostGIS;Debian 上请运行:sudo apt-get install "
            f"postgresql-{state.postgresql}-postgis-3",
        )
    if version_of(offered) < POSTGIS:
        oldest = ".".join(map(str, POSTGIS))
        raise StoreVersion(
            f"the server has PostGIS {offered}; {oldest} or later is needed",
            f"服务器的 PostGIS 为 {offered},需要 {oldest} 或更高版本",
        )
    if not state.migrated:
        return None
    revision: str | None = connection.execute(
        text("SELECT max(version_num) FROM platform.alembic_version")
    ).scalar_one()
    return revision


def check_locale(connection: Connection) -> None:
    """Raise StoreLocale where trigrams of Chinese come out empty, as under character type C."""
    grams = connection.execute(text("SELECT cardinality(show_trgm('松山湖'))")).scalar_one()
    if grams != 4:
        ctype = connection.execute(
            text("SELECT datctype FROM pg_database WHERE datname = current_database()")
        ).scalar_one()
        raise StoreLocale(
            f"the database's character type is {ctype}, under which Chinese cannot be searched; "
            "make one with: CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8' "
            "LOCALE 'C.UTF-8'",
            f"数据库的字符类型为 {ctype},无法检索中文;请用以下方式新建:"
            "CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'",
        )


def check_revision(revision: str | None) -> bool:
    """Whether the database is where the program is; False where it is behind.

    Raises StoreVersion where it is ahead: a newer program has written to it.
    """
    newest = head()
    if revision is not None and revision > newest:
        raise StoreVersion(
            f"the database is at revision {revision}, newer than this program ({newest}); "
            "use the program's newer version",
            f"数据库版本 {revision} 高于本程序({newest}),请使用新版程序",
        )
    return revision == newest


def migrate(connection: Connection) -> tuple[str | None, str]:
    """Bring the tables to the newest revision; return the revision before and after.

    Runs in the connection's transaction, which the caller commits: all of it or nothing.  The
    code lists, and the tables of the queue, are brought up to date even where ours are already.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    before = current(connection)
    behind = not check_revision(before)
    if behind:
        _upgrade(connection)
    from cim.store import jobs  # noqa: PLC0415 - for a migration alone
    from cim.store.incoming import names  # noqa: PLC0415 - for a migration alone
    from cim.store.queries import changes  # noqa: PLC0415 - for a migration alone
    from cim.store.seed import seed  # noqa: PLC0415 - reads every list, for a migration alone

    check_locale(connection)
    connection.execute(_KEEPER)
    seed(connection)
    jobs.bring_up(connection)
    connection.execute(changes.BRING_UP)
    if behind:
        names.read(connection)
    return before, head()


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - a fifth of a second, for a migration alone
    from alembic.config import Config  # noqa: PLC0415 - Alembic is for a migration alone

    try:
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS platform"))
        with as_file(files("cim.store.migrations")) as folder:
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(folder).replace("%", "%%"))
            config.set_main_option("path_separator", "os")
            command.upgrade(config, "head")
    except (psycopg.errors.InsufficientPrivilege, ProgrammingError) as error:
        if getattr(getattr(error, "orig", error), "sqlstate", None) != "42501":
            raise
        raise StoreError(
            "the database's user may not make extensions, schemas or roles; have its "
            "administrator make the extensions postgis, pg_trgm and btree_gist and the roles "
            "cim_reader, cim_resident_reader, cim_service, cim_public, cim_gate, cim_intake, "
            "cim_editor, cim_feeder and cim_sensing, granted to the user WITH ADMIN OPTION",
            "数据库用户无权创建扩展、模式或角色;请管理员创建扩展 postgis、pg_trgm、btree_gist "
            "以及角色 cim_reader、cim_resident_reader、cim_service、cim_public、cim_gate、"
            "cim_intake、cim_editor、cim_feeder、cim_sensing,并 WITH ADMIN OPTION 授予该用户",
        ) from None
