"""What the service does with readings: takes them in, tells the latest, draws a day and a year."""

import http.client
import json
import time
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

from benchmarks.asking import Question, ask, at, connected, send
from benchmarks.measures import City, Measure, anonymous, tree
from benchmarks.publishing import SECONDS, STRIDE

LATEST = (
    "/sta/v1.1/Datastreams?$select=id,name&$top={size}"
    "&$expand=Observations($orderby=phenomenonTime%20desc;$top=1;$select=result,phenomenonTime)"
)

PUSHES = "a key of this benchmark alone, of the feed that is pushed to"

MINUTELY, EACH = 1_000_000 / 60, 1_000
"""Readings a second of a million devices that report each minute, and in one push."""

RESULT = b'"result":'

LAST = 2_000
"""Bytes at the end of an answer that may hold the address of the next page."""

MINUTES = 10
"""Between two readings of the stream that is asked for: a year of it is 52,560."""


def measure(here: City, port: int, server: int, size: int) -> list[Measure]:
    """Ask a service for what a city of so many datastreams has."""
    return [*_pushed(here, port, size), *latest(port, server, size), *_lines(here, port)]


def _pushed(here: City, port: int, size: int) -> list[Measure]:
    """Devices that report once a minute each, a thousand in a push, on two connections."""
    sql = "SELECT count(*) FROM city.observation"
    before, began = here.one(sql), time.perf_counter()
    with get_context("spawn").Pool(2) as pool:
        parts = [(port, size * n // 2, size * (n + 1) // 2, MINUTELY / 2) for n in range(2)]
        said = pool.starmap(push, parts)
    seconds = time.perf_counter() - began
    stored = here.one(sql) - before
    return [
        Measure("readings pushed over HTTP, a thousand at a time, stored", stored / seconds, "1/s",
                MINUTELY * 0.99, "higher"),
        Measure("pushed and answered, not stored", sum(each[0] for each in said) - stored, "", 0),
        Measure("a push, 99 of 100 within",
                at(sorted(took for each in said for took in each[1]), 0.99), "ms"),
    ]  # fmt: skip


def push(port: int, first: int, last: int, rate: float) -> tuple[int, list[float]]:
    """Push for devices in turn at so many readings a second: how many, and ms of every push."""
    connection = connected(port)
    headers = {"Authorization": f"Bearer {PUSHES}", "Content-Type": "application/json"}
    began, sent, took = time.perf_counter(), 0, []
    while (passed := time.perf_counter() - began) < SECONDS:
        if sent > passed * rate:
            time.sleep((sent - passed * rate) / rate)
        now = time.time_ns() // 1_000_000
        body = b",".join(
            b'{"device":"D%d","stream":"v","at":%d,"value":%d}'
            % (first + turn * STRIDE % (last - first), now, turn % 100)
            for turn in range(sent, sent + EACH)
        )
        asked_at = time.perf_counter()
        answer = send(connection, Question("/feeds/pushed", b"[" + body + b"]", headers))
        took.append((time.perf_counter() - asked_at) * 1000)
        if json.loads(answer)["faults_count"]:
            raise RuntimeError(answer[:300].decode())
        sent += EACH
    return sent, took


def latest(port: int, server: int, size: int, who: str = "") -> list[Measure]:
    """The latest value of every stream through SensorThings, read as it comes."""
    before = sum(anonymous(process) for process in tree([server]))
    began = time.perf_counter()
    values, most, path = 0, before, LATEST.format(size=size)
    while path:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {answer.read()[:300]!r}")
        kept = b""
        while part := answer.read(1 << 20):
            values += (kept[1 - len(RESULT) :] + part).count(RESULT)
            kept = (kept + part)[-LAST:]
            most = max(most, sum(anonymous(process) for process in tree([server])))
        path = _next(kept)
        connection.close()
    took = time.perf_counter() - began
    return [
        Measure(f"latest value of {values:,} datastreams through SensorThings{who}", took, "s", 3),
        Measure("growth of the service's memory meanwhile", (most - before) / 1e6, "MB"),
    ]


def _next(tail: bytes) -> str:
    """The path of the next page, where the end of an answer names one."""
    mark = b'"@iot.nextLink":"'
    start = tail.find(mark)
    if start < 0:
        return ""
    link = tail[start + len(mark) :].split(b'"', 1)[0].decode()
    return "/" + link.split("/", 3)[3]


def _lines(here: City, port: int) -> list[Measure]:
    """A day and a year of one stream, as a chart asks for them."""
    stream = int(here.one("SELECT t.id FROM city.datastream t JOIN city.device d "
                          "ON d.id = t.device_id WHERE d.ext_id = 'D0'"))  # fmt: skip
    now = datetime.now(UTC)
    file = here.folder / "year.csv"
    times = (now - timedelta(minutes=MINUTES * n) for n in range(365 * 24 * 60 // MINUTES))
    lines = [f"D0,v,{at_:%Y-%m-%dT%H:%M:%SZ},{at_.hour + at_.minute / 60:.2f}" for at_ in times]
    file.write_text("\n".join(["设备编号,数据流,观测时间,数值", *lines]) + "\n", encoding="utf-8")
    here.run("load", "readings", str(file), "--source", "bench")
    here.run("feed", "rollup")
    connection = connected(port)
    begin = {"day": now - timedelta(days=1), "year": now - timedelta(days=365)}
    found = []
    for name, aim in (("day", 5), ("year", 20)):
        path = f"/datastreams/{stream}/series?start={begin[name]:%Y-%m-%dT%H:%M:%SZ}&points=500"
        took = ask(connection, [Question(path)] * 300)
        found += [
            Measure(f"a {name} of one stream, half within", at(took, 0.5), "ms"),
            Measure(f"a {name} of one stream, 95 of 100 within", at(took, 0.95), "ms", aim),
        ]
    return found
