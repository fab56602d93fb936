"""In which encoding a text is, by reading it."""

import codecs
from pathlib import Path

import numpy as np

from cim.errors import SourceError

_PIECE = 4 << 20
_HEAD = 4096

BIG5 = "cp950"
"""Big5 as Windows has it, which Taiwan's and Hong Kong's files are in."""

_ENOUGH = 8
"""Characters from which Big5 is told from GB18030."""

_LOW, _FEWEST, _MOST, _BROKEN = 0x7F, 0.15, 0.8, 0.02
"""Second bytes under the first are ASCII letters and signs: those of two fifths of Big5's
characters, of a thousandth of those that are written in mainland China, and of all that a European
text, a byte a letter, has of what looks like characters."""


def detect(path: Path) -> str:
    """UTF-8 with or without mark, UTF-16, Big5, or GB18030, which GBK and GB 2312 are parts of.

    The whole file is tried, piece by piece; what is certain to be none of the first ones is called
    GB18030.
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
            file.seek(0)
            return BIG5 if is_big5(file.read(_PIECE)) else "gb18030"
    return "utf-8"


def is_big5(text: bytes) -> bool:
    """Whether text that is no UTF-8 is certain to be Big5 and not GB18030.

    Nearly every text in the one is text in the other, too; what tells is how many characters end
    in a byte that is ASCII by itself.  A little that is cut off or broken does not count.

    >>> is_big5("臺北市信義區市府路一號".encode("cp950"))
    True
    >>> is_big5("东莞市南城街道鸿福路一号".encode("gb18030"))
    False
    >>> is_big5("臺北市信義區市府路一號".encode("gb18030"))
    False
    >>> is_big5("Génève, Zürich, Bâle, Düdingen, Münsingen, Brünnen".encode("latin-1"))
    False
    """
    wide = "".join(c for c in text.decode(BIG5, "ignore") if c > "\x7f").encode(BIG5)
    letters = len(text.translate(None, bytes(range(0x80))))
    ends = np.frombuffer(wide, np.uint8)[1::2]
    if len(ends) < _ENOUGH:
        return False
    broken = letters - len(wide) + int((ends < _LOW).sum())
    return broken <= _BROKEN * letters and _FEWEST <= float((ends < _LOW).mean()) <= _MOST


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
