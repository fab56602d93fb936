"""Keys, links and session tokens: 32 random bytes each, of which only the SHA-256 is kept."""

import hmac
import secrets
from hashlib import sha256
from typing import Final

BRAND: Final = "cim"
"""How every key begins, so that one that was published by mistake can be looked for."""

WEBHOOK: Final = "webhook.secret"
"""What secrets that messages to others are signed with are encrypted for; these are kept whole."""


def make_key() -> tuple[str, str]:
    """A new key, and the prefix by which people know it: `cim_a1b2c3d4`."""
    prefix = f"{BRAND}_{secrets.token_hex(4)}"
    return f"{prefix}_{secrets.token_urlsafe(32)}", prefix


def make_token() -> str:
    """A token for a link or a session."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is kept of a secret that is random: it needs no salt, and is found by it.

    >>> digest("secret").hex()[:8]
    '2bb80d53'
    """
    return sha256(secret.encode("utf-8", "replace")).digest()


def csrf(token: str) -> str:
    """What a page must send beside the cookie: only who can read answers here knows it."""
    return hmac.new(token.encode("utf-8", "replace"), b"csrf", sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two secrets are one, in a time that tells nothing."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
