"""People, asked for by unit, address or document; and requests of persons about their own data.

What identifies somebody is in the body, never in an address, which logs and proxies keep.
"""

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.access import Caller
from api.database.people import Wanted
from api.deps import CallerDep, IntakeEngineDep, PeopleDep
from api.routes import PROBLEM, PROBLEMS, json
from api.schemas.people import Erased, Found, Lookup, PersonRequest
from cim.errors import NotAllowed, UnknownKey
from cim.people import requests
from cim.security.rights import RESIDENTS_READ, RESIDENTS_REQUESTS

router = APIRouter(
    prefix="/people",
    tags=["people"],
    responses=PROBLEMS | {429: {**PROBLEM, "description": "Too many look-ups of late"}},
)

PRIVATE = {"Cache-Control": "no-store", "Vary": "Authorization, Cookie, X-Purpose"}


def demand(caller: Caller, scope: str) -> None:
    """UnknownKey for nobody, NotAllowed for who has not that right anywhere."""
    if not caller.known:
        raise UnknownKey(
            "People's data need a key: Authorization: Bearer …, or signing in.",
            "查询个人信息需要密钥（Authorization: Bearer …）或登录。",
        )
    if not caller.may(scope):
        raise NotAllowed(f"That takes the right {scope}.", f"此操作需要权限 {scope}。")


@router.post("/lookup", summary="Who lives there, or who that is", response_model=Found)
async def look_up(asked: Lookup, caller: CallerDep, people: PeopleDep) -> Response:
    """By one of `unit`, `address`, `id_no`; masked unless `plain` is allowed for the purpose.

    Takes `residents.read` (or `residents.plain`), a purpose in `X-Purpose`, and a home in the
    caller's area: who lives elsewhere is not found. Each look-up is a line of the audit log.
    """
    demand(caller, RESIDENTS_READ)
    wanted = Wanted("number", number=asked.id_no, plain=asked.plain)
    if asked.unit is not None:
        wanted = Wanted("unit", asked.unit, plain=asked.plain)
    elif asked.address is not None:
        wanted = Wanted("address", asked.address, plain=asked.plain)
    shown = await people.open(wanted)
    return json({"people": shown.people}, **PRIVATE)


@router.post(
    "/export",
    summary="All that is kept of a person, for that person",
    response_class=Response,
    responses={200: {"content": {"text/html": {}}, "description": "A page in two languages"}},
)
async def export_person(asked: PersonRequest, caller: CallerDep, people: PeopleDep) -> Response:
    """A page of HTML with the same as JSON in it. Takes `residents.requests` in the whole city."""
    demand(caller, RESIDENTS_REQUESTS)
    found = await people.tell(asked.id_no, asked.reference)
    headers = PRIVATE | {
        "Content-Disposition": 'attachment; filename="copy.html"',
        "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    }
    return Response(requests.page(found), media_type="text/html", headers=headers)


@router.post("/erase", summary="Erase a person, as they asked", response_model=Erased)
async def erase_person(
    asked: PersonRequest, caller: CallerDep, people: PeopleDep, engine: IntakeEngineDep
) -> Response:
    """Takes `residents.requests` in the whole city. What the law keeps is shown to nobody any more.

    The line in the audit log has the reference and how much went, not of whom.
    """
    demand(caller, RESIDENTS_REQUESTS)

    def aside() -> list[int]:
        with engine.connect() as connection:
            return requests.aside_of(connection, people.vault, asked.id_no)

    rows = await run_in_threadpool(aside)
    return json(await people.erase(asked.id_no, asked.reference, rows), **PRIVATE)
