"""What the devices of the showcase community say as time goes by, with a lift that breaks.

Every value is a function of the device and the moment alone, so that a feed can begin anywhere, be
sent twice, and go on after a pause: counters rise, and a lift is where its last trip left it.

python -m sample_data.live feed.jsonl --minutes 10        a file to be replayed
python -m sample_data.live --push URL --key KEY           said as time goes by, to a feed of a city
"""

import contextlib
import datetime as dt
import json
import math
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from zlib import crc32

import click

from sample_data.buildings import build
from sample_data.places import Plan, lay_out
from sample_data.things import Device, of_community

TOPIC = "cim/v1/demo/{device}"
"""Where a device's messages are published: in our own JSON, through the gateway `demo`."""

BREAKS, MENDED, AGAIN = 120, 240, 600
"""Seconds after the begin at which the lift of the story breaks, is mended, and begins anew."""

TRIP = 40
"""Seconds of a lift's trip, its stop included."""

EPOCH = 1_767_196_800
"""2026-01-01 in China, seconds since 1970: counters are 0 then, but for what they began with."""

Values = dict[str, float | str | bool]


@dataclass(frozen=True, slots=True)
class Sent:
    """One message: when (microseconds since 1970), where, and what."""

    at: int
    topic: str
    payload: bytes


def broken(plan: Plan) -> str:
    """Key of the lift that breaks: the only one of its entrance, so that people must walk."""
    lifts = [device for device in _devices(plan) if device.kind == "lift"]
    entrances = [(lift.building, lift.entrance) for lift in lifts]
    return next(
        (
            lift.key
            for lift, entrance in zip(lifts, entrances, strict=True)
            if entrances.count(entrance) == 1
        ),
        "",
    )


def messages(plan: Plan, begin: dt.datetime, seconds: int) -> Iterator[Sent]:
    """Every message of so many seconds, in the order of time; each device at its own seconds.

    The lift of the story stands from BREAKS to MENDED with the fault E32 and somebody inside.
    """
    start = int(begin.timestamp())
    story = broken(plan)
    turns: dict[tuple[int, int], list[Device]] = {}
    for device in _devices(plan):
        if device.kind in KINDS:
            interval = KINDS[device.kind][0]
            turns.setdefault((interval, _seed(device.key) % interval), []).append(device)
    for second in range(start, start + seconds):
        for interval in sorted({interval for interval, _ in turns}):
            for device in turns.get((interval, second % interval), ()):
                yield _sent(device, second, _stopped(device, story, second - start))
        # A fault is said when it happens, not when it is the device's turn.
        if (second - start) % AGAIN in (BREAKS, MENDED):
            for device in _devices(plan):
                if device.key == story:
                    yield _sent(device, second, _stopped(device, story, second - start))


def write(path: Path, plan: Plan, begin: dt.datetime, seconds: int) -> int:
    """Write messages as a file to be replayed, one JSON object a line; how many they are."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for sent in messages(plan, begin, seconds):
            payload = json.loads(sent.payload)
            line = {"at": sent.at, "topic": sent.topic, "payload": payload}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            count += 1
    return count


def speak(plan: Plan, post: Callable[[bytes], None], seconds: float = math.inf) -> None:
    """Say everything when it is time, a list of messages a second; `post` sends it.

    What cannot be sent is left: the devices will say what is true then.
    """
    begin = dt.datetime.now(dt.UTC).replace(microsecond=0)
    ending = begin.timestamp() + seconds
    lasts = int(min(seconds, 10 * 365 * 86_400))
    by_second = groupby(messages(plan, begin, lasts), key=lambda sent: sent.at // 1_000_000)
    for second, said in by_second:
        if (wait := second - time.time()) > 0:
            time.sleep(wait)
        with contextlib.suppress(OSError):
            post(b"[" + b",".join(sent.payload for sent in said) + b"]")
        if time.time() >= ending:
            return


def pusher(url: str, key: str) -> Callable[[bytes], None]:
    """What posts to a feed with its key. Raises OSError where it is not taken."""

    def post(body: bytes) -> None:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        asked = urllib.request.Request(url, body, headers)
        with urllib.request.urlopen(asked, timeout=10):
            pass

    return post


def _devices(plan: Plan) -> list[Device]:
    """The devices of the first community, where the showcase estate is."""
    community = plan.communities[0]
    return of_community(plan, build(plan, community))


def _stopped(device: Device, story: str, since: int) -> int | None:
    """Seconds for which a device has been standing; None where it runs."""
    now = since % AGAIN
    here = device.key == story and BREAKS <= now < MENDED
    return now - BREAKS if here else None


def _sent(device: Device, second: int, stopped: int | None) -> Sent:
    values = KINDS[device.kind][1](_seed(device.key), second, stopped)
    at = second * 1_000_000
    body = {"device": device.key, "at": at // 1_000, "values": values}
    payload = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Sent(at, TOPIC.format(device=device.key), payload)


def _seed(key: str, *more: int) -> int:
    return crc32(",".join((key, *map(str, more))).encode())


def _busy(second: int) -> float:
    """How busy a home is, 0.3 to 1.7: a wave of a day that is highest at nine in the evening."""
    return 1 + 0.7 * math.cos(2 * math.pi * ((second - EPOCH) % 86_400 / 86_400 - 21 / 24))


def _total(second: int) -> float:
    """The sum of `_busy` since EPOCH, in hours: what a counter has counted for 1 an hour."""
    since = second - EPOCH
    turn = 2 * math.pi
    wave = math.sin(turn * (since % 86_400 / 86_400 - 21 / 24)) - math.sin(-turn * 21 / 24)
    return since / 3_600 + 0.7 * 24 / turn * wave


def _lift(seed: int, second: int, stopped: int | None) -> Values:
    """Where a lift is on its trip from one storey to the next; it stands where it broke."""
    now = second if stopped is None else second - stopped
    trip, gone = divmod(now - EPOCH, TRIP)
    here, there = (1 + _seed(str(seed), number) % 18 for number in (trip, trip + 1))
    part = min(gone / 25, 1.0)
    moves = stopped is None and 0 < part < 1 and here != there
    return {
        "floor": round(here + (there - here) * part),
        "speed": 0.0 if not moves else round((there - here) * 3 / 25, 2),
        "door": "closed" if moves or stopped is not None else "open",
        "people": stopped is not None or trip % 3 > 0,
        "running": "running" if stopped is None else "stopped",
        "fault": "0" if stopped is None else "E32",
        "trips": 1_000 + seed % 90_000 + trip,
    }


def _power(seed: int, second: int, stopped: int | None) -> Values:
    mean = 0.2 + seed % 100 / 160
    power = mean * _busy(second)
    return {
        "energy": round(seed % 9_000 + mean * _total(second), 3),
        "power": round(power, 3),
        "voltage": round(230 + 4 * math.sin(second / 900 + seed), 1),
    }


def _water(seed: int, second: int, stopped: int | None) -> Values:
    mean = 0.006 + seed % 100 / 9_000
    return {
        "volume": round(seed % 900 + mean * _total(second), 4),
        "flow": round(mean * _busy(second), 4),
    }


def _climate(seed: int, second: int, stopped: int | None) -> Values:
    day = math.cos(2 * math.pi * ((second - EPOCH) % 86_400 / 86_400 - 15 / 24))
    return {
        "temperature": round(27 + 4 * day + 0.3 * math.sin(second / 300), 1),
        "humidity": round(72 - 12 * day, 1),
        "pm25": round(24 + 8 * math.sin(second / 1_700), 1),
        "noise": round(52 + 6 * _busy(second), 1),
    }


def _charger(seed: int, second: int, stopped: int | None) -> Values:
    charging = (second - EPOCH) // 5_400 % 3 > 0
    return {
        "state": "charging" if charging else "idle",
        "power": 2.4 if charging else 0.0,
        "temperature": round(31 + 6 * charging + math.sin(second / 600), 1),
    }


def _bin(seed: int, second: int, stopped: int | None) -> Values:
    return {"fill": round((second + seed) % 43_200 / 43_200 * 92, 1), "temperature": 29.0}


def _smoke(seed: int, second: int, stopped: int | None) -> Values:
    return {"alarm": False, "density": 0.01, "temperature": 28.5, "battery": 60 + seed % 40}


def _camera(seed: int, second: int, stopped: int | None) -> Values:
    return {"online": True}


def _lamp(seed: int, second: int, stopped: int | None) -> Values:
    dark = not 6 * 3_600 < (second - EPOCH) % 86_400 < 18.5 * 3_600
    return {"on": dark, "power": 75.0 if dark else 0.0}


def _access(seed: int, second: int, stopped: int | None) -> Values:
    return {"door": "closed", "fault": "0"}


Say = Callable[[int, int, int | None], Values]

KINDS: dict[str, tuple[int, Say]] = {
    "lift": (10, _lift),
    "power_meter": (60, _power),
    "water_meter": (300, _water),
    "environment": (60, _climate),
    "charger": (60, _charger),
    "bin": (300, _bin),
    "smoke": (600, _smoke),
    "camera": (300, _camera),
    "throw_camera": (300, _camera),
    "street_lamp": (600, _lamp),
    "access": (600, _access),
}
"""Class of device → seconds between its messages, and what it says; streams are named as the
types of devices have them (`cim/codes/device_types.json`)."""


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--push", "url", help="Address of a feed: http://HOST:PORT/feeds/NAME.")
@click.option("--key", envvar="CIM_FEED_KEY", default="", help="Key of the feed.")
@click.option("--minutes", default=10, show_default=True, help="How long it lasts.")
@click.option("--size", default=1600, show_default=True, help="Buildings of the sample city.")
@click.option("--seed", default=7, show_default=True, help="Seed of the sample city.")
@click.option(
    "--begin", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), help="First moment; now, if not said."
)
def main(
    file: Path | None,
    url: str | None,
    key: str,
    minutes: int,
    size: int,
    seed: int,
    begin: dt.datetime | None,
) -> None:
    """Write what the sample city's devices say into FILE, a JSON object a line, to be replayed.

    With --push it is said to a feed of a running city instead, as time goes by.
    """
    plan = lay_out(size, seed)
    if file is not None:
        count = write(file, plan, begin or dt.datetime.now(dt.UTC), minutes * 60)
        click.echo(f"{count:,} messages; the lift that breaks: {broken(plan)}")
    elif url:
        speak(plan, pusher(url, key), minutes * 60)
    else:
        raise click.UsageError("name a FILE, or --push URL / 请指定文件，或用 --push 指定地址")


if __name__ == "__main__":
    main()
