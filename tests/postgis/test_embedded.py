"""The embedded server: started once however many ask, back after a crash, and never in the way."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import psutil
import psycopg
import pytest
from sqlalchemy import Connection, text

from cim.errors import StoreError, StoreFull, StoreMissing
from cim.settings import Settings
from cim.store.copy.columns import write
from cim.store.engine import connect, connect_async
from cim.store.faults import translated
from cim.store.server import embedded
from cim.store.server.cluster import Cluster

COMMAND = [sys.executable, "-c", "from cim.cli import main; main()", "db"]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A data folder that the user `postgres` can reach too; pytest's own cannot be."""
    with tempfile.TemporaryDirectory(prefix="cim-embedded-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
        embedded.cluster(Settings(_env_file=None, data_dir=Path(name))).stop()


@pytest.fixture(scope="module")
def city(folder: Path) -> Settings:
    """Settings of the module's embedded database, which may be up or down."""
    return Settings(_env_file=None, data_dir=folder)


def environment(folder: Path, **further: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CIM_")}
    return {**kept, "CIM_DATA_DIR": str(folder), **further}


def cim_db(folder: Path, *arguments: str, **further: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], env=environment(folder, **further), capture_output=True,
        text=True, check=False, timeout=60, cwd=folder,
    )  # fmt: skip


def postmasters(cluster: Cluster) -> list[int]:
    """The server's processes that are not children of another of its processes."""
    found = []
    for process in psutil.process_iter(["name"]):
        if process.info["name"] != "postgres":
            continue
        try:
            parent = process.parent()
            leads = parent is None or parent.name() != "postgres"
            if leads and Path(process.cwd()) == cluster.data:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def kill(cluster: Cluster, *, to_the_last: bool = False) -> int:
    """Kill the server; its children end by themselves a little later, `to_the_last` waits."""
    pid = cluster.pid()
    assert pid is not None
    children = psutil.Process(pid).children()
    os.kill(pid, 9)
    if to_the_last:
        assert psutil.wait_procs(children, 20)[1] == []
    return pid


def test_commands_at_once_start_one_server(folder: Path, city: Settings) -> None:
    starting = [
        subprocess.Popen([*COMMAND, "start"], env=environment(folder), cwd=folder,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(3)
    ]  # fmt: skip
    said = [process.communicate(timeout=120)[0] for process in starting]
    assert [process.returncode for process in starting] == [0, 0, 0], said
    cluster = embedded.cluster(city)
    assert postmasters(cluster) == [cluster.pid()]


def test_status_says_where_it_is_and_how_it_is(folder: Path, city: Settings) -> None:
    connect(city).dispose()
    state = json.loads(cim_db(folder, "status", "--json").stdout)
    assert state["up"] and state["problem"] is None
    assert state["revision"] == state["newest_revision"]
    assert state["pid"] == embedded.cluster(city).pid()


def test_it_is_safe_private_and_scaled(city: Settings) -> None:
    engine = connect(city)
    with engine.connect() as connection:
        shown = {
            name: connection.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("fsync", "synchronous_commit", "full_page_writes", "listen_addresses",
                         "lc_ctype", "server_encoding", "data_checksums")
        }  # fmt: skip
        buffers = connection.execute(
            text("SELECT setting::bigint * 8192 FROM pg_settings WHERE name = 'shared_buffers'")
        ).scalar_one()
    engine.dispose()
    assert shown == {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "listen_addresses": "",
        "lc_ctype": "C.UTF-8",
        "server_encoding": "UTF8",
        "data_checksums": "on",
    }
    assert buffers < psutil.virtual_memory().total / 4
    assert embedded.cluster(city).sockets.stat().st_mode & 0o077 == 0


def test_what_was_committed_is_there_after_kill_9(folder: Path, city: Settings) -> None:
    engine = connect(city)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS city.kept (n int)"))
        write(connection, "city.kept", {"n": range(1000)}, {"n": "int4"})
    engine.dispose()
    killed = kill(embedded.cluster(city))
    counted = cim_db(folder, "psql", "--", "-Atc", "SELECT count(*), sum(n) FROM city.kept")
    assert counted.stdout == "1000|499500\n", counted.stderr
    assert postmasters(embedded.cluster(city)) == [embedded.cluster(city).pid()] != [killed]


def test_a_program_that_was_running_gets_its_database_back(city: Settings) -> None:
    engine = connect(city)
    api = connect_async(city)
    one = text("SELECT 1")

    async def ask() -> int:
        async with api.connect() as connection:
            return int((await connection.execute(one)).scalar_one())

    async def ask_before_and_after() -> list[int]:
        answers = [await ask()]
        kill(embedded.cluster(city), to_the_last=True)
        answers.append(await ask())
        await api.dispose()
        await asyncio.sleep(0)  # the broken connection closes in the loop's next round
        return answers

    assert asyncio.run(ask_before_and_after()) == [1, 1]
    with engine.connect() as connection:
        assert connection.execute(one).scalar_one() == 1
    kill(embedded.cluster(city), to_the_last=True)
    with engine.connect() as connection:
        assert connection.execute(one).scalar_one() == 1
    engine.dispose()


@pytest.mark.parametrize("whose", ["a living process", "a process nobody waited for", "nobody"])
def test_a_lock_file_left_behind_does_not_keep_it_from_starting(city: Settings, whose: str) -> None:
    connect(city).dispose()
    cluster = embedded.cluster(city)
    assert cluster.stop()
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    owner = {"a living process": os.getpid(), "a process nobody waited for": zombie.pid}
    left = cluster.data / "postmaster.pid"
    left.write_text(f"{owner.get(whose, 2**22 - 1)}\n{cluster.data}\n")
    os.chown(left, cluster.account.uid, cluster.account.gid)
    connect(city).dispose()
    zombie.wait()
    assert postmasters(cluster) == [cluster.pid()]


def test_stopping_stops_it_and_stays_stopped_under_an_open_engine(
    folder: Path, city: Settings
) -> None:
    engine = connect(city)
    assert cim_db(folder, "stop").returncode == 0
    assert postmasters(embedded.cluster(city)) == []
    with pytest.raises(StoreError, match="no database answers"):
        engine.connect()
    engine.dispose()
    assert cim_db(folder, "status").returncode == 1
    assert "was not up" in cim_db(folder, "stop").stdout


def test_stopping_one_that_was_killed_clears_away_what_it_left(city: Settings) -> None:
    connect(city).dispose()
    slow = psutil.Process(embedded.cluster(city).pid()).children()[0]
    slow.suspend()
    kill(embedded.cluster(city))
    Timer(0.5, slow.resume).start()
    assert embedded.cluster(city).stop()
    assert not postmasters(embedded.cluster(city)) and not embedded.cluster(city).stop()


def test_a_database_of_a_newer_program_is_refused_in_both_languages(
    folder: Path, city: Settings
) -> None:
    engine = connect(city)
    version = text("UPDATE platform.alembic_version SET version_num = :to")
    with engine.begin() as connection:
        connection.execute(version, {"to": "9999"})
    refused = cim_db(folder, "start")
    with engine.begin() as connection:
        connection.execute(version, {"to": "0001"})
    engine.dispose()
    assert refused.returncode == 2
    assert "newer than this program" in refused.stderr
    assert "请使用新版程序" in refused.stderr


def test_a_cluster_half_made_is_made_again(city: Settings, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="cim-half-") as name:
        Path(name).chmod(0o755)
        half = Path(name) / "城市 数据&#" / "postgres.new"
        half.mkdir(parents=True)
        (half / "PG_VERSION").write_text("15\n")
        found = embedded.start(Settings(_env_file=None, data_dir=half.parent), ("fsync=off",))
        assert found.answers and not half.exists()
        found.stop()


def test_a_database_of_ones_own_is_used_and_none_is_started(
    database_url: str, tmp_path: Path
) -> None:
    given = {"CIM_DATABASE_URL": database_url}
    asked = cim_db(tmp_path, "psql", "--", "-Atc", "SELECT count(*) FROM city.building", **given)
    assert asked.stdout == "0\n", asked.stderr
    assert "never started nor stopped" in cim_db(tmp_path, "stop", **given).stdout
    assert "never started nor stopped" in cim_db(tmp_path, "start", **given).stdout
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_does_not_answer_is_said_so_and_none_is_started(tmp_path: Path) -> None:
    absent = {"CIM_DATABASE_URL": f"postgresql://cim@/city?host={tmp_path}"}
    asked = cim_db(tmp_path, "psql", **absent)
    assert asked.returncode == 2
    assert "no database answers" in asked.stderr and "没有数据库应答" in asked.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_data_stand_where_the_servers_account_can_go(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    data = embedded.cluster(Settings(_env_file=None, data_dir=tmp_path)).data
    if os.geteuid() == 0:
        assert data.parent.parent == embedded.ELSEWHERE
    else:
        assert data == tmp_path / "postgres"


def test_a_long_path_has_its_socket_elsewhere_and_a_planted_folder_is_refused() -> None:
    with tempfile.TemporaryDirectory(prefix="cim-long-") as name:
        Path(name).chmod(0o755)
        settings = Settings(_env_file=None, data_dir=Path(name) / ("很长的路径" * 6))
        cluster = embedded.cluster(settings)
        assert len(os.fsencode(cluster.sockets)) < 60
        cluster.sockets.mkdir()
        cluster.sockets.chmod(0o777)
        with pytest.raises(StoreError, match="not a folder of the database's own"):
            embedded.start(settings)
        cluster.sockets.rmdir()
        assert embedded.start(settings, ("fsync=off",)).answers
        assert cluster.stop()
        shutil.rmtree(cluster.sockets)


def test_a_full_disk_is_said_so(connection: Connection, settings: Settings) -> None:
    # /dev/full is a disk that is always full, to the server as to us.
    statement = text("COPY (SELECT generate_series(1, 100000)) TO '/dev/full'")
    with pytest.raises(StoreFull, match="no room"):
        connection.execute(statement)
    with pytest.raises(StoreFull), translated(), open("/dev/full", "w") as full:
        full.write("x")
        full.flush()

    async def fill() -> None:
        engine = connect_async(settings)
        try:
            async with engine.connect() as other:
                await other.execute(statement)
        finally:
            await engine.dispose()

    with pytest.raises(StoreFull, match="no room"):
        asyncio.run(fill())


def test_a_server_that_went_away_for_want_of_room_is_said_so(tmp_path: Path) -> None:
    # /proc is a file system without a free byte; a server there would have ended with PANIC.
    with pytest.raises(StoreFull, match="/proc"), translated(Path("/proc")):
        psycopg.connect(host=str(tmp_path))
    with pytest.raises(StoreMissing), translated(tmp_path):
        psycopg.connect(host=str(tmp_path))
