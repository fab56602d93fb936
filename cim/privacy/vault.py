"""The vault: encrypts columns of texts, reads them back, and makes keyed hashes for look-up.

Cipher AES-256-GCM-SIV (RFC 8452), which keeps its promise even should a nonce come twice; keys by
HKDF-SHA256 from one secret, one for the cipher, one for nonces, one for hashes.  Every value is
bound to its purpose, so a ciphertext moved to another column does not open.
"""

import hashlib
import hmac
import os
from collections.abc import Iterable, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cim.errors import PrivacyError

FORMAT: Final = b"\x01"
"""First byte of every value: which cipher and layout the rest has."""

NONCE: Final = 12
TAG: Final = 16
LEAST_SECRET: Final = 32
"""Fewest bytes of a secret."""


def _derived(secret: bytes, label: str) -> bytes:
    info = f"cimtwin {label} 1".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)


class Key:
    """What is derived from one secret."""

    def __init__(self, secret: bytes) -> None:
        """PrivacyError where the secret is too short."""
        if len(secret) < LEAST_SECRET:
            raise PrivacyError(
                f"The key for personal data has {len(secret)} bytes; it needs {LEAST_SECRET}.",
                f"个人信息密钥只有 {len(secret)} 字节，至少需要 {LEAST_SECRET} 字节。",
            )
        self.cipher = AESGCMSIV(_derived(secret, "encrypt"))
        self.nonces = _derived(secret, "nonce")
        self.hashes = _derived(secret, "hash")

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that tell one key from another."""
        return hmac.digest(self.hashes, b"fingerprint", hashlib.sha256)[:8].hex()

    def open(self, value: bytes, purpose: bytes) -> str | None:
        """The text; None where it was sealed with another key, or changed since."""
        nonce, sealed = value[1 : 1 + NONCE], value[1 + NONCE :]
        try:
            return self.cipher.decrypt(nonce, sealed, purpose).decode()
        except InvalidTag:
            return None


class Vault:
    """Encrypts and hashes personal data with keys derived from one secret.

    While keys are changed there are two: the first seals, both open.

    >>> vault = Vault(bytes(range(32)))
    >>> sealed = vault.encrypt(["张三", None], "person.name")
    >>> vault.decrypt(sealed, "person.name")
    ['张三', None]
    >>> vault.encrypt([], "person.name"), vault.decrypt([], "person.name")
    ([], [])
    >>> changed = Vault(bytes(32), bytes(range(32)))
    >>> changed.decrypt(sealed, "person.name"), changed.is_first(sealed, "person.name")
    (['张三', None], [False, True])
    """

    def __init__(self, secret: bytes, *older: bytes) -> None:
        """Derive the keys from secrets of 32 bytes or more, the one that seals first."""
        self._known = tuple(Key(one) for one in (secret, *older))

    def _keys(self) -> tuple[Key, ...]:
        """The keys as they are now; the one that seals is first."""
        return self._known

    def __repr__(self) -> str:
        """Say which key it is, never what it is."""
        return f"{type(self).__name__}({self.fingerprint})"

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that tell one key from another and give nothing away."""
        return self._keys()[0].fingerprint

    @property
    def fingerprints(self) -> list[str]:
        """The same of every key there is, the one that seals first."""
        return [key.fingerprint for key in self._keys()]

    def fixed(self, first: str) -> "Vault":
        """The keys as they are now, that of a fingerprint first, whatever becomes of the file."""
        copy = Vault.__new__(Vault)
        copy._known = tuple(sorted(self._keys(), key=lambda key: key.fingerprint != first))
        return copy

    def encrypt(
        self, values: Sequence[str | None], purpose: str, rows: Sequence[str | None] | None = None
    ) -> list[bytes | None]:
        """Encrypt a column of texts for a purpose such as `person.name`; None stays None.

        With `rows`, the key of each row in its source, the same text in the same row gives the same
        bytes, so that loading a file again changes nothing; equal texts in different rows
        still look different.  Without, or where the row's key is None, every call differs.
        """
        keys = rows if rows is not None else [None] * len(values)
        bound, key = purpose.encode(), self._keys()[0]
        return [
            None if value is None else _seal(key, value.encode(), bound, row)
            for value, row in zip(values, keys, strict=True)
        ]

    def decrypt(self, values: Iterable[bytes | None], purpose: str) -> list[str | None]:
        """Read back a column that was encrypted for the same purpose.

        Raises PrivacyError where the key or the purpose is another, or the bytes are damaged.
        """
        bound, keys = purpose.encode(), self._keys()
        return [None if value is None else _open(keys, bytes(value), bound) for value in values]

    def is_first(self, values: Iterable[bytes | None], purpose: str) -> list[bool]:
        """Whether each value of a column is sealed with the key that seals now; None is."""
        bound, key = purpose.encode(), self._keys()[0]
        return [value is None or key.open(bytes(value), bound) is not None for value in values]

    def hash(self, values: Iterable[str | None], purpose: str) -> list[bytes | None]:
        """Keyed hashes (HMAC-SHA256, 32 bytes) of a column, for look-up; None stays None.

        Equal texts give equal hashes, so give them in one spelling (`plain_id`, `plain_phone`).
        """
        base = _base(self._keys()[0], purpose)
        return [None if value is None else _finish(base, value) for value in values]

    def hashes(self, value: str, purpose: str) -> list[bytes]:
        """The hashes that a value may be found by: one for every key there is."""
        return [_finish(_base(key, purpose), value) for key in self._keys()]


def _base(key: Key, purpose: str) -> "hmac.HMAC":
    return hmac.new(key.hashes, purpose.encode() + b"\x00", hashlib.sha256)


def _seal(key: Key, text: bytes, purpose: bytes, row: str | None) -> bytes:
    if row is None:
        nonce = os.urandom(NONCE)
    else:
        parts = (purpose, row.encode(), text)
        framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        nonce = hmac.digest(key.nonces, framed, hashlib.sha256)[:NONCE]
    return FORMAT + nonce + key.cipher.encrypt(nonce, text, purpose)


def _open(keys: Sequence[Key], value: bytes, purpose: bytes) -> str:
    if value[:1] != FORMAT or len(value) < len(FORMAT) + NONCE + TAG:
        raise PrivacyError(
            "A value of personal data is not in the form that this program writes.",
            "某项个人信息的存储格式无法识别。",
        )
    for key in keys:
        if (found := key.open(value, purpose)) is not None:
            return found
    raise PrivacyError(
        "Personal data were written with another key than the one in use, or were changed "
        "since; put the key file that they were loaded with in its place.",
        "个人信息不是用当前密钥写入的，或已被改动；请换回加载数据时使用的密钥文件。",
    )


def _finish(base: "hmac.HMAC", value: str) -> bytes:
    copy = base.copy()
    copy.update(value.encode())
    return copy.digest()
