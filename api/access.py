"""Who calls, what they may do, and what for."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b, sha256

from cim.errors import InvalidQuery
from cim.security.rights import (
    ALARMS_WRITE,
    CITY_READ,
    INTAKE,
    LIVING_READ,
    RESIDENTS_READ,
    Right,
    Rights,
    Where,
)

RESIDENTS = "residents"
"""The role of a demo's caller that sees residents."""

DEMONSTRATION = "demonstration"


@dataclass(frozen=True)
class Purpose:
    """What personal data may be asked for: a row of `security.purpose`."""

    code: str
    zh: str
    en: str
    plain: bool = False
    """Whether it needs names and numbers unmasked."""

    demo: bool = False
    """Only where the service runs as a demo."""


NOTHING = Rights()

DEMO = Rights(
    tuple(
        Right(role, scope)
        for role, scope in (
            (RESIDENTS, CITY_READ),
            (RESIDENTS, LIVING_READ),
            (RESIDENTS, RESIDENTS_READ),
            ("intake", INTAKE),
            ("devices", ALARMS_WRITE),
        )
    )
)
"""What a caller on this machine may do in a demo, whose people are invented."""


@dataclass(frozen=True)
class Caller:
    """Who asks; nobody in particular unless a key, a session or the demo says so."""

    actor: str | None = None
    rights: Rights = NOTHING
    purpose: str | None = None
    demo: bool = False
    account: int | None = None
    """The id of the account of one who signed in here."""

    key: int | None = None
    """The id of the key of a machine."""

    until: datetime | None = None
    """When the session ends, used or not; None without one."""

    csrf: str | None = None
    """What the session's page must send with a request that changes something."""

    must_change: bool = False
    """Whether nothing may be done before the password is changed."""

    proof: str | None = field(default=None, repr=False, compare=False)
    """The key, cookie or token as it came: the database opens residents by it, and by no less."""

    @property
    def known(self) -> bool:
        """Whether the service knows who this is."""
        return self.actor is not None

    @property
    def number(self) -> str | None:
        """How logs and counts speak of this caller: without a name; None for nobody."""
        for kind, id in (("account", self.account), ("key", self.key)):
            if id is not None:
                return f"{kind}:{id}"
        if self.actor is None:
            return None
        return f"vouched:{blake2b(self.actor.encode(), digest_size=4).hexdigest()}"

    @property
    def owner(self) -> str:
        """Whose the files and jobs of this caller are: by kind and id, for two may go by one name.

        One who was vouched for has no id here and is known by a digest of what they are called.
        """
        assert self.actor is not None  # nobody in particular hands nothing in
        for kind, id in (("account", self.account), ("key", self.key)):
            if id is not None:
                return f"{kind}:{id}"
        return f"other:{sha256(self.actor.encode()).hexdigest()[:32]}"

    @property
    def roles(self) -> frozenset[str]:
        """The roles, in whatever place."""
        return self.rights.roles

    def may(self, scope: str, collection: str | None = None) -> bool:
        """Whether this caller may do that somewhere; `where` says where."""
        return self.rights.may(scope, collection)

    def where(self, scope: str, collection: str | None = None) -> Where | None:
        """Where this caller may do that: None is the whole city, an empty place nowhere."""
        return self.rights.where(scope, collection)

    def may_at(self, scope: str, areas: list[int], grid: int | None) -> bool:
        """Whether this caller may do that with something in these areas and this grid."""
        if not self.may(scope):
            return False
        where = self.where(scope)
        return where is None or where.holds(areas, grid)

    @property
    def areas(self) -> tuple[int, ...] | None:
        """The areas whose residents this caller may see; None for the whole city."""
        where = self.where(RESIDENTS_READ)
        return None if where is None else where.areas

    @property
    def grids(self) -> tuple[int, ...] | None:
        """The grids whose residents this caller may see; None for the whole city."""
        where = self.where(RESIDENTS_READ)
        return None if where is None else where.grids

    @property
    def secrecy(self) -> int:
        """The highest level of secrecy this caller may see of the city's objects."""
        return self.rights.secrecy()

    def purposes(self, known: Iterable[Purpose]) -> list[Purpose]:
        """Those of some purposes that this caller may state."""
        if not self.may(RESIDENTS_READ):
            return []
        return [purpose for purpose in known if self.demo or not purpose.demo]


def stated_purpose(headers: Mapping[str, str], demo: bool, known: Iterable[Purpose]) -> str | None:
    """The purpose of header X-Purpose; InvalidQuery where it is not on the list."""
    purpose = headers.get("x-purpose", "").strip()
    if not purpose:
        return None
    codes = [each.code for each in known if demo or not each.demo]
    if purpose not in codes:
        raise InvalidQuery(
            f"X-Purpose must be one of {', '.join(codes)}.",
            f"X-Purpose 必须为以下之一：{'、'.join(codes)}。",
        )
    return purpose


def is_local(headers: Mapping[str, str], client: str | None) -> bool:
    """Whether a request began on this machine.

    One that a proxy passed on did not, whatever address it came from; nor did one that names
    another host, for a page elsewhere may have its name resolved to this machine, or that a browser
    sends for such a page.
    """
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return False
    # What browsers that send no Sec-Fetch-Site say of a page elsewhere.
    if not is_loopback(named(headers.get("origin", "http://localhost").partition("://")[2])):
        return False
    proxied = ("forwarded", "x-real-ip", "via")
    if any(name in proxied or name.startswith("x-forwarded-") for name in map(str.lower, headers)):
        return False
    return is_loopback(client or "") and is_loopback(named(headers.get("host", "").strip()))


def named(host: str) -> str:
    """The name or address in a host with its port.

    >>> named("localhost:8000"), named("[::1]:8000")
    ('localhost', '::1')
    """
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "10.0.0.1", "", "a.cn")]
    [True, True, True, False, False, False]
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
