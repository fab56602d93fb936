"""Who calls, in which roles, for which purpose.

Keys stand in a JSON file as their SHA-256 only: a list of
`{"name": "housing-desk", "sha256": "…", "roles": ["residents"], "expires": "2027-01-01"}`.
The file is read again when it changes, so a key that is taken out is out at once.
"""

import hmac
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

from cim.errors import CimError, InvalidQuery, UnknownKey
from cim.settings import Settings

RESIDENTS = "residents"
"""The role that may see residents, masked, for a stated purpose."""

INTAKE = "intake"
"""The role that may bring files into the city."""

DEMONSTRATION = "demonstration"

PURPOSES: dict[str, tuple[str, str]] = {
    "grid_service": ("网格服务", "grid service"),
    "housing_management": ("房屋管理", "housing management"),
    "emergency": ("应急处置", "emergency"),
    DEMONSTRATION: ("演示", "demonstration"),
}
"""What personal data may be asked for; demonstration only where the service runs as a demo."""


@dataclass(frozen=True)
class Key:
    """A key as the file knows it."""

    name: str
    digest: bytes
    roles: frozenset[str]
    expires: date | None


@dataclass(frozen=True)
class Caller:
    """Who asks; nobody in particular unless a key or the demo says so."""

    actor: str | None = None
    roles: frozenset[str] = field(default_factory=frozenset)
    purpose: str | None = None
    demo: bool = False

    @property
    def known(self) -> bool:
        """Whether the service knows who this is; whoever it is, a meter's readings need that."""
        return self.actor is not None

    @property
    def purposes(self) -> list[str]:
        """Purposes this caller may state."""
        if RESIDENTS not in self.roles:
            return []
        return [code for code in PURPOSES if self.demo or code != DEMONSTRATION]


def read_keys(path: Path) -> list[Key]:
    """The keys of an access file; none where there is no file.

    CimError where the file is not such a list.
    """
    if not path.exists():
        return []
    try:
        return [
            Key(
                name=str(entry["name"]),
                digest=bytes.fromhex(entry["sha256"]),
                roles=frozenset(map(str, entry["roles"])),
                expires=date.fromisoformat(entry["expires"]) if entry.get("expires") else None,
            )
            for entry in json.loads(path.read_text("utf-8"))
        ]
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise CimError(
            f"{path.name} must be a JSON list of objects with name, sha256, roles and expires.",
            f"{path.name} 必须是由 name、sha256、roles、expires 组成的 JSON 列表。",
        ) from error


class Access:
    """The keys in force: those of the file as it is now."""

    def __init__(self, settings: Settings) -> None:
        """Read the file once, so that a broken one stops the start."""
        self.path = settings.access_file or settings.data_dir / "access.json"
        self.demo = settings.demo
        self._stamp = self._look()
        self._keys = read_keys(self.path)

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size

    def keys(self) -> list[Key]:
        """The keys; a file that has become unreadable lets nobody in."""
        stamp = self._look()
        if stamp != self._stamp:
            try:
                self._keys = read_keys(self.path)
            except CimError:
                self._keys = []
            self._stamp = stamp
        return self._keys

    def holder(self, secret: str) -> Key:
        """Whose key this is, compared in constant time; UnknownKey where it is nobody's."""
        digest, today = sha256(secret.encode("utf-8", "replace")).digest(), datetime.now(UTC).date()
        found = None
        for key in self.keys():
            if hmac.compare_digest(key.digest, digest):
                found = key
        if found is None or (found.expires is not None and found.expires < today):
            raise UnknownKey("This key is not known or has expired.", "此密钥无效或已过期。")
        return found

    def caller(self, headers: Mapping[str, str], client: str | None) -> Caller:
        """Who calls, by the request's headers and the address it came from.

        UnknownKey for a bad key, InvalidQuery for a purpose that is not on the list.
        """
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        if scheme:
            if scheme.lower() != "bearer":
                raise UnknownKey("Only Bearer keys are accepted.", "仅接受 Bearer 密钥。")
            key = self.holder(secret.strip())
            caller = Caller(key.name, key.roles)
        elif self.demo and is_local(headers, client):
            caller = Caller("demo", frozenset({RESIDENTS, INTAKE}), demo=True)
        else:
            caller = Caller()
        return Caller(caller.actor, caller.roles, stated_purpose(headers, caller), caller.demo)


def stated_purpose(headers: Mapping[str, str], caller: Caller) -> str | None:
    """The purpose of header X-Purpose; InvalidQuery where it is not on the list."""
    purpose = headers.get("x-purpose", "").strip()
    if not purpose:
        return None
    if purpose not in PURPOSES or (purpose == DEMONSTRATION and not caller.demo):
        known = [code for code in PURPOSES if caller.demo or code != DEMONSTRATION]
        raise InvalidQuery(
            f"X-Purpose must be one of {', '.join(known)}.",
            f"X-Purpose 必须为以下之一：{'、'.join(known)}。",
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
