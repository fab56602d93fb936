"""Who lives where, for callers who may know it: what they may, the database decides and logs."""

from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from api.access import Caller
from cim.errors import CimError, InvalidQuery, NotAllowed, TooMany, UnknownKey
from cim.privacy import Vault, plain_id
from cim.store.direct import Direct
from cim.store.queries import people as queries
from cim.store.queries.linked import tenure as held
from cim.store.queries.ready import Asked

Json = dict[str, Any]

NUMBER = "person.id_no"
"""What the keyed hash of a document number is made for."""

CARD = ("name", "id_no", "phone", "role", "kind", "birth_year")
"""What a unit card shows of a resident."""

REFUSALS: dict[str, CimError] = {
    "proof": UnknownKey("This key is not known or has expired.", "此密钥无效或已过期。"),
    "role": NotAllowed(
        "That takes a role that the caller has not.", "当前用户没有执行此操作的角色。"
    ),
    "place": NotAllowed(
        "The caller's role is for another area or grid.", "当前角色不适用于该区域或网格。"
    ),
    "purpose": InvalidQuery(
        "Name the purpose in the header X-Purpose; `GET /session` has the list.",
        "请在请求头 X-Purpose 中注明用途；可用用途见 GET /session。",
    ),
    "plain": NotAllowed(
        "This purpose needs no names and numbers unmasked.", "该用途不需要查看未脱敏的信息。"
    ),
    "many": InvalidQuery(
        "More people stand at this address than are shown at once; ask by unit.",
        "该地址人数过多，请按房屋单元查询。",
    ),
}
"""What the database says, as it is told; `rate` has its wait besides."""


@dataclass(frozen=True)
class Wanted:
    """Whose data are asked for: of a unit or an address by id, or of a document's number."""

    what: str
    id: int | None = None
    number: str | None = None
    plain: bool = False


@dataclass(frozen=True)
class Shown:
    """Who was shown, and how many live in the unit with those who were not."""

    people: list[Json]
    count: int
    tenure: list[Json] = field(default_factory=list)
    """Rights in the unit, where they were asked for."""


class People:
    """Opens residents for one caller."""

    def __init__(
        self, direct: Direct, vault: Vault, caller: Caller | None = None, **told: str | None
    ) -> None:
        """Over connections of the role that reads what was opened.

        `told` are the address and the id of the request, for the log.
        """
        self.direct, self.vault, self.caller = direct, vault, caller or Caller()
        self.told = {"address": None, "request": None, **told}

    def asked_by(self, caller: Caller, request: Request) -> "People":
        """The same for somebody who asks in a request."""
        return People(self.direct, self.vault, caller, **told_of(request))

    async def of_unit(self, unit: int, *, tenure: bool = False) -> Shown:
        """Residents of a unit as its card has them, and who holds it; refused as `open` is."""
        more = [held.of_unit(unit)] if tenure else []
        shown = await self.open(Wanted("unit", unit), *more)
        people = [{name: one[name] for name in CARD} for one in shown.people]
        return Shown(people, shown.count, shown.tenure)

    async def open(self, wanted: Wanted, *more: Asked) -> Shown:
        """Residents, masked unless they are wanted plain, and the line in the log.

        What `more` asks is asked of what was opened, and answered as `tenure`.

        NotAllowed, InvalidQuery or TooMany where the database refuses; that is logged too.
        """
        found = await self._ask(
            queries.show(
                proof=self.caller.proof,
                purpose=self.caller.purpose,
                what=wanted.what,
                id=wanted.id,
                numbers=self.hashed(wanted.number),
                plain=wanted.plain,
                **self.told,
            ),
            *more,
        )
        people: list[Json] = found["people"]
        if wanted.plain:
            people = await run_in_threadpool(self._unmask, people, found["sealed"])
        return Shown(people, found["living"], found.get("more", []))

    async def tell(self, number: str, reference: str) -> Json:
        """All that is kept of a person, in plain; refused as `open` is."""
        found = await self._ask(
            queries.tell(
                proof=self.caller.proof,
                numbers=self.hashed(number),
                reference=reference,
                **self.told,
            )
        )
        found["records"] = await run_in_threadpool(self._unmask, found["records"], found["records"])
        return found

    async def erase(self, number: str, reference: str, aside: list[int]) -> Json:
        """Take a person out; how many records and homes went, and how many the law keeps."""
        return await self._ask(
            queries.erase(
                proof=self.caller.proof,
                numbers=self.hashed(number),
                reference=reference,
                aside=aside,
                **self.told,
            )
        )

    def hashed(self, number: str | None) -> list[bytes] | None:
        """The keyed hashes that a document number may be found by."""
        return None if number is None else self.vault.hashes(plain_id(number), NUMBER)

    async def _ask(self, asked: Asked, *more: Asked) -> Json:
        """What the database says, and `more` of what it opened; raises what it refuses with."""
        if more:
            told, held = await self.direct.together(asked, *more)
            found: Json = orjson.loads(told) | {"more": orjson.loads(held)}
        else:
            found = orjson.loads(await self.direct.value(asked))
        refused = found.get("refused")
        if refused == "rate":
            seconds = max(1, round(found["seconds"]))
            raise TooMany(
                f"Too many look-ups of residents; wait {seconds} seconds.",
                f"居民信息查询过于频繁，请等待 {seconds} 秒。",
                seconds,
            )
        if refused is not None:
            raise REFUSALS[refused]
        return found

    def _unmask(self, people: list[Json], sealed: list[Json]) -> list[Json]:
        """The same people with names and numbers in plain."""
        known = {one["person"]: one for one in sealed}
        clear = {
            name: self.vault.decrypt(
                [None if one[name] is None else bytes.fromhex(one[name]) for one in known.values()],
                f"person.{name}",
            )
            for name in ("name", "id_no", "phone")
        }
        plain = {
            person: {name: values[at] for name, values in clear.items()}
            for at, person in enumerate(known)
        }
        return [one | plain[one["person"]] for one in people]


def told_of(request: Request) -> dict[str, str | None]:
    """Where a request came from, and what it is called in logs."""
    return {
        "address": request.client.host if request.client else None,
        "request": getattr(request.state, "request_id", None),
    }
