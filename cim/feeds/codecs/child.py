"""Scripts of payload codecs, run: the inside of a child process that can do nothing else.

Once it has begun it opens no file and no connection, starts nothing, and has little memory. What
it reads on its standard input are packets, four bytes of length and MessagePack: a script to know
(`{"script": number, "source": text}`) or a frame (`{"script": number, "data": bytes, "port": int,
"at": milliseconds}`), which it answers with `{"data": JSON}` or `{"error": text}`.
"""

import resource
import struct
import sys
from importlib.resources import files
from typing import Any, BinaryIO, Final

import msgspec

MEMORY: Final = 24 << 20
"""Bytes of one script's world."""

ADDRESSES: Final = 512 << 20
"""Bytes of address space of the whole child, the interpreter with it."""

SECONDS: Final = 0.25
"""Of the processor, for one frame."""

ANSWER: Final = 64 << 10
"""Characters of JSON that a frame may become."""

WORLDS: Final = 16
"""Scripts of which a child keeps a world: the others are made anew when they are asked for."""

BROKEN_OFF: Final = ("InternalError", "out of memory")
"""How errors begin of scripts that used up their time or memory."""

_CALL: Final = """
(function (bytes, port, at) {
  const when = at === null ? undefined : new Date(at);
  const input = { bytes: bytes, fPort: port, recvTime: when, variables: {} };
  if (typeof decodeUplink === "function") return decodeUplink(input);
  if (typeof Decode === "function") return { data: Decode(port, bytes, {}) };
  if (typeof Decoder === "function") return { data: Decoder(bytes, port) };
  throw new Error("neither decodeUplink nor Decode nor Decoder is defined");
})
"""


def main() -> None:
    """Answer packets until the input ends."""
    _shut_in()
    prelude = files("cim.feeds.codecs").joinpath("prelude.js").read_text(encoding="utf-8")
    import quickjs  # noqa: PLC0415 - inside of the limits, and before files can be opened no more

    _shut_off()
    sources: dict[int, str] = {}
    worlds: dict[int, Any] = {}
    while (packet := _packet(sys.stdin.buffer)) is not None:
        number = packet["script"]
        if "source" in packet:
            sources[number] = packet["source"]
            continue
        world = worlds.pop(number, None)
        try:
            world = world or _world(quickjs, prelude, sources[number])
            answer = {"data": _run(world, packet)}
        except (quickjs.JSException, MemoryError, ValueError) as error:
            answer = {"error": str(error).strip().partition("\n")[0][:300] or "out of memory"}
            # What was broken off in its midst may have left a world that is no longer sound.
            if answer["error"].startswith(BROKEN_OFF):
                world = None
        if world is not None:
            worlds[number] = world
        if len(worlds) > WORLDS:
            del worlds[next(iter(worlds))]
        _send(sys.stdout.buffer, answer)


def _shut_in() -> None:
    """No core, no file that grows, and a ceiling on memory."""
    limits = (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_AS, ADDRESSES),
    )
    for limit, most in limits:
        resource.setrlimit(limit, (most, most))


def _shut_off() -> None:
    """No further file, connection, process or thread: the three standard streams are all."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def _packet(stream: BinaryIO) -> Any:
    head = stream.read(4)
    if len(head) < 4:
        return None
    body = stream.read(struct.unpack(">I", head)[0])
    return msgspec.msgpack.decode(body)


def _send(stream: BinaryIO, answer: dict[str, str]) -> None:
    body = msgspec.msgpack.encode(answer)
    stream.write(struct.pack(">I", len(body)) + body)
    stream.flush()


def _world(quickjs: Any, prelude: str, source: str) -> Any:
    """A world with nothing in it but the language, the prelude and the script."""
    world = quickjs.Context()
    world.set_memory_limit(MEMORY)
    world.set_max_stack_size(256 << 10)
    world.set_time_limit(SECONDS)
    world.eval(prelude)
    world.eval(source)
    return world


def _run(world: Any, packet: dict[str, Any]) -> str:
    """The JSON that a script makes of a frame."""
    arguments = f"{list(packet['data'])}, {packet['port']}, {packet['at'] or 'null'}"
    found = world.eval(f"JSON.stringify(({_CALL})({arguments}))")
    if not isinstance(found, str):
        raise ValueError("the script gave nothing")
    if len(found) > ANSWER:
        raise ValueError(f"the script gave more than {ANSWER} characters")
    return found


if __name__ == "__main__":
    main()
