"""A file with personal data: read by its owner alone, in its place once it is whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from cim.errors import InvalidQuery


@contextmanager
def owned(path: Path, *, force: bool = False) -> Iterator[TextIO]:
    """Write a file of mode 0600; InvalidQuery where there is one, unless by `force`."""
    if path.exists() and not force:
        raise InvalidQuery(
            f"{path.name} is there already; --force writes over it",
            f"{path.name} 已存在；要覆盖请加 --force",
        )
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            yield out
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
