"""A week of readings with the shape of a day: busy mornings and evenings, quiet nights."""

import datetime as dt
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sample_data.buildings import build
from sample_data.files import Columns
from sample_data.places import Plan
from sample_data.things import STREAMS, Device, of_community

Floats = NDArray[np.float64]

WEEK = 7 * 86_400
"""Seconds of readings before the end."""

COMMUNITIES = 4
"""Only the first communities report; a large city would be nothing but readings."""


def readings(plan: Plan, until: dt.datetime) -> Iterator[Columns]:
    """Readings of every stream in the week up to `until`, oldest first within a stream."""
    end = int(until.timestamp())
    for community in plan.communities[:COMMUNITIES]:
        rng = community.rng(5, plan.seed)
        devices = of_community(plan, build(plan, community))
        for kind, streams in STREAMS.items():
            of_kind = [device for device in devices if device.kind == kind]
            for name, prop, unit, interval in streams:
                if of_kind:
                    yield _stream(of_kind, (name, prop, unit, interval), end, rng)


def _stream(
    devices: list[Device],
    stream: tuple[str, str, str, int],
    end: int,
    rng: np.random.Generator,
) -> Columns:
    name, prop, unit, interval = stream
    steps = WEEK // interval + 1
    moments = end - interval * np.arange(steps - 1, -1, -1)
    values = curve(prop, moments, len(devices), rng)
    local = (moments + 8 * 3600).astype("M8[s]").astype(str)
    stamps = np.array([f"{moment}+08:00" for moment in local.tolist()])
    return {
        "设备编号": np.repeat([device.key for device in devices], steps).tolist(),
        "数据流": [name] * values.size,
        "观测属性": [prop] * values.size,
        "计量单位": [unit] * values.size,
        "观测时间": np.tile(stamps, len(devices)).tolist(),
        "数值": values.ravel(),
    }


def daily(hours: Floats) -> Floats:
    """How busy a residential building is, 0 to 1, by hour of the day.

    >>> daily(np.array([3.0, 8.0, 19.0])).round(1).tolist()
    [0.1, 0.8, 1.0]
    """
    morning = 0.7 * np.exp(-(((hours - 7.9) / 1.3) ** 2))
    noon = 0.35 * np.exp(-(((hours - 12.3) / 1.6) ** 2))
    evening = 0.9 * np.exp(-(((hours - 19.2) / 2.4) ** 2))
    return np.asarray(np.minimum(1.0, 0.06 + morning + noon + evening), dtype=np.float64)


def curve(prop: str, moments: NDArray[np.int64], count: int, rng: np.random.Generator) -> Floats:
    """Values of `count` streams at these times (Unix seconds): shape (count, times)."""
    hours = (moments / 3600 + 8) % 24
    busy = daily(hours)[None]
    noise = rng.standard_normal((count, len(moments)))
    own = rng.uniform(0.5, 1.5, (count, 1))
    if prop in ("water_volume", "energy"):
        each, start = (0.42, 900.0) if prop == "water_volume" else (8.5, 12_000.0)
        use = each * own * np.clip(1 + 0.25 * noise, 0.05, None)
        return np.asarray(np.round(own * start + np.cumsum(use, axis=1), 2), dtype=np.float64)
    if prop == "trips":
        return np.asarray(np.round(np.clip(own * 46 * busy * (1 + 0.15 * noise), 0, None)))
    if prop == "car_storey":
        return np.asarray(np.clip(np.round(1 + np.abs(noise) * 9 * busy), 1, 30))
    if prop == "fill_level":
        sawtooth = (moments[None] / 86_400 * own + own) % 1.0
        return np.asarray(np.round(8 + 80 * sawtooth + 2 * noise, 1))
    night = np.cos((hours - 15) / 24 * 2 * np.pi)[None]
    shapes = {
        "smoke": 0.15 + 0.03 * noise,
        "air_temperature": 27.5 + 4.2 * night + 0.4 * noise,
        "relative_humidity": 72 - 13 * night + 1.5 * noise,
        "pm25": 24 + 9 * busy + 3 * noise,
        "power": np.clip(
            own * 11 * (1.06 - busy) * (hours[None] > 17) + 0.4 + 0.2 * noise, 0, None
        ),
    }
    return np.asarray(np.round(np.clip(shapes[prop], 0, None), 2), dtype=np.float64)
