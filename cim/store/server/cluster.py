"""A private PostgreSQL cluster in a folder: made when first asked for, started when it is not up.

It is reached by a Unix socket in a folder that only its owner may enter, so it needs no password
and no port.  PostgreSQL refuses to run as root: root runs it as the user `postgres`, or as whoever
owns the folder already.  The server lives on after the command that started it.
"""

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from shlex import quote
from typing import Any

import psutil
from psycopg import pq
from psycopg.conninfo import make_conninfo

from cim.errors import StoreError, StoreLocale, why
from cim.store import faults
from cim.store.server import tuning
from cim.store.server.programs import Programs, choose, installed

USER = "cim"
"""The database's superuser."""

PATIENCE = 120.0
"""Seconds a server may take to come up: after a crash it first replays its log."""

_NO_ROOM = "No space left on device"


@dataclass(frozen=True)
class Account:
    """The operating system's user the server runs as."""

    uid: int
    gid: int

    @property
    def foreign(self) -> bool:
        """Whether it is another user than ours: we are root then."""
        return self.uid != os.geteuid()

    def options(self) -> dict[str, Any]:
        """What `subprocess` needs to run a program as this user."""
        if not self.foreign:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass(frozen=True)
class Cluster:
    """One cluster; nothing is touched until a method is called."""

    data: Path
    """The server's own data folder."""

    sockets: Path
    """The folder of its socket."""

    account: Account

    lock: Path
    """The file that commands hold while they make, start or stop the server."""

    extra: tuple[str, ...] = ()
    """Further server settings, such as `fsync=off` for a test's throw-away cluster."""

    # ── state ──────────────────────────────────────────────────────────────────────────────────

    @property
    def exists(self) -> bool:
        """Whether the cluster has been made."""
        try:
            (self.data / "PG_VERSION").stat()
        except PermissionError:
            return True  # somebody else's
        except OSError:
            return False
        return True

    def ping(self) -> pq.Ping:
        """OK (takes connections), REJECT (is starting or stopping) or NO_RESPONSE."""
        reached = make_conninfo("", host=str(self.sockets), connect_timeout=5)
        return pq.Ping(pq.PGconn.ping(reached.encode()))

    @property
    def answers(self) -> bool:
        """Whether it takes connections."""
        return self.ping() == pq.Ping.OK

    def pid(self) -> int | None:
        """The process id in the server's lock file; the process may be long gone."""
        try:
            return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    @property
    def crashed(self) -> bool:
        """Whether it ended without being stopped: its lock file is there and nobody answers."""
        return self.pid() is not None and self.ping() == pq.Ping.NO_RESPONSE

    # ── deeds ──────────────────────────────────────────────────────────────────────────────────

    def ensure(self) -> None:
        """Make the cluster if there is none, start it if it is not up, wait until it answers.

        Two commands at once start one server.  Raises StoreMissing, StoreVersion, StoreLocale,
        StoreFull, or StoreError with what the server said.
        """
        if self.answers:
            return
        with self._locked():
            if self.answers:
                return
            programs = choose(installed(), self._made_by())
            if not self.exists:
                self._make(programs)
            self._await_or_clear()
            if not self.answers:
                self._start(programs)

    def stop(self) -> bool:
        """Stop the server, ending its connections; False where it was not up.

        One that dies meanwhile, or has died and left processes behind, is cleared away.
        """
        with self._locked():
            version = self._made_by()
            if self.ping() == pq.Ping.NO_RESPONSE and not self._processes():
                return False
            if not self._orphaned():
                programs = choose(installed(), version)
                done = self._run(
                    programs.path("pg_ctl"), "stop", "-D", self.data, "-m", "fast", "-w",
                    "-t", str(int(PATIENCE)),
                )  # fmt: skip
                # One that was on its way down already may be gone before it can be asked.
                if done.returncode and self._processes() and not self._orphaned():
                    raise StoreError(
                        f"the database in {self.data} does not end: {_last(done.stderr)}",
                        f"{self.data} 中的数据库无法停止:{_last(done.stderr)}",
                    )
            if self._processes():
                self._await_or_clear()
            return True

    # ── how ────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock file; the system lets go of it should we die."""
        try:
            self.lock.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.lock, os.O_RDONLY | os.O_CREAT, 0o644)
        except OSError as error:
            raise faults.meaning(error) or StoreError(
                f"the data folder {self.lock.parent} cannot be written: {error.strerror}",
                f"数据目录 {self.lock.parent} 无法写入:{why(error)[1]}",
            ) from None
        try:
            flock(handle, LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _made_by(self) -> int | None:
        """The major version of the server that made the cluster."""
        try:
            return int((self.data / "PG_VERSION").read_text())
        except PermissionError:
            raise StoreError(
                f"the database in {self.data} belongs to another user; run the command as that "
                "user or as root",
                f"{self.data} 中的数据库属于其他用户,请以该用户或 root 身份运行",
            ) from None
        except (OSError, ValueError):
            return None

    def _make(self, programs: Programs) -> None:
        """initdb beside the data folder, then one rename: a half-made cluster is never used."""
        fresh = self.data.with_name(self.data.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        self._folder(fresh)
        self._must(
            programs.path("initdb"), "-D", fresh, "-U", USER, "--encoding=UTF8",
            "--locale=C.UTF-8", "--data-checksums", "--auth-local=trust", "--auth-host=reject",
        )  # fmt: skip
        fresh.rename(self.data)

    def _folder(self, folder: Path) -> None:
        """A folder that only the server's account may enter."""
        try:
            folder.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise faults.meaning(error) or StoreError(
                f"the folder {folder} cannot be made: {error.strerror}",
                f"无法创建目录 {folder}:{why(error)[1]}",
            ) from None
        if self.account.foreign:
            os.chown(folder, self.account.uid, self.account.gid)

    def _socket_folder(self) -> None:
        """Make the folder of the socket, or see that the one there is ours and closed to others."""
        if self.sockets == self.data:
            return
        try:
            found = self.sockets.lstat()
        except FileNotFoundError:
            self._folder(self.sockets)
            return
        mine = stat.S_ISDIR(found.st_mode) and found.st_uid == self.account.uid
        if not mine or found.st_mode & 0o077:
            raise StoreError(
                f"{self.sockets} is not a folder of the database's own; remove it",
                f"{self.sockets} 不是数据库自己的目录,请删除后重试",
            )

    def _processes(self) -> list[psutil.Process]:
        """The server's living processes, known by their working folder, which is the data's."""
        found = []
        for process in psutil.process_iter(["name", "status", "uids"]):
            seen = process.info
            if seen["name"] not in ("postgres", "postmaster"):
                continue
            if seen["uids"].real != self.account.uid or seen["status"] == psutil.STATUS_ZOMBIE:
                continue
            try:
                if Path(process.cwd()) == self.data:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def _orphaned(self) -> bool:
        """Whether its first process is gone, whatever others still live."""
        living = [process.pid for process in self._processes()]
        return self.ping() == pq.Ping.NO_RESPONSE and self.pid() not in living

    def _await_or_clear(self) -> None:
        """Wait for a server that is coming up or going down; clear away what a dead one left.

        After kill -9 of the postmaster its children end by themselves within seconds, and until
        then a new server refuses to start.  Its lock file stays, and keeps a new server from
        starting for as long as any process, even a zombie nobody reaps, goes by that number.
        """
        leader = self.pid()
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            state, living = self.ping(), self._processes()
            if state == pq.Ping.OK:
                return
            if state != pq.Ping.REJECT and not living:
                break  # not even from another container, where we would not see its processes
            if living and leader not in [process.pid for process in living]:
                _end(living, began)
            time.sleep(0.05)
        else:
            return  # starting takes what is left of the patience, and says what is wrong
        for name in ("postmaster.pid", ".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
            folder = self.data if name == "postmaster.pid" else self.sockets
            (folder / name).unlink(missing_ok=True)

    def _start(self, programs: Programs) -> None:
        self._socket_folder()
        file = self.data / "cim.conf"
        try:
            file.write_text(tuning.as_file(tuning.here(self.sockets, lz4=programs.lz4)))
        except OSError as error:
            raise faults.meaning(error) or error from None
        if self.account.foreign:
            os.chown(file, self.account.uid, self.account.gid)
        # pg_ctl hands these to a shell.
        options = " ".join(f"-c {quote(one)}" for one in (f"config_file={file}", *self.extra))
        log = self.data / "start.log"
        log.unlink(missing_ok=True)
        self._must(
            programs.path("pg_ctl"), "start", "-D", self.data, "-l", log, "-w",
            "-t", str(int(PATIENCE)), "-o", options, log=log,
        )  # fmt: skip

    def _must(self, *command: str | Path, log: Path | None = None) -> None:
        """Run one of PostgreSQL's programs; where it fails raise with what it said."""
        done = self._run(*command)
        if done.returncode:
            raise self._failure(done.stderr + done.stdout, log)

    def _run(self, *command: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run one of PostgreSQL's programs as the server's account."""
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
        return subprocess.run(
            command, cwd="/", env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="replace", check=False, **self.account.options(),
        )  # fmt: skip

    def _failure(self, said: str, log: Path | None) -> StoreError:
        """What is wrong when a program fails: a full disk, a missing locale, or its last words."""
        if log is not None and log.exists():
            said += log.read_text(errors="replace")[-4000:]
        if _NO_ROOM in said or faults.is_full(self.data.parent):
            return faults.full(str(self.data))
        for file in sorted(self.data.glob("log/*.log"), key=lambda one: one.stat().st_mtime)[-1:]:
            said += file.read_text(errors="replace")[-4000:]
        if "invalid locale name" in said:
            return StoreLocale(
                "this machine has no locale C.UTF-8, under which Chinese can be searched",
                "本机缺少 C.UTF-8 区域设置,无法检索中文",
            )
        words = [line for line in said.splitlines() if "FATAL" in line or "error" in line.lower()]
        last = words[-1] if words else _last(said)
        return StoreError(
            f"the database in {self.data} does not start: {last}",
            f"{self.data} 中的数据库无法启动:{last}",
        )


def _last(said: str) -> str:
    """The last line of what a program said."""
    return (said.strip().splitlines() or ["?"])[-1]


def _end(orphans: list[psutil.Process], began: float) -> None:
    """Ask the children of a dead postmaster to end, and after ten seconds make them."""
    waited = time.monotonic() - began
    for process in orphans:
        try:
            if waited > 10:
                process.kill()
            elif waited > 2:
                process.terminate()
        except psutil.NoSuchProcess:
            continue
