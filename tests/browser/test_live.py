"""A lift breaks, and who cannot get home without it is lit in a real browser; until it is mended.

Nothing stands in for anything: the sample city's devices publish to a Mosquitto, an ingester takes
their messages in, rules raise the alarm, the page hears of it through its socket. The pictures are
in screenshots/, to be looked at.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, text

from sample_data.live import broken
from sample_data.make import make
from sample_data.places import lay_out
from sample_data.playing import FEED
from tests.browser.conftest import PICTURES, ROOT, serving

SIZE = 60
QUIET, BREAK, MEND = 60, 118, 238
"""Seconds of the story from which it is told: long before the lift breaks, two before it does, and
two before it is mended."""

WALK = ROOT / "viewer" / "tests" / "browser" / "live.mjs"


def speak(environment: dict[str, str], skip: int, seconds: int = 4) -> None:
    """Have the devices speak for some seconds of the story."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sample_data.playing"),
            *("--seconds", str(seconds), "--size", str(SIZE), "--skip", str(skip)),
        ],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


@contextmanager
def ingesting(environment: dict[str, str]) -> Iterator[None]:
    """An ingester, which brings its broker up, until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cim", "feed", "run"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout
    try:
        said = ""
        while not said.endswith("接入源 demo：$share/cim/cim/v1/demo/#\n"):
            line = process.stdout.readline()
            assert line, said  # it ended
            said += line
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()


def watched(environment: dict[str, str], origin: str, building: int) -> dict[str, Any]:
    """What the page reports, while the devices speak when it asks for it."""
    node = shutil.which("node")
    assert node, "node is not on PATH: run the tests by `make test`, or `scripts/node pytest`"
    page = subprocess.Popen(
        [node, str(WALK), origin, str(PICTURES)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert page.stdin and page.stdout and page.stderr
    complaints = ""
    try:
        for line in page.stderr:
            wish = line.strip()
            answer: dict[str, Any] = {"building": building}
            if wish in ("BREAK", "MEND"):
                speak(environment, BREAK if wish == "BREAK" else MEND)
                answer = {"at": time.time() * 1000}
            elif wish != "BUILDING":
                complaints += line
                continue
            page.stdin.write(json.dumps(answer) + "\n")
            page.stdin.flush()
        told = page.stdout.read()
        assert page.wait(timeout=60) == 0, complaints[-3000:]
    finally:
        page.kill()
        page.wait()
        for pipe in (page.stdin, page.stdout, page.stderr):
            pipe.close()
    report: dict[str, Any] = json.loads(told)
    return report


@pytest.fixture(scope="module")
def seen(
    cim: Callable[..., str],
    environment: dict[str, str],
    engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("city") / "sample"  # as its devices' source is called
    make(folder, SIZE)
    cim("load", "city", str(folder), "--quiet")
    cim("tile", "build", "--jobs", "1")
    environment = environment | {"CIM_MQTT_LISTEN": "127.0.0.1:0"}
    lift = broken(lay_out(SIZE, 7))
    with engine.connect() as connection:
        building = connection.execute(
            text("SELECT building_id FROM city.device WHERE ext_id = :lift"), {"lift": lift}
        ).scalar_one()
    cim(*FEED)
    with (
        ingesting(environment),
        serving(environment, ("--demo", "--no-worker", "--no-feeds")) as origin,
    ):
        report = watched(environment, origin, building)
        alarm = httpx2.get(f"{origin}/alarms", params={"state": "all"}).json()["alarms"][-1]
        report["alarm"] = httpx2.get(f"{origin}/alarms/{alarm['id']}").json()
    return report | {"building": building}


def test_the_flats_above_are_lit_within_a_second_of_the_alarm(seen: dict[str, Any]) -> None:
    assert seen["before"]["lit"] == [] and seen["before"]["rows"] == 0
    affected = {unit["id"] for unit in seen["alarm"]["units"]}
    lit = {building: set(units) for building, units in seen["during"]["lit"]}
    assert affected and lit[seen["building"]] == affected
    assert min(seen["took"]["lit"]) < 1000, "milliseconds from the alarm's entry to the light"


def test_they_are_red_on_the_screen_and_dark_again_once_it_is_mended(seen: dict[str, Any]) -> None:
    assert seen["during"]["red"] > seen["before"]["red"] + 0.02
    assert seen["alarm"]["ended"] is not None
    assert min(seen["took"]["dark"]) < 1000, "milliseconds from the alarm's end to the dark"
    assert seen["after"]["lit"] == [] and seen["after"]["rows"] == 0
    assert seen["after"]["red"] <= seen["before"]["red"] + 0.005


def test_the_list_says_what_and_whom_flies_there_and_lets_it_be_taken_on(
    seen: dict[str, Any],
) -> None:
    assert "电梯故障" in seen["during"]["text"] and "影响" in seen["during"]["text"]
    assert seen["looked"]["state"]["selection"]["building"] == seen["building"]
    assert seen["taken"] == "已受理"
    assert "acknowledge" in [entry["kind"] for entry in seen["alarm"]["history"]]
    assert "lift fault" in seen["english"] and "affects" in seen["english"]


def test_a_chart_and_the_colours_say_what_is_measured_with_its_unit(seen: dict[str, Any]) -> None:
    assert seen["chart"]["state"] == "chart drawn"
    assert "速度 (m/s) · 近 24 小时" in seen["chart"]["text"] and "CSV" in seen["chart"]["text"]
    assert "速度 (m/s) · " in seen["chart"]["legend"] and "无数据" in seen["chart"]["legend"]


def test_the_page_asks_no_other_host_complains_of_nothing_and_is_accessible(
    seen: dict[str, Any],
) -> None:
    assert seen["outside"] == [] and seen["complaints"] == []
    assert seen["axe"] == []
