"""The 182 payloads of ChirpStack's device profiles: what our tables, and makers' scripts, read.

The vectors are in ../shared/data; the scripts of the makers are not: `make trial` runs all of them
where CIM_CODECS names a checkout of the device profiles with them.
"""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cim.feeds.codecs import table
from cim.feeds.codecs.pool import Pool
from cim.feeds.reading import Frame

VENDORS = Path(__file__).resolve().parents[2].parent / "shared/data/devices/chirpstack/vendors"

pytestmark = pytest.mark.skipif(
    not VENDORS.exists(), reason="../shared/data is absent: vectors of codecs cannot be tried"
)

TABLES = {
    "browan/merryiot-cd10": "browan-merryiot-cd10",
    "browan/merryiot-dw10": "browan-merryiot-dw10",
    "browan/tabs-tbhh100": "browan-tbhh100",
    "browan/tabs-tbms100": "browan-tbms100",
    "dragino/ldds75": "dragino-ldds75",
    "dragino/lds02": "dragino-lds02",
    "dragino/lwl02": "dragino-lwl02",
    "elsys/elsys": "elsys",
    "milesight/em300-sld-zld": "milesight-em300",
    "milesight/em300-th": "milesight-em300",
    "milesight/em500-pt100": "milesight-em500-pt100",
    "yobiiq/em2101": "yobiiq-em2101",
    "yobiiq/em4301": "yobiiq-em4301",
    "yobiiq/sd1001": "yobiiq-sd1001",
}
"""Vectors → our table of that device."""

READ = 26
"""Vectors of these devices that a table reads; the others are acknowledgements, settings, and
histories of stored readings (milesight 0x20ce), which are no readings of now."""

BY_SCRIPT = 179
"""Vectors that the makers' scripts make again exactly. Of the other three, two (digital-matter g62)
complete a time from the year in which they run, and one (oyster3) has a null, which is no value."""

NOT_MEASURED = {"codecVersion", "genericModel", "deviceModel", "productCode", "manufacturer"} | {
    "fPort",
    "Node_type",
    "thh_type",
}
"""What a vector says of itself rather than of the world."""


def vectors() -> Iterator[tuple[str, dict[str, Any]]]:
    """Device and vector. The files are JavaScript's literals, not JSON: JavaScript reads them."""
    import quickjs  # noqa: PLC0415 - needed where there are vectors

    reader = quickjs.Context()
    for file in sorted(VENDORS.glob("*/codecs/test_decode_*.json")):
        text = file.read_text(encoding="utf-8-sig")
        if text.strip():
            device = f"{file.parts[-3]}/{file.stem.removeprefix('test_decode_')}"
            for vector in json.loads(reader.eval(f"JSON.stringify(({text}))")):
                yield device, vector


def flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every value by its path, as readings have them."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(f"{path}.{key}" if path else key, inner)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from flat(f"{path}[{place}]", inner)
    else:
        yield path, value


def same(found: Any, expected: Any) -> bool:
    if not isinstance(expected, int | float) or not isinstance(found, int | float):
        return bool(found == expected)
    return float(found) == pytest.approx(float(expected), rel=1e-9)


def test_there_are_as_many_as_is_said() -> None:
    assert len(list(vectors())) == 182


def test_what_a_table_reads_is_what_the_vector_expects() -> None:
    read, wrong = 0, []
    for device, vector in vectors():
        if device not in TABLES:
            continue
        given = vector["input"]
        codec = table.tables()[TABLES[device]]
        found, _ = table.read(codec, bytes(given["bytes"]), given.get("fPort", 1))
        expected = {
            path.removesuffix(".data"): value
            for path, value in flat("", vector["expected"]["data"])
            if not path.endswith(".unit")
        }
        if not found.keys() - NOT_MEASURED:
            continue
        read += 1
        wrong += [
            (device, name, value, expected.get(name))
            for name, value in found.items()
            if not same(value, expected.get(name))
        ]
    assert wrong == []
    assert read == READ


@pytest.mark.trial
def test_what_the_makers_scripts_make_is_what_the_vectors_expect() -> None:
    checkout = os.environ.get("CIM_CODECS")
    if not checkout:
        pytest.skip("CIM_CODECS names no checkout of the device profiles with their scripts")
    assert asyncio.run(_agreeing(Path(checkout))) == BY_SCRIPT


async def _agreeing(checkout: Path) -> int:
    agreeing = 0
    async with Pool(2) as pool:
        for device, vector in vectors():
            maker, name = device.split("/")
            scripts = checkout / "vendors" / maker / "codecs"
            [script, *_] = sorted(scripts.glob(f"{name}.js")) or sorted(
                scripts.glob(f"{name}-*.js")
            )
            given = vector["input"]
            frame = Frame("d", script.read_text(), bytes(given["bytes"]), given.get("fPort", 1))
            found = {
                one.stream: one.text if one.value is None else one.value
                for one in (await pool.decode([frame])).readings
            }
            expected = dict(flat("", vector["expected"].get("data", {})))
            agreeing += found.keys() == expected.keys() and all(
                same(found[path], value) for path, value in expected.items()
            )
    return agreeing
