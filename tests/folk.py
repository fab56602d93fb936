"""Two towns with a few people, and the database asked for them as the service asks."""

from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, insert, text

from cim.model import buildings, people, places
from cim.privacy import Vault

TABLES = ("person", "residency", "household", "tenure")
VAULT = Vault(bytes(range(32)))
NUMBER = "99000019800101001X"

Session = psycopg.Connection[Any]


def add(connection: Connection, table: Any, *rows: dict[str, Any]) -> None:
    for row in rows:
        connection.execute(insert(table).values(**row))


def sealed(value: str, field: str = "name") -> bytes:
    (found,) = VAULT.encrypt([value], f"person.{field}")
    assert found is not None
    return found


def hashed(number: str) -> bytes:
    (found,) = VAULT.hash([number], "person.id_no")
    assert found is not None
    return found


def load_city(connection: Connection) -> None:
    """Two towns with a building each; in the first, one unit with three people and an empty one."""
    add(
        connection,
        places.admin_area,
        {"id": 1, "code": "441900", "level": 3, "name": "市"},
        {"id": 2, "code": "441900001", "level": 4, "name": "东镇", "parent_id": 1},
        {"id": 3, "code": "441900002", "level": 4, "name": "西镇", "parent_id": 1},
    )
    outline = "SRID=4490;MULTIPOLYGON(((113 22,113.001 22,113.001 22.001,113 22)))"
    for id, area in ((1, 2), (2, 3)):
        building = {"id": id, "admin_area_id": area, "footprint": outline, "footprint_area": 9.0}
        building |= {"height": 3.0, "height_method": "given"}
        building |= {"floors_above": 1, "floors_method": "given"}
        add(connection, buildings.building, building)
        storey = {"id": id, "building_id": id, "no": 1, "label": "1", "status": "generated"}
        add(connection, buildings.storey, storey | {"elev_bottom": 0.0, "elev_top": 3.0})
    for id, building in ((11, 1), (12, 1), (21, 2)):
        unit = {"id": id, "building_id": building, "storey_id": building, "room_no": str(id)}
        add(connection, buildings.unit, unit | {"kind": "residential", "geom_status": "none"})


def load_people(connection: Connection) -> None:
    """甲, 乙 and the child 丙 live in unit 11, 丁 in the other town."""
    for id, name, year in ((1, "甲", 1980), (2, "乙", 1981), (3, "丙", 2020), (4, "丁", 1983)):
        number = NUMBER if id == 1 else f"9900001980010100{id}X"
        person = {"id": id, "name_enc": sealed(name), "name_mask": f"{name}*", "birth_year": year}
        person |= {"id_no_enc": sealed(number, "id_no"), "id_no_hash": hashed(number)}
        person |= {"id_no_mask": "9900****", "is_minor14": id == 3}
        add(connection, people.person, person)
    for id, unit, building in ((1, 11, 1), (2, 11, 1), (3, 11, 1), (4, 21, 2)):
        home = {"person_id": id, "unit_id": unit, "building_id": building, "role": "成员"}
        add(connection, people.residency, home)
    add(connection, people.household, {"unit_id": 11, "head_person_id": 1}, {"unit_id": 21})
    for person, unit in ((1, 11), (4, 21)):
        right = {"unit_id": unit, "party_type": "person", "party_id": person, "kind": "产权"}
        add(connection, people.tenure, right)


def seen(service: Session, table: str = "person") -> int:
    found = service.execute(f"SELECT count(id) FROM pii.{table}").fetchone()
    assert found is not None
    return int(found[0])


def opened(
    service: Session, proof: str, what: str = "unit", id: int | None = 11, **ask: Any
) -> Any:
    given = {"purpose": "emergency", "numbers": None, "plain": False} | ask
    found = service.execute(
        "SELECT security.open_people(%(proof)s, %(purpose)s, %(what)s, %(id)s, %(numbers)s,"
        " %(plain)s)",
        given | {"proof": proof, "what": what, "id": id},
    ).fetchone()
    assert found is not None
    return found[0]


def last_line(engine: Engine) -> Any:
    with engine.connect() as connection:
        return connection.execute(
            text("SELECT * FROM security.audit_log WHERE event LIKE 'people%' ORDER BY at DESC")
        ).first()
