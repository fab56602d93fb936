"""Jobs over HTTP: who may ask for what, what is refused, and what waits without a worker."""

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import rasterio
from affine import Affine
from fastapi import Request as HttpRequest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.routes.intake import imports
from api.schemas.imports import ImportRequest, Inspection
from cim.load.terrain import SURFACES
from cim.settings import Settings

Headers = dict[str, str]
BYTES = "application/offset+octet-stream"


def footprints(count: int = 3) -> bytes:
    """Squares of 20 m in a row."""
    features = []
    for number in range(count):
        west, south, side = 113.90 + number / 1000, 22.93, 0.0002
        ring = [[west, south], [west + side, south], [west + side, south + side],
                [west, south + side], [west, south]]  # fmt: skip
        features.append(
            {
                "type": "Feature",
                "properties": {"编号": f"B{number}", "层数": 3},
                "geometry": {"type": "Polygon", "coordinates": [ring]},
            }
        )
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def announce(client: TestClient, headers: Headers, group: str, name: str, size: int) -> str:
    said = {"filename": name, "group": group}
    values = (f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in said.items())
    told = {"Tus-Resumable": "1.0.0", "Upload-Length": str(size)}
    told |= {"Upload-Metadata": ",".join(values)}
    made = client.post("/uploads", headers=headers | told)
    assert made.status_code == 201, made.text
    return str(made.headers["location"])


def hand_in(
    client: TestClient, headers: Headers, content: bytes, name: str = "楼栋.geojson"
) -> str:
    """Send a file in a group of its own; the group."""
    group = str(uuid4())
    address = announce(client, headers, group, name, len(content))
    told = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": BYTES}
    assert client.patch(address, headers=headers | told, content=content).status_code == 204
    return group


def ask(client: TestClient, headers: Headers, group: str, /, **more: Any) -> Any:
    return client.post(
        "/imports", headers=headers, json={"group": group, "kind": "buildings"} | more
    )


def test_the_kinds_are_told_with_their_fields_in_both_languages(
    client: TestClient, officer: Headers
) -> None:
    told = client.get("/kinds", headers=officer).json()
    buildings = next(kind for kind in told["kinds"] if kind["name"] == "buildings")
    assert (buildings["zh"], buildings["geometry"], buildings["personal"]) == (
        "建筑",
        "polygon",
        False,
    )
    floors = next(field for field in buildings["fields"] if field["name"] == "floors_above")
    assert (floors["zh"], floors["type"], floors["required"]) == ("地上层数", "integer", False)
    assert ".shp" in told["formats"]


@pytest.mark.parametrize("path", ["/kinds", "/imports", "/imports/1", "/uploads?group=12345678"])
def test_only_a_data_officer_sees_the_intake(
    client: TestClient, key: Callable[..., Headers], path: str
) -> None:
    assert client.get(path).status_code == 401
    assert client.get(path, headers=key("statistics")).status_code == 403


def test_the_session_tells_who_may_bring_files_in(
    client: TestClient, officer: Headers, key: Callable[..., Headers]
) -> None:
    assert client.get("/session", headers=officer).json()["roles"] == ["intake"]
    assert client.get("/session", headers=key("statistics")).json()["roles"] == ["statistics"]


def test_a_file_is_looked_into(client: TestClient, officer: Headers) -> None:
    group = hand_in(client, officer, footprints())
    told = client.post("/imports/inspect", headers=officer, json={"group": group})
    assert told.status_code == 200, told.text
    found = told.json()
    assert (found["file"], found["rows"], found["kind"]) == ("楼栋.geojson", 3, "buildings")
    mapping = {entry["field"]: entry["column"] for entry in found["mapping"]}
    assert (mapping["floors_above"], mapping["ext_id"]) == ("层数", "编号")
    assert len(found["preview"]["rows"]) == 3
    assert len(found["footprints"]["features"]) == 3


def test_what_a_look_shows_has_the_form_that_is_documented(
    client: TestClient, officer: Headers
) -> None:

    people = "姓名,身份证号,房号\n甲,00000019000101000X,101\n".encode()
    for content, name in ((footprints(), "a.geojson"), (people, "people.csv")):
        group = hand_in(client, officer, content, name)
        told = client.post("/imports/inspect", headers=officer, json={"group": group})
        Inspection.model_validate(told.json(), strict=False)


def test_personal_values_are_not_shown_by_a_look(client: TestClient, officer: Headers) -> None:
    people = "姓名,身份证号,房号\n甲乙丙,00000019000101000X,101\n".encode()
    group = hand_in(client, officer, people, "people.csv")
    told = client.post("/imports/inspect", headers=officer, json={"group": group, "kind": "people"})
    assert told.status_code == 200, told.text
    assert "甲乙丙" not in told.text
    assert "00000019000101000X" not in told.text


def test_a_file_that_cannot_be_read_is_refused_with_a_sentence(
    client: TestClient, officer: Headers
) -> None:
    group = hand_in(client, officer, b"this is no GeoJSON", "坏.geojson")
    told = client.post("/imports/inspect", headers=officer, json={"group": group})
    assert told.status_code == 422
    assert "坏.geojson" in told.json()["detail"]
    assert "坏.geojson" in told.json()["detail_zh"]


def test_half_a_file_is_neither_looked_into_nor_loaded(
    client: TestClient, officer: Headers
) -> None:
    group = str(uuid4())
    announce(client, officer, group, "a.geojson", 100)
    for path in ("/imports/inspect", "/imports"):
        told = client.post(path, headers=officer, json={"group": group, "kind": "buildings"})
        assert told.status_code == 409
        assert "0 of 100" in told.json()["detail"]


def test_half_a_shapefile_is_not_loaded_because_its_largest_part_is_there(
    client: TestClient, officer: Headers
) -> None:
    group = hand_in(client, officer, b"1234", "a.shp")
    announce(client, officer, group, "a.dbf", 10)
    assert ask(client, officer, group).status_code == 409


def test_a_group_of_several_files_says_which_is_meant(client: TestClient, officer: Headers) -> None:
    group = hand_in(client, officer, footprints(), "a.geojson")
    address = announce(client, officer, group, "b.geojson", 1)
    told = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": BYTES}
    client.patch(address, headers=officer | told, content=b"x")
    refused = ask(client, officer, group)
    assert refused.status_code == 422
    assert "a.geojson" in refused.json()["detail"]
    assert ask(client, officer, group, file="c.geojson").status_code == 404
    assert ask(client, officer, group, file="../a.geojson").status_code == 404
    assert ask(client, officer, group, file="a.geojson").status_code == 202


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "castles"},
        {"kind": "'; DROP TABLE platform.intake; --"},
        {"group": "../../etc"},
        {"unknown": 1},
        {"fields": {f"f{number}": "x" for number in range(300)}},
        {"crs": "x" * 200},
        {"at": [1, 2]},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(
    client: TestClient, officer: Headers, wrong: dict[str, Any]
) -> None:
    group = hand_in(client, officer, footprints())
    told = ask(client, officer, group, **wrong)
    assert told.status_code == 422
    assert told.json()["detail_zh"]


def test_a_job_waits_until_a_worker_comes_and_can_be_taken_back(
    client: TestClient, officer: Headers, engine: Engine
) -> None:
    group = hand_in(client, officer, footprints())
    told = ask(client, officer, group, fields={"floors_above": "层数"}, crs="EPSG:4490")
    assert told.status_code == 202
    job = told.json()
    assert told.headers["location"] == f"/imports/{job['id']}"
    assert (job["state"], job["file"], job["group"]) == ("waiting", "楼栋.geojson", group)
    assert job["request"]["fields"] == {"floors_above": "层数"}
    with engine.connect() as connection:
        queued = connection.execute(
            text("SELECT args->>'id' FROM jobs.procrastinate_jobs WHERE status = 'todo'")
        ).scalars()
        assert str(job["id"]) in list(queued)

    listed = client.get("/imports", headers=officer).json()
    assert listed["imports"][0]["id"] == job["id"]
    assert listed["workers"] == 0

    for _ in range(2):
        cancelled = client.post(f"/imports/{job['id']}/cancel", headers=officer)
        assert cancelled.status_code == 200
        assert cancelled.json()["state"] == "cancelled"
        assert cancelled.json()["finished_at"] is not None


def test_a_job_is_its_owners_alone(client: TestClient, officer: Headers, other: Headers) -> None:
    group = hand_in(client, officer, footprints())
    job = ask(client, officer, group).json()["id"]
    assert client.get(f"/imports/{job}", headers=other).status_code == 404
    assert client.post(f"/imports/{job}/cancel", headers=other).status_code == 404
    assert client.get(f"/imports/{job}/quarantine.csv", headers=other).status_code == 404
    assert ask(client, other, group).status_code == 404
    inspected = client.post("/imports/inspect", headers=other, json={"group": group})
    assert inspected.status_code == 404
    assert all(one["id"] != job for one in client.get("/imports", headers=other).json()["imports"])
    assert client.get(f"/imports/{job}", headers=officer).json()["state"] == "waiting"
    client.post(f"/imports/{job}/cancel", headers=officer)


def test_a_file_stays_while_a_job_needs_it(
    client: TestClient, city: Settings, officer: Headers
) -> None:
    group = hand_in(client, officer, footprints())
    job = ask(client, officer, group).json()["id"]
    name = client.get("/uploads", params={"group": group}, headers=officer).json()["uploads"][0]
    address, told = f"/uploads/{name['id']}", officer | {"Tus-Resumable": "1.0.0"}
    assert client.delete(address, headers=told).status_code == 409
    client.post(f"/imports/{job}/cancel", headers=officer)
    assert client.delete(address, headers=told).status_code == 204
    assert not (city.uploads_dir / group).exists()


def test_no_key_fills_the_queue(client: TestClient, other: Headers) -> None:
    group = hand_in(client, other, footprints())
    asked = [ask(client, other, group) for _ in range(21)]
    assert [told.status_code for told in asked] == [202] * 20 + [507]
    for told in asked[:20]:
        client.post(f"/imports/{told.json()['id']}/cancel", headers=other)


def test_a_file_that_would_lead_elsewhere_is_not_read(
    client: TestClient, officer: Headers, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("编号,层数\nsecret-row,3\n", "utf-8")
    vrt = (
        f'<OGRVRTDataSource><OGRVRTLayer name="secret"><SrcDataSource>{secret}</SrcDataSource>'
        "</OGRVRTLayer></OGRVRTDataSource>"
    )
    for name in ("a.geojson", "a.json", "a.gpkg", "a.fgb", "a.shp", "a.csv", "a.zip"):
        group = hand_in(client, officer, vrt.encode(), name)
        told = client.post("/imports/inspect", headers=officer, json={"group": group})
        assert "secret-row" not in told.text, name


@pytest.mark.parametrize(
    "odd",
    [
        {"source": "a\0b"},
        {"layer": "\0"},
        {"crs": "\0"},
        {"encoding": "\0"},
        {"fields": {"code": "\0"}},
        {"fields": {"\0": "code"}},
        {"fields": {"code": "\ud800"}},
        {"fields": {"code": "x" * 301}},
        {"at": [float("nan"), 23, 0]},
        {"at": [113, float("inf"), 0]},
    ],
)
def test_what_no_database_keeps_is_refused_with_its_name(
    client: TestClient, officer: Headers, odd: dict[str, Any]
) -> None:
    group = hand_in(client, officer, footprints())
    order = json.dumps({"group": group, "kind": "buildings"} | odd)
    told = client.post(
        "/imports", headers=officer | {"Content-Type": "application/json"}, content=order
    )
    assert told.status_code == 422
    assert next(iter(odd)) in told.json()["detail"]


def test_a_model_is_looked_into_like_any_file(client: TestClient, officer: Headers) -> None:
    for name in ("model.ifc", "model.ifczip"):
        group = hand_in(client, officer, b"no model at all", name)
        told = client.post("/imports/inspect", headers=officer, json={"group": group})
        assert told.status_code == 422
        assert "IFC" in told.json()["detail"]


def raster(folder: Path, crs: str | None = "EPSG:4490") -> bytes:
    """A hill of 60 m."""
    row, column = np.mgrid[0:80, 0:80]
    path = folder / "hill.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=80, height=80, count=1, dtype="float32", crs=crs,
        transform=Affine(1e-4, 0, 113.9, 0, -1e-4, 22.95),
    ) as file:  # fmt: skip
        file.write((60 - np.hypot(row - 40, column - 40)).astype("float32"), 1)
    return path.read_bytes()


def test_a_raster_of_heights_is_looked_into_and_what_it_lacks_is_asked_for(
    client: TestClient, officer: Headers, tmp_path: Path
) -> None:
    assert ".tif" in client.get("/kinds", headers=officer).json()["formats"]
    group = hand_in(client, officer, raster(tmp_path), "高程.tif")
    order = {"group": group, "heights": "egm96"}
    told = client.post("/imports/inspect", headers=officer, json=order).json()
    Inspection.model_validate(told, strict=False)
    assert (told["kind"], told["rows"], told["crs"]) == ("terrain", 6400, "EPSG:4490")
    assert "above EGM96" in told["notes"][0]["en"]
    assert told["extent"] == pytest.approx([113.9, 22.942, 113.908, 22.95])
    group = hand_in(client, officer, raster(tmp_path, None), "高程.tif")
    told = client.post("/imports/inspect", headers=officer, json={"group": group}).json()
    assert (told["kind"], told["crs"], told["extent"]) == ("terrain", None, None)
    assert "未注明坐标系" in told["notes"][0]["zh"]
    order = {"group": group, "crs": "EPSG:4490"}
    told = client.post("/imports/inspect", headers=officer, json=order).json()
    assert told["extent"] == pytest.approx([113.9, 22.942, 113.908, 22.95])


def test_every_surface_that_heights_may_be_above_is_offered() -> None:
    offered = ImportRequest.model_fields["heights"].annotation
    assert set(SURFACES) <= set(str(offered).replace("'", " ").split())


def test_a_format_that_leads_to_other_files_is_closed_and_not_offered(
    client: TestClient, officer: Headers
) -> None:
    assert ".gml" not in client.get("/kinds", headers=officer).json()["formats"]
    group = hand_in(client, officer, b"<gml/>", "roads.gml")
    told = ask(client, officer, group, file="roads.gml")
    assert told.status_code == 422
    assert "cim load" in told.json()["detail_zh"]


def test_a_look_is_given_up_when_its_caller_hangs_up() -> None:
    ended: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("given up")

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    asked = HttpRequest({"type": "http", "method": "POST", "path": "/", "headers": []}, gone)
    assert asyncio.run(imports.unless_gone(asked, endless())) is None
    assert ended == ["given up"]
