"""The intake over real HTTP: a file sent in pieces, looked into, tried, loaded and mended."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import rasterio
from affine import Affine
from sqlalchemy import text

from cim.settings import Settings


def mend(rows: list[dict[str, str]]) -> bytes:
    """The rows with the outlines that they should have had."""
    for row in rows:
        west = 113.7 + int(row["楼栋编号"][1:]) / 1000
        east = west + 0.0002
        row["geometry"] = (
            f"POLYGON(({west} 22.93,{east} 22.93,{east} 22.9302,{west} 22.9302,{west} 22.93))"
        )
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode("utf-8-sig")


def test_the_whole_journey_of_a_file(
    service: Any, city: Any, footprints: Callable[..., bytes]
) -> None:
    content = footprints(50, bad=(7, 9))
    group = str(uuid4())
    address = service.announce("东城 楼栋.geojson", len(content), group)
    service.send(address, content[:3000])
    assert service.http.post("/imports/inspect", json={"group": group}).status_code == 409
    offset = service.offset(address)
    assert offset == 3000
    service.send(address, content[offset:], offset)

    seen = service.http.post("/imports/inspect", json={"group": group}).json()
    assert (seen["kind"], seen["rows"]) == ("buildings", 50)
    fields = {entry["field"]: entry["column"] for entry in seen["mapping"] if entry["column"]}
    assert fields["floors_above"] == "层数"

    order = {"fields": fields, "source": "journey"}
    tried = service.finish(service.ask(group, dry_run=True, **order))
    assert (tried["state"], tried["report"]["new"], tried["report"]["set_aside"]) == ("done", 48, 2)
    assert tried["quarantine"] is None
    assert city.buildings("journey") == 0

    loaded = service.finish(service.ask(group, **order))
    assert (loaded["state"], loaded["report"]["new"], loaded["rows_done"]) == ("done", 48, 50)
    assert city.buildings("journey") == 48
    with city.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM city.storey")).scalar_one() == 144

    given = service.http.get(loaded["quarantine"])
    assert given.status_code == 200
    assert "filename*=UTF-8''%E4%B8%9C%E5%9F%8E" in given.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(given.content.decode("utf-8-sig"))))
    assert [row["楼栋编号"] for row in rows] == ["B7", "B9"]
    assert all(row["reason_zh"] for row in rows)

    mended = service.hand_in("东城 楼栋-待改.csv", mend(rows))
    ended = service.finish(service.ask(mended, mends=loaded["id"]))
    assert (ended["state"], ended["report"]["new"], ended["report"]["set_aside"]) == ("done", 2, 0)
    assert city.buildings("journey") == 50
    assert service.http.get(loaded["quarantine"]).status_code == 404

    again = service.finish(service.ask(group, **order))
    assert (again["report"]["new"], again["report"]["unchanged"]) == (0, 48)
    assert city.buildings("journey") == 50


def test_the_journey_of_a_raster_of_heights(
    service: Any, city: Any, footprints: Callable[..., bytes], tmp_path: Path
) -> None:
    group = service.hand_in("坡地 楼栋.geojson", footprints(20))
    service.finish(
        service.ask(group, source="slope", fields={"ext_id": "楼栋编号", "floors_above": "层数"})
    )
    west = 113.69 + np.arange(600) * 1e-4
    with rasterio.open(
        tmp_path / "dem.tif", "w", driver="GTiff", width=600, height=600, count=1,
        dtype="float32", crs="EPSG:4490", transform=Affine(1e-4, 0, 113.69, 0, -1e-4, 22.96),
    ) as file:  # fmt: skip
        file.write(np.broadcast_to(2e3 * (west - 113.6), (600, 600)).astype("float32"), 1)
    group = service.hand_in("全市 高程.tif", (tmp_path / "dem.tif").read_bytes())
    standing = "SELECT count(*) FROM city.building WHERE ended_at IS NULL"

    def count(statement: str) -> int:
        with city.engine.connect() as connection:
            return int(connection.execute(text(statement)).scalar_one())

    def grounded() -> int:
        return count(f"{standing} AND ground_method = 'terrain'")

    tried = service.finish(service.ask(group, kind="terrain", dry_run=True))
    assert tried["state"] == "done", tried["error"]
    assert (tried["report"]["new"], grounded()) == (1, 0)
    order = {"kind": "terrain", "heights": "1985", "surveyed": "2024-05-01"}
    loaded = service.finish(service.ask(group, **order))
    assert (loaded["state"], loaded["report"]["kind"]) == ("done", "terrain")
    assert loaded["rows_total"] == 360_000
    assert grounded() == count(standing) >= 20
    assert any(f"{grounded()} 幢建筑的地面高程" in note["zh"] for note in loaded["report"]["notes"])
    refused = service.finish(service.ask(service.hand_in("坏.tif", b"II*\0"), kind="terrain"))
    assert refused["state"] == "failed"
    assert "坏.tif 无法作为高程栅格读取" in refused["error"]["zh"]


def test_a_file_that_is_none_fails_with_a_sentence(service: Any) -> None:
    job = service.finish(service.ask(service.hand_in("坏.geojson", b"no GeoJSON at all")))
    assert (job["state"], job["report"]) == ("failed", None)
    assert "坏.geojson" in job["error"]["en"]
    assert "坏.geojson" in job["error"]["zh"]


def test_a_file_that_vanished_fails_with_a_sentence(
    service: Any, keyed: Settings, footprints: Callable[..., bytes]
) -> None:
    with service.idle():
        group = service.hand_in("a.geojson", footprints(2))
        id = service.ask(group)
        (keyed.uploads_dir / group / "a.geojson").unlink()
    job = service.finish(id)
    assert job["state"] == "failed"
    assert job["error"]["zh"] == "a.geojson 已不存在"


def test_rows_set_aside_of_people_are_opened_for_those_who_may(service: Any) -> None:
    people = "姓名,身份证号,房号,手机\n甲乙丙,00000019000101000X,,00000000000\n"
    group = service.hand_in("people.csv", people.encode())
    job = service.finish(service.ask(group, "people", source="register"))
    assert job["report"]["set_aside"] == 1, job
    closed = service.http.get(job["quarantine"])
    assert closed.status_code == 200
    assert "甲乙丙" not in closed.text
    rows = list(csv.DictReader(io.StringIO(closed.content.decode("utf-8-sig"))))
    assert (rows[0]["file"], bool(rows[0]["reason_zh"])) == ("people.csv", True)

    with service.caller("people-office") as allowed:
        assert allowed.get(job["quarantine"]).status_code == 404  # the job is another key's


def test_every_opening_of_such_rows_is_logged(service: Any, city: Any) -> None:
    people = "姓名,身份证号,房号,手机\n甲乙丙,00000019000101000X,,00000000000\n"
    mine, service.http = service.http, service.caller("people-office")
    try:
        group = service.hand_in("people.csv", people.encode())
        job = service.finish(service.ask(group, "people", source="register-2"))
        without = service.http.get(job["quarantine"])
        assert "甲乙丙" not in without.text
        opened = service.http.get(job["quarantine"], headers={"X-Purpose": "housing_management"})
        assert "甲乙丙" in opened.content.decode("utf-8-sig")
        assert opened.headers["cache-control"] == "no-store"
    finally:
        service.http.close()
        service.http = mine
    with city.engine.connect() as connection:
        lines = connection.execute(
            text(
                "SELECT actor, roles, purpose, object_type, persons FROM security.audit_log "
                "WHERE event = 'people.aside'"
            )
        ).all()
    assert [tuple(line) for line in lines] == [
        ("people-office", "intake,residents", "housing_management", "import", 1)
    ]
