"""How a message to a receiver is signed: as Standard Webhooks has it.

The receiver knows by `webhook-id` what it has had already, by `webhook-timestamp` what is old, and
by `webhook-signature` that it is ours and whole.
"""

import base64
import binascii
import hmac
import os
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from cim.errors import InvalidQuery

PREFIX: Final = "whsec_"
LEAST, MOST = 24, 64
"""Bytes of a secret."""

LATE: Final = 300
"""Seconds after which a receiver takes a message for old."""

BOTH: Final = 24 * 3600
"""Seconds for which messages are signed with the secret before too, once there is another."""


def new_secret() -> str:
    """A secret, which is shown once."""
    return PREFIX + base64.b64encode(os.urandom(32)).decode()


def key_of(secret: str) -> bytes:
    """The bytes of a secret; InvalidQuery for what is none.

    >>> len(key_of(new_secret()))
    32
    """
    try:
        found = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not LEAST <= len(found) <= MOST:
        raise InvalidQuery(
            f"A secret is {PREFIX} and {LEAST} to {MOST} bytes in base64.",
            f"密钥为 {PREFIX} 加 {LEAST} 至 {MOST} 字节的 base64 编码。",
        )
    return found


def followed(kept: str, fresh: str, now: float) -> str:
    """What is kept once a secret is followed by another: both, and until when the first is used.

    >>> followed("whsec_a", "whsec_b", 1000.0)
    'whsec_b whsec_a 87400'
    """
    return f"{fresh} {kept.partition(' ')[0]} {int(now) + BOTH}"


def keys_of(kept: str, now: float) -> list[bytes]:
    """The keys that messages are signed with now, the newest first.

    >>> one, other = new_secret(), new_secret()
    >>> len(keys_of(followed(one, other, 0.0), 1.0)), len(keys_of(followed(one, other, 0.0), 1e6))
    (2, 1)
    """
    fresh, _, rest = kept.partition(" ")
    before, _, until = rest.partition(" ")
    return [key_of(one) for one in ((fresh, before) if until and now < int(until) else (fresh,))]


def signature(key: bytes, id: str, at: int, body: bytes) -> str:
    """HMAC-SHA256 of id, seconds since 1970 and body, with points between, in base64.

    >>> key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    said = b".".join((id.encode(), str(at).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, said, sha256)).decode()


def headers(keys: Sequence[bytes], id: str, at: int, body: bytes) -> dict[str, str]:
    """What goes with a message; it is signed with each of the keys."""
    return {
        "content-type": "application/json",
        "user-agent": "cimtwin",
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(signature(key, id, at, body) for key in keys),
    }


def proves(key: bytes, got: dict[str, str], body: bytes, now: float) -> bool:
    """Whether a message is ours, whole and new: what a receiver asks, in Python."""
    try:
        at = int(got["webhook-timestamp"])
        given = got["webhook-signature"].split()
        wanted = signature(key, got["webhook-id"], at, body)
    except (KeyError, ValueError):
        return False
    return abs(now - at) <= LATE and any(hmac.compare_digest(one, wanted) for one in given)
