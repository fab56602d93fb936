"""A city to be shaken: a PostGIS, a Mosquitto and a service of its own, and gateways in it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec
import psutil
from sqlalchemy import Engine, text

from cim.feeds import broker
from cim.settings import Settings
from cim.store.engine import connect
from cim.store.server import embedded
from tests.chaos.publishing import Plan
from tests.feeding import give_key

METERS, DETECTORS = 20, 60
"""Behind each gateway."""

KINDS: Final = ("puback", "receipt", "http")

FURNITURE: Final = f"""
    INSERT INTO city.source_system (id, name) VALUES (700, '设备平台');
    INSERT INTO city.device (id, class_code, source_id, ext_id)
        SELECT 9000 + n, 'gateway', 700, 'gateway-' || n FROM generate_series(0, 2) n;
    INSERT INTO city.device (id, class_code, source_id, ext_id, gateway_id)
        SELECT 10000 + 1000 * g + n, 'power_meter', 700, 'meter-' || g || '-' || n, 9000 + g
        FROM generate_series(0, 2) g, generate_series(0, {METERS - 1}) n;
    INSERT INTO city.device (id, class_code, source_id, ext_id, gateway_id)
        SELECT 20000 + 1000 * g + n, 'smoke', 700, 'smoke-' || g || '-' || n, 9000 + g
        FROM generate_series(0, 2) g, generate_series(0, {DETECTORS - 1}) n;
    INSERT INTO city.datastream (device_id, name, observed_property, unit_ucum, result_type)
        SELECT id, 'power', 'power', 'kW', 'number' FROM city.device
        WHERE class_code = 'power_meter';
    INSERT INTO city.datastream (device_id, name, observed_property, result_type, kind)
        SELECT id, 'alarm', 'alarm', 'boolean', 'state' FROM city.device
        WHERE class_code = 'smoke';
    INSERT INTO platform.feed (name, transport, decoder, source_id, topic) VALUES
        ('chaos', 'mqtt', 'cim', 700, 'cim/v1/#'), ('chaos-http', 'http', 'cim', 700, NULL);
"""


STEP = 100
"""Milliseconds between two times of readings; each takes two."""


class City:
    """Everything that runs, and how it is killed and started again."""

    def __init__(self, folder: Path, *, rate: float, seconds: float) -> None:
        """Make the city, to be sent so much for so long; nothing runs yet but its database."""
        self.folder = folder
        self.settings = Settings(
            _env_file=None, data_dir=folder / "data", mqtt_listen="127.0.0.1:0", feed_rate=0
        )
        self.environment = {
            name: word for name, word in os.environ.items() if not name.startswith("CIM_")
        } | {
            "CIM_DATA_DIR": str(self.settings.data_dir),
            "CIM_MQTT_LISTEN": "127.0.0.1:0",
            "CIM_FEED_RATE": "0",
        }
        self.engine: Engine = connect(self.settings)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        # Readings are further apart than they are sent: their times must not overtake the clock.
        back = 3 * 3_600_000 + int(2 * STEP * rate * seconds)
        base = (time.time_ns() // 1_000_000 - back) // 1000 * 1000
        with self.engine.begin() as connection:
            connection.execute(text(FURNITURE))
            keys = [give_key(connection, 9000 + n, f"gateway-{n}") for n in range(3)]
        self.plans = {
            kind: Plan(
                kind,
                f"gateway-{n}",
                keys[n],
                0,
                [f"meter-{n}-{one}" for one in range(METERS)],
                [f"smoke-{n}-{one}" for one in range(DETECTORS)],
                base,
                STEP,
                rate,
                str(folder / f"{kind}.record"),
            )
            for n, kind in enumerate(KINDS)
        }
        self.port = _free()
        self.restarts = 0

    # ── what runs ────────────────────────────────────────────────────────────────────────────────

    def start(self, name: str) -> None:
        """Start one of: ingester-1, ingester-2, service, or a gateway by its kind."""
        publishing = Path(__file__).with_name("publishing.py")
        if name.startswith("ingester"):
            words = ["-m", "cim", "feed", "run"]
        elif name == "service":
            words = ["-m", "cim", "serve", "--port", str(self.port), "--no-feeds"]
        else:
            plan = self.plans[name]
            plan.port = self.port if name == "http" else self.broker().port
            words = [str(publishing), msgspec.json.encode(plan).decode()]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *words],
                env=self.environment,
                cwd=Path(__file__).parents[2],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def broker(self, patience: float = 60) -> broker.Running:
        """The broker, once it is up."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            found = broker.running(self.settings)
            if found is not None:
                return found
            time.sleep(0.05)
        raise AssertionError("there is no broker")

    def answers(self, patience: float = 60) -> None:
        """Wait for the service."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                if httpx2.get(f"http://127.0.0.1:{self.port}/health", timeout=5).is_success:
                    return
            except httpx2.HTTPError:
                self.see_after()
            time.sleep(0.1)
        raise AssertionError("the service does not answer")

    def said(self, name: str) -> str:
        """The end of what one of them said."""
        return (self.folder / f"{name}.log").read_bytes()[-3000:].decode("utf-8", "replace")

    # ── deaths ───────────────────────────────────────────────────────────────────────────────────

    def kill(self, name: str) -> None:
        """SIGKILL one, and all that it started."""
        self.see_after()
        process = self.processes.pop(name)
        assert process.poll() is None, f"{name} had ended by itself: {self.said(name)}"
        keep = broker.running(self.settings)
        for child in psutil.Process(process.pid).children(recursive=True):
            if keep is None or child.pid != keep.pid:
                with_luck(child.kill)
        process.kill()
        process.wait()

    def kill_broker(self) -> None:
        """SIGKILL Mosquitto."""
        os.kill(self.broker().pid, signal.SIGKILL)

    def kill_postmaster(self) -> None:
        """SIGKILL PostgreSQL's first process: all others end by themselves."""
        pid = embedded.cluster(self.settings).pid()
        if pid is not None:
            with_luck(lambda: os.kill(pid, signal.SIGKILL))

    def kill_backend(self) -> str:
        """SIGKILL the process that serves an ingester: PostgreSQL restarts all of them."""
        try:
            with self.engine.connect() as connection:
                pid = connection.execute(
                    text("""SELECT pid FROM pg_stat_activity WHERE usename = 'cim_feeder'
                        ORDER BY state = 'idle', query NOT ILIKE '%observation%', pid LIMIT 1""")
                ).scalar()
        except Exception as error:  # it is away already
            return type(error).__name__
        if pid is not None:
            with_luck(lambda: os.kill(pid, signal.SIGKILL))
        return str(pid)

    def see_after(self, but: Sequence[str] = ()) -> None:
        """Start the service again where it ended by itself, as whoever manages services does: it
        does not start while the database is on its way up. Nothing else may end by itself."""
        for name, process in list(self.processes.items()):
            if process.poll() is not None and name == "service" and name not in but:
                assert "database" in self.said(name), self.said(name)
                self.restarts += 1
                self.start(name)

    def stop(self, names: Sequence[str], seconds: float = 90) -> None:
        """End some in good order: gateways wait until everything is acknowledged."""
        if "service" in names:
            self.answers()
        for name in names:
            self._hears(name)
            self.processes[name].terminate()
        end = time.monotonic() + seconds
        for name in names:
            process = self.processes[name]
            while process.poll() is None:
                assert time.monotonic() < end, f"{name} does not end: {self.said(name)}"
                time.sleep(0.1)
                self.see_after(but=names)
            del self.processes[name]
            assert process.returncode == 0, f"{name}: {process.returncode}, {self.said(name)}"

    def _hears(self, name: str, patience: float = 30) -> None:
        """Wait until one that has just been started does more than die of a signal to end."""
        status = Path(f"/proc/{self.processes[name].pid}/status")
        end = time.monotonic() + patience
        while not _caught(status.read_text("ascii")) >> (signal.SIGTERM - 1) & 1:
            assert time.monotonic() < end, f"{name} does not listen: {self.said(name)}"
            time.sleep(0.02)

    def tear_down(self) -> None:
        """End what still runs, and take the city away."""
        for process in self.processes.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    with_luck(child.kill)
            process.kill()
            process.wait()
        self.engine.dispose()
        broker.end(self.settings)
        home = broker.folder(self.settings)
        cluster = embedded.cluster(self.settings)
        cluster.stop()
        for folder in (home, cluster.data, self.folder):
            shutil.rmtree(folder, ignore_errors=True)

    def rows(self, sql: str, **values: Any) -> list[Any]:
        """What the database holds."""
        with self.engine.connect() as connection:
            return list(connection.execute(text(sql), values))


def with_luck(work: Any) -> None:
    """Do something to a process that may have gone."""
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        work()


def _caught(status: str) -> int:
    """The set of signals that a process listens to, of what Linux tells of it."""
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(lines.get("SigCgt", "0"), 16)


def made(rate: float, seconds: float) -> City:
    """A city in a folder that PostgreSQL's and Mosquitto's users can enter."""
    folder = Path(tempfile.mkdtemp(prefix="cim-chaos-"))
    folder.chmod(0o755)
    (folder / "data").mkdir(mode=0o755)
    try:
        return City(folder, rate=rate, seconds=seconds)
    except BaseException:
        embedded.cluster(Settings(_env_file=None, data_dir=folder / "data")).stop()
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _free() -> int:
    return broker._free("127.0.0.1")
