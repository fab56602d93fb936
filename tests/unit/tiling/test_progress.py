"""The bar of a long run says how far it is, how fast, and how long it will take."""

import re
import time
from io import StringIO

import pytest
from rich.console import Console

from tiling.commands.progress import bar


def test_a_bar_shows_done_and_total_the_rate_and_the_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")  # a dumb one shows no bar
    shown = StringIO()
    console = Console(file=shown, force_terminal=True, width=120)
    with bar("buildings", console) as progress:
        for done in (1_000, 2_000, 3_000, 4_000):
            progress(done, 40_000)
            time.sleep(0.15)
    words = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", shown.getvalue())
    last = words.replace("\r", "\n").strip().splitlines()[-1]
    assert "buildings" in last and "4000/40000" in last
    rate = re.search(r"([\d,]+)/s", last)
    assert rate and 0 < int(rate[1].replace(",", "")) < 9_000  # a thousand takes 0.15 s and more
    assert re.search(r"0:\d\d:\d\d", last)


def test_where_there_is_no_terminal_nothing_is_shown() -> None:
    shown = StringIO()
    with bar("buildings", Console(file=shown)) as progress:
        progress(1, 2)
    assert shown.getvalue() == ""
