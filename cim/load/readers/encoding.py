"""In which encoding a text is, by reading it."""

import codecs
from pathlib import Path

from cim.errors import SourceError

_PIECE = 4 << 20
_HEAD = 4096


def detect(path: Path) -> str:
    """UTF-8 with or without mark, UTF-16, or GB18030, which GBK and GB 2312 are parts of.

    The whole file is tried, piece by piece; what is none of the first ones is called GB18030.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if head.startswith(codecs.BOM_UTF8):
            return "utf-8-sig"
        if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        if wide := _wide(head):
            return wide
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while block := file.read(_PIECE):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "gb18030"
    return "utf-8"


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: commas and line ends have a zero beside them, always on one side."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    signs = sum(head.count(bytes((sign,))) for sign in b",;\t\r\n")
    if max(even, odd) < max(signs, 2) or min(even, odd) * 8 > max(even, odd):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def checked(path: Path, encoding: str) -> str:
    """The encoding that was asked for; SourceError where none goes by that name."""
    try:
        return codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        raise SourceError(
            f"{path.name} cannot be read: no encoding goes by that name",
            f"{path.name} 无法读取：没有这种编码",
        ) from error
