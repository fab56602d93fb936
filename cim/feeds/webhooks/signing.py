"""How a message to a receiver is signed: as Standard Webhooks has it.

The receiver knows by `webhook-id` what it has had already, by `webhook-timestamp` what is old, and
by `webhook-signature` that it is ours and whole.
"""

import base64
import binascii
import hmac
import os
from hashlib import sha256
from typing import Final

from cim.errors import InvalidQuery

PREFIX: Final = "whsec_"
LEAST, MOST = 24, 64
"""Bytes of a secret."""

LATE: Final = 300
"""Seconds after which a receiver takes a message for old."""


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


def signature(key: bytes, id: str, at: int, body: bytes) -> str:
    """HMAC-SHA256 of id, seconds since 1970 and body, with points between, in base64.

    >>> key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    said = b".".join((id.encode(), str(at).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, said, sha256)).decode()


def headers(key: bytes, id: str, at: int, body: bytes) -> dict[str, str]:
    """What goes with a message."""
    return {
        "content-type": "application/json",
        "user-agent": "cimtwin",
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(key, id, at, body),
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
