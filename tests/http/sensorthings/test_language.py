"""Every function and operator of `$filter`, on what everybody knows of the small city."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

RESIDENT = {"Authorization": "Bearer key-residents"}
NOON = "2026-11-20T12:00:00Z"
HERE, FAR = "geography'POINT(113.8801 22.9201)'", "geography'POINT(0 0)'"
AROUND = (
    "geography'POLYGON((113.87 22.91, 113.89 22.91, 113.89 22.93, 113.87 22.93, 113.87 22.91))'"
)

TRUE_OF_UNIT_201 = [
    "substringof('1单元', name)", "startswith(name, '3栋')", "endswith(name, '201')",
    "contains(name, '单元')", "length(name) eq 10", "indexof(name, '1单元') eq 4",
    "substring(name, 7) eq '201'", "substring(name, 0, 2) eq '3栋'",
    "tolower('ABC') eq 'abc'", "toupper('abc') eq 'ABC'", "trim(' x ') eq 'x'",
    "concat(concat(name, ', '), description) eq '3栋 1单元 201, unit 户'",
    "year(2026-11-20T23:30:00-02:00) eq 2026 and day(2026-11-20T23:30:00-02:00) eq 21",
    f"month({NOON}) eq 11", f"hour({NOON}) eq 12", f"minute({NOON}) eq 0",
    "second(2026-11-20T12:00:07.25Z) eq 7",
    "fractionalseconds(2026-11-20T12:00:07.25Z) eq 0.25",
    f"date({NOON}) eq 2026-11-20", f"time({NOON}) eq 12:00:00",
    f"totaloffsetminutes({NOON}) eq 0", "now() gt 2026-01-01T00:00:00Z",
    "mindatetime() lt maxdatetime()", f"{NOON} add duration'P1D' eq 2026-11-21T12:00:00Z",
    f"{NOON} sub duration'PT30M' eq 2026-11-20T11:30:00Z",
    f"{NOON} sub 2026-11-20T11:00:00Z eq duration'PT1H'",
    "round(2.5) eq 3 or round(2.5) eq 2", "floor(-1.5) eq -2", "ceiling(-1.5) eq -1",
    "1 add 2 mul 3 eq 7", "(1 add 2) mul 3 eq 9", "7 mod 4 eq 3", "-7 mod 4 eq -3",
    "7 div 2 eq 3.5", "1 div 0 eq null", "5 sub 2 sub 1 eq 2",
    "not (1 eq 2)", "not 1 eq 2 and true", "true or false and false", "1 in (3, 1)",
    "properties/room eq '201'", "properties/building eq 1", "properties/nothing eq null",
    "properties/id ge 201 and properties/id le 201", "id eq 1610", "@iot.id eq 1610",
    "Locations/id eq 1610", "Datastreams/ObservedProperty/name eq '用水量'",
    "Datastreams/unitOfMeasurement/symbol eq 'm3'", "Datastreams/Observations/result gt 12.8",
    "Datastreams/Observations/phenomenonTime ge 2026-11-20T09:00:00Z",
    f"before(Datastreams/Observations/phenomenonTime, {NOON})",
    "during(Datastreams/Observations/phenomenonTime, 2026-11-20T00:00:00Z/2026-11-21T00:00:00Z)",
    "overlaps(2026-11-20T00:00:00Z/PT2H, 2026-11-20T01:00:00Z/2026-11-20T03:00:00Z)",
    "meets(2026-11-20T00:00:00Z/PT1H, 2026-11-20T01:00:00Z/PT1H)",
    "starts(2026-11-20T00:00:00Z/PT1H, 2026-11-20T00:00:00Z/PT2H)",
    "finishes(2026-11-20T01:00:00Z/PT1H, 2026-11-20T00:00:00Z/PT2H)",
    "after(2026-11-21T00:00:00Z, 2026-11-20T00:00:00Z/PT2H)",
    f"geo.intersects(Locations/location, {AROUND})", f"st_within(Locations/location, {AROUND})",
    f"st_intersects({AROUND}, Locations/location)", f"st_disjoint(Locations/location, {FAR})",
    f"st_contains({AROUND}, Locations/location)", f"not st_touches(Locations/location, {AROUND})",
    f"not st_overlaps(Locations/location, {AROUND})", f"not st_crosses({HERE}, {AROUND})",
    f"st_equals({HERE}, {HERE})", f"st_relate({HERE}, {HERE}, '0FFFFFFF2')",
    f"geo.distance({HERE}, {FAR}) gt 100", "geo.length(geography'LINESTRING(0 0, 3 4)') eq 5",
    "Locations/location/type eq 'Polygon' or Locations/location/type eq 'MultiPolygon'",
]  # fmt: skip


@pytest.mark.parametrize("condition", TRUE_OF_UNIT_201)
def test_what_holds_finds_the_unit_and_its_opposite_does_not(
    client: TestClient, condition: str
) -> None:
    for said, expected in ((condition, [1610]), (f"not ({condition})", [])):
        query = {"$filter": f"id eq 1610 and ({said})", "$select": "id"}
        answer = client.get("/sta/v1.1/Things", params=query, headers=RESIDENT)
        assert answer.status_code == 200, answer.text
        assert [each["@iot.id"] for each in answer.json()["value"]] == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("name desc", ["lift", "meter"]),
        ("Observations/phenomenonTime desc,id", ["meter", "lift"]),
        ("Observations/result asc,id asc", ["meter", "lift"]),
        ("Thing/name ASC", ["lift", "meter"]),
        ("id DESC", ["meter", "lift"]),
        ("unitOfMeasurement/symbol,id", ["lift", "meter"]),
    ],
)
def test_sets_are_sorted_by_what_they_lead_to(
    client: TestClient, order: str, expected: list[str]
) -> None:
    names = {1: "lift", 2: "meter"}
    found, at = [], f"/sta/v1.1/Datastreams?$orderby={order}&$top=1&$select=id"
    if "desc" in order and "Observations" in order:  # what has none sorts as nothing does, first
        expected = expected[::-1]
    while at:
        page: Any = client.get(at, headers=RESIDENT).json()
        found += [names[each["@iot.id"]] for each in page["value"]]
        at = page.get("@iot.nextLink")
    assert found == expected
