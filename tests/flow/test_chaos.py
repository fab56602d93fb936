"""Whatever is killed under load, the store holds what was acknowledged, each once.

A real PostGIS, Mosquitto and service, two ingesters and three gateways, each a process that is
killed (SIGKILL) in turn and started again. `make chaos SECONDS=600 SEED=7` does so for longer, and
as the run of that seed did; what happened when is in the log that a failing run names.
"""

import os
import time
from collections.abc import Iterator

import pytest

from tests import spread
from tests.chaos.city import City, made
from tests.chaos.killing import INGESTERS, Chaos
from tests.chaos.proving import Proof

SECONDS = float(os.environ.get("CIM_CHAOS", "12"))
"""How long things are killed, all phases together."""

SEED = int(os.environ.get("CIM_CHAOS_SEED") or time.time())

RATE = 150.0
"""Messages a second from each gateway."""

BOUND = 160 << 20
"""Bytes by which an ingester may grow while the database is away: 64 MB of messages wait at most,
and one that has just been started loads its libraries meanwhile."""


@pytest.fixture
def city() -> Iterator[City]:
    found = made(RATE, SECONDS)
    try:
        yield found
    finally:
        found.tear_down()


def test_what_was_acknowledged_is_stored_once_whatever_is_killed(city: City) -> None:
    chaos, proof = Chaos(city, SEED), Proof(city)
    try:
        for name in (*INGESTERS, "service"):
            city.start(name)
        city.answers()
        _subscribed(city)
        for name in ("puback", "receipt", "http"):
            city.start(name)
        time.sleep(1)
        # What a broker has acknowledged is safe as long as the broker itself is not killed.
        chaos.rage(0.5 * SECONDS, ["puback", "receipt", "http"], broker=False)
        grown = chaos.away(60 if SECONDS >= 120 else 3)
        assert max(grown.values()) < BOUND, grown
        # One ingester does not come back: the other takes in what the broker keeps for it.
        city.kill("ingester-2")
        city.stop(["puback"])
        proof.one(city.plans["puback"])
        city.start("ingester-2")
        # Who waits for receipts loses nothing even so.
        chaos.rage(0.5 * SECONDS, ["receipt", "http"], broker=True)
        city.stop(["receipt", "http"])
        proof.all("puback", "receipt", "http")
        city.stop([*INGESTERS, "service"])
    except BaseException as error:
        log = (city.folder / "chaos.log").read_text("utf-8")
        said = "".join(f"\n── {name}\n{city.said(name)}" for name in INGESTERS)
        error.add_note(f"seed {SEED}, make chaos SECONDS={SECONDS:.0f} SEED={SEED}\n{log}{said}")
        raise
    said = "; ".join(dict.fromkeys(proof.said))
    spread.LINES.append(
        f"chaos: seed {SEED}, killed {chaos.deaths}; {said}; bytes that ingesters grew by while "
        f"the database was away: {grown}"
    )


def _subscribed(city: City) -> None:
    """Wait until the broker has somebody to keep messages for."""
    city.broker()
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if all(b"cim/v1/#" in (city.folder / f"{n}.log").read_bytes() for n in INGESTERS):
            time.sleep(1)
            return
        time.sleep(0.1)
    raise AssertionError(f"no ingester takes in the feed: {city.said(INGESTERS[0])}")
