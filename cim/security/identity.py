"""Who acts, told to the database for one transaction: its rules and its log go by that."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select

from cim.security.rights import Where
from cim.store.queries.security import callers as security

WHOLE = "*"
"""What `cim.areas` says of one who is not confined."""


NOWHERE = Where()


def stand_for(
    *,
    actor: str | None = None,
    account: int | None = None,
    roles: Iterable[str] = (),
    purpose: str | None = None,
    where: Where | None = NOWHERE,
    address: str | None = None,
    request: str | None = None,
) -> Select[Any]:
    """One statement that says who acts, until the transaction ends; '' is what was not said.

    Sets `cim.actor`, `cim.account` (id), `cim.roles` (comma), `cim.purpose`, `cim.areas` and
    `cim.grids` (ids with commas; areas `*` for the whole city, `where=None`), `cim.address`,
    `cim.request`. Whoever says nothing of a place is nowhere.
    """
    return security.identify(
        actor=actor or "",
        account="" if account is None else str(account),
        roles=",".join(sorted(roles)),
        purpose=purpose or "",
        areas=WHOLE if where is None else ",".join(map(str, where.areas)),
        grids="" if where is None else ",".join(map(str, where.grids)),
        address=address or "",
        request=request or "",
    )
