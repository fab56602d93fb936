"""Benchmarks: what a result says, and that memory is that of real processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from benchmarks import measures, tiles
from benchmarks.measures import Measure, Watch, anonymous, growth, keep, pss, tree


def test_an_aim_is_met_from_the_side_that_is_better() -> None:
    assert Measure("rate", 50, "1/s", 40, "higher").met is True
    assert Measure("rate", 30, "1/s", 40, "higher").met is False
    assert Measure("time", 30, "ms", 20).met is False
    assert Measure("time", 20, "ms", 20).met is True
    assert Measure("time", 20, "ms").met is None


def test_a_result_is_written_with_every_key_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measures, "RESULTS", tmp_path / "results")
    path = keep("load", 100, [Measure("rate", 30.0, "1/s", 40.0, "higher", "other", 90.0)])
    assert path.name == "load-100.json"
    assert json.loads(path.read_text("utf-8")) == [
        {
            "measure": "rate", "value": 30.0, "unit": "1/s", "aim": 40.0, "better": "higher",
            "peer": "other", "peer_value": 90.0,
        }
    ]  # fmt: skip
    assert "MISSED" in capsys.readouterr().out


def test_memory_of_a_child_counts_and_of_the_dead_does_not() -> None:
    code = "import sys; held = bytearray(60_000_000); print('held', flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None and child.stdin is not None
    child.stdout.readline()
    with Watch([os.getpid()]) as watch:
        processes = {process.pid: process for process in tree([os.getpid()])}
        assert child.pid in processes
        assert pss(processes[child.pid]) > 60_000_000
        assert anonymous(processes[child.pid]) > 60_000_000
    child.stdin.close()
    child.wait(timeout=10)
    child.stdout.close()
    assert pss(processes[child.pid]) == 0
    assert list(tree([child.pid])) == []
    assert watch.peak > 60_000_000 and watch.own > 60_000_000 and watch.seconds > 0
    assert growth(watch, watch).value == 1


def test_the_rate_of_tiles_is_what_the_last_run_on_that_tileset_said() -> None:
    said = (
        "units: 9 features in 1 tiles, 0.1 MB, 0 left out; 2.0 s, 4/s\n"
        "units: 9,000 features in 7 tiles, 0.1 MB, 1 left out; 1.0 s, 9,012/s\n"
        "units：9,000 个要素\n  1 × its outline has no area / 轮廓面积为零\n"
        "buildings: 50 features in 1 tiles, 0.1 MB, 0 left out; 1.0 s, 50/s\n"
    )
    assert tiles.inside(said, "units") == 9012
    with pytest.raises(click.ClickException, match="no rate of solids"):
        tiles.inside(said, "solids")
