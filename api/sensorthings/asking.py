"""Who asks, and what of the city they may see: the same for an answer and for a stream."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import asyncpg
from fastapi import Depends, Request

from api.access import Caller
from api.deps import CallerDep, sight
from cim.errors import BadParameter, CimError, Conflict
from cim.security.rights import LIVING_READ
from cim.store.direct import Direct
from cim.store.queries.ready import Asked
from cim.store.queries.sensorthings.shape import Asking, Place

UNWORKABLE = BadParameter(
    "A value cannot be worked with: it is of another kind, too large, or outside its system.",
    "参数值无法计算：类型不符、数值过大或超出坐标系范围。",
)
BOUND = Conflict(
    "Something else hangs on it, or is there already.", "存在关联的数据，或已有相同的数据。"
)


async def root_of(request: Request) -> str:
    """The address of the root document, as callers reach it."""
    public = str(request.app.state.settings.public_url or request.base_url)
    return f"{public.rstrip('/')}/sta/v1.1"


@dataclass(frozen=True)
class Question:
    """For whom something is answered, and where it is asked of the database."""

    asking: Asking
    direct: Direct
    caller: Caller

    async def rows(self, asked: Asked) -> Sequence[Any]:
        """Rows; BadParameter where the database cannot work with a value."""
        try:
            return await self.direct.rows(asked)
        except asyncpg.PostgresError as error:
            raise refusal(error) or error from None

    async def some(self, asked: Asked, room: int) -> tuple[Sequence[Any], bool]:
        """The same, until the texts of their first columns are `room` long; whether that is all."""
        try:
            return await self.direct.some(asked, room)
        except asyncpg.PostgresError as error:
            raise refusal(error) or error from None


def refusal(error: asyncpg.PostgresError) -> CimError | None:
    """What a caller is told of a fault in what they wrote; None where it is not theirs."""
    # Class 22 is about values, 23 about what hangs together; what geometry libraries refuse has
    # the code of internal errors.
    state = str(error.sqlstate)
    if state.startswith("23"):
        return BOUND
    return UNWORKABLE if state.startswith("22") or state == "XX000" else None


async def question(request: Request, caller: CallerDep) -> Question:
    """For who calls."""
    where = caller.where(LIVING_READ)
    living: Place = None if where is None else (where.areas, where.grids)
    if not caller.may(LIVING_READ):
        living = ((), ())
    asking = Asking(await root_of(request), living, tuple(await sight(caller)))
    return Question(asking, request.app.state.direct, caller)


QuestionDep = Annotated[Question, Depends(question)]
