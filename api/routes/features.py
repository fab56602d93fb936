"""Features of every public collection as GeoJSON."""

from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse, Response

from api.deps import BoundsDep, StoreDep
from api.params import Limit
from api.routes import ABSENT, PROBLEM, PROBLEMS
from api.schemas.features import Collection, FeatureCollection, Ids
from cim.store.queries import features as queries

router = APIRouter(prefix="/features", tags=["features"], responses=PROBLEMS | ABSENT)
Name = Path(description="the collection", examples=["buildings"])


class GeoJson(JSONResponse):
    """An answer in GeoJSON, made of text that is JSON already."""

    media_type = "application/geo+json"

    def render(self, content: str) -> bytes:
        """The text as it is sent."""
        return content.encode()


def collected(
    rows: Sequence[Any], *, truncated: bool, unknown: Sequence[int] | None = None
) -> Response:
    """Rows of GeoJSON texts as one collection, joined without being parsed."""
    named = "" if unknown is None else f',"unknown":{orjson.dumps(unknown).decode()}'
    body = (
        '{"type":"FeatureCollection","features":['
        + ",".join(row.feature for row in rows)
        + f'],"numberReturned":{len(rows)},"truncated":{"true" if truncated else "false"}{named}}}'
    )
    return GeoJson(body)


@router.get(
    "/{collection}",
    summary="Features that meet a box",
    response_model=FeatureCollection,
    response_class=GeoJson,
)
async def features_within(
    bounds: BoundsDep, store: StoreDep, collection: Collection = Name, limit: Limit = 1000
) -> Response:
    """In the order of their ids, devices with a place of their own before those that stand in a
    building; `truncated` says that there were more than `limit`."""
    rows = await store.rows(queries.within(collection, bounds, limit + 1))
    return collected(rows[:limit], truncated=len(rows) > limit)


@router.post(
    "/{collection}/by-ids",
    summary="Features by their ids",
    response_model=FeatureCollection,
    response_class=GeoJson,
    responses={413: {**PROBLEM, "description": "The request is too large"}},
)
async def features_by_ids(ids: Ids, store: StoreDep, collection: Collection = Name) -> Response:
    """At most 10,000 ids; those that nothing has are named in `unknown`."""
    rows = await store.rows(queries.by_ids(collection, ids.ids))
    found = {row.id for row in rows}
    unknown = [key for key in dict.fromkeys(ids.ids) if key not in found]
    return collected(rows, truncated=False, unknown=unknown)
