"""Which PostgreSQL of this machine to run: version 15 or later, with PostGIS 3.3 or later."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cim.errors import StoreError, StoreMissing, StoreVersion

POSTGRESQL = 15
"""The oldest major version that will do."""

POSTGIS = (3, 3)
"""The oldest version that will do."""

FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/usr/bin")
"""Where Debian, Red Hat and PostgreSQL's own build put the server."""


@dataclass(frozen=True)
class Programs:
    """One installed PostgreSQL."""

    folder: Path
    """Where initdb, pg_ctl and postgres are."""

    version: int
    """Major version of the server."""

    postgis: tuple[int, ...] | None
    """Version of the PostGIS installed for it, such as (3, 3, 2); None where there is none."""

    lz4: bool = False
    """Whether it was built with LZ4, the cheapest way to compress its log."""

    def path(self, name: str) -> str:
        """One of its programs."""
        return str(self.folder / name)


def installed() -> list[Programs]:
    """Every PostgreSQL server on this machine, the newest first."""
    servers = [
        server for pattern in FOLDERS for server in Path("/").glob(f"{pattern[1:]}/postgres")
    ]
    found = [_programs(server.parent) for server in servers if (server.parent / "initdb").exists()]
    return sorted(found, key=lambda programs: programs.version, reverse=True)


def choose(candidates: list[Programs], made_by: int | None = None) -> Programs:
    """The newest that will do, or the one whose version made the cluster (`made_by`).

    >>> here = [Programs(Path("/a"), 16, None), Programs(Path("/b"), 15, (3, 3, 2))]
    >>> choose(here).version
    15
    >>> choose(here, made_by=16)
    Traceback (most recent call last):
    cim.errors.StoreMissing: PostgreSQL 16 is here, but no PostGIS 3.3 or later for it. Install it \
with: sudo apt-get install postgresql-16-postgis-3
    """
    fitting = [one for one in candidates if one.version == (made_by or one.version)]
    usable = [one for one in fitting if one.version >= POSTGRESQL]
    for programs in usable:
        if programs.postgis and programs.postgis >= POSTGIS:
            return programs
    raise _absence(candidates, usable, made_by)


def _absence(candidates: list[Programs], usable: list[Programs], made_by: int | None) -> StoreError:
    """Why none of the candidates will do, and what to install."""
    package = f"sudo apt-get install postgresql-{made_by or POSTGRESQL}-postgis-3"
    oldest = ".".join(map(str, POSTGIS))
    if usable:
        here = usable[0].version
        package = f"sudo apt-get install postgresql-{here}-postgis-3"
        return StoreMissing(
            f"PostgreSQL {here} is here, but no PostGIS {oldest} or later for it. "
            f"Install it with: {package}",
            f"已安装 PostgreSQL {here},但缺少 PostGIS {oldest} 或更高版本。请安装:{package}",
        )
    if made_by:
        return StoreMissing(
            f"the database was made by PostgreSQL {made_by}, which is not installed here. "
            f"Install it with: {package}",
            f"数据库由 PostgreSQL {made_by} 创建,本机未安装该版本。请安装:{package}",
        )
    if candidates:
        return StoreVersion(
            f"PostgreSQL {candidates[0].version} is too old: {POSTGRESQL} or later is needed. "
            f"Install it with: {package}",
            f"PostgreSQL {candidates[0].version} 版本过低,需要 {POSTGRESQL} 或更高。"
            f"请安装:{package}",
        )
    return StoreMissing(
        f"no PostgreSQL server on this machine. Install it with: {package} (or set "
        "CIM_DATABASE_URL to a PostGIS you have)",
        f"本机没有 PostgreSQL 服务器。请安装:{package}(或用 CIM_DATABASE_URL 指定已有的 PostGIS)",
    )


def _programs(folder: Path) -> Programs:
    said = _output(folder / "postgres", "--version")
    version = re.search(r"\) (\d+)", said)
    major = int(version[1]) if version else 0
    configured = folder / "pg_config"
    lz4 = configured.exists() and "with-lz4" in _output(configured, "--configure")
    return Programs(folder, major, _postgis(folder, major), lz4)


def _postgis(folder: Path, major: int) -> tuple[int, ...] | None:
    """What the control file of the extension says is installed."""
    if (folder / "pg_config").exists():
        shared = Path(_output(folder / "pg_config", "--sharedir"))
    else:
        shared = Path(f"/usr/share/postgresql/{major}")
    try:
        control = (shared / "extension" / "postgis.control").read_text()
    except OSError:
        return None
    return version_of(control.partition("default_version")[2])


def version_of(text: str) -> tuple[int, ...]:
    """The first dotted number of a text.

    >>> version_of(" = '3.3.2'"), version_of("none")
    ((3, 3, 2), ())
    """
    found = re.search(r"\d+(\.\d+)*", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def _output(program: Path, option: str) -> str:
    done = subprocess.run([program, option], capture_output=True, text=True, check=False)
    return done.stdout.strip()
