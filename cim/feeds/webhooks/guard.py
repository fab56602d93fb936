"""Where messages may be sent: to the world, and not into networks that only we can reach.

Whoever may name an address could otherwise make this service ask what stands beside it.  The name
is looked up once, every address it has is held against the rule, and one of those is what is
connected to: a name that means another place a moment later does not matter.
"""

import asyncio
import ipaddress
import socket
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from cim.errors import InvalidQuery, NotAllowed

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 that stands for IPv4 (RFC 6052)."""

INSIDE: Final = tuple(
    ipaddress.ip_network(one)
    for one in ("168.63.129.16", "192.0.0.0/24", "192.88.99.0/24", "3fff::/20")
)
"""What looks like the world and is none: the host of a virtual machine, where clouds answer for its
credentials (Azure, Oracle), ways from IPv6 to IPv4, addresses for examples."""


MOST: Final = 3
"""Most addresses of one name that are tried."""


@dataclass(frozen=True)
class Target:
    """What is connected to, and what it is asked by."""

    urls: tuple[str, ...]
    """With an address in the place of the name: each that it has, in the order to try them in."""

    host: str
    """The name, with the port where it is not the usual one."""

    name: str
    """The name alone, which the certificate must be for."""


def networks(said: str) -> tuple[Network, ...]:
    """The networks of the setting.

    >>> networks("10.0.0.0/8, 127.0.0.1")
    (IPv4Network('10.0.0.0/8'), IPv4Network('127.0.0.1/32'))
    """
    return tuple(ipaddress.ip_network(one.strip()) for one in said.split(",") if one.strip())


def check(url: str) -> SplitResult:
    """The parts of an address that messages could be sent to; InvalidQuery for any other.

    >>> check("https://regulator.example/alarms").hostname
    'regulator.example'
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    well = parts.scheme in ("http", "https") and parts.hostname and port != 0
    if not well or parts.username is not None or parts.fragment or len(url) > 2000:
        raise InvalidQuery(
            "url must be https://host/path, without a user name.",
            "url 必须为 https://主机/路径，且不含用户名。",
        )
    if not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidQuery(
            "url must be of plain characters; write others in percent signs and punycode.",
            "url 只能含 ASCII 字符；其他字符请用百分号编码或 punycode。",
        )
    return parts


def plain(address: Address) -> Address:
    """What an address stands for: IPv4 in IPv6 is IPv4.

    >>> plain(ipaddress.ip_address("::ffff:127.0.0.1")), plain(ipaddress.ip_address("2002:a00:1::"))
    (IPv4Address('127.0.0.1'), IPv4Address('10.0.0.1'))
    """
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    inner = address.ipv4_mapped or address.sixtofour
    return inner if inner is not None else address


def is_allowed(address: Address, allowed: tuple[Network, ...]) -> bool:
    """Whether this may be connected to: it is the world's, or in a network of the setting.

    >>> [is_allowed(ipaddress.ip_address(each), ()) for each in (
    ...     "9.9.9.9", "127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1", "fec0::1",
    ...     "100.64.0.1")]
    [True, False, False, False, False, False, False, False]
    """
    found = plain(address)
    if any(found.version == one.version and found in one for one in allowed):
        return True
    local = isinstance(found, ipaddress.IPv6Address) and found.is_site_local  # is_global has it in
    local = local or any(found.version == one.version and found in one for one in INSIDE)
    return found.is_global and not (found.is_multicast or found.is_reserved or local)


async def target(url: str, allowed: tuple[Network, ...], threads: Executor | None = None) -> Target:
    """Where to connect for an address; NotAllowed where that is a network that only we can reach.

    Without encryption only into networks of the setting.  Names are looked up by `threads`, for a
    look-up may take as long as it likes.  Raises OSError where nobody knows the name.
    """
    parts = check(url)
    name, encrypted = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if encrypted else 80)
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(
        threads, socket.getaddrinfo, name, port, 0, socket.SOCK_STREAM
    )
    addresses = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found]
    if not addresses or not all(is_allowed(one, allowed) for one in addresses):
        raise NotAllowed(
            "The address is in a network that messages are not sent to (CIM_WEBHOOK_NETWORKS).",
            "该地址位于不允许发送的网络（见 CIM_WEBHOOK_NETWORKS）。",
        )
    inside = all(any(plain(one) in net for net in allowed if net.version == plain(one).version)
                 for one in addresses)  # fmt: skip
    if not encrypted and not inside:
        raise NotAllowed(
            "Messages leave for other networks by https alone.", "向外部网络发送须使用 https。"
        )
    usual = 443 if encrypted else 80
    said = f"[{name}]" if ":" in name else name
    host = said if port == usual else f"{said}:{port}"
    places = [f"[{one}]" if one.version == 6 else str(one) for one in dict.fromkeys(addresses)]
    urls = tuple(parts._replace(netloc=f"{one}:{port}").geturl() for one in places[:MOST])
    return Target(urls, host, name)
