"""Tilesets in an object store with an S3 interface, from where browsers open them.

    PREFIX/3f0c52…/tileset.json, content/…      a version, named after its content
    PREFIX/tileset.json                         refers to the version; written last

So whoever opens the root sees one whole version, the old one or the new one, and what is in a
version's folder may be kept for ever.
"""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from cim.errors import TilingError
from tiling import combined
from tiling.combined import FILE, Member
from tiling.export import Tileset
from tiling.folder import PACKED

SCHEME = "s3://"

TYPES = {
    ".glb": "model/gltf-binary",
    ".json": "application/json",
    ".subtree": "application/octet-stream",
}
"""Content types of a tileset's files."""

FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"

AT_ONCE = 16
"""Objects on their way at the same time."""

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
    """What went into the store: objects and bytes; `stood` were there already."""

    objects: int
    bytes: int
    stood: int


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
) -> Written:
    """Write tilesets below s3://bucket/prefix; several get a root above them.

    Address and credentials of the store are those of the environment: AWS_ENDPOINT_URL,
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION.  Objects of a version that are there from
    a run that was broken off are not sent again.  Raises TilingError where the package is missing
    or the store refuses or does not answer; the root that was there before is there then.
    """
    store, faults = _opened(url)
    try:
        return _write(store, tilesets, progress)
    except faults as fault:
        raise _refused(url, fault) from fault


def _opened(url: str) -> tuple[Any, type[Exception]]:
    """The store, and what it raises."""
    try:
        import obstore.exceptions  # noqa: PLC0415 - an optional extra, not needed elsewhere
        import obstore.store  # noqa: PLC0415 - as above
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


def _write(store: Any, tilesets: list[Tileset], progress: Callable[[int, int], None]) -> Written:
    import obstore  # noqa: PLC0415 - as above

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
    roots = list(_roots(tilesets))
    for root in roots:
        send(root)
    sizes = sum(item.size for item in (*todo, *roots))
    return Written(len(todo) + len(roots), sizes, stood)


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
    status = re.search(r"status: (\d{3})", str(fault))
    en, zh = REFUSALS.get(status[1] if status else type(fault).__name__, REFUSALS[""])
    return TilingError(f"{url} cannot be written: {en}", f"无法写入 {url}：{zh}")
