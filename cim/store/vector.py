"""Vector tiles made and kept: the steps, whoever takes them.

A step is a generator: it yields statements, is sent their rows, and returns what came of it. It is
run in one transaction, by the service on an asynchronous connection, by commands with `run`.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from importlib.resources import files
from typing import Any, TypeVar

import deflate
from sqlalchemy import Connection, Executable

from cim.store.queries.collections.items import Sight
from cim.store.queries.vector import cells, keeping
from cim.store.queries.vector import tiles as queries
from cim.store.queries.vector.drawing import FRESH, FULL, LARGEST, MOST, Drawing
from cim.store.queries.vector.keeping import Place

Rows = Sequence[Any]
Done = TypeVar("Done")
Steps = Generator[Executable, Rows, Done]

LEVEL = 4
"""How hard tiles are compressed that are made when they are asked for; kept ones, harder."""

MANY = 512
"""Blocks from which counting all anew is quicker than block by block."""


@dataclass(frozen=True)
class Tile:
    """A tile of one collection as it travels."""

    data: bytes
    """MVT, gzipped; empty where there is nothing to see."""

    etag: str
    left_out: int = 0
    """Features that it had no room for; the tile says so too."""


@dataclass(frozen=True)
class Made:
    """A tile, and what must be known to keep it."""

    tile: Tile
    snapshot: str | None
    sweeps: int | None


def run(connection: Connection, steps: Steps[Done]) -> Done:
    """Take the steps on a connection, in the transaction that it is in."""
    try:
        statement = next(steps)
        while True:
            result = connection.execute(statement)
            statement = steps.send(result.all() if result.returns_rows else [])
    except StopIteration as end:
        done: Done = end.value
        return done


def make(drawing: Drawing, place: Place, sight: Sight = ()) -> Steps[Made]:
    """Make a tile of a collection.

    One that has too many features, or is too large, goes without the properties that are not in
    `brief`, then without the smallest of its features; then it holds a layer that says how many.
    """
    most = drawing.few if place.zoom < drawing.every else MOST
    asked = queries.Asked(drawing, place, most, sight=sight)
    asked = replace(asked, largest=place.zoom < drawing.every and drawing.size != "none")
    for _ in range(6):
        row = (yield queries.made(asked))[0]
        parts = [row.drawn, row.cells, row.names]
        missing = 0
        # Before `every` cells count what is not drawn, or the metadata tells of it.
        if row.count >= asked.most and place.zoom >= drawing.every:
            missing = (yield queries.there(asked))[0][0] - row.count
        if missing > 0:
            if not asked.largest:
                asked = replace(asked, largest=True)
                continue
            parts.append((yield queries.note(asked, missing))[0].drawn)
        data = packed(parts, LEVEL if place.zoom >= FRESH else 9)
        if len(data) <= LARGEST:
            break
        if not asked.brief and place.zoom >= FULL and drawing.brief:
            asked = replace(asked, brief=True)
        else:
            asked = replace(asked, largest=True, most=int(row.count * 0.9 * LARGEST / len(data)))
    return Made(Tile(data, digest(data), missing), row.snapshot, row.sweeps)


def packed(parts: Sequence[bytes | None], level: int) -> bytes:
    """Layers as one tile, gzipped; empty where there are none. MVT is joined by writing it on."""
    whole = b"".join(part for part in parts if part)
    return bytes(deflate.gzip_compress(whole, level)) if whole else b""


def unpacked(data: bytes) -> bytes:
    """The MVT of a tile as it travels."""
    if not data:
        return b""
    # A gzip member ends with the length of what is in it.
    return bytes(deflate.gzip_decompress(data, int.from_bytes(data[-4:], "little")))


def digest(data: bytes) -> str:
    """What an ETag is made of."""
    return blake2b(data, digest_size=12).hexdigest()


def sweep(drawing: Drawing) -> Steps[int]:
    """Clear the stale tiles of a collection, forget its changes, and count its cells anew there.

    How many tiles were cleared.
    """
    name = drawing.name
    yield keeping.begin(name)
    state = (yield keeping.lock(name))[0]
    told = (yield keeping.sweep(name, state.counted, MANY))[0]
    if drawing.cells:
        whole = state.counted is None or told.many
        blocks = None if whole else (told.xs or [], told.ys or [])
        if whole or told.xs:
            yield cells.forget(drawing, blocks)
            yield cells.count(drawing, blocks)
    yield keeping.finish(name, told.snapshot, cells=drawing.cells)
    return int(told.cleared)


def behind(drawing: Drawing, most: int, *, celled: bool) -> Steps[bool]:
    """Whether a collection is to be swept.

    That is so before the first tile, where the cells that are to be drawn lack a change, and where
    more than `most` changes are told.
    """
    state = (yield keeping.state(drawing.name))[0]
    cells_behind = celled and (not state.counted or state.told > 0)
    return state.sweeps is None or cells_behind or state.told > most


def keep(drawing: Drawing, place: Place, made: Made, program: str) -> Steps[None]:
    """Keep a tile, if it may be kept."""
    if made.snapshot is not None and made.sweeps is not None:
        yield keeping.keep(
            drawing.name,
            place,
            program=program,
            snapshot=made.snapshot,
            sweeps=made.sweeps,
            etag=made.tile.etag,
            data=made.tile.data,
        )


def program() -> Steps[str]:
    """What a tile comes from besides the city: this program, and the server that counts snapshots.

    A tile that another has kept is not taken.
    """
    server = (yield keeping.SERVER)[0][0]
    found = blake2b(server.encode(), digest_size=12)
    for room in ("vector", "collections"):
        folder = files("cim.store.queries") / room
        for name in sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".py")):
            found.update((folder / name).read_bytes())
    return found.hexdigest()
