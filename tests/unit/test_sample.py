"""The sample city: the same bytes from the same seed, sound shapes, nothing that could be real."""

import csv
import datetime as dt
import hashlib
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pyogrio
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from sample_data import names, places, readings, rooms, walks
from sample_data.buildings import build
from sample_data.make import make, sample


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("city")
    make(folder, 400)
    return folder


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_same_seed_same_bytes(city: Path, tmp_path: Path) -> None:
    make(tmp_path / "again", 400)
    assert digests(tmp_path / "again") == digests(city)


def test_another_seed_is_another_city(city: Path, tmp_path: Path) -> None:
    make(tmp_path, 400, seed=8)
    there = digests(tmp_path)
    same = (".cpg", ".prj", ".map.json")
    assert all(there[n] != digest for n, digest in digests(city).items() if not n.endswith(same))


def test_every_kind_of_file_is_written_and_filled(city: Path) -> None:
    stems = {path.name.partition(".")[0] for path in city.iterdir()}
    assert stems == {
        "areas", "grids", "streets", "estates", "buildings", "floors", "units", "addresses",
        "people", "organisations", "facilities", "devices", "readings", "network",
    }  # fmt: skip
    assert pyogrio.read_info(city / "buildings.gpkg")["features"] == 400
    assert all(table(city, path.stem) for path in city.glob("*.csv"))


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "fgb", "shp", "parquet"])
def test_buildings_in_any_format_are_the_same_buildings(tmp_path: Path, ending: str) -> None:
    make(tmp_path, 30, formats=ending)
    path = tmp_path / f"buildings.{ending}"
    if ending == "parquet":
        found = pyarrow.parquet.read_table(path)
        ids, shapes = found["编号"].to_pylist(), shapely.from_wkb(found["geometry"].to_pylist())
    else:
        meta, _, wkb, columns = pyogrio.raw.read(path)
        ids = columns[list(meta["fields"]).index("编号")].tolist()
        shapes = shapely.from_wkb(wkb)
    plan = places.lay_out(30, 7)
    wanted = build(plan, plan.communities[0])
    assert sorted(ids) == wanted.ids
    assert shapely.area(shapes).sum() == pytest.approx(shapely.area(wanted.footprints()).sum())


@settings(max_examples=12, deadline=None)
@given(size=st.integers(1, 6000), seed=st.integers(0, 2**32))
def test_any_size_and_seed_gives_that_many_sound_buildings_apart(size: int, seed: int) -> None:
    plan = places.lay_out(size, seed)
    found = [build(plan, community) for community in plan.communities]
    shapes = np.concatenate([part.footprints() for part in found])
    assert len(shapes) == size
    assert shapely.is_valid(shapes).all()
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    pairs = one < other
    shared = shapely.intersection(shapes[one[pairs]], shapes[other[pairs]])
    assert shapely.area(shared).max(initial=0) < 1e-14
    inside = shapely.union_all([places.outline(community) for community in plan.communities])
    assert shapely.contains(inside, shapes).all()
    assert (np.concatenate([part.floors for part in found]) >= 1).all()
    keys = [key for part in found for key in part.ids]
    assert len(set(keys)) == size


def test_communities_tile_their_town_and_grids_their_community() -> None:
    plan = places.lay_out(20_000, 7)
    outlines = [places.outline(community) for community in plan.communities]
    whole = shapely.union_all(outlines)
    assert sum(o.area for o in outlines) == pytest.approx(whole.area, rel=1e-9)
    assert shapely.get_num_interior_rings(whole) == 0
    for community, outline in zip(plan.communities, outlines, strict=True):
        cells = places.grids(community)
        together = shapely.union_all(cells)
        assert sum(cell.area for cell in cells) == pytest.approx(outline.area, rel=1e-6)
        assert together.symmetric_difference(outline).area < outline.area * 1e-6


def test_towns_are_dongguan_s_and_every_code_hangs_on_its_town() -> None:
    plan = places.lay_out(1_700_000, 7)
    assert plan.buildings == 1_700_000
    assert len(plan.towns) == len(places.TOWNS) == 32
    codes = [community.code for community in plan.communities]
    assert len(set(codes)) == len(codes)
    cells = {community.cell for community in plan.communities}
    assert len(cells) == len(codes)
    assert all(len(code) == 12 and code[:9] in places.TOWNS for code in codes)


def credit_sum(code: str) -> int:
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    return sum(alphabet.index(c) * pow(3, i, 31) for i, c in enumerate(code)) % 31


def test_no_number_of_a_person_or_firm_can_be_real(city: Path) -> None:
    people = table(city, "people")
    for row in people:
        number = row["证件号码"]
        assert len(number) == 18 and number.startswith("000000")
        weights = [2 ** (17 - i) % 11 for i in range(17)]
        total = sum(int(c) * w for c, w in zip(number[:17], weights, strict=True))
        assert number[17] != "10X98765432"[total % 11]
        assert row["联系电话"] == "" or row["联系电话"].startswith("1000")
    assert len({row["人员编号"] for row in people}) == len(people)
    for code in names.credit_codes(0, 500):
        right = 0
        while credit_sum(code[:17]) * 1 and (credit_sum(code[:17]) + right) % 31:
            right += 1
        alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
        assert code.startswith("00000000") and code[17] != alphabet[right]


def test_rooms_addresses_meters_and_people_speak_of_the_same_flats(city: Path) -> None:
    units = {row["房屋编号"]: row for row in table(city, "units")}
    flats = {key for key, row in units.items() if row["用途"] == "residential"}
    addressed = {row["房屋编号"] for row in table(city, "addresses")}
    metered = [
        row["房屋编号"] for row in table(city, "devices") if row["设备类别"] == "water_meter"
    ]
    lived_in = {row["房屋编号"] for row in table(city, "people")} - {""}
    assert flats <= addressed and set(addressed) - {""} <= set(units)
    assert sorted(metered) == sorted(k for k, r in units.items() if r["用途"] != "parking")
    assert lived_in and lived_in <= flats
    assert all(units[key]["使用状态"] in ("自住", "出租") for key in lived_in)


def test_storeys_of_a_tower_stand_on_each_other_up_to_its_height() -> None:
    plan = places.lay_out(400, 7)
    found = build(plan, plan.communities[0])
    for i in rooms.showcase(found):
        storeys = rooms.storeys(found, i)
        tops = [round(s.bottom + s.height, 2) for s in storeys]
        assert [s.bottom for s in storeys[1:]] == tops[:-1]
        assert sum(s.no > 0 for s in storeys) == found.floors[i]
        assert tops[-1] == rooms.height(found, i)


def test_readings_fill_the_week_before_the_end_and_meters_never_run_back(city: Path) -> None:
    rows = table(city, "readings")
    times = [dt.datetime.fromisoformat(row["观测时间"]) for row in rows]
    end = dt.datetime(2026, 10, 1, tzinfo=dt.timezone(dt.timedelta(hours=8)))
    assert max(times) == end and min(times) == end - dt.timedelta(days=7)
    moments = np.arange(0, 7 * 86_400, 3600)
    rng = np.random.default_rng(1)
    assert (np.diff(readings.curve("energy", moments, 20, rng), axis=1) > 0).all()
    devices = {row["设备编号"] for row in table(city, "devices")}
    assert {row["设备编号"] for row in rows} <= devices


def test_the_walk_network_is_in_one_piece() -> None:
    plan = places.lay_out(300, 7)
    nodes = next(walks.nodes(plan))["node_id"]
    part = next(walks.edges(plan))
    reached, frontier = set(), {nodes[0]}
    while frontier:
        reached |= frontier
        pairs = list(zip(part["from_node"], part["to_node"], strict=True))
        near = {b for a, b in pairs if a in frontier} | {a for a, b in pairs if b in frontier}
        frontier = near - reached
    assert reached == set(nodes)


def test_faults_are_added_only_when_asked_for(tmp_path: Path) -> None:
    make(tmp_path, 30, wrong=True)
    _, _, wkb, columns = pyogrio.raw.read(tmp_path / "buildings.gpkg")
    assert len(wkb) == 36
    assert columns[0][30] == "X1" and columns[0][32] == columns[0][0]
    assert not shapely.is_valid(shapely.from_wkb(wkb[30]))


def test_the_command_says_how_many_rows_and_refuses_a_size_it_cannot_make(tmp_path: Path) -> None:
    done = CliRunner().invoke(sample, [str(tmp_path), "--size", "estate", "--until", "2026-11-02"])
    assert done.exit_code == 0 and "buildings" in done.output
    assert (
        max(row["观测时间"] for row in table(tmp_path, "readings")) == "2026-11-02T00:00:00+08:00"
    )
    refused = CliRunner().invoke(sample, [str(tmp_path), "--size", "huge"])
    assert refused.exit_code == 2 and "2000000" in refused.output
