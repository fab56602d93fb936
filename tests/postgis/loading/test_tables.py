"""Tables into a real store: rows keep the numbers of their file, and those that are none wait."""

from pathlib import Path
from typing import Any

import pytest
import shapely
from sqlalchemy import Connection, text

from cim.errors import SourceError
from cim.load import pipeline
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.load.readers import table
from cim.load.report import Report
from cim.settings import Settings

HEAD = "编号,名称,层数,wkt"


def house(number: int, floors: str = "6") -> str:
    place = shapely.box(113.75 + number * 1e-3, 23.02, 113.7502 + number * 1e-3, 23.0202)
    return f'A{number},{number}栋,{floors},"{place.wkt}"'


def load(connection: Connection, settings: Settings, path: Path, content: bytes) -> Report:
    path.write_bytes(content)
    request = Request(crs="EPSG:4490")
    return pipeline.load(connection, settings, KINDS["buildings"], path, request)


def waiting(connection: Connection) -> list[tuple[Any, ...]]:
    sql = "SELECT row_no, reason, record->>'名称' FROM platform.quarantine ORDER BY row_no"
    return [tuple(row) for row in connection.execute(text(sql))]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
def test_uneven_rows_wait_with_their_numbers_and_what_they_hold(
    connection: Connection, settings: Settings, tmp_path: Path, encoding: str
) -> None:
    lines = [
        "房屋清单,,,",
        HEAD,
        house(1),
        "",
        "A2,2栋",
        house(3),
        f"{house(4)},多余",
        "",
        house(5),
    ]
    content = "\r\n".join(lines).encode(encoding)
    report = load(connection, settings, tmp_path / "houses.csv", content)
    assert (report.read, report.counts.new, report.aside) == (5, 3, {"uneven": 2})
    assert waiting(connection) == [(5, "uneven", "2栋"), (7, "uneven", "4栋")]
    assert any("row 2" in en for en, _ in report.notes)


def test_what_the_database_sets_aside_is_the_row_of_that_number_too(
    connection: Connection, settings: Settings, tmp_path: Path
) -> None:
    far = house(90).replace("A90", "A1")
    lines = [HEAD, "", house(1), "", "", house(2, "-3"), house(3), "", far]
    content = "\n".join(lines).encode()
    report = load(connection, settings, tmp_path / "houses.csv", content)
    assert report.counts.new == 2
    assert [(row, name) for row, _, name in waiting(connection)] == [(6, "2栋"), (9, "90栋")]


def test_a_file_that_grows_while_it_is_read_leaves_nothing(
    connection: Connection, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "BATCH_ROWS", 1)  # a small file is as one of many batches
    path = tmp_path / "houses.csv"
    path.write_text("\n".join([HEAD, *map(house, range(20))]))

    def grow(step: str, done: int, total: int | None) -> None:
        with path.open("a") as file:
            file.write("\n" + house(30))

    request = Request(crs="EPSG:4490")
    with pytest.raises(SourceError, match="changed while it was read"), connection.begin_nested():
        pipeline.load(connection, settings, KINDS["buildings"], path, request, grow)
    assert connection.execute(text("SELECT count(*) FROM city.building")).scalar_one() == 0
    assert connection.execute(text("SELECT count(*) FROM platform.data_import")).scalar_one() == 0


def test_who_owns_a_house_is_kept_nowhere_and_that_is_told(
    connection: Connection, settings: Settings, tmp_path: Path
) -> None:
    owner = "测试甲,99000019900101001X,12345678901"
    lines = [HEAD + ",产权人,备注,电话,居民户数"]
    lines += [f"{house(n)},{owner},{n}" for n in (1, 2)] + [f"{house(3, '-9')},{owner},3"]
    report = load(connection, settings, tmp_path / "houses.csv", "\n".join(lines).encode())
    assert (report.counts.new, report.set_aside) == (2, 1)
    told = [zh for _, zh in report.notes if "个人信息" in zh]
    assert told == ["可能含个人信息的列未导入：产权人、备注、电话；人口数据请按 people 种类导入"]
    kept = (
        "SELECT attrs::text FROM city.building UNION SELECT record::text FROM platform.quarantine"
    )
    words = "".join(connection.execute(text(kept)).scalars())
    assert "居民户数" in words
    assert not any(part in words for part in owner.split(","))
