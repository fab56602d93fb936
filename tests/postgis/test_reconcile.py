"""Two sources of the same buildings: pairs are proposed, decided once, and stay decided."""

from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, Engine, text

from cim.commands.check import examine
from cim.commands.reconcile import reconcile
from cim.store.queries import matches
from tests.postgis.conftest import Bring

M = 1e-5
"""Degrees, about a metre."""


def box(x: float, y: float, width: float = 20, depth: float = 12) -> str:
    """A footprint as text; metres from a corner of the town."""
    west, south, east, north = 120 + x * M, 31 + y * M, 120 + (x + width) * M, 31 + (y + depth) * M
    return f"POLYGON(({west} {south},{east} {south},{east} {north},{west} {north},{west} {south}))"


def houses(*rows: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"id": key, "wkt": shape, "floors": 6} for key, shape in rows]


def two_sources(bring: Bring) -> dict[str, int]:
    """A survey and a register: a house alike, one moved by half, one in each alone, one by code."""
    survey = houses(("A", box(0, 0)), ("B", box(50, 0)), ("C", box(100, 0)), ("K", box(200, 0)))
    register = houses(
        ("1", box(0.5, 0)), ("2", box(60.5, 0)), ("4", box(150, 0)), ("K", box(230, 0))
    )  # fmt: skip
    for source, rows in (("survey", survey), ("register", register)):
        bring("buildings", rows, source=source, crs="EPSG:4490", fields={"floors_above": "floors"})
    return {name: id for id, name, _ in bring.rows(str(matches.SOURCES))}


def proposed(bring: Bring, pair: dict[str, int], least: int = 20) -> dict[tuple[str, str], int]:
    bring.connection.execute(matches.FORGET, pair)
    bring.connection.execute(matches.PROPOSE, pair | {"least": least})
    asked = pair | {"decision": None, "limit": 100, "offset": 0}
    found = bring.connection.execute(matches.LIST, asked).mappings()
    return {(row["a_key"], row["b_key"]): row["score"] for row in found}


def test_pairs_are_proposed_by_overlap_and_by_code(bring: Bring) -> None:
    ids = two_sources(bring)
    found = proposed(bring, {"a": ids["survey"], "b": ids["register"]})
    assert list(found) == [("A", "1"), ("K", "K"), ("B", "2")]
    assert found["A", "1"] >= 70 > found["K", "K"] == 30 > found["B", "2"] > 20


def test_the_same_building_in_both_has_the_highest_score(bring: Bring) -> None:
    for source in ("one", "two"):
        bring("buildings", houses(("H7", box(0, 0))), source=source, crs="EPSG:4490",
              fields={"floors_above": "floors"})  # fmt: skip
    ids = {name: id for id, name, _ in bring.rows(str(matches.SOURCES))}
    assert proposed(bring, {"a": ids["one"], "b": ids["two"]}) == {("H7", "H7"): 100}


def test_a_decision_outlives_new_proposals_and_silences_the_check(bring: Bring) -> None:
    ids = two_sources(bring)
    pair = {"a": ids["survey"], "b": ids["register"]}
    proposed(bring, pair)

    def doubled(connection: Connection) -> int:
        for table in ("measured_plan", "found"):
            connection.execute(text(f"DROP TABLE IF EXISTS {table}"))
        result = examine(connection)
        return next(e["count"] for e in result["findings"] if e["name"] == "duplicate_buildings")

    assert doubled(bring.connection) == 1
    alike = bring.rows("SELECT id FROM platform.match ORDER BY score DESC LIMIT 1")[0][0]
    decided = {"ids": [alike], "decision": "different", "by": "desk"}
    assert bring.connection.execute(matches.DECIDE, decided).rowcount == 1
    assert doubled(bring.connection) == 0
    proposed(bring, pair)
    kept = f"SELECT decision, decided_by FROM platform.match WHERE id = {alike}"
    assert bring.rows(kept) == [("different", "desk")]


def test_only_pairs_without_a_rival_are_accepted_at_once(bring: Bring) -> None:
    twice = houses(("A", box(0, 0)), ("B", box(50, 0)))
    rivals = houses(("1", box(0, 0)), ("2", box(0, 0.1)), ("3", box(50, 0)))
    for source, rows in (("one", twice), ("two", rivals)):
        bring("buildings", rows, source=source, crs="EPSG:4490", fields={"floors_above": "floors"})
    ids = {name: id for id, name, _ in bring.rows(str(matches.SOURCES))}
    pair = {"a": ids["one"], "b": ids["two"]}
    assert len(proposed(bring, pair)) == 3
    asked = pair | {"least": 60, "decision": "same", "by": "desk"}
    assert bring.connection.execute(matches.ACCEPT, asked).rowcount == 1
    same = "SELECT b.ext_id FROM platform.match m JOIN city.building b ON b.id = m.b_id " \
           "WHERE decision = 'same'"  # fmt: skip
    assert bring.rows(same) == [("3",)]


def test_the_command_goes_from_proposal_to_decision(
    engine: Engine,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    tmp_path: Any,
) -> None:
    monkeypatch.setenv("CIM_DATABASE_URL", database_url)
    monkeypatch.setenv("CIM_DATA_DIR", str(tmp_path))
    with engine.begin() as connection:
        two_sources(Bring(connection, settings, tmp_path))
    run = CliRunner().invoke
    dry = run(reconcile, ["propose", "survey", "register", "--dry-run"])
    assert dry.exit_code == 0 and "试运行" in dry.output
    assert "cim reconcile propose" in run(reconcile, ["list"]).output
    made = run(reconcile, ["propose", "survey", "register", "--least", "60"])
    assert made.exit_code == 0
    turned = run(reconcile, ["propose", "register", "survey", "--least", "60"])
    assert turned.output == made.output, "the other way round they are the same pairs"
    listed = run(reconcile, ["list"])
    assert "A" in listed.output and "待定" in listed.output
    accepted = run(reconcile, ["accept", "register", "survey", "--above", "60"])
    assert accepted.output.startswith("1 pairs: same")
    with engine.connect() as connection:
        key = connection.execute(text("SELECT id FROM platform.match")).scalar_one()
    assert run(reconcile, ["decide", str(key), "proposed"]).exit_code == 0
    unknown = run(reconcile, ["decide", "999999", "same"])
    assert "没有编号为 999999" in str(getattr(unknown.exception, "zh", unknown.output))
