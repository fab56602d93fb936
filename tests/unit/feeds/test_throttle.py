"""What is too much is counted; what is kept of it grows no faster than it may."""

from cim.feeds import throttle
from cim.feeds.throttle import Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


DAY = 86_400.0
FEED = 1


def test_a_flood_of_garbage_keeps_so_many_letters_and_counts_the_others() -> None:
    clock = Clock()
    found = Throttle(clock=clock)
    kept = sum(found.letter(FEED, "malformed") is not None for _ in range(30_000))
    assert kept == throttle.LETTERS
    clock.now += 10
    assert found.letter(FEED, "malformed") == 30_000 - kept, "the next tells how many were not"
    assert found.letter(FEED, "no_device") == 0, "another reason has room of its own"


def test_a_day_of_the_largest_garbage_fills_no_disk() -> None:
    clock = Clock()
    found = Throttle(clock=clock)
    size, kept = 1 << 20, 0
    while clock.now < DAY:
        if found.letter(FEED, "malformed") is not None and found.keeps(FEED, size):
            kept += size
        clock.now += 0.5
    assert throttle.BYTES <= kept < 2 << 30


def test_what_waited_for_an_hour_comes_in_at_once_and_a_flood_does_not() -> None:
    found = Throttle(rate=2, clock=Clock())
    hour = [second * 1_000_000 for second in range(0, 3_600, 20)]
    assert not any(found.floods("meter-1", FEED, at) for at in hour), "180, each at its time"
    assert sum(found.floods("meter-2", FEED, 5) for _ in range(180)) == 160
    assert sum(found.floods("meter-3", FEED, None) for _ in range(180)) == 160
    scattered = sum(found.floods("meter-4", FEED, n * 10_000_000) for n in range(1_000))
    assert scattered == 1_000 - 20 * throttle.CATCHING_UP


def test_a_large_payload_leaves_room_for_small_ones() -> None:
    found = Throttle(clock=Clock())
    while found.keeps(FEED, 100 << 20):
        continue
    assert found.keeps(FEED, 1_000)
    assert found.keeps(2, 100 << 20), "of another feed"
