"""One job in a process of its own, so that nothing a file does can hurt the worker.

    python -m cim.intake.runner ID

The settings come as one line on the standard input, which stays open: when it ends, whoever began
this is gone, and so is the job.  A load is one transaction: stopped at any moment, it leaves the
city as it was.
"""

import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from cim.errors import CimError, SourceError, told_as_interrupt
from cim.intake import address_match
from cim.intake.bringing import Units, bring, bring_terrain
from cim.intake.children import go_first, took_too_long
from cim.intake.uploads import path_of
from cim.load import models, terrain
from cim.load.kinds import KINDS
from cim.load.mending import Mends
from cim.load.pipeline import Request
from cim.load.report import Report
from cim.settings import Settings
from cim.store import engine as engines
from cim.store.queries import intake as statements

BEAT = 0.5
"""Seconds between two looks at what is asked, and at most between two words of progress."""

QUIET = 5.0
"""Seconds after which it says that it is alive though nothing has moved."""

GIVE_UP = 10.0
"""Seconds that a job has to stop before its process ends itself."""

AGAIN = 4.0
"""Seconds between two interrupts: what is under way must be able to end in good order."""

LOCK = 0x6A6F62
"""Half of the advisory lock that keeps a job from running twice at once."""

MOST_ATTEMPTS = 3
"""How often a job is begun whose runner is found dead each time."""


class Pulse:
    """Writes how far a job has come, and stops it when that is asked for, or when it is late."""

    def __init__(self, engine: Engine, id: int, longest: float) -> None:
        """Nothing is known of the job yet; `longest` is how many seconds it may take."""
        self.engine, self.id, self.longest = engine, id, longest
        self.until = float("inf")
        self.late = False
        self.at: tuple[str | None, int | None, int | None] = (None, None, None)
        self.ended = threading.Event()
        self.stopping = threading.Event()
        self.sealed = False
        self.interrupted = -AGAIN
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin to write; from now on its time runs."""
        self.until = time.monotonic() + self.longest
        self._thread.start()

    def end(self) -> None:
        """Write no more."""
        self.ended.set()
        self._thread.join()

    def progress(self, step: str, done: int, total: int | None) -> None:
        """What the load tells; from the last step on it is not stopped any more."""
        self.at = step, done, total
        if step == "commit":
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            self.sealed = True
        elif self.stopping.is_set():
            raise KeyboardInterrupt

    def _beat(self) -> None:
        said, when = self.at, time.monotonic()
        while not self.ended.wait(BEAT):
            if time.monotonic() > self.until:
                self.late = True
                self.stop()
            if self.at == said and time.monotonic() - when < QUIET and not self._asked():
                continue
            said, when = self.at, time.monotonic()
            # A database that is away for a moment stops no load by this.
            with suppress(CimError, OSError), self.engine.begin() as connection:
                asked = connection.execute(statements.seen(self.id, *said)).one_or_none()
                if asked is None or asked.cancelled_at is not None:
                    self.stop()

    def _asked(self) -> bool:
        with suppress(CimError, OSError), self.engine.connect() as connection:
            return connection.execute(statements.asked_to_stop(self.id)).scalar() is not None
        return False

    def stop(self) -> None:
        """Interrupt the load, in the midst of a statement too; again where that did not help."""
        self.stopping.set()
        if not self.sealed and time.monotonic() > self.interrupted + AGAIN:
            self.interrupted = time.monotonic()
            os.kill(os.getpid(), signal.SIGINT)


def watch_parent(pulse: Pulse) -> None:
    """Stop when the standard input ends; where that does not help, end at once."""
    while os.read(sys.stdin.fileno(), 1000):
        continue
    pulse.stop()
    if not pulse.ended.wait(GIVE_UP):
        os._exit(1)


def run(settings: Settings, id: int) -> None:
    """Run one job to its end and write down how it ended."""
    engine = engines.connect(settings)
    pulse = Pulse(engine, id, settings.load_hours * 3600)
    threading.Thread(target=watch_parent, args=(pulse,), daemon=True).start()
    with engine.connect() as alone:
        alone.execute(text("SELECT pg_advisory_lock(:a, :b)"), {"a": LOCK, "b": id % 2**31})
        alone.commit()
        row = alone.execute(statements.begin(id)).one_or_none()
        alone.commit()
        if row is None:
            return
        with engine.connect() as connection:
            outcome = _outcome(settings, row, pulse)
            connection.execute(outcome)
            connection.commit()


def _outcome(settings: Settings, row: Any, pulse: Pulse) -> Any:
    """Load, and give back the statement that says how it ended."""
    if row.attempts > MOST_ATTEMPTS:
        return statements.failed(
            row.id,
            f"{row.file} was begun {MOST_ATTEMPTS} times, and each time the program that loaded "
            "it was ended from outside; nothing was loaded",
            f"{row.file} 已尝试 {MOST_ATTEMPTS} 次，每次载入程序都被外部终止；未载入任何数据",
        )
    pulse.start()
    try:
        with told_as_interrupt():
            report = _load(settings, row, pulse)
    except KeyboardInterrupt:
        if pulse.late:
            return statements.failed(row.id, *took_too_long(row.file, settings))
        return statements.stopped(row.id)
    except CimError as error:
        return statements.failed(row.id, str(error), error.zh)
    except Exception as error:
        return statements.failed(row.id, *own_up(error))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        pulse.end()
    return statements.done(row.id, report.as_json(), report.import_id)


def _load(settings: Settings, row: Any, pulse: Pulse) -> Report:
    path = path_of(settings, row.upload, row.file)
    if not path.is_file():
        raise SourceError(f"{row.file} is there no longer", f"{row.file} 已不存在")
    if row.kind == address_match.KIND:
        return _address_match(settings, path, row, pulse)
    if row.kind == terrain.KIND.name:
        return _terrain(settings, path, row, pulse)
    kind = models.KIND if row.kind == models.KIND.name else KINDS.get(row.kind)
    if kind is None:
        raise SourceError(f"there is no kind {row.kind}", f"没有 {row.kind} 这一种类")
    asked = dict(row.request)
    if asked.get("mends") is not None:
        asked["mends"] = Mends.read(asked["mends"])
    units = Units(ids=frozenset()) if asked.pop("units", True) else None
    return bring(
        settings,
        kind,
        path,
        Request(**asked),
        units=units,
        keep=not row.dry_run,
        progress=pulse.progress,
    )


def _address_match(settings: Settings, path: Path, row: Any, pulse: Pulse) -> Report:
    asked = dict(row.request)
    options = address_match.Options(columns=tuple(asked.pop("columns")), **asked)
    out = address_match.result_of(settings, row.upload, row.id)
    return address_match.match(settings, path, out, options, pulse.progress).report()


def _terrain(settings: Settings, path: Path, row: Any, pulse: Pulse) -> Report:
    asked, surveyed = row.request, row.request.get("surveyed")
    wish = terrain.Wish(
        crs=asked["crs"],
        heights=asked.get("heights"),
        source=asked["source"],
        surveyed=date.fromisoformat(surveyed) if surveyed else None,
        full=asked["full"],
    )
    keep = not row.dry_run
    return bring_terrain(settings, [path], wish, keep=keep, progress=pulse.progress)[-1]


def own_up(error: Exception) -> tuple[str, str]:
    """A fault of this program, and where; never with which values: they may be somebody's."""
    trace, where = error.__traceback__, "?"
    while trace:
        if str(trace.tb_frame.f_globals.get("__name__")).startswith("cim."):
            where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    what = type(error).__name__
    return (
        f"a fault of this program ({what} at {where}), not of the file; nothing was loaded",
        f"程序内部错误（{what}，{where}），与文件无关；未载入任何数据",
    )


if __name__ == "__main__":
    code = 1
    go_first()
    try:
        run(Settings.model_validate_json(sys.stdin.readline()), int(sys.argv[1]))
        code = 0
    finally:
        if code and os.environ.get("CIM_TRACEBACK"):
            traceback.print_exc()
        # Threads and processes that an interrupted load left behind are not waited for.
        os._exit(code)
