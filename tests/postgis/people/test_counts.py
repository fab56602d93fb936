"""How many live in a building, as it may be told: in fives, by an offset that nobody knows."""

import numpy as np
import pytest
import shapely
from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import ProgrammingError

from cim.geometry.cover import cover
from cim.model.buildings import building

ONE = "SRID=4490;MULTIPOLYGON(((0 0,0.001 0,0.001 0.001,0 0.001,0 0)))"
FAR = "SRID=4490;MULTIPOLYGON(((5 5,5.001 5,5.001 5.001,5 5.001,5 5)))"
HOUSES = 2000


@pytest.fixture
def houses(connection: Connection) -> None:
    """Two thousand houses; nobody lives there yet."""
    plain = {"height": 3.0, "height_method": "default", "floors_above": 1}
    plain |= {"floors_method": "default", "footprint_area": 100.0, "footprint": ONE}
    connection.execute(insert(building), [{"id": n, **plain} for n in range(1, HOUSES + 1)])


def live(connection: Connection, people: str, condition: str = "true") -> None:
    """So many live in each house `n`; the sums are written as the loader writes them."""
    connection.execute(
        text(
            f"""INSERT INTO city.building_pop (building_id, units, residents)
            SELECT n, 1, {people} FROM generate_series(1, {HOUSES}) n WHERE {condition}
            ON CONFLICT (building_id) DO UPDATE SET residents = excluded.residents"""
        )
    )


def told(connection: Connection) -> dict[int, int]:
    """What is told of each house; what has no row is told as none."""
    found = connection.execute(text("SELECT building_id, people FROM city.building_people"))
    return dict.fromkeys(range(1, HOUSES + 1), 0) | {row[0]: row[1] for row in found}


@pytest.mark.parametrize("people", [1, 2, 3, 4, 5, 6, 9, 10, 23])
def test_what_is_told_is_a_five_next_to_the_number_and_on_average_the_number(
    connection: Connection, houses: None, people: int
) -> None:
    live(connection, str(people))
    numbers = list(told(connection).values())
    below = people // 5 * 5
    assert set(numbers) == ({below, below + 5} if people % 5 else {people})
    assert sum(numbers) / HOUSES == pytest.approx(people, abs=0.25)


def test_below_five_every_number_is_told_as_none_somewhere_and_none_always_is(
    connection: Connection, houses: None
) -> None:
    live(connection, "n % 5")
    numbers = told(connection)
    for people in range(1, 5):
        of_these = {numbers[n] for n in numbers if n % 5 == people}
        assert of_these == {0, 5}
    assert {numbers[n] for n in numbers if n % 5 == 0} == {0}


def test_the_same_number_is_told_alike_whatever_happened_between(
    connection: Connection, houses: None
) -> None:
    live(connection, "3")
    before = told(connection)
    live(connection, "8")
    risen = told(connection)
    assert all(risen[n] == before[n] + 5 for n in before)  # the offset stays
    live(connection, "3")
    assert told(connection) == before
    live(connection, "0")
    assert set(told(connection).values()) == {0}


def test_one_more_or_less_is_seen_in_one_house_of_five(
    connection: Connection, houses: None
) -> None:
    live(connection, "3")
    before = told(connection)
    live(connection, "4")
    changed = sum(told(connection)[n] != before[n] for n in before)
    assert changed / HOUSES == pytest.approx(0.2, abs=0.04)


def test_a_house_that_moves_or_ends_takes_its_people_along(
    connection: Connection, houses: None
) -> None:
    live(connection, "50", "n <= 2")
    change = "UPDATE city.building SET {} WHERE id = 1"
    connection.execute(text(change.format("footprint = :shape")), {"shape": FAR})
    place = text("SELECT ST_X(at) FROM city.building_people WHERE building_id = 1")
    assert connection.execute(place).scalar_one() == pytest.approx(5.0005)
    connection.execute(text(change.format("ended_at = now()")))
    assert told(connection)[1] == 0 and told(connection)[2] == 50
    connection.execute(text(change.format("ended_at = NULL")))
    assert told(connection)[1] == 50
    connection.execute(text("DELETE FROM city.building_pop WHERE building_id = 1"))
    assert told(connection)[1] == 0


@pytest.mark.parametrize(
    ("lon", "lat"), [(113.88, 22.92), (-180.0, -90.0), (180.0, 90.0), (0.0, 0.0), (-0.1, 89.9)]
)
def test_a_place_has_the_key_of_its_cell(connection: Connection, lon: float, lat: float) -> None:
    asked = text("SELECT city.place_key(ST_SetSRID(ST_Point(:lon, :lat), 4490))")
    found = connection.execute(asked, {"lon": lon, "lat": lat}).scalar_one()
    around = cover(shapely.Point(lon, lat).buffer(1e-4))
    runs = np.concatenate([around.inside, around.edge])
    assert ((runs[:, 0] <= found) & (found < runs[:, 1])).any()


def test_another_city_with_the_same_people_tells_other_numbers(
    connection: Connection, houses: None
) -> None:
    live(connection, "3")
    before = told(connection)
    connection.execute(text("UPDATE security.secret SET value = sha256('another')"))
    live(connection, "0")
    live(connection, "3")
    assert 0.2 < sum(told(connection)[n] != before[n] for n in before) / HOUSES < 0.8


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT residents FROM city.building_pop",
        "SELECT * FROM city.building_pop",
        "SELECT value FROM security.secret",
        "SELECT security.told_people('x', 1, 4)",
        "UPDATE city.building_people SET people = 0",
    ],
)
@pytest.mark.parametrize("role", ["cim_reader", "cim_service"])
def test_neither_the_reader_nor_the_service_learns_the_number_itself(
    connection: Connection, role: str, statement: str
) -> None:
    with connection.begin_nested() as attempt:
        connection.execute(text(f"SET LOCAL ROLE {role}"))
        with pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text(statement))
        attempt.rollback()


def test_the_reader_has_units_and_what_may_be_told(connection: Connection) -> None:
    connection.execute(text("SET LOCAL ROLE cim_reader"))
    connection.execute(text("SELECT building_id, units FROM city.building_pop"))
    connection.execute(text("SELECT building_id, people FROM city.building_people"))
