"""Whatever is sent, the answer is a problem document that names what is wrong, never a fault."""

import json

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from api import opening
from api.app import create_app
from api.database.store import Store
from cim.settings import Settings
from cim.store.direct import Direct
from tests.problems import check_problem

SQL_LIKE = "' OR 1=1; DROP TABLE city.unit; --"
REFUSED = [
    ("/buildings/77", 404, "77"),
    ("/buildings/77/floor-grid", 404, "77"),
    ("/units/77/card", 404, "77"),
    ("/datastreams/77/observations", 404, "77"),
    ("/buildings/0", 422, "id must be at least 1"),
    ("/buildings/-1", 422, "id must be at least 1"),
    ("/buildings/x", 422, "id must be a whole number"),
    ("/buildings/1.5", 422, "id must be a whole number"),
    ("/buildings/9223372036854775808", 422, "id must be at most"),
    ("/units/" + "9" * 4000 + "/card", 422, "id"),
    (f"/units/{SQL_LIKE}/card", 422, "id must be a whole number"),
    ("/units/77", 404, "77"),
    ("/buildings/1?expand=secrets", 422, "expand may hold entrances"),
    ("/units/201?expand=secrets", 422, "expand may hold building, storey"),
    ("/units/201?expand=" + "address," * 1000, 422, "expand must have at most 300"),
    ("/units/201?expand=%00", 422, "expand may hold"),
    ("/units/201?expand=%ed%a0%80", 422, "expand may hold"),
    ("/units/by-code/gbt37346/nothing", 404, "No unit has that code"),
    (f"/units/by-code/gbt37346/{SQL_LIKE}", 404, "No unit has that code"),
    ("/units/by-code/gbt37346/a%00b", 422, "code"),
    ("/units/by-code/gbt37346/%ed%a0%80", 404, "No unit has that code"),
    ("/units/by-code/gbt37346/" + "9" * 101, 422, "code must have at most 100"),
    ("/units/by-code/GB T/1", 422, "scheme"),
    ("/locate", 422, "lon is required; lat is required"),
    ("/locate?lon=nan&lat=1", 422, "lon must be a finite number"),
    ("/locate?lon=inf&lat=1", 422, "lon must be a finite number"),
    ("/locate?lon=181&lat=91", 422, "lon must be at most 180"),
    ("/locate?lon=1e400&lat=1", 422, "lon"),
    ("/locate?lon=1&lat=1&h=-inf", 422, "h must be a finite number"),
    ("/locate?lon=1&lat=1&h=1e300", 422, "h must be at most"),
    ("/locate?lon=1&lat=1&h=1&datum=moon", 422, "datum must be one of"),
    ("/features/buildings", 422, "bbox is required"),
    ("/features/secrets?bbox=1,1,2,2", 422, "collection must be one of"),
    ("/features/units?bbox=1,1,2", 422, "four numbers"),
    ("/features/units?bbox=1,1,2,2,3", 422, "four numbers"),
    ("/features/units?bbox=a,b,c,d", 422, "four numbers"),
    ("/features/units?bbox=nan,1,2,2", 422, "finite"),
    ("/features/units?bbox=170,1,-170,2", 422, "antimeridian"),
    ("/features/units?bbox=1,2,2,1", 422, "south"),
    ("/features/units?bbox=-999,1,2,2", 422, "within"),
    ("/features/units?bbox=" + "1" * 1000, 422, "bbox must have at most 200"),
    (f"/features/units?bbox={SQL_LIKE}", 422, "four numbers"),
    ("/features/units?bbox=1,1,2,2&limit=0", 422, "limit must be at least 1"),
    ("/features/units?bbox=1,1,2,2&limit=10001", 422, "limit must be at most 10000"),
    ("/datastreams/2/observations?start=yesterday", 422, "start must be a time"),
    ("/datastreams/2/observations?start=2026-11-20T00:00:00", 422, "start must name its time zone"),
    ("/datastreams/2/observations?start=2026-11-20T00:00:00Z&end=2026-11-19T00:00:00Z", 422, "end"),
    ("/datastreams/2/observations?start=0001-01-01T00:00:00Z", 422, "1900"),
    ("/datastreams/2/observations?end=9999-12-31T23:59:59-23:59", 422, "2200"),
    ("/addresses/search", 422, "q is required"),
    ("/addresses/search?q=", 422, "at least one character"),
    ("/addresses/search?q=%00%01", 422, "at least one character"),
    ("/addresses/search?q=" + "东" * 201, 422, "q must have at most 200"),
    ("/nothing/here", 404, "nothing at this address"),
]


@pytest.mark.parametrize(("path", "status", "part"), REFUSED)
def test_a_malformed_request_is_told_what_is_wrong(
    client: TestClient, path: str, status: int, part: str
) -> None:
    check_problem(client.get(path), status, part)


@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        (b"", 422, "body is required"),
        (b"{", 422, "not valid JSON"),
        (b"[1,2]", 422, ""),
        (b'{"ids": 5}', 422, "ids must be a list"),
        (b'{"ids": ["1"]}', 422, "ids.0 must be a whole number"),
        (b'{"ids": [1.5]}', 422, "ids.0 must be a whole number"),
        (b'{"ids": [true]}', 422, "ids.0"),
        (b'{"ids": [0]}', 422, "ids.0 must be at least 1"),
        (b'{"ids": [99999999999999999999]}', 422, "ids.0"),
        (b'{"ids": [NaN]}', 422, ""),
        (b'{"ids": [1], "sql": "x"}', 422, "sql is not known"),
        (b'{"ids": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", 400, "understood"),
        (b"\xff\xfe\x00", 400, "understood"),
        (b'{"ids": [' + b"1," * 600_000 + b"1]}", 413, "1,000,000 bytes"),
    ],
)
def test_a_malformed_body_is_told_what_is_wrong(
    client: TestClient, body: bytes, status: int, part: str
) -> None:
    headers = {"Content-Type": "application/json"}
    response = client.post("/features/units/by-ids", content=body, headers=headers)
    check_problem(response, status, part)


def test_a_body_without_a_length_is_limited_too(client: TestClient) -> None:
    parts = (b"x" * 100_000 for _ in range(50))
    check_problem(client.post("/features/units/by-ids", content=parts), 413)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/units/201/card", "/city", "/tiles/3d/buildings/tileset.json"])
def test_reading_routes_take_no_other_method(client: TestClient, method: str, path: str) -> None:
    check_problem(client.request(method, path), 405)


@pytest.mark.parametrize(
    "q", [SQL_LIKE, "%", "_%_", "\\", "'", '"', "3栋'--", "\u202e东莞", "😀😀😀", "1" * 200, ".*("]
)
def test_a_strange_search_is_a_search(client: TestClient, q: str) -> None:
    response = client.get("/addresses/search", params={"q": q})
    assert response.status_code == 200, response.text
    assert client.get("/units/201/card").status_code == 200  # the table is still there


@examples(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(q=st.text(st.characters(codec="utf-8"), max_size=200), limit=st.integers(1, 100))
def test_every_text_can_be_searched_for(client: TestClient, q: str, limit: int) -> None:
    response = client.get("/addresses/search", params={"q": q, "limit": limit})
    assert response.status_code in (200, 422), response.text


@examples(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(bbox=st.lists(st.floats() | st.text(max_size=5) | st.integers(), max_size=6))
def test_every_box_is_answered_or_refused(client: TestClient, bbox: list[object]) -> None:
    response = client.get("/features/units", params={"bbox": ",".join(map(str, bbox))})
    assert response.status_code in (200, 422), response.text
    json.loads(response.text)


def test_a_statement_that_takes_too_long_is_stopped(
    city: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BY_KEY", "SIGNING"):
        monkeypatch.setattr(opening, name, 0.3)
    with TestClient(create_app(city)) as client, engine.connect() as other:
        other.execute(text("LOCK TABLE city.building IN ACCESS EXCLUSIVE MODE"))
        response = client.get("/buildings/1")
        check_problem(response, 503, "too long")
        assert response.headers["retry-after"]
        other.rollback()
        assert client.get("/buildings/1").status_code == 200


def test_connections_that_break_are_made_anew(city: Settings, engine: Engine) -> None:
    with TestClient(create_app(city)) as client:
        assert client.get("/buildings/1").status_code == 200
        with engine.begin() as other:
            other.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        assert client.get("/buildings/1").status_code == 200


def test_without_a_database_the_service_says_so(city: Settings) -> None:
    nowhere = create_async_engine("postgresql+asyncpg://nobody@/nothing?host=/nonexistent")
    with TestClient(create_app(city)) as client:
        state = client.app.state
        state.store = state.keyed_store = Store(nowhere)

        async def refuse() -> None:
            raise ConnectionRefusedError

        state.direct = Direct(refuse, 1)
        client.portal.call(state.direct.open)
        response = client.get("/ready")
        assert response.status_code == 503 and response.json()["status"] == "not ready"
        assert client.get("/health").status_code == 200
        for path in ("/city", "/buildings/1", "/units/201/card", "/tilesets"):
            check_problem(client.get(path), 503, "does not answer")
        assert client.get("/tiles/3d/buildings/tileset.json").status_code == 200


def test_a_fault_shows_and_logs_neither_statement_nor_values(
    city: Settings, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with TestClient(create_app(city)) as client:
        with engine.begin() as other:
            other.execute(text("ALTER TABLE city.building RENAME COLUMN height TO tallness"))
        try:
            check_problem(client.get("/buildings/1"), 500, "Something went wrong")
        finally:
            with engine.begin() as other:
                other.execute(text("ALTER TABLE city.building RENAME COLUMN tallness TO height"))
        assert "SQLSTATE 42703" in caplog.text and "/buildings/{id}" in caplog.text
        assert "SELECT" not in caplog.text and "json_build" not in caplog.text
