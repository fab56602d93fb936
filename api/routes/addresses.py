"""Searching for addresses."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.deps import StoreDep
from api.params import clean_text
from api.routes import PROBLEMS, json
from api.schemas.places import AddressItems
from cim.store.queries import addresses as queries

router = APIRouter(prefix="/addresses", tags=["places"], responses=PROBLEMS)


@router.get("/search", summary="Addresses that match a text", response_model=AddressItems)
async def search_addresses(
    store: StoreDep,
    q: Annotated[
        str,
        Query(max_length=200, description="part of an address", examples=["示范小区3栋803"]),
    ],
    limit: Annotated[int, Query(ge=1, le=100, description="most addresses answered")] = 20,
) -> Response:
    """Best first: the same text, then those that begin with it, then those that resemble it."""
    rows = await store.rows(queries.search(clean_text(q), limit))
    return json({"items": [item(row) for row in rows]})


def item(row: Any) -> dict[str, Any]:
    """One found address as its schema has it."""
    found = dict(row._mapping)
    kind, key = found.pop("object_type"), found.pop("object_id")
    return found | {"object": {"type": kind, "id": key} if kind else None}
