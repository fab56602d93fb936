"""How platforms prove who they are when they push, and what they want to hear.

Pure functions: what came with a request and the secret of the feed in, a verdict or an answer out.

| platform | before the first push | each push | answer |
|---|---|---|---|
| OneNET | GET `?msg&nonce&signature`, answered with `msg` | `msg_signature`, `nonce` | 200 |
| CTWing | none | nothing but the address and our key | 200 at once; else it is sent again |
| IoTDA | none | nothing but the address and our key | 200 |
| ChirpStack, The Things Stack | none | headers that are set there: our key | 200 |
| NGSI-LD | none | headers of the subscription (`receiverInfo`): our key | 200 |
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import msgspec

LONGEST: Final = 1_000
"""Characters of each parameter of a handshake."""


@dataclass(frozen=True)
class Answer:
    """What is said to a platform."""

    status: int
    body: bytes = b""
    media_type: str = "text/plain"


def opening(decoder: str, query: Mapping[str, str], secret: str) -> Answer | None:
    """The answer to a GET by which a platform tries an address; None where it has no such custom.

    >>> opening("onenet", {"msg": "hi", "nonce": "n", "signature": onenet("t", "n", b"hi")}, "t")
    Answer(status=200, body=b'hi', media_type='text/plain')
    >>> opening("onenet", {"msg": "hi", "nonce": "n", "signature": "x"}, "t").status
    403
    >>> opening("ctwing", {}, "") is None
    True
    """
    if decoder != "onenet":
        return None
    message, nonce, given = (query.get(key, "") for key in ("msg", "nonce", "signature"))
    if not message or max(map(len, (message, nonce, given))) > LONGEST:
        return Answer(400)
    if not _same(given, onenet(secret, nonce, message.encode())):
        return Answer(403)
    return Answer(200, message.encode())


def genuine(decoder: str, payload: bytes, secret: str) -> bool | None:
    """Whether a push is signed as its platform signs; None where it signs nothing.

    Where it signs nothing, or the feed has no secret, the feed's own key must do.

    >>> signed = onenet("t", "abc", b'{"type":1}').encode()
    >>> body = b'{"msg":{"type":1},"nonce":"abc","msg_signature":"' + signed + b'"}'
    >>> genuine("onenet", body, "t"), genuine("onenet", body, "u"), genuine("onenet", b"[", "t")
    (True, False, False)
    >>> genuine("iotda", body, "t") is None
    True
    """
    if decoder != "onenet" or not secret:
        return None
    try:
        body = _PUSH.decode(payload)
        held = bytes(body.msg)
        if held[:1] == b'"':  # a message written as a text is signed as the text
            held = msgspec.json.decode(held, type=str).encode()
        return _same(body.msg_signature or body.signature, onenet(secret, body.nonce, held))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False


def answer(taken: bool) -> Answer:
    """What is said to a push: 200 when it is kept, 503 when it is to be sent again.

    No platform reads more than the status. All of them send again what was not taken, a few times;
    CTWing stops for a minute where more than a hundred pushes in a row fail.

    >>> answer(True).status, answer(False).status
    (200, 503)
    """
    return Answer(200 if taken else 503)


def onenet(token: str, nonce: str, message: bytes) -> str:
    """OneNET's signature: the MD5 of token, nonce and message, in Base64.

    >>> onenet("abc", "1234", b"hello")
    'Jy3CfvEJ85n7ovPkgQ0RiA=='
    """
    # Its protocol, not our choice: it guards against strangers only as far as MD5 and TLS do.
    digest = hashlib.md5(token.encode() + nonce.encode() + message, usedforsecurity=False)
    return base64.b64encode(digest.digest()).decode()


class _Push(msgspec.Struct):
    msg: msgspec.Raw
    nonce: str = ""
    msg_signature: str = ""
    signature: str = ""


_PUSH: Final = msgspec.json.Decoder(_Push)


def _same(given: str, made: str) -> bool:
    """Whether two signatures in Base64 are one; a `+` may have become a space, or be escaped."""
    try:
        held = base64.b64decode(unquote(given).replace(" ", "+"), validate=True)
    except (binascii.Error, ValueError):  # no Base64
        return False
    return hmac.compare_digest(held, base64.b64decode(made))
