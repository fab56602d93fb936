"""Addresses as a service: taken apart, looked for, found at a point, suggested while one types.

Whole addresses are sent in a body, so that they stand in no log of a proxy; what is being typed is
a query, and whoever keeps logs keeps no queries.
"""

from collections.abc import Callable, Generator
from functools import partial
from typing import Annotated, Any
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.answers.cards import height_shift
from api.database.store import Store
from api.deps import GeoidDep, KeyedStoreDep, Memory, MemoryDep, StoreDep
from api.params import Height, Latitude, Longitude, clean_text
from api.routes import PROBLEMS, json
from api.routes.locate import Datum
from api.schemas.addresses import (
    AddressesHere,
    AddressQuestion,
    AddressTexts,
    NormalAddresses,
    ParsedAddresses,
    SoughtAddresses,
    Suggestions,
)
from api.schemas.places import AddressItems
from cim.addresses import Address, Gazetteer, deepest, full_text, parse, pinyin
from cim.addresses.judging import Candidate, Verdict
from cim.errors import InvalidQuery
from cim.store import geocoding, suggesting
from cim.store.queries import addresses as queries
from cim.store.queries import reverse as here

router = APIRouter(prefix="/addresses", tags=["places"], responses=PROBLEMS)

ALIKE = 10
"""Addresses of one request up to which those that nothing is known of are compared with all."""


Point = tuple[float, float, float | None]
"""Degrees east and north, and metres in the 1985 datum where a height is given."""


def point_in_datum(
    geoid: GeoidDep, lon: Longitude, lat: Latitude, h: Height = None, datum: Datum = "1985"
) -> Point:
    """The point that is asked about."""
    if h is not None and datum == "ellipsoid":
        h -= height_shift(geoid, lon, lat)
    return lon, lat, h


@router.get("/search", summary="Addresses that match a text", response_model=AddressItems)
async def search_addresses(
    store: StoreDep,
    memory: MemoryDep,
    q: Annotated[
        str,
        Query(max_length=200, description="part of an address", examples=["示范小区3栋803"]),
    ],
    limit: Annotated[int, Query(ge=1, le=100, description="most addresses answered")] = 20,
) -> Response:
    """Best first: the same text, then those that begin with it, then those that resemble it."""
    known = await memory.get("gazetteer", partial(_gazetteer, store))
    rows = await store.rows(queries.search(clean_text(q), limit, known))
    return json({"items": [item(row) for row in rows]})


@router.get("/suggest", summary="What may be meant while one types", response_model=Suggestions)
async def suggest_addresses(
    store: StoreDep,
    memory: MemoryDep,
    q: Annotated[
        str,
        Query(
            max_length=100,
            description="characters, pinyin, its initials, figures, side by side",
            examples=["sfxq3d803"],
        ),
    ],
    limit: Annotated[int, Query(ge=1, le=50, description="most suggestions")] = 10,
) -> Response:
    """Names of areas, roads and estates first, then addresses, down to the room."""
    known = await memory.get("gazetteer", partial(_gazetteer, store))
    found = await follow(store, suggesting.steps(clean_text(q), limit, known))
    return json({"items": [_suggestion(each) for each in found]})


@router.post("/parse", summary="Take addresses apart", response_model=ParsedAddresses)
async def parse_addresses(store: StoreDep, memory: MemoryDep, asked: AddressTexts) -> Response:
    """Each into the fifteen levels, with every character accounted for; nothing is looked up."""
    read = await _read(store, memory, asked.addresses, _parsed)
    return json({"items": read})


@router.post("/normalise", summary="One spelling for addresses", response_model=NormalAddresses)
async def normalise_addresses(store: StoreDep, memory: MemoryDep, asked: AddressTexts) -> Response:
    """The same text for every habit of writing: what two registers can be compared by."""
    read = await _read(store, memory, asked.addresses, _normal)
    return json({"items": read})


@router.post("/geocode", summary="Which addresses are meant", response_model=SoughtAddresses)
async def geocode_addresses(
    store: KeyedStoreDep, memory: MemoryDep, asked: AddressQuestion
) -> Response:
    """Down to the unit, with a score; where several fit, or none well enough, it says so."""
    read = await _read(store, memory, asked.addresses, _as_it_is)
    addresses = [address for _, address in read]
    alike = len(addresses) <= ALIKE
    said = await follow(store, geocoding.steps(addresses, asked.limit, alike=alike))
    return json({"items": [_sought(*each) for each in zip(read, said, strict=True)]})


@router.get("/reverse", summary="Which addresses are here", response_model=AddressesHere)
async def reverse_addresses(
    store: KeyedStoreDep,
    point: Annotated[Point, Depends(point_in_datum)],
    radius: Annotated[
        float, Query(ge=1, le=here.FARTHEST, allow_inf_nan=False, description="metres")
    ] = 100,
    limit: Annotated[int, Query(ge=1, le=50, description="most addresses answered")] = 10,
) -> Response:
    """Nearest first; with `h`, the unit or storey at that height comes before them."""
    lon, lat, h = point
    rows: list[Any] = []
    if h is not None:
        rows += await store.rows(here.inside(lon, lat, h))
    rows += await store.rows(here.around(lon, lat, radius, limit))
    return json({"items": [item(row) for row in rows[:limit]]})


async def follow(store: Store, steps: Generator[Any, Any, Any]) -> Any:
    """What comes of steps whose statements run on a pool."""
    statement, outcome = geocoding.advance(steps)
    async with store.alone() as connection:
        while statement is not None:
            rows = (await connection.execute(statement)).all()
            statement, outcome = geocoding.advance(steps, rows)
    return outcome


async def _read(
    store: Store, memory: Memory, texts: list[str], show: Callable[[str, Address], Any]
) -> list[Any]:
    """The texts taken apart; InvalidQuery names the one that is empty."""
    clean = [_clean(at, text) for at, text in enumerate(texts)]
    known = await memory.get("gazetteer", partial(_gazetteer, store))
    return await run_in_threadpool(lambda: [show(text, parse(text, known)) for text in clean])


def _clean(at: int, text: str) -> str:
    try:
        return clean_text(text)
    except InvalidQuery:
        raise InvalidQuery(
            f"addresses.{at} must hold at least one character.",
            f"addresses.{at} 至少需要一个字符。",
        ) from None


_last: WeakKeyDictionary[Store, tuple[str, Gazetteer]] = WeakKeyDictionary()


async def _gazetteer(store: Store) -> Gazetteer:
    """The names that the city knows, read anew where they are others, away from the loop."""
    state = await store.value(queries.state_of_names())
    last = _last.get(store)
    if last is not None and last[0] == state:
        return last[1]
    found = await store.rows(queries.names())
    known = await run_in_threadpool(_known, [tuple(row) for row in found])
    _last[store] = (state, known)
    return known


def _known(names: list[tuple[str, str, str | None]]) -> Gazetteer:
    """The names set in order; and how characters are said, which takes a third of a second once."""
    pinyin.readings("路")
    return Gazetteer(names)


def item(row: Any) -> dict[str, Any]:
    """One found address as its schema has it."""
    found = dict(row._mapping)
    kind, key = found.pop("object_type"), found.pop("object_id")
    return found | {"object": {"type": kind, "id": key} if kind else None}


def _as_it_is(text: str, address: Address) -> tuple[str, Address]:
    return text, address


def _parsed(text: str, address: Address) -> dict[str, Any]:
    pieces = [{"level": level or None, "text": words} for level, words in address.pieces]
    return _normal(text, address) | {
        "level": deepest(address.levels),
        "levels": address.levels,
        "pieces": pieces,
    }


def _normal(text: str, address: Address) -> dict[str, Any]:
    return {
        "text": text,
        "norm_text": address.norm_text,
        "full_text": full_text(address.levels),
        "remainder": address.remainder,
    }


def _sought(read: tuple[str, Address], verdict: Verdict) -> dict[str, Any]:
    text, address = read
    return {
        "text": text,
        "norm_text": address.norm_text,
        "level": deepest(address.levels),
        "status": verdict.status,
        "match": _candidate(verdict.match) if verdict.match else None,
        "alternatives": [_candidate(each) for each in verdict.alternatives],
        "remainder": verdict.remainder,
    }


def _candidate(found: Candidate) -> dict[str, Any]:
    return _found(found) | {
        "differs": list(found.differs),
        "remainder": found.remainder,
    }


def _suggestion(found: suggesting.Suggested) -> dict[str, Any]:
    return _found(found) | {"marks": found.marks}


def _found(found: Candidate | suggesting.Suggested) -> dict[str, Any]:
    kept = ("id", "text", "level", "score", "building_id", "unit_id", "lon", "lat")
    thing = {"type": found.object[0], "id": found.object[1]} if found.object else None
    return {name: getattr(found, name) for name in kept} | {"object": thing}
