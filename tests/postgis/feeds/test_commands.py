"""`cim device` and `cim feed`, as somebody types them."""

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from cim.cli import main
from cim.errors import NotFound
from cim.feeds import devices
from cim.feeds.broker import hashed
from cim.settings import Settings
from tests.feeding import NOW, Ingester, furnish


@pytest.fixture(scope="module")
def city(engine: Engine) -> Engine:
    furnish(engine)
    with engine.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO city.facility (id, name, class_code, geom, source_id, ext_id) VALUES
                (7601, '甲', 'other', 'SRID=4490;POINT(1 1)', 700, 'F-1'),
                (7602, '乙', 'other', 'SRID=4490;POINT(1 1)', 700, 'F-2');
            INSERT INTO city.estate (id, name, source_id, ext_id)
                VALUES (7501, '松山湖花园', 700, 'E-1')""")
        )
    return engine


@pytest.fixture
def cim(city: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("CIM_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(settings.data_dir))
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


def rows(city: Engine, sql: str) -> list[tuple[Any, ...]]:
    with city.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def test_a_device_is_registered_with_the_streams_of_its_class(
    cim: Callable[..., Result], city: Engine
) -> None:
    words = ("device", "register", "--class", "smoke", "--id", "s-9", "--source", "设备平台")
    assert cim(*words, "--dry-run").exit_code == 0
    find = "SELECT id FROM city.device WHERE ext_id = 's-9'"
    assert rows(city, find) == []
    done = cim(*words, "--bind", "facility:F-1", "--gateway", "gateway-1")
    assert done.exit_code == 0, done.output
    assert "6 streams" in done.output
    made = rows(
        city,
        """SELECT d.class_code, d.bind_type, d.bind_id, d.building_id, d.gateway_id,
            (SELECT string_agg(name, ' ' ORDER BY name) FROM city.datastream t
             WHERE t.device_id = d.id) FROM city.device d WHERE d.ext_id = 's-9'""",
    )
    streams = "alarm battery density fault rssi temperature"
    assert made == [("smoke", "facility", 7601, None, 7003, streams)]


def test_a_file_of_devices_goes_the_road_of_all_files(
    cim: Callable[..., Result], city: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "devices.csv"
    told = "设备编号,类别,绑定对象,设施编号", "w-1,水表,设施,F-1", "w-2,水表,设施,F-9"
    path.write_text("\n".join(told), "utf-8")
    done = cim("device", "register", path, "--source", "设备平台")
    assert "1 new, 0 changed, 1 set aside" in done.output, done.output
    streams = """SELECT count(*) FROM city.datastream t JOIN city.device d ON d.id = t.device_id
        WHERE d.ext_id = 'w-1'"""
    assert rows(city, streams) == [(6,)]


def test_what_a_device_was_bound_to_is_kept(cim: Callable[..., Result], city: Engine) -> None:
    for to in ("facility:F-1", "facility:F-2", "estate:#7501"):
        assert cim("device", "bind", "lift-1", to).exit_code == 0
    shown = cim("device", "bind", "lift-1").output
    assert "facility:#7601" in shown and "facility:#7602" in shown and "estate:#7501" in shown
    kept = rows(
        city,
        "SELECT bind_type, bind_id, valid_to IS NULL FROM city.device_binding "
        "WHERE device_id = 7002 AND bind_id IS NOT NULL ORDER BY valid_from",
    )
    assert kept == [("facility", 7601, False), ("facility", 7602, False), ("estate", 7501, True)]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("bind", "nobody", "facility:F-1"), "There is no device nobody"),
        (("bind", "lift-1", "facility:F-77"), "There is no facility F-77"),
        (("bind", "lift-1", "castle:1"), "kinds are"),
        (("bind", "lift-1", "entrance:E-1"), "by our id"),
        (("key", "nobody"), "没有设备"),
        (("key", "meter-1", "--until", "2020-01-01"), "将来"),
        (("register",), "Name a file"),
        (("register", "--class", "smokey", "--id", "s-99"), "There is no class smokey"),
    ],
)
def test_what_cannot_be_is_said(
    cim: Callable[..., Result], words: tuple[str, ...], sentence: str
) -> None:
    done = cim("device", *words)
    assert done.exit_code != 0
    assert sentence in done.output or sentence in str(getattr(done.exception, "zh", "")) or (
        sentence in str(done.exception)
    )  # fmt: skip


def test_a_key_is_shown_once_and_the_one_before_ends(
    cim: Callable[..., Result], city: Engine
) -> None:
    first, second = (json.loads(cim("device", "key", "meter-1").output) for _ in range(2))
    assert first["user"] == second["user"] == "meter-1"
    assert first["key"] != second["key"]
    kept = rows(
        city,
        "SELECT prefix, encode(digest, 'hex'), broker_hash, ended_at IS NULL "
        "FROM platform.device_key WHERE device_id = 7001 ORDER BY id",
    )
    assert [good for *_, good in kept] == [False, True]
    assert second["key"] not in str(kept) and second["key"].startswith(kept[1][0])
    salt = b64decode(kept[1][2].split("$")[3])
    assert hashed(second["key"], salt) == kept[1][2]
    assert "ended" in cim("device", "key", "meter-1", "--end").output


def test_a_name_that_no_topic_takes_is_another_user(
    cim: Callable[..., Result], city: Engine
) -> None:
    with city.begin() as connection:
        connection.execute(
            text("""INSERT INTO city.device (id, class_code, source_id, ext_id)
                VALUES (7009, 'other', 700, 'a/b+#')""")
        )
    assert json.loads(cim("device", "key", "a/b+#").output)["user"] == "device-7009"


def test_a_claim_is_good_once(cim: Callable[..., Result], city: Engine) -> None:
    code = cim("device", "claim", "meter-1").output.splitlines()[-1]
    with city.begin() as connection:
        made = devices.claim(connection, code.lower())
        assert (made.device_id, made.username) == (7001, "meter-1")
        with pytest.raises(NotFound, match="used"):
            devices.claim(connection, code)


def test_a_city_s_own_types_are_taken_over(
    cim: Callable[..., Result], city: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "types.json"
    path.write_text(json.dumps([{"class": "bin", "streams": [{"name": "fill", "high": 120}]}]))
    assert cim("device", "types", "--file", path).exit_code == 0
    shown = json.loads(cim("device", "types", "--class", "bin", "--json").output)
    assert [one["high"] for one in shown if one["name"] == "fill"] == [120]
    path.write_text('[{"class": "bin", "streams": [{"name": "x", "kind": "odd"}]}]')
    assert cim("device", "types", "--file", path).exit_code != 0


def test_a_replay_brings_a_file_and_again_nothing(
    cim: Callable[..., Result], city: Engine, tmp_path: Path
) -> None:
    assert cim("feed", "add", "day", "--decoder", "cim", "--source", "设备平台").exit_code == 0
    path = tmp_path / "day.jsonl"
    lines = [
        {"at": NOW - n, "topic": "", "payload": {"device": "meter-1", "values": {"energy": n}}}
        for n in range(2500)
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    tried = cim("feed", "replay", path, "--feed", "day", "--dry-run").output
    assert "stored: 2,500" in tried and "nothing was kept" in tried, tried
    done = cim("feed", "replay", path, "--feed", "day")
    assert "stored: 2,500" in done.output and done.exit_code == 0
    assert "duplicate: 2,500" in cim("feed", "replay", path, "--feed", "day").output
    assert cim("feed", "replay", path, "--feed", "nobody").exit_code != 0


def test_a_line_of_a_replay_that_is_no_message_is_set_aside_and_the_next_comes_in(
    cim: Callable[..., Result], tmp_path: Path
) -> None:
    cim("feed", "add", "torn", "--decoder", "cim", "--source", "设备平台")
    path = tmp_path / "torn.jsonl"
    good = {"at": NOW + 9, "payload": {"device": "meter-1", "values": {"energy": 7}}}
    path.write_text('{"at": 17, "payl\n' + json.dumps(good))
    assert "not_decodable: 1" in cim("feed", "replay", path, "--feed", "torn", "--dry-run").output
    assert json.loads(cim("feed", "dead", "list", "--feed", "torn", "--json").output) == []
    told = cim("feed", "replay", path, "--feed", "torn").output
    assert "stored: 1" in told and "not_decodable: 1" in told, told
    (letter,) = json.loads(cim("feed", "dead", "list", "--feed", "torn", "--json").output)
    assert letter["payload"] == '{"at": 17, "payl' and "torn.jsonl, line 1" in letter["detail"]


def test_dead_letters_come_in_once_what_was_missing_is_there(
    cim: Callable[..., Result], city: Engine, tmp_path: Path
) -> None:
    cim("feed", "add", "late", "--decoder", "cim", "--source", "设备平台", "--provision", "streams")
    path = tmp_path / "late.jsonl"
    path.write_text(
        '{"device": "m-77", "stream": "a", "value": 1}\n{"device": "m-77", "value": [1]}\n\n'
    )
    first = cim("feed", "replay", path, "--feed", "late")
    assert "no_device: 1" in first.output and first.exit_code == 1
    listed = json.loads(cim("feed", "dead", "list", "--feed", "late", "--json").output)
    assert {one["reason"] for one in listed} == {"no_device", "not_a_value"}
    assert json.loads(listed[0]["payload"])["device"] == "m-77"
    cim("device", "register", "--class", "other", "--id", "m-77", "--source", "设备平台")
    done = cim("feed", "dead", "replay", "--feed", "late")
    again = done.output
    assert "settled: 1" in again and "not_a_value: 1" in again and done.exit_code == 1, again
    left = json.loads(cim("feed", "dead", "list", "--feed", "late", "--json").output)
    assert [(one["reason"], one["tries"]) for one in left] == [("not_a_value", 1)]
    assert "1 dropped" in cim("feed", "dead", "drop", "--feed", "late").output
    assert json.loads(cim("feed", "dead", "list", "--feed", "late", "--json").output) == []
    assert cim("feed", "dead", "drop").exit_code != 0


def test_who_pushed_for_another_s_device_does_not_by_a_replay_either(
    cim: Callable[..., Result], city: Engine, settings: Settings
) -> None:
    cim("feed", "add", "own-2", "--decoder", "cim", "--source", "设备平台")
    sender = Ingester(settings)
    try:
        forged = {"device": "lift-1", "stream": "running", "value": "forged"}
        for topic in ("", "cim/v1/lift-1/lift-1"):  # of a push, the path that its sender chose
            item = sender.item("own-2", forged, topic, "meter-1")
            assert sender.enter([item]).fates.total() == 1
    finally:
        sender.close()
    told = cim("feed", "dead", "replay", "--feed", "own-2").output
    assert "settled" not in told, told
    assert rows(city, "SELECT 1 FROM city.observation WHERE result_text = 'forged'") == []


@pytest.mark.parametrize(
    "words",
    [
        ("Bad Name", "--decoder", "cim"),
        ("x", "--decoder", "castle"),
        ("x", "--decoder", "cim", "--topic", "a/#/b"),
        ("x", "--decoder", "cim", "--map", "nothing"),
        ("x", "--decoder", "cim", "--map", "P=power:castle"),
        ("x", "--decoder", "cim", "--map", "P=power:W:much"),
        ("x", "--decoder", "cim", "--option", "odd"),
    ],
)
def test_a_feed_that_cannot_be_is_refused(
    cim: Callable[..., Result], city: Engine, words: tuple[str, ...]
) -> None:
    assert cim("feed", "add", *words, "--source", "s").exit_code != 0
    assert rows(city, "SELECT name FROM platform.feed WHERE name IN ('x', 'Bad Name')") == []


def test_a_feed_is_listed_and_ended(cim: Callable[..., Result], city: Engine) -> None:
    made = cim("feed", "add", "aep", "--decoder", "ctwing", "--source", "aep", "--key").output
    assert "cim_" in made
    assert "nothing was kept" in cim("feed", "end", "aep", "--dry-run").output
    on = {one["name"]: one["enabled"] for one in json.loads(cim("feed", "list", "--json").output)}
    assert on["aep"] is True
    slip = cim("feed", "end", "eap")
    assert slip.exit_code == 2 and "there are aep" in str(slip.exception) + slip.output
    cim("feed", "end", "aep")
    listed = {one["name"]: one for one in json.loads(cim("feed", "list", "--json").output)}
    assert listed["aep"]["enabled"] is False
    assert made.split()[-1] not in json.dumps(listed)
