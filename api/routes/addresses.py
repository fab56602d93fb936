"""Searching for addresses."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.deps import MemoryDep, StoreDep
from api.params import clean_text
from api.routes import PROBLEMS, json
from api.schemas.places import AddressItems
from api.store import Store
from cim.addresses import Gazetteer
from cim.store.queries import addresses as queries

router = APIRouter(prefix="/addresses", tags=["places"], responses=PROBLEMS)


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


async def _gazetteer(store: Store) -> Gazetteer:
    """The names that the city knows, read anew now and then."""
    found = await store.rows(queries.names())
    return Gazetteer((level, name, parent) for level, name, parent in found)


def item(row: Any) -> dict[str, Any]:
    """One found address as its schema has it."""
    found = dict(row._mapping)
    kind, key = found.pop("object_type"), found.pop("object_id")
    return found | {"object": {"type": kind, "id": key} if kind else None}
