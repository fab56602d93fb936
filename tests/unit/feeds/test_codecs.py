"""Bytes of devices: tables that say what they are, scripts that run where they do no harm."""

import asyncio
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cim.feeds.codecs import table
from cim.feeds.codecs.pool import Pool
from cim.feeds.reading import Decoded, Frame
from tests.unit.feeds.test_decoders import judged

CLIMATE = """
// Ours: two bytes of temperature in tenths, one of humidity, as many makers send them.
function decodeUplink(input) {
  if (input.bytes.length < 3) return { errors: ["too short"] };
  const buffer = Buffer.from(input.bytes);
  return { data: { temperature: buffer.readInt16BE(0) / 10, humidity: buffer[2],
                   port: input.fPort, at: input.recvTime && input.recvTime.getTime() } };
}
"""


def run(*frames: Frame, size: int = 1) -> list[Decoded]:
    """Every frame by itself, in one pool."""

    async def each() -> list[Decoded]:
        async with Pool(size) as pool:
            return [await pool.decode([frame]) for frame in frames]

    return asyncio.run(each())


def values(found: Decoded) -> dict[str, object]:
    return {one.stream: one.text if one.value is None else one.value for one in found.readings}


def reasons(found: Sequence[Decoded]) -> list[str]:
    return [" ".join(fault.detail for fault in one.faults) for one in found]


def test_a_script_reads_a_frame() -> None:
    good, bad = run(
        Frame("d", CLIMATE, bytes((0xFF, 0xCE, 80)), 5, 1_767_225_600_000_000),
        Frame("d", CLIMATE, b"\0"),
    )
    assert values(good) == {
        "temperature": -5.0,
        "humidity": 80.0,
        "port": 5.0,
        "at": 1_767_225_600_000.0,
    }
    assert [one.at for one in good.readings] == [1_767_225_600_000_000] * 4
    assert [(one.reason, one.detail) for one in bad.faults] == [("codec", "['too short']")]


def test_scripts_of_older_servers_are_read_too() -> None:
    older = "function Decode(port, bytes) { return { first: bytes[0], port: port }; }"
    oldest = "function Decoder(bytes, port) { return { first: bytes[0] }; }"
    found = run(Frame("d", older, b"\x07", 2), Frame("d", oldest, b"\x08"))
    assert [values(one) for one in found] == [{"first": 7.0, "port": 2.0}, {"first": 8.0}]


HARM = {
    "never ends": "function decodeUplink() { while (1); }",
    "eats memory": "function decodeUplink() { const a = []; while (1) a.push('x'.repeat(1e6)); }",
    "calls itself": "function decodeUplink() { return decodeUplink(); }",
    "says too much": "function decodeUplink() { return { data: { a: 'x'.repeat(1e6) } }; }",
    "is no script": "function decodeUplink( {",
    "has no function": "var x = 1;",
    "says nothing": "function decodeUplink() {}",
    "throws": "function decodeUplink() { throw new Error('no'); }",
    "reads a file": "function decodeUplink() { return { data: std.loadFile('/etc/passwd') }; }",
    "loads a module": "function decodeUplink() { return { data: { a: require('fs') } }; }",
    "asks the web": "function decodeUplink() { return { data: fetch('http://localhost') }; }",
    "runs a program": "function decodeUplink() { return { data: { a: os.exec(['id']) } }; }",
}


@pytest.fixture(scope="module")
def harmed() -> dict[str, Decoded]:
    """Every harmful script, and after each a good one, in one pool of one child."""
    frames = [
        frame
        for script in HARM.values()
        for frame in (Frame("d", script, b"\1"), Frame("d", CLIMATE, bytes((0, 200, 40))))
    ]
    found = run(*frames)
    assert [values(one).get("temperature") for one in found[1::2]] == [20.0] * len(HARM)
    return dict(zip(HARM, found[::2], strict=True))


@pytest.mark.parametrize("harm", HARM)
def test_a_script_that_does_harm_costs_its_own_frame_alone(
    harm: str, harmed: dict[str, Decoded]
) -> None:
    found = harmed[harm]
    assert found.readings == []
    assert [one.reason for one in found.faults] == ["codec"]


def test_a_child_opens_nothing_and_starts_nothing() -> None:
    """What a child is left with, asked of a child that has shut itself in and off."""
    script = (
        "import os, resource, socket, sys\n"
        "from cim.feeds.codecs import child\n"
        "child._shut_in(); child._shut_off()\n"
        "for what in (lambda: open('/etc/hostname'), lambda: socket.socket(), lambda: os.pipe()):\n"
        "    try:\n"
        "        what(); print('done')\n"
        "    except OSError as error:\n"
        "        print(error.errno)\n"
        "print(resource.getrlimit(resource.RLIMIT_NPROC)[1])\n"
    )

    async def ask() -> list[str]:
        import sys  # noqa: PLC0415 - of this test alone

        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await child.communicate()
        return said.decode().split()

    assert asyncio.run(ask()) == ["24", "24", "24", "0"]  # too many open files, three times


def test_a_script_that_uses_up_its_time_rests_so_that_it_does_not_hold_up_the_others() -> None:
    found = run(*[Frame("d", HARM["never ends"], b"\1")] * 5)
    assert reasons(found[:3]) == ["InternalError: interrupted"] * 3
    assert reasons(found[3:]) == ["the script has failed too often, and rests for a minute"] * 2


def test_a_script_that_throws_goes_on_with_the_next_frame() -> None:
    bad = Frame("d", HARM["throws"], b"\1")
    assert reasons(run(bad, bad, bad, bad, bad)) == ["Error: no"] * 5


def test_a_child_that_dies_is_replaced_and_its_script_rests() -> None:
    async def die() -> list[Decoded]:
        async with Pool(1) as pool:
            found = []
            for _ in range(5):
                asking = asyncio.create_task(pool.decode([Frame("d", HARM["never ends"], b"\1")]))
                await asyncio.sleep(0.15)
                child = await _child(pool)
                if child is not None:
                    child.kill()
                found.append(await asking)
            found.append(await pool.decode([Frame("d", CLIMATE, bytes((0, 200, 40)))]))
            return found

    found = asyncio.run(die())
    assert reasons(found[:3]) == ["its process ended"] * 3
    assert reasons(found[3:5]) == ["the script has failed too often, and rests for a minute"] * 2
    assert values(found[5])["temperature"] == 20.0


async def _child(pool: Pool) -> asyncio.subprocess.Process | None:
    """The process of a pool that is at work."""
    busy = pool.busy()
    return busy[0].process if busy else None


def test_frames_are_answered_in_their_order_by_several_children() -> None:
    async def many() -> list[Decoded]:
        async with Pool(2) as pool:
            frames = [Frame(f"d{n}", CLIMATE, bytes((0, n, 40))) for n in range(40)]
            halves = await asyncio.gather(pool.decode(frames[:20]), pool.decode(frames[20:]))
            return list(halves)

    found = asyncio.run(many())
    streams = [one for half in found for one in half.readings if one.stream == "temperature"]
    assert [(one.device, one.value) for one in streams] == [(f"d{n}", n / 10) for n in range(40)]


@given(st.sampled_from(sorted(table.tables())), st.binary(max_size=40), st.integers(0, 255))
def test_a_table_reads_any_bytes(name: str, data: bytes, port: int) -> None:
    found, wrong = table.read(table.tables()[name], data, port)
    assert isinstance(wrong, str)
    json.dumps(found)


@given(st.binary(max_size=60), st.sampled_from(sorted(table.tables())))
def test_bytes_of_a_network_become_readings_or_faults(data: bytes, name: str) -> None:
    from cim.feeds.decoders import lorawan  # noqa: PLC0415 - of this test alone
    from cim.feeds.reading import Message  # noqa: PLC0415 - of this test alone

    out = Decoded()
    lorawan.read(out, Message(options={"codec": name}), "", Frame("d", "", data))
    judged(out)


def test_numbers_of_every_width_and_order() -> None:
    fields = tuple(
        table.Field(f"{kind}", kind)  # type: ignore[arg-type] - the kinds are those of a Field
        for kind in ("u8", "i8", "u16", "i16", "u24", "i24", "u32", "i32", "f32", "f64")
    )
    data = bytes((0xFF, 0xFE, 0xFD, 0xFC, 0, 0, 0, 0))
    found, wrong = table.read(table.Table("x", "x", fields=fields), data)
    assert wrong == ""
    assert found["u8"] == 0xFF and found["i8"] == -1
    assert found["u16"] == 0xFFFE and found["i16"] == -2
    assert found["u24"] == 0xFFFEFD and found["i32"] == -66052
    little, _ = table.read(table.Table("x", "x", order="little", fields=fields), data)
    assert little["u16"] == 0xFEFF and little["u24"] == 0xFDFEFF
    assert table.read(table.Table("x", "x", fields=fields), data[:3])[1] == "cut off at byte 3"
