"""The addresses of a file, looked for as a job: each row comes back, matched or with its reason."""

import csv
import io
import subprocess
import sys
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from cim.settings import Settings
from cim.store.incoming import names
from tests.http.test_imports import hand_in
from tests.problems import check_problem

Headers = dict[str, str]

LIST = """序号,姓名,地址
1,甲,东莞市示范路12号示范小区三幢101室
2,乙,东莞市示范路12号示范小区3栋9901室
3,丙,
4,丁,不知道的路77号
5,=1+1,东莞市示范路12号示范小区3栋
"""


@pytest.fixture(scope="module", autouse=True)
def known(client: TestClient, engine: Engine) -> None:
    with engine.begin() as own:
        names.anew(own)


def begin(client: TestClient, headers: Headers, content: str, /, **more: Any) -> Any:
    group = hand_in(client, headers, content.encode(), "名单.csv")
    return client.post("/addresses/match", headers=headers, json={"group": group} | more)


def run(settings: Settings, job: int) -> None:
    """Run a job as the worker does: in a process of its own, told by its standard input."""
    with subprocess.Popen(
        [sys.executable, "-m", "cim.intake.runner", str(job)], stdin=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(settings.model_dump_json().encode() + b"\n")
        process.stdin.flush()
        assert process.wait(60) == 0


def test_every_row_comes_back_with_what_was_found(
    client: TestClient, officer: Headers, other: Headers, settings: Settings
) -> None:
    begun = begin(client, officer, LIST)
    assert begun.status_code == 202, begun.text
    at = begun.headers["location"]
    assert (begun.json()["job"]["state"], begun.json()["result"]) == ("waiting", None)
    check_problem(client.get(f"{at}/result.csv", headers=officer), 404, "no result")
    run(settings, begun.json()["job"]["id"])
    told = client.get(at, headers=officer).json()
    job = told["job"]
    assert (job["state"], job["report"]["read"], job["rows_done"]) == ("done", 5, 5)
    assert job["report"]["mapping"] == {"full_text": "地址"}
    said = {note["zh"] for note in job["report"]["notes"]}
    assert "已匹配：2 行" in said and "没有找到相似地址：2 行" in said
    answer = client.get(told["result"], headers=officer)
    assert answer.headers["cache-control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["序号"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row["match_status"] for row in rows] == [
        "matched",
        "partial",
        "none",
        "none",
        "matched",
    ]
    assert (rows[0]["match_object"], rows[0]["match_object_id"]) == ("unit", "101")
    assert (rows[1]["match_remainder"], rows[1]["match_level"]) == ("9901", "11")
    assert "没有地址" in rows[2]["match_reason"] and "no address" in rows[2]["match_reason"]
    assert float(rows[4]["match_lon"]) == pytest.approx(113.88)
    assert rows[4]["姓名"] == "'=1+1"
    assert rows[0]["姓名"] == "甲"
    for path in (at, told["result"]):
        check_problem(client.get(path, headers=other), 404)
        check_problem(client.get(path), 401)


def test_parts_of_an_address_may_stand_in_columns_of_their_own(
    client: TestClient, officer: Headers, settings: Settings
) -> None:
    content = "小区,栋,室\n示范小区,3栋,101\n"
    begun = begin(client, officer, content, columns=["小区", "栋", "室"], alternatives=0)
    run(settings, begun.json()["job"]["id"])
    told = client.get(begun.headers["location"], headers=officer).json()
    answer = client.get(told["result"], headers=officer).content.decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(answer))
    assert (row["match_status"], row["match_unit_id"]) == ("matched", "101")
    assert row["match_alternatives"] == ""


def test_a_file_without_addresses_fails_with_its_reason(
    client: TestClient, officer: Headers, settings: Settings
) -> None:
    begun = begin(client, officer, "序号,姓名\n1,甲\n")
    run(settings, begun.json()["job"]["id"])
    told = client.get(begun.headers["location"], headers=officer).json()
    error = told["job"]["error"]
    assert (told["job"]["state"], told["result"]) == ("failed", None)
    assert "序号, 姓名" in error["en"] and "请指明" in error["zh"]


def test_a_job_that_waits_is_cancelled_among_the_others(
    client: TestClient, officer: Headers
) -> None:
    begun = begin(client, officer, LIST).json()["job"]
    told = client.post(f"/imports/{begun['id']}/cancel", headers=officer).json()
    assert (told["state"], told["kind"]) == ("cancelled", "address_match")


def test_other_jobs_have_no_matches(client: TestClient, officer: Headers) -> None:
    group = hand_in(client, officer, LIST.encode(), "名单.csv")
    wanted = {"group": group, "kind": "addresses"}
    job = client.post("/imports", headers=officer, json=wanted).json()["id"]
    check_problem(client.get(f"/addresses/match/{job}", headers=officer), 404, "no addresses")
    check_problem(client.get("/addresses/match/999999", headers=officer), 404, "999999")


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({}, "group is required"),
        ({"group": "../../etc"}, "group"),
        ({"group": "x" * 36, "columns": "地址"}, "columns"),
        ({"group": "x" * 36, "columns": ["a"] * 21}, "columns"),
        ({"group": "x" * 36, "columns": ["\x00"]}, "columns"),
        ({"group": "x" * 36, "alternatives": 21}, "alternatives"),
        ({"group": "x" * 36, "alternatives": -1}, "alternatives"),
        ({"group": "x" * 36, "kind": "people"}, "kind"),
    ],
)
def test_what_is_malformed_is_refused_by_its_name(
    client: TestClient, officer: Headers, body: dict[str, Any], part: str
) -> None:
    check_problem(client.post("/addresses/match", headers=officer, json=body), 422, part)


def test_a_group_that_nobody_sent_is_not_there(client: TestClient, officer: Headers) -> None:
    answer = client.post("/addresses/match", headers=officer, json={"group": "x" * 36})
    check_problem(answer, 404, "no such group")
