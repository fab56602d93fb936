"""How devices do: inspected from afar, and their health by class, vendor and area."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from api.access import Caller
from api.deps import CallerDep, DirectDep
from api.params import LARGEST_ID
from api.routes import ABSENT, PROBLEMS, json
from api.schemas.fleet import FleetHealth, FleetInspection
from cim.errors import NotAllowed, UnknownKey
from cim.feeds.fleet import check
from cim.security.rights import CITY_READ, DEVICES_WRITE, LIVING_READ
from cim.store.queries.feeds import fleet as queries
from cim.store.queries.linked.pieces import living

router = APIRouter(prefix="/devices", tags=["devices"], responses=PROBLEMS | ABSENT)

VARY = {"Vary": "Authorization, Cookie", "Cache-Control": "private, no-store"}

Worst = Annotated[int, Query(ge=0, le=1000, description="most devices listed, the worst first")]
After = Annotated[
    str | None,
    Query(
        pattern=r"^w\d{1,9}$",
        description="what `next` of the page before said",
        examples=["w50"],
    ),
]


async def asked(
    caller: CallerDep,
    direct: DirectDep,
    class_: Annotated[
        str | None,
        Query(alias="class", max_length=50, pattern=r"^\w+$", description="class of devices",
              examples=["smoke"]),
    ] = None,
    vendor: Annotated[
        int | None, Query(ge=1, le=LARGEST_ID, description="id of their vendor")
    ] = None,
    area: Annotated[
        int | None, Query(ge=1, le=LARGEST_ID, description="in this area, or one below it")
    ] = None,
) -> dict[str, Any]:  # fmt: skip
    """Which devices; UnknownKey or NotAllowed for who looks after none, InvalidQuery or NotFound
    for a class, a vendor or an area that is not there."""
    by = seen(caller) | {"class": class_, "vendor": vendor, "area": area}
    await check(direct, by)
    return by


Asked = Annotated[dict[str, Any], Depends(asked)]


def seen(caller: Caller) -> dict[str, Any]:
    """Whose devices a caller looks after."""
    if not caller.known:
        raise UnknownKey(
            "How devices do is for who looks after them: Authorization: Bearer …, or signing in.",
            "设备运行情况仅供设备管理人员查看，需要密钥（Authorization: Bearer …）或登录。",
        )
    if not caller.may(DEVICES_WRITE):
        raise NotAllowed(
            f"How devices do needs the right `{DEVICES_WRITE}`: the role `devices` has it.",
            f"查看设备运行情况需要“{DEVICES_WRITE}”权限（角色 devices）。",
        )
    place, homes = caller.where(DEVICES_WRITE), caller.where(LIVING_READ)
    cleared = [r.secrecy for r in caller.rights.of(CITY_READ, "devices") if r.where is None]
    return queries.sight(
        None if place is None else (list(place.areas), list(place.grids)),
        living(None if homes is None else (homes.areas, homes.grids)),
        max(cleared, default=0),
    )


@router.get("/inspection", summary="Devices inspected from afar", response_model=FleetInspection)
async def fleet_inspection(
    direct: DirectDep,
    asked: Asked,
    hours: Annotated[
        int, Query(ge=1, le=8760, description="hours in which a device must have spoken")
    ] = 24,
    limit: Worst = 50,
    after: After = None,
) -> Response:
    """A device passes when it spoke within `hours`, its latest values are within the limits of
    their streams, and no alarm of it is open.

    One whose streams are expected less often has twice their interval. Needs the right
    `devices.write`, and counts devices where it was given for.
    """
    now = datetime.now(UTC)
    page = (int((after or "w0")[1:]), limit)
    row = await direct.row(queries.inspection(now, hours, page, **asked))
    return json({"at": now, "hours": hours} | parts(row, page), **VARY)


@router.get("/health", summary="How reliable devices have been", response_model=FleetHealth)
async def fleet_health(
    direct: DirectDep,
    asked: Asked,
    days: Annotated[int, Query(ge=1, le=366, description="whole days of China, until today")] = 7,
    limit: Worst = 50,
    after: After = None,
) -> Response:
    """Online rate, what came of what was expected, delay, batteries, false alarms and time of
    repair, of all, by class, by vendor and by area; and the devices that did worst.

    Needs the right `devices.write`, and counts devices where it was given for.
    """
    until = await direct.value(queries.UNTIL())
    since = until - timedelta(days=days)
    now = datetime.now(UTC)
    page = (int((after or "w0")[1:]), limit)
    row = await direct.row(queries.health(now, (since, until), page, **asked))
    return json({"since": since, "until": until} | parts(row, page), **VARY)


def parts(row: Any, page: tuple[int, int]) -> dict[str, Any]:
    """What the store made, as it is, and where the next page begins."""
    more = f"w{sum(page)}" if row["more"] and page[1] else None
    return {name: orjson.Fragment(row[name]) for name in ("groups", "worst")} | {"next": more}
