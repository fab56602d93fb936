"""A city small enough to know by heart, behind the whole service.

One estate with one tower: a basement, three storeys of four units, two entrances. Unit ids are
storey × 100 + slot (201 is storey 2, first slot), storey 1 to 3, basement 9. Persons have ids no
register could hold.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, Engine, insert, text

from api.app import create_app
from cim.model import (
    addresses,
    buildings,
    devices,
    facilities,
    organisations,
    people,
    places,
    platform,
    reference,
)
from cim.settings import Settings
from tests.accounts import add_key, administrators

WEST, SOUTH, EAST, NORTH = 113.88, 22.92, 113.8804, 22.9202
GROUND, SHIFT = 12.5, 5.0
KEYS = {
    "housing-desk": ("key-residents", ["residents"], None),
    "statistics": ("key-plain", ["statistics"], None),
    "data-office": ("key-intake", ["intake"], None),
    "data-and-people": ("key-intake-residents", ["intake", "residents"], None),
    "other-office": ("key-other-intake", ["intake"], None),
    "left-last-year": ("key-expired", ["residents"], "2020-01-01"),
}


def box(west: float, south: float, east: float, north: float) -> str:
    ring = f"{west} {south},{east} {south},{east} {north},{west} {north},{west} {south}"
    return f"SRID=4490;MULTIPOLYGON((({ring})))"


def strip(slot: int) -> str:
    width = (EAST - WEST) / 4
    return box(WEST + (slot - 1) * width, SOUTH, WEST + slot * width, NORTH)


def add(connection: Connection, table: Any, *rows: dict[str, Any]) -> None:
    for row in rows:
        connection.execute(insert(table).values(**row))


def load_places(connection: Connection) -> None:
    around = box(113.8, 22.8, 114.0, 23.0)
    add(
        connection,
        places.admin_area,
        {"id": 1, "code": "44", "level": 1, "name": "广东省", "geom": around},
        {"id": 2, "code": "4419", "level": 2, "name": "东莞市", "parent_id": 1, "geom": around},
        {"id": 3, "code": "441900", "level": 3, "name": "市辖", "parent_id": 2, "is_pseudo": True},
        {"id": 4, "code": "441900001", "level": 4, "name": "示范镇", "parent_id": 3},
        {"id": 5, "code": "441900001001", "level": 5, "name": "示范社区", "parent_id": 4},
    )
    connection.execute(text("UPDATE city.admin_area SET geom = :g WHERE id > 2"), {"g": around})
    add(
        connection,
        places.grid,
        {"id": 1, "code": "G01", "name": "第一网格", "admin_area_id": 5, "geom": around},
    )
    estate = box(113.879, 22.919, 113.882, 22.922)
    add(
        connection,
        places.estate,
        {"id": 1, "name": "示范小区", "admin_area_id": 5, "geom": estate},
    )
    road = "SRID=4490;MULTILINESTRING((113.87 22.919,113.89 22.919))"
    add(connection, places.street, {"id": 1, "name": "示范路", "geom": road})


def load_tower(connection: Connection) -> None:
    add(
        connection,
        buildings.building,
        {
            "id": 1,
            "name": "3栋",
            "estate_id": 1,
            "grid_id": 1,
            "use_code": "residential",
            "built_year": 2015,
            "footprint": box(WEST, SOUTH, EAST, NORTH),
            "footprint_area": 908.9,
            "ground_elev": GROUND,
            "height": 9.0,
            "height_method": "given",
            "floors_above": 3,
            "floors_below": 1,
            "floors_method": "given",
        },
        {
            "id": 2,
            "name": None,
            "footprint": box(113.885, 22.92, 113.8852, 22.9202),
            "footprint_area": 100.0,
            "height": 3.0,
            "height_method": "default",
            "floors_above": 1,
            "floors_method": "default",
        },
    )
    door = f"SRID=4490;POINT({WEST + 0.0001} {SOUTH})"
    add(
        connection,
        buildings.entrance,
        *(
            {"id": no, "building_id": 1, "no": no, "name": f"{no}单元", "lift_count": 1}
            | {"geom": door, "geom_status": "generated"}
            for no in (1, 2)
        ),
    )
    plan = {"building_id": 1, "area": 908.9, "geom_status": "generated"}
    add(connection, buildings.floor_plan, {"id": 1, "kind": "typical"} | plan)
    add(connection, buildings.floor_plan, {"id": 2, "kind": "basement"} | plan)
    add(
        connection,
        buildings.floor_slot,
        *(
            {"id": n, "plan_id": 1, "no": n, "entrance_no": 1 if n < 3 else 2, "area": 227.2}
            | {"outline": strip(n)}
            for n in (1, 2, 3, 4)
        ),
    )
    for no in (1, 2, 3):
        load_storey(connection, no)
    below = {"building_id": 1, "plan_id": 2, "no": -1, "label": "B1", "kind": "地下"}
    below |= {"elev_bottom": -3.6, "elev_top": 0.0, "status": "generated"}
    add(connection, buildings.storey, {"id": 9} | below)
    space = {"building_id": 1, "storey_id": 9, "room_no": "B1-001", "kind": "parking"}
    add(connection, buildings.unit, {"id": 901, "geom_status": "none"} | space)


def load_storey(connection: Connection, no: int) -> None:
    storey = {"building_id": 1, "plan_id": 1, "no": no, "label": str(no), "status": "generated"}
    storey |= {"elev_bottom": 3.0 * (no - 1), "elev_top": 3.0 * no}
    add(connection, buildings.storey, {"id": no} | storey)
    for slot in (1, 2, 3, 4):
        unit = {"building_id": 1, "storey_id": no, "slot_id": slot, "kind": "residential"}
        unit |= {"entrance_id": 1 if slot < 3 else 2, "room_no": f"{no}0{slot}"}
        unit |= {"geom_status": "generated", "occupancy_status": "自住"}
        add(connection, buildings.unit, {"id": no * 100 + slot} | unit)


def load_people(connection: Connection) -> None:
    for key, name, minor in ((1, "甲*", False), (2, "乙*", False), (3, "丙*", True)):
        person = {"name_enc": b"-", "name_mask": name, "is_minor14": minor}
        person |= {"id_no_mask": "000000**********000X", "phone_mask": "000****0000"}
        add(
            connection,
            people.person,
            {"id": key, "birth_year": 2018 if minor else 1980, "source_id": 1, "ext_id": str(key)}
            | person,
        )
    for key, role, scope in ((1, "户主", None), (2, "成员", ["emergency"]), (3, "成员", None)):
        home = {"unit_id": 201, "building_id": 1, "grid_id": 1, "kind": "户籍"}
        add(
            connection,
            people.residency,
            {"person_id": key, "role": role, "purpose_scope": scope} | home,
        )
    add(connection, people.residency, {"person_id": 1, "unit_id": 202, "role": "业主不住"})
    add(connection, platform.building_pop, {"building_id": 1, "units": 13, "residents": 3})


def load_things(connection: Connection) -> None:
    add(connection, organisations.organisation, {"id": 1, "name": "示范便利店", "kind": "个体"})
    where = {"org_id": 1, "unit_id": 101, "building_id": 1, "role": "经营地"}
    add(connection, organisations.org_location, where)
    lift = {"id": 1, "class_code": "lift", "name": "1单元电梯", "building_id": 1}
    lift |= {"geom": f"SRID=4490;POINT({WEST + 0.0001} {SOUTH + 0.0001})"}
    add(connection, facilities.facility, lift)
    serves = {"facility_id": 1, "object_type": "entrance", "object_id": 1, "kind": "serves"}
    add(connection, facilities.facility_service, serves)
    add(
        connection,
        devices.device,
        {"id": 1, "class_code": "lift", "name": "电梯控制器", "bind_type": "facility"}
        | {"bind_id": 1, "building_id": 1},
        {"id": 2, "class_code": "water_meter", "name": "201水表", "bind_type": "unit"}
        | {"bind_id": 201, "building_id": 1},
        {"id": 3, "class_code": "camera", "bind_type": "unit", "bind_id": 201, "secrecy": 2},
        {"id": 4, "class_code": "smoke", "bind_type": "storey", "bind_id": 3, "building_id": 1},
    )
    add(
        connection,
        devices.datastream,
        {"id": 1, "device_id": 1, "name": "floor", "observed_property": "停靠楼层"},
        {"id": 2, "device_id": 2, "name": "volume", "observed_property": "用水量"}
        | {"unit_ucum": "m3", "last_value": 12.5, "last_at": "2026-11-20T03:00:00Z"},
        {"id": 3, "device_id": 3, "name": "secret", "observed_property": "画面"},
    )
    connection.execute(
        text(
            "CREATE TABLE city.observation_20261120 PARTITION OF city.observation "
            "FOR VALUES FROM ('2026-11-20Z') TO ('2026-11-21Z')"
        )
    )
    connection.execute(
        text(
            "INSERT INTO city.observation (datastream_id, phenomenon_time, result) "
            "SELECT 2, '2026-11-20T00:00:00Z'::timestamptz + n * interval '1 hour', 12 + n / 10.0 "
            "FROM generate_series(0, 9) n"
        )
    )


def load_addresses(connection: Connection) -> None:
    levels = {"province": "广东省", "city": "东莞市", "road": "示范路", "door_no": "12号"}
    words = "广东省东莞市示范路12号示范小区3栋"
    names = {"estate_name": "示范小区", "building_name": "3栋"}
    geom = f"SRID=4490;POINT({WEST} {SOUTH})"
    add(
        connection,
        addresses.std_address,
        {"id": 1, "level": 11, "full_text": words, "norm_text": words, "geom": geom}
        | levels
        | names,
        {"id": 2, "level": 15, "full_text": words + "1单元1层101室", "parent_id": 1}
        | {"norm_text": words + "1单元1层101", "room_no": "101", "geom": geom}
        | {"entrance_no": "1单元", "floor_no": "1层"}
        | levels
        | names,
    )
    add(
        connection,
        addresses.address_link,
        {"address_id": 2, "object_type": "unit", "object_id": 101, "method": "ladder"},
    )


def load_tileset(connection: Connection, folder: Path) -> None:
    version = folder / "tiles" / "buildings" / "v1"
    (version / "content").mkdir(parents=True)
    (version / "tileset.json").write_text('{"asset":{"version":"1.1"}}' + " " * 4000)
    (version / "content" / "0.glb").write_bytes(b"glTF" + bytes(6000))
    (version / "content" / "0.subtree").write_bytes(b"subt" + bytes(40))
    (version.parent / "current").symlink_to("v1")
    (folder / "tiles" / "secret.txt").write_text("not a tile")
    row = {"version": "v1", "built_at": "2026-11-20T00:00:00Z", "feature_count": 2}
    row |= {"tile_count": 1, "bytes": 6000, "height_shift": SHIFT}
    add(connection, platform.tileset, {"name": "buildings"} | row, {"name": "gone"} | row)


@pytest.fixture(scope="module")
def city(engine: Engine, settings: Settings) -> Settings:
    """The settings of a service over the small city, with keys and a tileset in its folder."""
    with engine.begin() as connection:
        add(connection, reference.source_system, {"id": 1, "name": "test"})
        load_places(connection)
        load_tower(connection)
        load_people(connection)
        load_things(connection)
        load_addresses(connection)
        load_tileset(connection, settings.data_dir)
    administrators(engine)
    for name, (secret, roles, expires) in KEYS.items():
        until = datetime.fromisoformat(expires).replace(tzinfo=UTC) if expires else None
        add_key(engine, name, secret, roles, expires=until)
    return settings.model_copy(update={"geoid_offset": SHIFT})


def build_static(folder: Path) -> Path:
    for name, content in {
        "index.html": "<!doctype html><title>cimtwin</title>",
        "assets/main-1a2b.js": "const viewer = 1;" + "\n" * 3000,
        "cesium/Workers/one.js": "const worker = 1;",
        "cesium/module.wasm": "wasm",
        "docs-assets/swagger-ui-bundle.js": "const SwaggerUIBundle = 1;",
        "docs-assets/swagger-ui.css": "body {}",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


@pytest.fixture(scope="module")
def client(city: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The whole service over the small city, with a viewer of a few files."""
    static = build_static(tmp_path_factory.mktemp("static"))
    with TestClient(create_app(city, static)) as client:
        yield client


Key = Callable[..., dict[str, str]]


@pytest.fixture
def key() -> Key:
    """Headers of a caller: a key's holder, and a purpose."""

    def headers(name: str, purpose: str | None = None) -> dict[str, str]:
        stated = {"X-Purpose": purpose} if purpose is not None else {}
        return {"Authorization": f"Bearer {KEYS[name][0]}"} | stated

    return headers


@pytest.fixture
def officer(key: Key) -> dict[str, str]:
    """Who may bring files in."""
    return key("data-office")


@pytest.fixture
def other(key: Key) -> dict[str, str]:
    """Another who may, and sees nothing of the first one's."""
    return key("other-office")
