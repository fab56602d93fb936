"""`cim address` as typed: addresses taken apart, and those of files looked for."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from click.testing import CliRunner, Result

from cim.cli import main
from cim.intake import address_match
from cim.intake.bringing import bring
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.settings import Settings

REGISTER = "地址编号,地址\n" + "".join(
    f"A{n},广东省东莞市虎门镇大宁社区浦江路2号丰泰花园{n}栋\n" for n in range(1, 31)
)
ASKED = {
    "名称": ["甲", "乙", "丙", "丁"],
    "地址": ["虎门镇丰泰花园三幢", "东莞市虎门镇浦江路2号丰泰花园12号楼", "浦江路2号", None],
}
STATUSES = ["matched", "matched", "ambiguous", "none"]


@pytest.fixture(scope="module", autouse=True)
def city(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("files") / "register.csv"
    file.write_text(REGISTER, "utf-8")
    bring(settings, KINDS["addresses"], file, Request(), units=None, keep=True)


@pytest.fixture
def cim(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("CIM_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(settings.data_dir))
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


def written(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def asked_in(folder: Path, ending: str) -> Path:
    path = folder / f"asked{ending}"
    if ending == ".csv":
        with path.open("w", encoding="gb18030", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(ASKED)
            writer.writerows(zip(*ASKED.values(), strict=True))
    elif ending == ".parquet":
        pq.write_table(pa.table(ASKED), path)
    else:
        points = shapely.to_wkb(shapely.points(np.arange(4.0), 23.0))
        table = {name: np.array(values, object) for name, values in ASKED.items()}
        pyogrio.raw.write(
            path, points, list(table.values()), list(table), crs="EPSG:4490", geometry_type="Point"
        )
    return path


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".gpkg", ".geojson"])
def test_the_addresses_of_a_file_of_any_format_are_looked_for(
    cim: Callable[..., Result], tmp_path: Path, ending: str
) -> None:
    file, out = asked_in(tmp_path, ending), tmp_path / "out.csv"
    done = cim("address", "match", file, "--out", out)
    assert done.exit_code == 1, done.output  # not every row is matched
    rows = written(out)
    assert [row["match_status"] for row in rows] == STATUSES
    assert [row["名称"] for row in rows] == ASKED["名称"]
    assert rows[0]["match_address"].endswith("丰泰花园3栋")
    assert len(json.loads(rows[2]["match_alternatives"])) == 4
    assert "matched" in done.output and "已匹配" in done.output
    assert (rows[1].get("geometry") == "POINT (1 23)") == (ending in (".gpkg", ".geojson"))
    assert out.stat().st_mode & 0o077 == 0


def test_a_dry_run_writes_nothing(cim: Callable[..., Result], tmp_path: Path) -> None:
    done = cim("address", "match", asked_in(tmp_path, ".csv"), "--dry-run")
    assert done.exit_code == 1 and "未写入" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["asked.csv"]


def test_a_file_that_is_there_stays(cim: Callable[..., Result], tmp_path: Path) -> None:
    out = tmp_path / "asked.matched.csv"
    out.write_text("mine", "utf-8")
    done = cim("address", "match", asked_in(tmp_path, ".csv"))
    assert done.exit_code == 2 and "--force" in done.output and out.read_text("utf-8") == "mine"
    assert cim("address", "match", tmp_path / "asked.csv", "--force").exit_code == 1
    assert len(written(out)) == 4


@pytest.mark.parametrize(
    ("content", "words", "part"),
    [
        ("a,b\n1,2\n", (), "--column"),
        ("a,b\n1,2\n", ("--column", "c"), "no column c"),
        ("地址\n", (), "no rows"),
        ("", (), "empty"),
    ],
)
def test_what_cannot_be_looked_for_is_said_and_nothing_is_written(
    cim: Callable[..., Result], tmp_path: Path, content: str, words: tuple[str, ...], part: str
) -> None:
    file = tmp_path / "x.csv"
    file.write_text(content, "utf-8")
    done = cim("address", "match", file, *words)
    assert done.exit_code == 2 and part in done.output, done.output
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def test_columns_that_are_called_as_ours_stay_their_owners(
    cim: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "again.csv"
    file.write_text("地址,match_status\n虎门镇丰泰花园3栋,old\n", "utf-8")
    assert cim("address", "match", file).exit_code == 0
    (row,) = written(tmp_path / "again.matched.csv")
    assert (row["match_status"], row["match_status_2"]) == ("old", "matched")


def test_a_job_that_is_stopped_leaves_nothing(settings: Settings, tmp_path: Path) -> None:
    def stop(step: str, done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out.csv"
    with pytest.raises(KeyboardInterrupt):
        address_match.match(
            settings, asked_in(tmp_path, ".csv"), out, address_match.Options(), stop
        )
    assert [path.name for path in tmp_path.iterdir()] == ["asked.csv"]


def test_addresses_are_taken_apart_on_the_terminal(
    cim: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "lines.txt"
    file.write_text("虎门镇丰泰花园三幢803室\n\n", "utf-8")
    done = cim("address", "parse", "浦江路2号", "--file", file, "--json")
    told: list[dict[str, Any]] = [json.loads(line) for line in done.output.splitlines()]
    assert [each["level"] for each in told] == [9, 15, 0]
    assert told[1]["levels"]["town"] == "虎门镇"
    assert "浦江路" in cim("address", "parse", "--plain", "浦江路2号").output
    assert cim("address", "parse").exit_code == 2


def test_the_names_are_kept_anew(cim: Callable[..., Result]) -> None:
    assert cim("address", "names").output.splitlines()[0] == "4 names"
