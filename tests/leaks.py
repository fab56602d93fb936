"""Whether anything of a person got out, over the whole run of the tests.

People in the tests are recognisable and belong to nobody: document numbers of divisions that do not
exist, phones no network has, names that begin with 查无. What the run writes is searched for
them: what tests and the programs they start print and log, addresses that are called, errors and
figures that are answered, tiles, the server's log, and every table outside `pii`.

A finding fails the run, and says where, never what.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx2
import psycopg

PLANTED = {
    "a document's number": re.compile(
        r"(?<![0-9A-Fa-f])(?:990000|000000)(?:19|20)\d\d(?:0\d|1[0-2])[0-3]\d{4}[0-9Xx](?![0-9A-Fa-f])"
    ),
    "a phone": re.compile(r"(?<![0-9A-Za-z.\-])1000[0-9]{7}(?![0-9A-Za-z.])"),
    "a name": re.compile("查无[\u4e00-\u9fff0-9]"),
}
"""What is searched for. A mask (查****) is none of these."""

FILES = ("*.log", "*.json", "*.geojson", "*.glb", "*.pnts", "*.subtree", "*.terrain", "*.jsonl")
"""Files of a run that are looked into, where the folder below tells that they are a program's."""

WRITTEN = ("tiles", "log", "logs", "3d")
"""Folders that programs write into."""

LARGEST = 50_000_000
"""Bytes of a file above which its beginning is searched."""

PUBLIC = ("/metrics", "/openapi.json", "/changes", "/health", "/ready")
"""Answers that are searched whatever their status; of others, those that are errors."""

Leak = tuple[str, str]


class Leaks:
    """What was found so far: where, and what kind of thing."""

    def __init__(self) -> None:
        self.found: set[Leak] = set()

    def search(self, words: str, where: str) -> None:
        """Look through a text."""
        for kind in kinds(words):
            self.found.add((where, kind))


def kinds(words: str) -> Iterator[str]:
    """The kinds of personal things in a text."""
    return (kind for kind, pattern in PLANTED.items() if pattern.search(words))


FOUND = Leaks()
"""Of this run."""


def watch_calls() -> None:
    """Search whatever the tests' clients call, and the errors they are answered."""
    send = httpx2.Client.send

    def searched(self: httpx2.Client, request: httpx2.Request, **more: Any) -> httpx2.Response:
        FOUND.search(unquote(str(request.url)), f"the address of {request.method} {path(request)}")
        response = send(self, request, **more)
        if more.get("stream"):
            return response
        if response.status_code >= 400 or path(request) in PUBLIC:
            where = f"the answer {response.status_code} to {request.method} {path(request)}"
            FOUND.search(response.text, where)
        for name, value in response.headers.items():
            FOUND.search(unquote(value), f"the header {name} of {path(request)}")
        return response

    httpx2.Client.send = searched  # type: ignore[method-assign]  # for the length of the run


def path(request: httpx2.Request) -> str:
    """The path that was called, with what may be anything left out."""
    return re.sub(r"[^/a-z._-]+", "…", request.url.path)[:80]


def search_report(nodeid: str, sections: Iterable[tuple[str, str]]) -> None:
    """Search what a test printed and logged, and what it started."""
    for name, words in sections:
        FOUND.search(words, f"{name} of {nodeid}")


def search_files(folder: Path) -> None:
    """Search what programs wrote below a folder: tiles and logs."""
    for found in sorted(folder.rglob("*")):
        parts = set(found.relative_to(folder).parts[:-1])
        mine = any(found.match(pattern) for pattern in FILES)
        if not mine or (found.suffix != ".log" and parts.isdisjoint(WRITTEN)):
            continue
        if found.is_file() and not found.is_symlink():
            with found.open("rb") as file:
                words = file.read(LARGEST).decode("utf-8", "replace")
            FOUND.search(words, f"the file {os.sep.join(sorted(parts))}/{found.name}")


TEXTS = """
SELECT format('%I.%I', table_schema, table_name) AS held,
    string_agg(format('coalesce(%I::text, '''')', column_name), ' || chr(10) || ') AS words
FROM information_schema.columns
WHERE table_schema IN ('city', 'platform', 'security', 'jobs')
    AND data_type IN ('text', 'jsonb', 'json', 'ARRAY', 'character varying')
    AND table_name NOT IN ('code_item', 'code_list', 'code_scheme', 'audit_log')
    AND NOT EXISTS (SELECT FROM pg_inherits i
        WHERE i.inhrelid = format('%I.%I', table_schema, table_name)::regclass
          AND table_name NOT LIKE 'audit_log%%')
GROUP BY 1"""

ROUGHLY = "(990000|000000)(19|20)[0-9]{9}[0-9Xx]|查无[一-龥0-9]"
"""What the database looks for; what it finds is looked at again here."""


def search_tables(url: str) -> None:
    """Search every table that holds no people, the audit log among them."""
    with psycopg.connect(url) as connection:
        migrated = connection.execute("SELECT to_regclass('security.audit_log')").fetchone()
        if migrated is None or migrated[0] is None:
            return
        for held, words in connection.execute(TEXTS).fetchall():
            rows = connection.execute(
                f"SELECT {words} FROM {held} WHERE {words} ~ %s LIMIT 20",  # type: ignore[arg-type]  # names of our own
                (ROUGHLY,),
            )
            for (found,) in rows.fetchall():
                FOUND.search(found, f"the table {re.sub('[0-9]+', '…', held)}")
