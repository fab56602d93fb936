"""Where a request came from: by the connection, or by the word of a proxy that is trusted."""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from ipaddress import ip_network
from typing import Any

from api.access import named
from api.serving.headers import listed
from api.serving.shared import address
from cim.errors import BadSetting
from cim.settings import Settings

FOR, PROTO = b"x-forwarded-for", b"x-forwarded-proto"

PAIR = re.compile(r'(for|proto)=("[^"]*"|[^;,"\s]*)', re.IGNORECASE)
"""What is read of an element of the header Forwarded (RFC 7239)."""


class Proxies:
    """Whose word is taken."""

    def __init__(self, settings: Settings) -> None:
        """BadSetting for an address that is none."""
        try:
            self.networks = [ip_network(each) for each in listed(settings.trusted_proxies)]
        except ValueError:
            raise BadSetting(
                "CIM_TRUSTED_PROXIES must hold addresses or networks, such as 10.0.0.0/8.",
                "CIM_TRUSTED_PROXIES 必须为地址或网段，如 10.0.0.0/8。",
            ) from None
        self.standard = settings.proxy_header == "forwarded"
        self.hosts = [host.lower() for host in listed(settings.trusted_hosts)]

    def trusts(self, text: str) -> bool:
        """Whether an address is that of a trusted proxy."""
        found = address(text)
        return found is not None and any(found in network for network in self.networks)

    def origin(self, scope: Mapping[str, Any]) -> tuple[str, str]:
        """Address and scheme that a request came with.

        The nearest address that is not a trusted proxy's is the caller's: what stands before it
        in the header, anybody may have written.
        """
        origin: str = scope["client"][0] if scope["client"] else ""
        scheme: str = scope["scheme"]
        if not self.networks or not self.trusts(origin):
            return origin, scheme
        steps, schemes = (_forwarded if self.standard else _x_forwarded)(scope["headers"])
        for step in reversed(steps):
            origin = step
            if not self.trusts(step):
                break
        if schemes and schemes[-1] in ("http", "https"):
            scheme = schemes[-1]
        return origin, scheme

    def answers_to(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether the host that is called is one of ours."""
        if not self.hosts:
            return True
        given = next((value for name, value in headers if name == b"host"), b"")
        host = named(given.decode("latin-1").strip()).lower()
        return any(fnmatchcase(host, each) for each in self.hosts)


def _x_forwarded(headers: Iterable[tuple[bytes, bytes]]) -> tuple[list[str], list[str]]:
    """Addresses and schemes of X-Forwarded-For and X-Forwarded-Proto, the nearest last."""
    steps: list[str] = []
    schemes: list[str] = []
    for name, value in headers:
        if name == FOR:
            steps += [bare(each) for each in listed(value.decode("latin-1"))]
        elif name == PROTO:
            schemes += [each.lower() for each in listed(value.decode("latin-1"))]
    return steps, schemes


def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> tuple[list[str], list[str]]:
    """The same of Forwarded."""
    steps: list[str] = []
    schemes: list[str] = []
    for name, value in headers:
        if name != b"forwarded":
            continue
        for key, given in PAIR.findall(value.decode("latin-1")):
            word = given.strip('"')
            if key.lower() == "for":
                steps.append(bare(word))
            else:
                schemes.append(word.lower())
    return steps, schemes


def bare(step: str) -> str:
    """An address without its port.

    >>> [bare(each) for each in ("192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:443", "2001:db8::1")]
    ['192.0.2.1', '192.0.2.1', '2001:db8::1', '2001:db8::1']
    """
    if step.startswith("[") or step.count(":") == 1:
        return named(step)
    return step
