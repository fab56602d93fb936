"""Workbooks of before 2007, made by hand: BIFF records in a stream of a compound file."""

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from cim.errors import SourceError
from cim.load import readers

FREE, CHAIN_END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
ROWS = [["编号", "名称", "层数"], ["A1", "莞城", 6], ["007", "南城", 7.5]]


def record(kind: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def begin(kind: int) -> bytes:
    return record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0, 0, 0, 0))


def sheet(rows: Sequence[Sequence[str | float]]) -> bytes:
    cells = b""
    for r, row in enumerate(rows):
        for c, value in enumerate(row):
            if isinstance(value, str):
                text = struct.pack("<HHHHB", r, c, 0, len(value), 1) + value.encode("utf-16-le")
                cells += record(0x0204, text)
            else:
                cells += record(0x0203, struct.pack("<HHHd", r, c, 0, value))
    size = struct.pack("<IIHHH", 0, len(rows), 0, max(map(len, rows)), 0)
    return begin(0x10) + record(0x0200, size) + cells + record(0x0A)


def workbook(name: str, content: bytes) -> bytes:
    def head(start: int) -> bytes:
        named = struct.pack("<IBBBB", start, 0, 0, len(name), 1) + name.encode("utf-16-le")
        return begin(5) + record(0x42, struct.pack("<H", 1200)) + record(0x85, named) + record(0x0A)

    return head(len(head(0))) + content


def compound(stream: bytes) -> bytes:
    """A compound file of one stream: header, table of sectors, folder, the stream."""
    stream = stream.ljust(4096, b"\0") + bytes(-len(stream) % 512)
    sectors = len(stream) // 512
    table = [FAT, CHAIN_END, *range(3, sectors + 2), CHAIN_END]
    table += [FREE] * (128 - len(table))

    def entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
        raw = (name + "\0").encode("utf-16-le")
        links = struct.pack("<HBBIII", len(raw), kind, 1, FREE, FREE, child)
        return raw.ljust(64, b"\0") + links + bytes(36) + struct.pack("<IQ", start, size)

    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<10I", 0, 1, 1, 0, 4096, CHAIN_END, 0, CHAIN_END, 0, 0)
    header += b"\xff" * (4 * 108)
    folder = entry("Root Entry", 5, 1, CHAIN_END, 0) + entry("Workbook", 2, FREE, 2, len(stream))
    return header + struct.pack("<128I", *table) + folder + bytes(256) + stream


@pytest.mark.parametrize("name", ["房屋.xls", "misnamed.xlsx"])
def test_an_old_workbook_is_read_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(compound(workbook("表一", sheet(ROWS))))
    source = readers.read(path)
    assert (source.layer, source.fields) == ("表一", ["编号", "名称", "层数"])
    (batch,) = source.batches
    assert batch.row_no.tolist() == [2, 3]
    assert [list(row.values()) for row in batch.columns.to_pylist()] == [
        ["A1", "莞城", "6"],
        ["007", "南城", "7.5"],
    ]


def test_one_with_a_password_is_refused_as_that(tmp_path: Path) -> None:
    path = tmp_path / "房屋.xls"
    locked = begin(5) + record(0x2F, struct.pack("<HHH", 1, 1, 1) + bytes(48)) + record(0x0A)
    path.write_bytes(compound(locked))
    with pytest.raises(SourceError, match="password"):
        readers.read(path)


@pytest.mark.parametrize("size", [8, 512, 600, 1500, 3000])
def test_one_that_is_cut_off_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "房屋.xls"
    path.write_bytes(compound(workbook("表一", sheet(ROWS)))[:size])
    with pytest.raises(SourceError, match=r"房屋\.xls"):
        list(readers.read(path).batches)
