"""Several requests in one body and their answers: multipart/mixed of application/http, or JSON.

As in OData 4.0 (11.7), which SensorThings takes over, and OData's JSON format 4.01 (19).
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from http import HTTPStatus
from typing import Any, Final

import orjson

from cim.errors import BadParameter

MOST: Final = 1000
"""Requests of a batch."""

CRLF: Final = b"\r\n"


@dataclass(frozen=True)
class Part:
    """One request of a batch."""

    id: str | None
    method: str
    url: str
    headers: dict[str, str]
    """By their names in lower case."""

    body: bytes
    condition: str | None = None
    """`$id` or `not $id`: it is asked only where that one succeeded, or did not."""


@dataclass(frozen=True)
class Group:
    """Requests that are done one after the other; where `whole`, all of them or none."""

    parts: tuple[Part, ...]
    whole: bool


@dataclass(frozen=True)
class Answer:
    """What is answered to one request."""

    part: Part
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def wrong(en: str, zh: str) -> BadParameter:
    """What is said of a batch that cannot be read."""
    return BadParameter(f"The batch cannot be read: {en}.", f"批处理请求无法解析：{zh}。")


def boundary_of(kind: str) -> bytes:
    """The boundary that a content type names."""
    said = Message()
    said["Content-Type"] = kind
    found = said.get_boundary()
    if not found or not found.isascii():
        raise wrong("its Content-Type names no boundary", "Content-Type 缺少 boundary")
    return found.encode()


def pieces(body: bytes, boundary: bytes) -> list[bytes]:
    r"""What stands between the lines of a boundary.

    >>> pieces(b"before\r\n--b\r\none\r\n--b\r\ntwo\r\n\r\n--b--\r\nbehind", b"b")
    [b'one', b'two\r\n']
    """
    found = re.split(rb"(?m)^--" + re.escape(boundary) + rb"(--)?[ \t]*\r?(?:\n|\Z)", body)
    inside, ended = found[2::2], found[1::2]
    if not inside or ended[-1] is None:
        raise wrong("it ends before its last boundary", "缺少结束边界")
    return [re.sub(rb"\r?\n\Z", b"", each) for each in inside[: ended.index(b"--")]]


def split(text: bytes) -> tuple[Message, bytes]:
    """Headers, and what stands behind the empty line."""
    match = re.search(rb"\r?\n\r?\n|\A\r?\n", text)
    head, rest = (text[: match.start()], text[match.end() :]) if match else (text, b"")
    return BytesHeaderParser().parsebytes(head), rest


def read(body: bytes, kind: str) -> list[Group]:
    """The requests of a multipart body: single ones, and change sets."""
    groups, total = [], 0
    for piece in pieces(body, boundary_of(kind)):
        headers, inner = split(piece)
        if headers.get_content_type() == "multipart/mixed":
            inside = pieces(inner, boundary_of(str(headers["Content-Type"])))
            parts = tuple(_part(*split(each)) for each in inside)
            groups.append(Group(parts, True))
        else:
            groups.append(Group((_part(headers, inner),), False))
        total += len(groups[-1].parts)
        _limited(total)
    return groups


def _limited(total: int) -> None:
    if total > MOST:
        raise wrong(f"it holds more than {MOST:,} requests", f"请求超过 {MOST:,} 个")


def _part(outer: Message, text: bytes) -> Part:
    if outer.get_content_type() != "application/http":
        raise wrong("a part of it is no application/http", "部分不是 application/http")
    line, _, rest = text.lstrip(CRLF).partition(b"\n")
    words = line.decode("utf-8", "replace").split()
    if len(words) > 2 and words[-1].upper().startswith("HTTP/"):
        words.pop()
    if len(words) < 2:
        raise wrong("a part of it has no request line", "部分缺少请求行")
    headers, body = split(rest)
    kept = {name.lower(): str(value) for name, value in headers.items()}
    id = outer["Content-ID"] or headers["Content-ID"]
    name = None if id is None else " ".join(str(id).split())
    return Part(name, words[0].upper(), " ".join(words[1:]), kept, body)


def written(groups: Sequence[tuple[Group, Sequence[Answer]]]) -> tuple[bytes, str]:
    """The answers as multipart/mixed, and their content type."""
    found = []
    for group, answers in groups:
        if not group.whole or _undone(group, answers):
            found.append(_shown(answers[-1]))
        else:
            inner, kind = _joined([_shown(each) for each in answers])
            found.append(b"Content-Type: " + kind.encode() + CRLF * 2 + inner)
    return _joined(found)


def _undone(group: Group, answers: Sequence[Answer]) -> bool:
    """Whether a change set failed, of which one answer tells alone."""
    return bool(group.parts) and any(each.status >= 400 for each in answers)


def _joined(parts: list[bytes]) -> tuple[bytes, str]:
    mark = secrets.token_hex(16)
    lines = [b"--" + mark.encode() + CRLF + each + CRLF for each in parts]
    return b"".join(
        (*lines, b"--", mark.encode(), b"--", CRLF)
    ), f"multipart/mixed; boundary={mark}"


def _shown(answer: Answer) -> bytes:
    outer = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if answer.part.id is not None:
        outer.append(f"Content-ID: {answer.part.id}")
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    head = "\r\n".join([*outer, "", *lines, f"Content-Length: {len(answer.body)}", "", ""])
    return head.encode() + answer.body


def read_json(body: bytes) -> list[Group]:
    """The requests of a JSON body; those of an atomicityGroup stand together."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise wrong("it is no JSON", "不是有效的 JSON") from None
    requests = given.get("requests") if isinstance(given, dict) else None
    if not isinstance(requests, list):
        raise wrong("it is no object with a list `requests`", "缺少 requests 列表")
    _limited(len(requests))
    found: list[tuple[str | None, list[Part]]] = []
    for each in requests:
        name, part = _read_one(each)
        if name is not None and found and found[-1][0] == name:
            found[-1][1].append(part)
            continue
        if name is not None and any(name == before for before, _ in found):
            raise wrong("the requests of an atomicityGroup stand apart", "同一原子组的请求须相邻")
        found.append((name, [part]))
    return [Group(tuple(parts), name is not None) for name, parts in found]


def _read_one(given: Any) -> tuple[str | None, Part]:
    if not isinstance(given, dict):
        raise wrong("a request is no object", "请求不是对象")
    name, id, condition = (given.get(key) for key in ("atomicityGroup", "id", "if"))
    texts = (name, id, condition, given.get("method"), given.get("url"))
    headers = given.get("headers") or {}
    if not all(isinstance(each, str | None) for each in texts) or not isinstance(headers, dict):
        raise wrong("id, method, url, if and atomicityGroup are texts", "字段类型不正确")
    if given.get("method") is None or given.get("url") is None:
        raise wrong("a request has a method and a url", "请求缺少 method 或 url")
    kept = {str(key).lower(): str(value) for key, value in headers.items()}
    body = orjson.dumps(given["body"]) if "body" in given else b""
    return name, Part(id, given["method"].upper(), given["url"], kept, body, condition)


def written_json(groups: Sequence[tuple[Group, Sequence[Answer]]]) -> bytes:
    """The answers as JSON, one for each request that was done."""
    found = []
    for group, answers in groups:
        for each in answers:
            said: dict[str, Any] = {"id": each.part.id, "status": each.status}
            if "location" in each.headers:
                said["location"] = each.headers["location"]
            if each.body and each.body != b"{}":
                said["body"] = _value(each)
            found.append(said)
        if group.whole and _undone(group, answers):
            failed = {id(each.part) for each in answers}
            found += [{"id": one.id, "status": 424} for one in group.parts if id(one) not in failed]
    return orjson.dumps({"responses": found})


def _value(answer: Answer) -> Any:
    if "json" in answer.headers.get("content-type", ""):
        return orjson.Fragment(answer.body)
    return answer.body.decode("utf-8", "replace")
