"""Questions over real HTTP: connections kept alive, every answer checked and read whole."""

import http.client
import json
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

WARM = 50
"""Questions before those that count."""


@dataclass(frozen=True)
class Question:
    """One request; `is_json` where its answer is to be read as such."""

    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    is_json: bool = True


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def connected(port: int, path: str = "/health") -> http.client.HTTPConnection:
    """A connection to the service on that port, once it answers."""
    for _ in range(600):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                return connection
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError("the server did not answer in a minute")


def send(connection: http.client.HTTPConnection, question: Question) -> bytes:
    """One answer; RuntimeError where it is not a good one."""
    method = "GET" if question.body is None else "POST"
    connection.request(method, question.path, question.body, question.headers)
    answer = connection.getresponse()
    found = answer.read()
    good = answer.status in (200, 204) and (not question.is_json or json.loads(found))
    if not good:
        raise RuntimeError(f"{question.path}: {answer.status} {found[:300]!r}")
    return found


def ask(
    connection: http.client.HTTPConnection, questions: Sequence[Question], warm: int = WARM
) -> list[float]:
    """Milliseconds of every answer after the first `warm`, sorted; all must be good answers."""
    took = []
    for question in questions:
        began = time.perf_counter()
        send(connection, question)
        took.append((time.perf_counter() - began) * 1000)
    return sorted(took[min(warm, len(took) // 4) :])


def at(took: list[float], share: float) -> float:
    """Milliseconds within which that share of sorted answers was there."""
    return round(took[min(int(share * len(took)), len(took) - 1)], 2)


def rate(port: int, questions: Sequence[Question], callers: int, seconds: float) -> float:
    """Answers a second to so many callers at once, each a process with a connection of its own."""
    parts = [questions[n::callers] for n in range(callers)]
    with ProcessPoolExecutor(callers, get_context("spawn")) as pool:
        done = pool.map(_as_many, [port] * callers, parts, [seconds] * callers)
        return sum(done)


def _as_many(port: int, questions: Sequence[Question], seconds: float) -> float:
    """Answers a second that one caller has, one after the other, for some seconds."""
    connection = connected(port)
    for question in questions[:20]:
        send(connection, question)
    done, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        question = questions[done % len(questions)]
        connection.request("GET", question.path, headers=question.headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{question.path}: {answer.status}")
        done += 1
    return done / passed
