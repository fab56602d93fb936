"""The main road with the commands a user types: files, city, tiles, and a card over real HTTP."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import Engine, text

from cim.settings import Settings
from sample_data.make import make

TABLES = (
    "city.admin_area", "city.grid", "city.street", "city.estate", "city.building", "city.entrance",
    "city.storey", "city.unit", "city.std_address", "city.address_link", "pii.person",
    "pii.residency", "city.organisation", "city.org_location", "city.facility", "city.device",
    "city.datastream", "city.observation",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    make(folder, 60)
    return folder


def cim(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one command as a user would, against the module's database."""
    return subprocess.run(
        [sys.executable, "-m", "cim", *words],
        env=environment(settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def environment(settings: Settings) -> dict[str, str]:
    assert settings.database_url
    found = {"CIM_DATABASE_URL": settings.database_url, "CIM_DATA_DIR": str(settings.data_dir)}
    return os.environ | found


def counts(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            for table in TABLES
        }


@pytest.fixture(scope="module")
def loaded(settings: Settings, engine: Engine, folder: Path) -> dict[str, int]:
    done = cim(settings, "load", "city", str(folder))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return counts(engine)


@pytest.fixture(scope="module")
def tiled(settings: Settings, loaded: dict[str, int]) -> None:
    done = cim(settings, "tile", "build", "--jobs", "1")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


class Caller:
    """One kept-alive connection to the server."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path: str, **headers: str) -> Any:
        self.connection.request("GET", quote(path, safe="/?=&%,.:"), headers=headers)
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, f"{path}: {answer.status} {body[:500]!r}"
        return json.loads(body)


@pytest.fixture(scope="module")
def served(settings: Settings, tiled: None) -> Iterator[Caller]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "cim", "serve", "--demo", "--port", str(port)],
        env=environment(settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    caller = Caller(port)
    try:
        for _ in range(200):
            try:
                caller.get("/health")
                break
            except OSError:
                assert server.poll() is None, f"the server ended with {server.returncode}"
                caller = Caller(port)
                time.sleep(0.1)
        yield caller
    finally:
        caller.connection.close()
        server.terminate()
        server.wait(timeout=30)


def flat(engine: Engine) -> int:
    """A flat that people live in, by its key in the register."""
    with engine.connect() as connection:
        found = connection.execute(
            text(
                "SELECT u.id FROM city.unit u JOIN pii.residency r ON r.unit_id = u.id "
                "WHERE u.ended_at IS NULL AND u.ext_id LIKE 'B%-1-%' AND u.ext_id NOT LIKE '%-P%' "
                "AND NOT EXISTS (SELECT FROM pii.residency x JOIN pii.person p "
                "ON p.id = x.person_id WHERE x.unit_id = u.id AND p.is_minor14) "
                "ORDER BY u.id LIMIT 1"
            )
        ).scalar_one()
    return int(found)


def test_every_row_of_every_file_came_in(loaded: dict[str, int], folder: Path) -> None:
    lines = {p.stem: len(p.read_text("utf-8").splitlines()) - 1 for p in folder.glob("*.csv")}
    assert loaded["city.building"] == 60
    assert loaded["pii.person"] == lines["people"]
    assert loaded["city.organisation"] == lines["organisations"]
    assert loaded["city.device"] == lines["devices"]
    assert loaded["city.observation"] == lines["readings"]
    assert loaded["city.unit"] > lines["units"]
    assert all(loaded.values()), [table for table, count in loaded.items() if not count]


def test_residents_shops_and_meters_hang_on_their_units(
    loaded: dict[str, int], engine: Engine
) -> None:
    with engine.connect() as connection:

        def one(sql: str) -> int:
            return int(connection.execute(text(sql)).scalar_one())

        assert one("SELECT count(*) FROM pii.residency WHERE unit_id IS NULL") == 0
        assert one("SELECT count(*) FROM city.org_location WHERE building_id IS NULL") == 0
        assert one("SELECT count(*) FROM city.device WHERE bind_type = 'unit'") == one(
            "SELECT count(*) FROM city.device d JOIN city.unit u ON u.id = d.bind_id "
            "WHERE d.bind_type = 'unit' AND d.class_code IN ('water_meter', 'power_meter')"
        )
        assert one("SELECT count(*) FROM city.datastream WHERE last_at IS NULL") == 0


def test_the_city_is_whole(settings: Settings, loaded: dict[str, int]) -> None:
    done = cim(settings, "check")
    assert done.returncode == 0, done.stdout[-3000:]


def test_loading_again_doubles_nothing(
    settings: Settings, engine: Engine, loaded: dict[str, int], folder: Path
) -> None:
    done = cim(settings, "load", "city", str(folder))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert counts(engine) == loaded


def test_a_flat_s_card_says_where_who_and_how_it_is(served: Caller, engine: Engine) -> None:
    card = served.get(f"/units/{flat(engine)}/card")
    room = card["unit"]["room_no"]
    assert card["address"]["text"].endswith(room)
    assert "南城街道" in card["address"]["text"] and "莲湖花园" in card["address"]["text"]
    assert card["estate"]["name"] == "莲湖花园"
    assert [area["name"] for area in card["areas"]][-1] == "新基社区"
    assert card["grid"]["name"].startswith("新基社区")
    assert card["residents"]["count"] is None and not card["residents"]["people"]
    assert any(item["class"]["code"] == "lift" for item in card["facilities"])
    meters = {device["class"]["code"]: device for device in card["devices"]}
    for kind in ("water_meter", "power_meter", "lift"):
        stream = meters[kind]["datastreams"][0]
        assert stream["value"] is not None and stream["at"]
    stream = meters["power_meter"]["datastreams"][0]
    week = served.get(f"/datastreams/{stream['id']}/observations")["points"]
    assert len(week) == 8 and week[-1][1] == stream["value"]


def test_residents_are_masked_and_shown_only_for_a_purpose(served: Caller, engine: Engine) -> None:
    headers = {"X-Purpose": "demonstration"}
    residents = served.get(f"/units/{flat(engine)}/card", **headers)["residents"]
    assert residents["shown"] and len(residents["people"]) == residents["count"] >= 1
    for person in residents["people"]:
        assert "*" in person["name"] and "*" in person["id_no"]


def test_the_floor_grid_locate_and_search_lead_to_the_same_flat(
    served: Caller, engine: Engine
) -> None:
    unit = flat(engine)
    card = served.get(f"/units/{unit}/card")
    lon, lat, height = card["centre"]
    here = served.get(f"/locate?lon={lon}&lat={lat}&h={height}&datum=ellipsoid")
    assert here["unit"]["id"] == unit
    grid = served.get(f"/buildings/{card['building']['id']}/floor-grid")
    assert unit in [cell["id"] for storey in grid["storeys"] for cell in storey["units"]]
    items = served.get(f"/addresses/search?q={card['building']['name']}")["items"]
    assert card["building"]["id"] in [item["building_id"] for item in items]


def test_every_tileset_is_there_with_its_features(served: Caller, loaded: dict[str, int]) -> None:
    found = {item["name"]: item for item in served.get("/tilesets")["tilesets"]}
    assert set(found) == {"buildings", "planned", "underground", "units"}
    features = found["buildings"]["features"] + found["planned"]["features"]
    assert features == loaded["city.building"]
    for item in found.values():
        described = served.get(item["url"])
        assert described["asset"]["version"] == "1.1"
