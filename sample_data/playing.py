"""The showcase community's devices speak, as time goes by: published to the city's broker.

python -m sample_data.playing                     until stopped; the lift breaks every ten minutes
python -m sample_data.playing --skip 118 --seconds 8     the story from its 118th second, for eight
"""

import asyncio
import datetime as dt
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final
from urllib.parse import unquote, urlsplit

import click
import gmqtt

from cim.feeds import broker
from cim.settings import Settings, load
from sample_data import live
from sample_data.live import Sent
from sample_data.places import lay_out

STORY: Final = 600
"""Seconds after which the lift's story begins again."""

PATIENCE: Final = 60.0
"""Seconds that the broker may take to come up: the service starts it."""

FEED: Final = (
    *("feed", "add", "demo", "--decoder", "cim", "--topic", "cim/v1/demo/#"),
    *("--source", "sample", "--provision", "streams", "--option", "sender_level=-1"),
)
"""What a user would type for the ingester to take the sample city's messages in: trusted as a
whole, for the broker of the demo lets nobody in but us."""


def prepare() -> None:
    """Have the feed stand; it is made once."""
    done = subprocess.run([sys.executable, "-m", "cim", *FEED], capture_output=True, check=False)
    if done.returncode != 0:
        raise click.ClickException(done.stderr.decode("utf-8", "replace").strip())


def told(skip: int, seconds: int, size: int, seed: int) -> Iterator[Sent]:
    """Messages from a second of the story on, as if it had begun that long ago; again and again
    where `seconds` is 0."""
    plan = lay_out(size, seed)
    while True:
        begin = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=skip)
        first = int(begin.timestamp() + skip) * 1_000_000
        for sent in live.messages(plan, begin, skip + (seconds or STORY - skip)):
            if sent.at >= first:
                yield sent
        if seconds:
            return
        skip = 0


async def publish(where: str, messages: Iterator[Sent]) -> int:
    """Publish each at its time; how many they were."""
    parts = urlsplit(where)
    client = gmqtt.Client(f"cim-demo-{time.time_ns()}")
    client.set_auth_credentials(unquote(parts.username or ""), unquote(parts.password or ""))
    await client.connect(parts.hostname or "", parts.port or 1883)
    count, parent = 0, os.getppid()
    try:
        for sent in messages:
            if os.getppid() != parent:  # the demo has ended, whose we are
                break
            pause = sent.at / 1e6 - time.time()
            await asyncio.sleep(max(0.0, pause))
            client.publish(sent.topic, sent.payload, qos=1)
            count += 1
        await asyncio.sleep(1)  # the last of them are on their way
    finally:
        with suppress(Exception):  # it may be gone
            await client.disconnect()
    return count


def found(settings: Settings) -> str:
    """Where the broker is, once it is up; an error that says so where it is not."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if settings.mqtt_url:
            return settings.mqtt_url
        running = broker.running(settings)
        if running is not None:
            return running.url
        time.sleep(0.5)
    raise click.ClickException(
        "the broker is not up: start `cim serve` or `cim feed run` first / "
        "消息代理未运行，请先启动 cim serve 或 cim feed run"
    )


@click.command()
@click.option("--skip", default=0, show_default=True, help="Seconds of the story that are over.")
@click.option("--seconds", default=0, show_default=True, help="How long; 0 is until stopped.")
@click.option("--size", default=1600, show_default=True, help="Buildings of the sample city.")
@click.option("--seed", default=7, show_default=True, help="Seed of the sample city.")
def main(skip: int, seconds: int, size: int, seed: int) -> None:
    """Have the sample city's devices speak."""
    settings = load()
    prepare()
    where = found(settings)
    with suppress(KeyboardInterrupt):
        count = asyncio.run(publish(where, told(skip, seconds, size, seed)))
        click.echo(f"{count:,} messages")


if __name__ == "__main__":
    main()
