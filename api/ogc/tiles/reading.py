"""Which tile is asked for, of which collections: every part of the address read and checked."""

from collections.abc import Mapping, Sequence

from api.ogc.reading import once, shorten, wrong
from cim.errors import NotFound
from cim.store.queries.vector.drawing import DRAWINGS, USUAL, Drawing
from cim.store.queries.vector.keeping import Place
from cim.store.queries.vector.matrices import MATRIX_SETS, MatrixSet

ENDINGS = (".mvt", ".pbf")
"""What may stand behind the last number, for clients that go by it."""


def matrix_set(name: str) -> MatrixSet:
    """The tile matrix set of that name; NotFound where there is none."""
    found = MATRIX_SETS.get(name)
    if found is None:
        raise NotFound(
            f"There is no tile matrix set {shorten(name)}; there are {', '.join(MATRIX_SETS)}.",
            f"没有瓦片矩阵集 {shorten(name)}；可用：{'、'.join(MATRIX_SETS)}。",
        )
    return found


def chosen(
    pairs: Sequence[tuple[str, str]], known: Sequence[str]
) -> tuple[list[Drawing], dict[str, str]]:
    """The collections that `collections` names, else the usual ones; and the other parameters."""
    given = once(pairs, ("collections", *known))
    if "collections" not in given:
        return [DRAWINGS[name] for name in USUAL], given
    names = list(dict.fromkeys(given["collections"].split(",", 100)))
    for name in names:
        if name not in DRAWINGS:
            raise wrong(
                "collections",
                f"cannot be {shorten(name)}; there are {', '.join(DRAWINGS)}",
                f"不能为 {shorten(name)}；可用：{'、'.join(DRAWINGS)}",
            )
    return [each for name, each in DRAWINGS.items() if name in names], given


def place(matrices: MatrixSet, path: Mapping[str, str], begins: int) -> Place:
    """The tile of an address; `begins` is the zoom from which there is anything.

    BadParameter for what is no number, NotFound for a tile that there is not.
    """
    numbers = []
    for name in ("tileMatrix", "tileRow", "tileCol"):
        text = path[name]
        if name == "tileCol":
            text = next((text.removesuffix(end) for end in ENDINGS if text.endswith(end)), text)
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise wrong(name, "must be a whole number", "必须为整数")
        numbers.append(int(text))
    z, y, x = numbers
    first, last = matrices.level(begins), matrices.deepest
    if not first <= z <= last:
        raise NotFound(
            f"There are tiles of this on the levels {first} to {last}, not on {z}.",
            f"该数据的瓦片级别为 {first} 至 {last}，没有第 {z} 级。",
        )
    if not matrices.holds(z, x, y):
        row, column = matrices.rows(z) - 1, matrices.rows(z) * matrices.columns - 1
        raise NotFound(
            f"Level {z} has the rows 0 to {row} and the columns 0 to {column}.",
            f"第 {z} 级的行号为 0 至 {row}，列号为 0 至 {column}。",
        )
    return Place(matrices, z, x, y)
