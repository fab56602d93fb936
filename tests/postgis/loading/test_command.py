"""`cim load` and `cim quarantine` as typed: what they say, how they exit, what they leave."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shapely
from click.testing import CliRunner, Result
from sqlalchemy import Connection, text

from cim.cli import main
from cim.load.kinds import KINDS
from cim.settings import Settings
from cim.store.incoming import merge

HOUSES = {"编号": ["A1", "A2", "A3"], "名称": ["1栋", "2栋", "3栋"], "层数": [6, 18, 3],
          "高度": [18.5, 54.0, 9.0], "屋主": ["甲", "乙", None]}  # fmt: skip


def houses(folder: Path, name: str = "houses", **changes: list[Any]) -> Path:
    """Three houses as GeoJSON, which says no coordinate system and needs none."""
    columns = HOUSES | changes
    rows = zip(*columns.values(), strict=True)
    features = [
        {
            "type": "Feature",
            "properties": dict(zip(columns, row, strict=True)),
            "geometry": shapely.geometry.mapping(shapely.box(x, 23.02, x + 2e-4, 23.0202)),
        }
        for x, row in zip((113.75, 113.751, 113.752), rows, strict=True)
    ]
    path = folder / f"{name}.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    return path


def one(connection: Connection, sql: str) -> Any:
    return connection.execute(text(sql)).scalar_one()


@pytest.fixture
def cim(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("CIM_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(settings.data_dir))
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def clean(engine: Any) -> Any:
    """The committed city of command tests, emptied afterwards."""
    yield engine
    with engine.begin() as connection:
        connection.execute(
            text("TRUNCATE city.building, platform.quarantine, platform.change, "
                 "platform.data_import, platform.derived CASCADE")
        )  # fmt: skip


def test_the_command_says_what_came_in_and_leaves_by_its_codes(
    cim: Callable[..., Result], clean: Any, tmp_path: Path
) -> None:
    done = cim("load", "buildings", houses(tmp_path))
    assert done.exit_code == 0, done.output
    assert "new 新增" in done.output
    assert "cim tile build" in done.output
    some = cim("load", "buildings", houses(tmp_path, 高度=[18.5, -1.0, 9.0]))
    assert some.exit_code == 1
    assert "值过小" in some.output
    none = cim("load", "buildings", houses(tmp_path, 高度=[-1.0, -1.0, -1.0]))
    assert none.exit_code == 2
    assert cim("load", "buildings", tmp_path / "absent.shp").exit_code == 2


def test_tiles_are_the_next_step_only_after_what_stands_in_them(
    cim: Callable[..., Result], clean: Any, tmp_path: Path
) -> None:
    path = tmp_path / "addresses.csv"
    path.write_text("编号,地址\n1,广东省东莞市南城街道鸿福路1号\n", "utf-8")
    done = cim("load", "addresses", str(path))
    assert done.exit_code == 0, done.output
    assert "new 新增" in done.output
    assert "cim tile build" not in done.output


def test_a_dry_run_keeps_nothing(cim: Callable[..., Result], clean: Any, tmp_path: Path) -> None:
    done = cim("load", "buildings", houses(tmp_path), "--dry-run")
    assert done.exit_code == 0
    assert "dry run" in done.output
    with clean.connect() as connection:
        assert one(connection, "SELECT count(*) FROM city.building") == 0
        assert one(connection, "SELECT count(*) FROM platform.data_import") == 0


def test_loading_makes_storeys_and_units_unless_told_not_to(
    cim: Callable[..., Result], clean: Any, tmp_path: Path
) -> None:
    cim("load", "buildings", houses(tmp_path), "--no-units")
    with clean.connect() as connection:
        assert one(connection, "SELECT count(*) FROM city.storey") == 0
    cim("load", "buildings", houses(tmp_path))
    with clean.connect() as connection:
        assert one(connection, "SELECT count(*) FROM city.storey") == 27


def test_a_crash_in_the_middle_leaves_the_old_state(
    cim: Callable[..., Result], clean: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cim("load", "buildings", houses(tmp_path), "--no-units")
    written = merge.statements.RECORD_CHANGED

    def crash(stage: Any) -> Any:
        merge.by_source(stage)
        raise KeyboardInterrupt(written)

    monkeypatch.setitem(
        KINDS,
        "buildings",
        type(KINDS["buildings"])(**(vars(KINDS["buildings"]) | {"enter": crash})),
    )
    cim("load", "buildings", houses(tmp_path, 高度=[1.0, 2.0, 3.0]), "--no-units")
    with clean.connect() as connection:
        assert one(connection, "SELECT sum(height) FROM city.building") == 81.5
        assert one(connection, "SELECT count(*) FROM platform.data_import") == 1


def test_the_quarantine_comes_out_as_csv_to_mend_and_load(
    cim: Callable[..., Result], clean: Any, tmp_path: Path
) -> None:
    cim("load", "buildings", houses(tmp_path, 高度=[18.5, -1.0, 9.0], 名称=["=1+1", "=2+2", "c"]))
    assert "too_small" in cim("quarantine").output
    out = tmp_path / "mend.csv"
    assert cim("quarantine", "export", out).exit_code == 0
    assert out.stat().st_mode & 0o777 == 0o600
    head, row = out.read_text("utf-8-sig").splitlines()
    assert head == "file,row_no,field,value,reason_en,reason_zh,名称,高度,层数,编号,屋主,geometry"
    assert "'=2+2" in row
    assert "POLYGON" in row
    assert cim("quarantine", "export", out).exit_code == 2, "somebody may be mending it"
    out.write_text(out.read_text("utf-8-sig").replace("-1.0", "54.0"), "utf-8")
    done = cim("load", "buildings", out)
    assert done.exit_code == 0, done.output
    assert "nothing is set aside" in cim("quarantine").output
    with clean.connect() as connection:
        sources = "SELECT count(DISTINCT source_id) FROM city.building"
        assert one(connection, sources) == 1
        assert one(connection, "SELECT name FROM city.building WHERE ext_id = 'A2'") == "=2+2"


def test_a_folder_is_loaded_in_the_order_that_its_files_need(
    cim: Callable[..., Result], clean: Any, tmp_path: Path
) -> None:
    houses(tmp_path, "buildings")
    (tmp_path / "units.csv").write_text("幢编号,楼层,房号\nA1,1,101\n", "utf-8")
    (tmp_path / "units.csv.map.json").write_text(json.dumps({"room_no": "房号"}), "utf-8")
    done = cim("load", "city", tmp_path)
    assert done.exit_code == 0, done.output
    with clean.connect() as connection:
        given = "SELECT count(*) FROM city.unit WHERE ext_id IS NOT NULL AND ended_at IS NULL"
        assert one(connection, given) == 1


def test_personal_rows_that_are_set_aside_are_legible_to_nobody(
    cim: Callable[..., Result], clean: Any, tmp_path: Path
) -> None:
    people = tmp_path / "people.csv"
    people.write_text("人员编号,姓名,证件号码\n,张试验,000000190001010000\n", "utf-8")
    assert cim("load", "people", people).exit_code == 2
    with clean.connect() as connection:
        row = connection.execute(text("SELECT * FROM platform.quarantine")).mappings().one()
    assert (row["value"], row["record"], row["geom"]) == (None, None, None)
    assert "张试验".encode() not in bytes(row["record_enc"])
    cim("quarantine", "export", tmp_path / "mend.csv")
    assert "张试验" in (tmp_path / "mend.csv").read_text("utf-8-sig")


def test_a_small_file_derives_what_it_speaks_of_and_what_its_rows_have_left(
    cim: Callable[..., Result], clean: Any, tmp_path: Path
) -> None:
    cim("load", "buildings", str(houses(tmp_path)), "--no-units")
    register = tmp_path / "units.csv"
    register.write_text("幢编号,房屋编号,楼层,房号\nA1,U1,2,201\n", "utf-8")
    assert cim("load", "units", str(register)).exit_code == 0
    derived = """SELECT string_agg(b.ext_id, ',' ORDER BY b.ext_id)
                   FROM platform.derived d JOIN city.building b ON b.id = d.building_id"""
    with clean.connect() as connection:
        assert one(connection, derived) == "A1"
    register.write_text("幢编号,房屋编号,楼层,房号\nA2,U1,2,201\n", "utf-8")
    assert "2 buildings derived" in cim("load", "units", str(register)).output
    assert "1 buildings derived" in cim("load", "buildings", str(houses(tmp_path))).output
    with clean.connect() as connection:
        assert one(connection, derived) == "A1,A2,A3"
        left = "SELECT count(*) FROM city.unit WHERE ext_id IS NULL AND ended_at IS NULL AND "
        here = "building_id = (SELECT id FROM city.building WHERE ext_id = 'A1')"
        assert one(connection, left + here) > 0
