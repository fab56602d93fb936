"""A number for each caller, in memory that the workers of one machine share."""

import mmap
import os
from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from starlette.types import Scope

from api.security.cookies import name as cookie_name
from cim.settings import Settings

SLOTS: Final = 1 << 17
"""Callers that are told apart; two megabytes."""

TRIES: Final = 4
"""Slots that are looked at for one caller."""


class Numbers:
    """A number for each caller; one that is over, by its size, makes room for another's.

    Two workers may write at once and one be lost: what is kept here must bear that.
    """

    def __init__(self, file: Path | None = None) -> None:
        """Shared by all who name the same file; alone without one."""
        size = SLOTS * 16
        if file is None:
            self._memory = mmap.mmap(-1, size)
        else:
            handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.ftruncate(handle, size)
                self._memory = mmap.mmap(handle, size)
            finally:
                os.close(handle)
        self._marks = memoryview(self._memory).cast("Q")
        self._numbers = memoryview(self._memory).cast("d")

    def get(self, who: bytes) -> float:
        """The number of a caller; 0 for one who has none."""
        mark, begin = self._place(who)
        for step in range(TRIES):
            slot = 2 * ((begin + step) % SLOTS)
            if self._marks[slot] == mark:
                return self._numbers[slot + 1]
        return 0.0

    def put(self, who: bytes, number: float, over: float) -> None:
        """Keep a number, in the place of one that is not above `over`; where there is none such,
        in that of another caller, who is then known by it too."""
        self._numbers[self._slot(who, over) + 1] = number

    def _place(self, who: bytes) -> tuple[int, int]:
        return int.from_bytes(who[:8], "little") | 1, int.from_bytes(who[8:12], "little")

    def _slot(self, who: bytes, over: float) -> int:
        """The slot of a caller, theirs from now on if it was free; where none was, the last."""
        mark, begin = self._place(who)
        free = None
        for step in range(TRIES):
            slot = 2 * ((begin + step) % SLOTS)
            if self._marks[slot] == mark:
                return slot
            if free is None and self._numbers[slot + 1] <= over:
                free = slot
        if free is None:
            self._marks[slot] = mark
            return slot
        self._marks[free], self._numbers[free + 1] = mark, 0.0
        return free


def digest(kind: bytes, value: bytes) -> bytes:
    """Twelve bytes by which something is known here, that nobody can turn back."""
    return blake2b(value, digest_size=12, person=kind).digest()


def credential(scope: Scope, settings: Settings) -> bytes | None:
    """What a caller shows of who they are, as a digest; whether it is good is not asked here."""
    cookie = f"{cookie_name(settings)}=".encode()
    for name, value in scope["headers"]:
        if name == b"authorization":
            return digest(b"key", value)
        if name == b"cookie" and cookie in value:
            return digest(b"cookie", value.partition(cookie)[2].partition(b";")[0])
    return None


def place(scope: Scope) -> bytes:
    """Where a caller comes from: an address, or the network of a newer one (the first 64 bits)."""
    client = scope["client"][0] if scope["client"] else ""
    found = address(client)
    if found is None:
        return digest(b"place", client.encode())
    return digest(b"place", found.packed if found.version == 4 else found.packed[:8])


def address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, None for what is none; an older one that comes dressed as a newer is itself.

    >>> address("::ffff:192.0.2.1"), address("2001:db8::1"), address("a.example")
    (IPv4Address('192.0.2.1'), IPv6Address('2001:db8::1'), None)
    """
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def shown(scope: Scope, settings: Settings) -> bytes:
    """A caller by what they show, else by where they come from."""
    return credential(scope, settings) or place(scope)
