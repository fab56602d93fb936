"""What the names in a model mean: storeys, rooms, and which rooms are one flat."""

import pytest

from cim.load.models import names
from cim.load.models.model import Space


def space(name: str, long_name: str = "", **said: str | None) -> Space:
    zone, flat = said.get("zone"), said.get("flat")
    return Space(f"guid {name}", name, long_name or None, "s", zone, flat, None, 0.0, 3.0, 0.0)


@pytest.mark.parametrize(
    ("called", "elevations", "numbers"),
    [
        (["Erdgeschoss", "Dachgeschoss"], [0.0, 2.7], [1, 2]),
        (["地下一层", "首层", "二层", "三层"], [-3.9, 0.0, 3.9, 7.2], [-1, 1, 2, 3]),
        (["B2", "B1", "1F", "2F", "3A"], [-8.0, -4.0, 0.0, 4.0, 8.0], [-2, -1, 1, 2, 3]),
        (["Level 1", "Level 2", "Level 4"], [0.0, 4.0, 8.0], [1, 2, 3]),
        (["", ""], [0.0, 3.0], [1, 2]),
        (["Keller", "Wohnen"], [-2.8, 0.1], [-1, 1]),
        (["00 Ground Floor", "01 First Floor"], [12.0, 15.5], [1, 2]),
        (["Level 0", "Level 1", "Level 2"], [0.0, 3.5, 7.0], [1, 2, 3]),
        (["Parterre", "Floor 1", "Floor 2"], [0.0, 3.0, 6.0], [1, 2, 3]),
        (["Parking", "0", "1"], [-0.5, 2.5, 5.5], [-1, 1, 2]),
        (["十层", "十一层"], [30.0, 33.0], [1, 2]),
        (["deep", "deeper"], [-9.0, -5.0], [-1, 1]),
    ],
)
def test_storeys_are_counted_from_the_ground_floor_in_any_language(
    called: list[str], elevations: list[float], numbers: list[int]
) -> None:
    assert names.storey_numbers(called, elevations) == numbers


def test_a_zone_is_believed_before_a_property_and_a_property_before_a_name() -> None:
    rooms = [
        space("A101", "Kitchen", zone="House 1", flat="left"),
        space("A102", "Bedroom", zone="House 1", flat="left"),
    ]
    assert names.flats(rooms)[1] == "zones"
    bare = [space("A101", "Kitchen", flat="left"), space("A102", "Bedroom", flat="left")]
    assert names.flats(bare) == ({"guid A101": "left", "guid A102": "left"}, "properties")


def test_rooms_of_one_letter_are_a_flat_where_somebody_can_live_in_them() -> None:
    homes = [
        space("A101", "Living Room"), space("A102", "Kitchen"), space("A201", "Bedroom"),
        space("B101", "Living Room"), space("B102", "Kitchen"), space("B201", "Bedroom"),
    ]  # fmt: skip
    told, how = names.flats(homes)
    assert how == "names" and set(told.values()) == {"A", "B"} and told["guid A201"] == "A"
    wing = [space(f"B{100 + n}", "Office") for n in range(4)]
    told, how = names.flats(wing)
    assert how == "spaces" and told["guid B101"] == "B101"


def test_a_number_before_the_room_is_the_flat_it_is_in() -> None:
    rooms = [space("801-1", "客厅"), space("801-2", "厨房"), space("802-1", "卧室"),
             space("802-2", "卫生间")]  # fmt: skip
    assert set(names.flats(rooms)[0].values()) == {"801", "802"}


def test_the_rooms_of_a_single_home_are_one_unit_and_its_roof_is_none() -> None:
    rooms = [space("1", "Wohnen"), space("2", "Küche"), space("3", "Schlafzimmer"),
             space("4", "Roof")]  # fmt: skip
    told, how = names.flats(rooms)
    assert how == "home" and set(told.values()) == {"1"} and "guid 4" not in told


def test_without_any_sign_each_room_is_a_unit() -> None:
    told, how = names.flats([space("1", "Room"), space("2", "Room")])
    assert how == "spaces" and list(told.values()) == ["1", "2"]
    assert names.flats([]) == ({}, "spaces")


@pytest.mark.parametrize(
    ("rooms", "kind"),
    [
        ([space("1", "Office")], "office"),
        ([space("P1", "车位")], "parking"),
        ([space("1", "Room")], "public"),
        ([space("1", "Wohnen"), space("2", "Küche")], "residential"),
        ([space("1", "主卧")], "residential"),
        ([space("1", "WC")], "public"),
    ],
)
def test_what_a_unit_is_for_is_told_by_its_rooms(rooms: list[Space], kind: str) -> None:
    assert names.unit_kind(rooms) == kind
