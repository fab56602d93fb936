"""Which buildings a load touched: those are derived anew, and a city is not looked through for ten.

Asked in the transaction of the load, while its staging table stands.
"""

from typing import Final

from sqlalchemy import Connection, text

MOST = 100_000
"""Buildings from which naming them costs more than looking at all."""

_MARK: Final = "SELECT coalesce(max(id), 0) FROM platform.change WHERE xid = pg_current_xact_id()"

_SPOKEN_OF: Final = {
    "buildings": """SELECT b.id FROM stage_rows s
                      JOIN city.source_system o ON o.name = :source
                      JOIN city.building b ON b.source_id = o.id AND b.ext_id = s.ext_id""",
    "floors": "SELECT building_id FROM stage_rows",
    "units": "SELECT building_id FROM stage_rows",
    "model": "SELECT id FROM stage_model",
}

_MINE: Final = """
    SELECT * FROM platform.change WHERE xid = pg_current_xact_id() AND id > :mark"""
"""What the load did; of a run (many objects told of at once) the first and the last."""

_CHANGED: Final = """
    SELECT b.id FROM mine c
      JOIN city.building b ON b.id BETWEEN c.object_id AND coalesce(c.until_id, c.object_id)
     WHERE c.object_type = 'building'
    UNION SELECT s.building_id FROM mine c
            JOIN city.storey s ON s.id BETWEEN c.object_id AND coalesce(c.until_id, c.object_id)
           WHERE c.object_type = 'storey'
    UNION SELECT u.building_id FROM mine c
            JOIN city.unit u ON u.id BETWEEN c.object_id AND coalesce(c.until_id, c.object_id)
           WHERE c.object_type = 'unit'
    UNION SELECT CAST(before ->> 'building_id' AS bigint) FROM mine
           WHERE object_type = 'unit' AND before ->> 'building_id' IS NOT NULL"""

_WIDEST: Final = f"SELECT coalesce(max(until_id - object_id), 0) FROM ({_MINE}) AS mine"
"""A run of changes keeps no `before`, and may be as wide as the city: one of MOST is all of it."""


def mark(connection: Connection) -> int:
    """Where the change feed ends now, before a load."""
    return int(connection.execute(text(_MARK)).scalar_one())


def buildings(connection: Connection, kind: str, source: str, mark: int) -> list[int] | None:
    """Ids of the buildings that the file just loaded speaks of, or that it changed or ended.

    Also those that its rows have left.  A file that names a building brings it up to date even
    where it changes nothing: an earlier load may have been told to make no units.  None where
    they are more than MOST.
    """
    spoken = _SPOKEN_OF[kind]
    every = f"WITH mine AS ({_MINE}) SELECT * FROM ({spoken} UNION {_CHANGED}) t"
    statement = text(f"{every} LIMIT {MOST + 1}")
    if connection.execute(text(_WIDEST), {"mark": mark}).scalar_one() >= MOST:
        return None
    found = connection.execute(statement, {"source": source, "mark": mark}).scalars().all()
    return None if len(found) > MOST else sorted(found)
