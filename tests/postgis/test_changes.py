"""The change feed: every change once, in an order that nothing joins later, whoever writes."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text

from cim.errors import Gone, StoreError
from cim.settings import Settings
from cim.store import changes
from cim.store.changes import Ask, Change, Page

BOX = "ST_Multi(ST_MakeEnvelope(113.88, 22.92, 113.881, 22.921, 4490))"
HOUSE = f"""
    INSERT INTO city.building (name, footprint, footprint_area, height, height_method,
        floors_above, floors_method)
    SELECT :name || n, {BOX}, 100, 3, 'given', 1, 'given'
    FROM generate_series(1, :many) n RETURNING id"""
BEGAN_ALONE = """
    SELECT id FROM city.building b WHERE id = ANY(:ids) AND NOT EXISTS (SELECT FROM city.building o
    WHERE o.created_at = b.created_at AND left(o.name, 1) <> left(b.name, 1))"""


@pytest.fixture(autouse=True)
def clean(engine: Engine) -> Iterator[None]:
    yield
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE city.building, city.device CASCADE"))
        connection.execute(text("TRUNCATE platform.change"))
        connection.execute(text("UPDATE platform.change_span SET xid = '2'"))


def houses(connection: Connection, many: int = 1, name: str = "H") -> list[int]:
    made = connection.execute(text(HOUSE), {"name": name, "many": many})
    return [row.id for row in made]


def page(engine: Engine, after: str | None, **ask: Any) -> Page:
    with engine.connect() as connection:
        return changes.run(connection, changes.read(Ask(after, **ask)))


def latest(engine: Engine) -> str:
    return page(engine, "latest").next


def everything(engine: Engine, after: str | None, **ask: Any) -> list[Change]:
    found: list[Change] = []
    while True:
        here = page(engine, after, **ask)
        found += here.changes
        if not here.more:
            return found
        after = here.next


def test_a_change_says_what_when_and_which_fields(engine: Engine) -> None:
    begin = latest(engine)
    with engine.begin() as connection:
        (house,) = houses(connection)
    with engine.begin() as connection:
        put = "UPDATE city.building SET floors_above = 4, use_code = 'office' WHERE id = :id"
        connection.execute(text(put), {"id": house})
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET ended_at = now()"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET ended_at = NULL"))
    made, changed, ended, back = everything(engine, begin)
    assert [one.kind for one in (made, changed, ended, back)] == [
        "created", "changed", "ended", "created",
    ]  # fmt: skip
    assert {one.collection for one in (made, changed, ended)} == {"buildings"}
    assert {one.id for one in (made, changed, ended, back)} == {house}
    assert set(changed.fields or ()) == {"floors_above", "use"}
    assert made.bbox == pytest.approx((113.88, 22.92, 113.881, 22.921), abs=1e-5)
    assert made.transaction < changed.transaction < ended.transaction
    assert everything(engine, changed.position) == [ended, back]


def test_what_changes_nothing_tells_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        houses(connection)
    begin = latest(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET updated_at = now(), name = name"))
    assert everything(engine, begin) == []


def test_where_it_was_and_where_it_is_are_in_the_extent(engine: Engine) -> None:
    with engine.begin() as connection:
        houses(connection)
    begin = latest(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET footprint = ST_Translate(footprint,1,0)"))
    (moved,) = everything(engine, begin)
    assert moved.fields == ("geometry",)
    assert moved.bbox == pytest.approx((113.88, 22.92, 114.881, 22.921), abs=1e-5)
    assert everything(engine, begin, bbox=(113.0, 22.0, 113.9, 23.0)) == [moved]
    assert everything(engine, begin, bbox=(115.0, 22.0, 116.0, 23.0)) == []


def test_a_mass_of_new_objects_is_one_line_and_is_read_page_by_page(engine: Engine) -> None:
    begin = latest(engine)
    with engine.begin() as connection:
        made = houses(connection, 2500)
        (later,) = houses(connection, name="later")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM platform.change")).scalar() == 2
    after, found, pages = begin, [], 0
    while True:
        here = page(engine, after, limit=700)
        found += [change.id for change in here.changes]
        pages += 1
        if not here.more:
            break
        after = here.next
    assert found == [*made, later] and pages >= 4
    middle = page(engine, begin, limit=1000).changes[499]
    assert [one.id for one in everything(engine, middle.position)] == found[500:]


def test_those_of_a_mass_that_changed_since_are_told_of_further_on(engine: Engine) -> None:
    with engine.begin() as connection:
        made = houses(connection, 100_000)
    begin = latest(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET built_year = 2001, updated_at = now()"))
    with engine.connect() as connection:
        lines = "SELECT count(*) FROM platform.change WHERE op = 'update'"
        assert connection.execute(text(lines)).scalar() == 1
    first = page(engine, begin, limit=3)
    assert [(one.id, one.fields) for one in first.changes] == [
        (id, ("built_year",)) for id in made[:3]
    ]
    with engine.begin() as connection:
        put = "UPDATE city.building SET height = 9, updated_at = now() WHERE id = :id"
        connection.execute(text(put), {"id": made[3]})
    rest = everything(engine, first.next, limit=1000)
    assert [one.id for one in rest] == [*made[4:], made[3]]


def test_what_a_transaction_makes_and_takes_away_never_was(engine: Engine) -> None:
    begin = latest(engine)
    with engine.begin() as connection:
        houses(connection)
        connection.execute(text("DELETE FROM city.building"))
    assert everything(engine, begin) == []


def test_an_emptied_collection_is_to_be_read_anew(engine: Engine) -> None:
    begin = latest(engine)
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE city.parcel CASCADE"))
    told = [(one.collection, one.id, one.kind) for one in everything(engine, begin)]
    assert ("parcels", None, "reset") in told


def test_a_rolled_back_change_is_not_told(engine: Engine) -> None:
    begin = latest(engine)
    with engine.connect() as connection, connection.begin() as transaction:
        houses(connection)
        transaction.rollback()
    assert everything(engine, begin) == []


def test_a_reader_waits_for_the_older_transaction_and_misses_nothing_of_it(engine: Engine) -> None:
    begin = latest(engine)
    with engine.connect() as slow, slow.begin() as transaction:
        (first,) = houses(slow, name="slow")  # it has its number now, and is not committed
        with engine.begin() as quick:
            (second,) = houses(quick, name="quick")
        seen = page(engine, begin)
        assert seen.changes == [] and not seen.more
        transaction.commit()
    assert [one.id for one in everything(engine, seen.next)] == [first, second]


def test_a_writer_in_another_database_is_not_waited_for(engine: Engine, url_of: Any) -> None:
    begin = latest(engine)
    with psycopg.connect(url_of("postgres")) as elsewhere:
        elsewhere.execute("SELECT pg_current_xact_id()")
        with engine.begin() as connection:
            made = houses(connection)
        assert everything(engine, begin)[0].id == made[0]
        elsewhere.rollback()


def test_what_is_followed_comes_as_lines(engine: Engine, settings: Settings) -> None:
    begin = latest(engine)
    with engine.begin() as connection:
        made = houses(connection, 2)
    where = os.environ | {
        "CIM_DATABASE_URL": settings.database_url or "", "CIM_DATA_DIR": str(settings.data_dir),
    }  # fmt: skip
    cim = [sys.executable, "-m", "cim", "changes"]
    shown = subprocess.run(
        [*cim, "show", "--after", begin], env=where, capture_output=True, text=True, check=True
    )
    assert [json.loads(line)["id"] for line in shown.stdout.splitlines()] == made
    after = shown.stderr.rpartition("next: ")[2].strip()
    follow = subprocess.Popen(
        [*cim, "follow", "--after", after], env=where, stdout=subprocess.PIPE, text=True
    )
    with engine.begin() as connection:
        (later,) = houses(connection)
    assert follow.stdout is not None
    assert json.loads(follow.stdout.readline())["id"] == later
    follow.send_signal(signal.SIGINT)
    assert follow.wait(10) == 0
    follow.stdout.close()


def test_many_writers_at_once_and_a_reader_who_goes_on(engine: Engine) -> None:
    begin = latest(engine)
    stop = Event()
    written: list[int] = []

    def write(seed: int) -> None:
        chance = random.Random(seed)
        for turn in range(25):
            with engine.connect() as connection, connection.begin() as transaction:
                made = houses(connection, chance.choice((1, 1, 2, 1200)), f"{seed}-{turn}-")
                time.sleep(chance.random() * 0.02)
                more = houses(connection, 1, f"{seed}-{turn}+")
                if chance.random() < 0.2:
                    transaction.rollback()
                else:
                    transaction.commit()
                    written.extend([*made, *more])

    found: list[int] = []
    places: list[str] = []

    def read() -> None:
        after = begin
        while True:
            last = stop.is_set()
            here = page(engine, after, limit=500)
            found.extend(change.id for change in here.changes if change.id is not None)
            after = here.next
            places.append(after)
            if last and not here.more:
                return

    with ThreadPoolExecutor(7) as pool:
        reading = pool.submit(read)
        try:
            list(pool.map(write, range(6)))
        finally:
            stop.set()
        reading.result()
    assert set(found) == set(written)
    twice = [id for id, times in Counter(found).items() if times > 1]
    with engine.connect() as connection:  # none but where two began in the same microsecond
        assert connection.execute(text(BEGAN_ALONE), {"ids": twice}).all() == []
    ordered = [tuple(map(int, place.split(".")[1:])) for place in places]
    assert ordered == sorted(ordered)


WRITER = """
import itertools, sys, sqlalchemy as sa
engine = sa.create_engine(sys.argv[1].replace('postgresql:', 'postgresql+psycopg:', 1))
for n in itertools.count(1):
    with engine.begin() as connection:
        connection.execute(sa.text(sys.argv[2]), {'name': f'k{n}-', 'many': 1 + n % 3})
    print(n, flush=True)
"""


def test_writers_that_are_killed_lose_nothing_that_was_kept(
    engine: Engine, settings: Settings
) -> None:
    begin = latest(engine)
    after, found = begin, []
    for _ in range(3):
        url = settings.database_url or ""
        child = subprocess.Popen([sys.executable, "-c", WRITER, url, HOUSE], stdout=subprocess.PIPE)
        assert child.stdout is not None
        while int(child.stdout.readline()) < 20:
            here = page(engine, after)
            found += [change.id for change in here.changes]
            after = here.next
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    until = time.monotonic() + 10
    while time.monotonic() < until:  # until the server has noticed that they are gone
        found += [change.id for change in everything(engine, after)]
        after = latest(engine) if not found else page(engine, after).next
        with engine.connect() as connection:
            kept = connection.execute(text("SELECT id FROM city.building ORDER BY id")).scalars()
            known = sorted(found), list(kept)
        if known[0] == known[1]:
            break
    assert known[0] == known[1] and len(known[0]) >= 3 * 20


def test_who_is_too_far_behind_is_told_to_begin_again(engine: Engine) -> None:
    begin = latest(engine)
    with engine.begin() as connection:
        houses(connection, 3)
    middle = latest(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE platform.change SET at = at - interval '2 days'"))
        (last,) = houses(connection)
    with engine.begin() as connection:
        gone = changes.trim(connection, datetime.now(UTC) - timedelta(days=1))
    assert gone == 3
    with pytest.raises(Gone, match="not kept any more") as told:
        page(engine, begin)
    assert "不再保留" in told.value.zh
    assert [one.id for one in everything(engine, middle)] == [last]
    assert [one.id for one in everything(engine, None)] == [last]


def test_a_database_that_was_restored_elsewhere_begins_a_feed_anew(engine: Engine) -> None:
    with engine.begin() as connection:
        made = houses(connection, 2)
    begin = latest(engine)
    with engine.begin() as connection:  # as after a restore: another server, and larger numbers
        connection.execute(text("UPDATE platform.change_span SET server = '1'"))
        connection.execute(text("UPDATE platform.change SET xid = '9000000000'"))
    with pytest.raises(StoreError, match="cim db init"):
        page(engine, None)
    with engine.begin() as connection:
        changes.bring_up(connection)
    with pytest.raises(Gone):
        page(engine, begin)
    assert [one.id for one in everything(engine, None)] == made


def device(connection: Connection, secrecy: int) -> int:
    put = """INSERT INTO city.device (class_code, secrecy, building_id)
             VALUES ('camera', :secrecy, :house) RETURNING id"""
    house = houses(connection)[0]
    return int(connection.execute(text(put), {"secrecy": secrecy, "house": house}).scalar_one())


def test_what_is_not_public_is_told_to_those_who_may_know_of_it(engine: Engine) -> None:
    begin = latest(engine)
    with engine.begin() as connection:
        secret = device(connection, 2)
    asked = {"collections": frozenset({"devices"})}
    assert everything(engine, begin, **asked) == []
    assert everything(engine, begin, sight=[(1, None)], **asked) == []
    assert everything(engine, begin, sight=[(2, ((7,), ()))], **asked) == []
    (told,) = everything(engine, begin, sight=[(2, None)], **asked)
    assert (told.id, told.kind) == (secret, "created")


def test_what_becomes_secret_ends_for_those_who_may_not_know_of_it(engine: Engine) -> None:
    with engine.begin() as connection:
        camera = device(connection, 0)
    begin = latest(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.device SET secrecy = 2"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.device SET name = 'x'"))
    asked = {"collections": frozenset({"devices"})}
    (gone,) = everything(engine, begin, **asked)
    assert (gone.id, gone.kind, gone.bbox, gone.fields) == (camera, "ended", None, None)
    cleared = everything(engine, begin, sight=[(2, None)], **asked)
    assert [(one.kind, one.fields) for one in cleared] == [("changed", ("name",))]
    later = latest(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.device SET secrecy = 0"))
    assert [one.kind for one in everything(engine, later, **asked)] == ["created"]


def test_what_tells_whether_somebody_is_at_home_is_never_told(engine: Engine) -> None:
    with engine.begin() as connection:
        house = houses(connection)[0]
        storey = """INSERT INTO city.storey (building_id, no, label, elev_bottom, elev_top, status)
                    VALUES (:house, 1, '1', 0, 3, 'generated') RETURNING id"""
        of = {"house": house}
        of["storey"] = connection.execute(text(storey), of).scalar_one()
        put = """INSERT INTO city.unit (building_id, storey_id, room_no, kind, geom_status)
                 VALUES (:house, :storey, '101', 'residential', 'none')"""
        connection.execute(text(put), of)
    begin = latest(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.unit SET occupancy_status = '空置'"))
        connection.execute(text("UPDATE city.unit SET room_no = '102', occupancy_status = '自住'"))
    (told,) = everything(engine, begin)
    assert told.fields == ("room_no",)
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT before FROM platform.change WHERE op = 'update'"))
        assert [row.before for row in kept] == [None, {"room_no": "101"}]
