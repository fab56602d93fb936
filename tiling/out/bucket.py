"""Tilesets in an object store with an S3 interface, from where browsers open them.

    PREFIX/3f0c52…/tileset.json, content/…      a version, named after its content
    PREFIX/tileset.json                         refers to the version; written last

So whoever opens the root sees one whole version, the old one or the new one, and what is in a
version's folder may be kept for ever.  A version that was replaced stays for an hour, so that a
visit under way keeps its tiles; the next run after that takes it away.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from cim.errors import TilingError
from tiling.disk import combined
from tiling.disk.combined import FILE, Member
from tiling.disk.folder import KEPT, PACKED
from tiling.out.export import Tileset

SCHEME = "s3://"

TYPES = {
    ".glb": "model/gltf-binary",
    ".json": "application/json",
    ".pnts": "application/octet-stream",
    ".subtree": "application/octet-stream",
}
"""Content types of a tileset's files."""

FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"

AT_ONCE = 16
"""Objects on their way at the same time."""

VERSION = re.compile(r"([0-9a-f]{12})/.")
"""How the path of a file in a version begins."""

NOT_ALLOWED = ("it does not allow that", "没有权限")
NO_BUCKET = ("there is no such bucket", "没有该存储桶")
REFUSALS = {
    "": ("it does not answer as it should", "没有正常应答"),
    "401": NOT_ALLOWED,
    "403": NOT_ALLOWED,
    "404": NO_BUCKET,
    "UnauthenticatedError": NOT_ALLOWED,
    "PermissionDeniedError": NOT_ALLOWED,
    "NotFoundError": NO_BUCKET,
}
"""What a store says, by its status or by what the library makes of that."""

WORTH = 0.95
"""A gzipped copy larger than so much of the file is not worth its unpacking."""


@dataclass(frozen=True)
class Written:
    """What went into the store: objects and bytes; `stood` were there already.

    `removed` are the folders of versions that were taken away.
    """

    objects: int
    bytes: int
    stood: int
    removed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Object:
    """A file on its way: where to, and what it is sent with."""

    key: str
    content: Callable[[], bytes]
    size: int
    headers: dict[str, str]


def write(
    tilesets: list[Tileset],
    url: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    keep: float = KEPT,
) -> Written:
    """Write tilesets below s3://bucket/prefix; several get a root above them.

    Versions that were replaced `keep` seconds ago or longer are taken away then.

    Address and credentials of the store are those of the environment: AWS_ENDPOINT_URL,
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION.  Objects of a version that are there from
    a run that was broken off are not sent again.  Raises TilingError where the package is missing
    or the store refuses or does not answer; the root that was there before is there then.
    """
    store, faults = _opened(url)
    try:
        before = {one.name: _served(store, _top(one, tilesets)) for one in tilesets}
        written = _write(store, tilesets, progress)
    except faults as fault:
        raise _refused(url, fault) from fault
    try:
        removed = [
            folder
            for one in tilesets
            for folder in _tidied(store, one, _top(one, tilesets), before[one.name], keep)
        ]
    except faults as fault:
        raise _not_tidied(url, fault) from fault
    return replace(written, removed=tuple(removed))


def _opened(url: str) -> tuple[Any, type[Exception]]:
    """The store, and what it raises."""
    try:
        import obstore.exceptions  # noqa: PLC0415 - an optional extra, not needed elsewhere
        import obstore.store  # noqa: PLC0415 - an optional extra, not needed elsewhere
    except ImportError as fault:
        raise TilingError(
            "s3:// needs the package obstore: pip install 'cimtwin[s3]'",
            "s3:// 需要软件包 obstore：pip install 'cimtwin[s3]'",
        ) from fault
    parts = urlsplit(url)
    if not parts.netloc:
        raise TilingError(f"{url} names no bucket", f"{url} 没有存储桶名")
    opened = obstore.store.S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        client_options={"allow_http": True, "connect_timeout": "10s", "timeout": "120s"},
        retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=60)},
    )
    return opened, obstore.exceptions.BaseError


@dataclass(frozen=True)
class Served:
    """The root of a tileset as it stands in a store: the version it leads to, since when."""

    version: str = ""
    since: datetime | None = None


def _top(one: Tileset, tilesets: Iterable[Tileset]) -> str:
    """The folder that a tileset has in the store: its own, where there are several."""
    return f"{one.name}/" if len(list(tilesets)) > 1 else ""


def _served(store: Any, top: str) -> Served:
    """What the root of a tileset leads to; nothing where there is none, or not one of ours."""
    import obstore  # noqa: PLC0415 - an optional extra, not needed elsewhere

    try:
        found = obstore.get(store, top + FILE)
        root = json.loads(bytes(found.bytes()))["root"]
        uri = root["children"][0]["content"]["uri"]
    except (FileNotFoundError, ValueError, KeyError, IndexError):
        return Served()
    return Served(uri.partition("/")[0], found.meta["last_modified"])


def _tidied(store: Any, one: Tileset, top: str, before: Served, keep: float) -> list[str]:
    """Take away the versions of a tileset that were replaced long enough ago; their folders.

    Nobody is told when a version was replaced: at the latest when the root that stood before this
    run was written, or by this run.  One that is being written, or was broken off, is as old as
    the newest of its files.
    """
    import obstore  # noqa: PLC0415 - an optional extra, not needed elsewhere

    files: dict[str, list[Mapping[str, Any]]] = {}
    for batch in obstore.list(store, top or None):
        for item in batch:
            found = VERSION.match(item["path"].removeprefix(top))
            if found and found[1] != one.version:
                files.setdefault(found[1], []).append(item)
    now, removed = datetime.now(UTC), []
    for version, items in sorted(files.items()):
        ages = [(now - item["last_modified"]).total_seconds() for item in items]
        if version == before.version:
            ages.append(0.0)
        elif before.since:
            ages.append((now - before.since).total_seconds())
        if min(ages) >= keep or keep <= 0:
            obstore.delete(store, [item["path"] for item in items])
            removed.append(top + version)
    return removed


def _write(store: Any, tilesets: list[Tileset], progress: Callable[[int, int], None]) -> Written:
    import obstore  # noqa: PLC0415 - an optional extra, not needed elsewhere

    several = len(tilesets) > 1
    stood, todo = 0, []
    for one in tilesets:
        folder = f"{one.name}/{one.version}/" if several else f"{one.version}/"
        listed = obstore.list(store, folder)
        there = {item["path"]: item["size"] for batch in listed for item in batch}
        for found in _objects(one, folder):
            if there.get(found.key) == found.size:
                stood += 1
            else:
                todo.append(found)

    def send(item: Object) -> None:
        obstore.put(store, item.key, item.content(), attributes=item.headers, use_multipart=False)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        under_way = [pool.submit(send, item) for item in todo]
        try:
            for count, done in enumerate(as_completed(under_way), 1):
                done.result()
                progress(count, len(todo))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    roots = [root for root in _roots(tilesets) if not _stands(store, root)]
    for root in roots:
        send(root)
    sizes = sum(item.size for item in (*todo, *roots))
    return Written(len(todo) + len(roots), sizes, stood)


def _stands(store: Any, root: Object) -> bool:
    """Whether a root is there as it is to be: its date says since when."""
    import obstore  # noqa: PLC0415 - an optional extra, not needed elsewhere

    try:
        return bytes(obstore.get(store, root.key).bytes()) == root.content()
    except FileNotFoundError:
        return False


def _objects(one: Tileset, folder: str) -> Iterator[Object]:
    """The files of a version, gzipped where there is a copy that is worth it."""
    for path in one.contents():
        file, packed = one.files[path], one.files.get(path + PACKED)
        headers = {"Content-Type": TYPES[PurePosixPath(path).suffix], "Cache-Control": FOR_EVER}
        size = file.stat().st_size
        if packed and packed.stat().st_size < WORTH * size:
            file, size = packed, packed.stat().st_size
            headers["Content-Encoding"] = "gzip"
        yield Object(folder + path, file.read_bytes, size, headers)


def _roots(tilesets: list[Tileset]) -> Iterator[Object]:
    """A root for each tileset, then the one above all."""
    above: list[Member] = []
    for one in tilesets:
        member = one.member(f"{one.version}/{FILE}")
        if len(tilesets) > 1:
            above.append(one.member(f"{one.name}/{one.version}/{FILE}"))
            yield _root(f"{one.name}/{FILE}", [member])
        else:
            yield _root(FILE, [member])
    if above:
        yield _root(FILE, above)


def _root(key: str, members: list[Member]) -> Object:
    content = combined.describe(members)
    headers = {"Content-Type": TYPES[".json"], "Cache-Control": ASK_AGAIN}
    return Object(key, lambda: content, len(content), headers)


def _refused(url: str, fault: Exception) -> TilingError:
    """What is said where the store did not take something."""
    en, zh = _why(fault)
    return TilingError(f"{url} cannot be written: {en}", f"无法写入 {url}：{zh}")


def _not_tidied(url: str, fault: Exception) -> TilingError:
    """What is said where the new tiles are there, and the old ones cannot be taken away."""
    en, zh = _why(fault)
    return TilingError(
        f"the tiles are at {url}, but older versions cannot be removed: {en}",
        f"瓦片已写入 {url}，但旧版本无法删除：{zh}",
    )


def _why(fault: Exception) -> tuple[str, str]:
    status = re.search(r"status: (\d{3})", str(fault))
    return REFUSALS.get(status[1] if status else type(fault).__name__, REFUSALS[""])
