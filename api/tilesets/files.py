"""Files as answers: tiles and the built viewer, with ETag, 304 and compression."""

import gzip
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from fastapi.responses import Response

from api.answers.tagged import digest_of, matches

MIME: dict[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".czml": "application/json",
    ".geojson": "application/geo+json",
    ".glb": "model/gltf-binary",
    ".gltf": "model/gltf+json",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".ktx2": "image/ktx2",
    ".map": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".subtree": "application/octet-stream",
    ".svg": "image/svg+xml",
    ".terrain": "application/vnd.quantized-mesh",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}
"""Types by ending; written here because a machine's own table may lack them."""

PACKED = {".ico", ".jpg", ".ktx2", ".png", ".webp", ".woff2"}
"""Endings whose files are compressed already."""

IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"
"""May be kept, and is asked for again each time: the answer is mostly 304."""


@dataclass(frozen=True)
class Loaded:
    """A file in memory: its bytes, its gzip where that is smaller, the hash of its content."""

    plain: bytes
    packed: bytes | None
    digest: str


class Files:
    """Reads files and keeps the most recent, so that each is compressed and hashed once."""

    def __init__(self, most_bytes: int = 96_000_000, largest: int = 24_000_000) -> None:
        """Keep at most so many bytes, and no file above `largest`."""
        self.most_bytes, self.largest = most_bytes, largest
        self._kept: OrderedDict[tuple[str, int, int], Loaded] = OrderedDict()
        self._bytes = 0

    def load(self, path: Path) -> Loaded:
        """The file as it is now."""
        stat = path.stat()
        return self.get((str(path), stat.st_mtime_ns, stat.st_size), lambda: read(path))

    def get(self, key: tuple[str, int, int], make: Callable[[], Loaded]) -> Loaded:
        """What is kept under a key, made where nothing is."""
        found = self._kept.pop(key, None)
        if found is None:
            found = make()
            self._bytes += _size(found)
        self._kept[key] = found
        while self._kept and self._bytes > self.most_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= _size(oldest)
        return found


def _size(loaded: Loaded) -> int:
    return len(loaded.plain) + len(loaded.packed or b"")


def read(path: Path) -> Loaded:
    """Read and hash one file, and compress it where it has no gzipped copy beside it."""
    plain = path.read_bytes()
    packed = None
    beside = path.with_name(path.name + ".gz")
    if beside.is_file():
        packed = beside.read_bytes()
    elif len(plain) > 1000 and path.suffix not in PACKED:
        packed = gzip.compress(plain, 6, mtime=0)
    if packed and len(packed) >= 0.95 * len(plain):
        packed = None
    return Loaded(plain, packed, digest_of(plain))


def inside(root: Path, relative: str) -> Path | None:
    """The file of that relative path below a folder, or None for one that is not below it.

    Neither dots, backslashes and empty steps nor links lead out; hidden files are not there.
    """
    steps = relative.split("/")
    if any(not step or step.startswith(".") or "\\" in step or "\0" in step for step in steps):
        return None
    if len(relative) > 1000 or any(len(step.encode()) > 255 for step in steps):
        return None
    top = root.resolve()
    found = top.joinpath(*steps).resolve()
    return found if found.is_relative_to(top) and found.is_file() else None


def answer(request: Request, loaded: Loaded, suffix: str, cache: str) -> Response:
    """The file, or 304 where the caller holds it already; gzip where that is accepted."""
    packed = loaded.packed if accepts_gzip(request.headers.get("accept-encoding", "")) else None
    etag = f'"{loaded.digest}{"-gz" if packed else ""}"'
    headers = {"ETag": etag, "Cache-Control": cache, "Vary": "Accept-Encoding"}
    if matches(request.headers.get("if-none-match", ""), loaded.digest):
        return Response(status_code=304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
    mime = MIME.get(suffix, "application/octet-stream")
    return Response(packed or loaded.plain, headers=headers, media_type=mime)


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding takes gzip.

    >>> accepts_gzip("gzip, br"), accepts_gzip("gzip;q=0"), accepts_gzip(""), accepts_gzip("*")
    (True, False, False, True)
    """
    for entry in header.lower().split(","):
        name, _, weight = entry.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
