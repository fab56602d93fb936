"""What the data lack, each finding with its place; pairs of two sources, and their decision."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from api.deps import IntakeDep, IntakeStoreDep, StoreDep
from api.params import Id
from api.routes import ABSENT, PROBLEMS
from api.schemas.quality import Decided, Decision, Findings, Match, Matches, Quality
from cim.errors import NotFound
from cim.store.queries import findings, matches
from cim.store.queries.quality import INVARIANTS

router = APIRouter(tags=["quality"], responses=PROBLEMS)
PRIVATE = {"Cache-Control": "no-store", "Vary": "Authorization"}
CHECKS = frozenset(check.name for check in (*INVARIANTS, *findings.FINDINGS))


def answer(value: object) -> Response:
    """JSON that is for this caller alone."""
    return Response(orjson.dumps(value), media_type="application/json", headers=PRIVATE)


@router.get("/quality", summary="What the last check found", response_model=Quality)
async def quality(caller: IntakeDep, store: StoreDep) -> Response:
    """The result that `cim check` kept; for callers with the role `intake`."""
    rows = await store.rows(findings.LAST_RUN)
    at, result = (rows[0].at, rows[0].result) if rows else (None, None)
    return answer({"at": at, "result": result})


@router.get(
    "/quality/{name}",
    summary="What one check found, with its place",
    response_model=Findings,
    responses=ABSENT,
)
async def found(
    caller: IntakeDep,
    store: StoreDep,
    name: Annotated[
        str, Path(max_length=60, description="the check", examples=["duplicate_buildings"])
    ],
    limit: Annotated[int, Query(ge=1, le=1000, description="most findings answered")] = 100,
    after: Annotated[int, Query(ge=0, le=1_000_000, description="`no` of the last one")] = 0,
) -> Response:
    """In order; at most the first two thousand of a check are kept."""
    if name not in CHECKS:
        raise NotFound(f"There is no check {name}.", f"没有名为 {name} 的检查项。")
    rows = await store.rows(findings.found(name, limit + 1, after))
    items = [dict(row._mapping) for row in rows[:limit]]
    return answer({"items": items, "next": items[-1]["no"] if len(rows) > limit else None})


@router.get("/matches", summary="Pairs of two sources that may be one", response_model=Matches)
async def pairs(
    caller: IntakeDep,
    store: StoreDep,
    decision: Annotated[Decision | None, Query(description="only such pairs")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="most pairs answered")] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000, description="pairs left out")] = 0,
) -> Response:
    """As `cim reconcile propose` found them."""
    asked = {"a": None, "b": None, "decision": decision, "limit": limit, "offset": offset}
    rows = await store.rows(matches.LIST.bindparams(**asked))
    return answer({"items": [dict(row._mapping) for row in rows]})


@router.put("/matches/{id}", summary="Decide a pair", response_model=Match, responses=ABSENT)
async def decide(id: Id, asked: Decided, caller: IntakeDep, store: IntakeStoreDep) -> Response:
    """Kept with the name of the key that decided; deciding again replaces it."""
    async with store.transaction() as connection:
        wanted = {"ids": [id], "decision": asked.decision, "by": caller.actor}
        await connection.execute(matches.DECIDE, wanted)
        row = (await connection.execute(matches.one(), {"id": id})).mappings().one_or_none()
    if row is None:
        raise NotFound(f"No pair has the id {id}.", f"没有编号为 {id} 的配对。")
    return answer(dict(row))
