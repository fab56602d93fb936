"""What stands beside us in `feeds`: messages that wait, by Debian's mosquitto_sub into psql's COPY.

A floor, no ingester: payloads are copied as they are, in one transaction; nothing is decoded, held
against a device, known again, the latest of anything, or acknowledged after a commit.
"""

import shutil
import subprocess
import time
from collections.abc import Sequence

import psycopg

from benchmarks.measures import City, Measure
from benchmarks.publishing import Gateway, Publishing
from cim.feeds import broker
from cim.settings import Settings

BUFFERED = 4_000
"""Rows that mosquitto_sub, psql and COPY may hold until the first of them ends."""

QUIET = 20.0
"""Seconds after which nothing more comes."""

COPY = "COPY public.floor FROM STDIN"

COPIED = "SELECT coalesce(max(tuples_processed), 0) FROM pg_stat_progress_copy"


def measure(
    here: City, gateways: Sequence[tuple[Gateway, str]], rate: float, seconds: float
) -> list[Measure]:
    """What was published at `rate` for so long and waits at a broker of its own, taken out of it.

    By `gateways` with the hashes of their keys. From the first row until COPY has taken the last
    that is in no buffer, or nothing has come for a while.
    """
    settings = Settings(_env_file=None, data_dir=here.folder / "floor")
    found, _ = broker.ensure(settings)
    broker.let_in(settings, [(gateway.name, word) for gateway, word in gateways])
    with psycopg.connect(here.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.floor (said jsonb)")
    command = ["mosquitto_sub", "-h", found.host, "-p", str(found.port), "-V", "mqttv5", "-q", "1"]
    command += ["-u", broker.USER, "-P", found.password, "-t", "cim/v1/#"]
    command += ["-c", "-i", "floor", "-x", "3600"]
    psql = shutil.which("psql")
    if psql is None:
        raise RuntimeError("there is no psql on this machine")
    try:
        subprocess.run([*command, "-E"], check=True, timeout=10)  # subscribed: from now on kept
        at = [Gateway(found.port, one.name, one.key, one.devices) for one, _ in gateways]
        sent = sum(said.messages for said in Publishing(at, rate, seconds).end())
        heard = subprocess.Popen(command, stdout=subprocess.PIPE)
        copied = subprocess.Popen([psql, "-qX", here.url, "-c", COPY], stdin=heard.stdout)
        began = last = time.perf_counter()
        copy = 0.0
        while copied.poll() is None and time.perf_counter() - last < QUIET:
            if (now := here.one(COPIED)) > copy:
                last = time.perf_counter()
                began = began if copy else last  # it has connected
                copy = now
            elif copy > sent - BUFFERED and time.perf_counter() - last > 1:
                break
            time.sleep(0.02)
        heard.terminate()
        copied.wait(timeout=120)
        heard.wait(timeout=10)
    finally:
        broker.end(settings)
    stored = int(here.one("SELECT count(*) FROM public.floor"))
    what = "beside us: mosquitto_sub | psql COPY, nothing decoded, checked or known again"
    return [
        Measure(what, copy / max(last - began, 0.02), "1/s"),
        Measure("– of it not there", sent - stored, ""),
    ]
