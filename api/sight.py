"""What of the not public a caller may know of."""

from typing import Annotated

from fastapi import Depends

from api.deps import CallerDep
from cim.security.rights import CITY_READ
from cim.store.queries.collections.items import Sight


async def sight(caller: CallerDep) -> Sight:
    """What of the not public this caller is cleared for, right by right."""
    return [
        (right.secrecy, None if right.where is None else (right.where.areas, right.where.grids))
        for right in caller.rights.of(CITY_READ, "devices")
        if right.secrecy > 0
    ]


SightDep = Annotated[Sight, Depends(sight)]
