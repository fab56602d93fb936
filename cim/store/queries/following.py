"""Statements about addresses while their file is read: what a row's own key says of it.

Each looks at the rows that were staged last, so that the database works while further ones are
being parsed.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from cim.store.queries.ladders import DOORS, ROOMS, known, met

LOST: Final = {"field": "text", "ref": "text", "id": "int8"}
"""The temporary table `stage_lost`: keys that nobody has (NULL), or several (-1)."""

_MET: Final = ("row_no", "place_no", "level", "status", "entrance_no", "room_no")
"""What is asked of a row to find its building and its room."""

_NO_PLACES: Final = """CROSS JOIN (
    SELECT NULL::bigint AS building_id, NULL::bigint AS estate_id, NULL::smallint AS score) p"""
"""Rows that name a key are not of what stands at their place."""


def staged_from(rows: str) -> str:
    """The rows that were staged last: from a block of the table on, and after a row number.

    What block and number say is much the same: the planner is kept from multiplying the two, as it
    would think of a few rows and compare each with each.
    """
    return f"""(SELECT * FROM {rows}
        WHERE ctid >= CAST(:block AS tid) AND row_no + 0 > :row)"""


def coded(rows: str, refs: Iterable[str]) -> str:
    """Those of the rows that name the key of what they are the address of."""
    named = " OR ".join(f"{ref} IS NOT NULL" for ref in refs)
    return f"(SELECT * FROM {rows} c WHERE {named})"


def not_known(rows: str) -> str:
    """Those of the rows that were not looked at as they came."""
    return f"""(SELECT * FROM {rows} r
        WHERE NOT EXISTS (SELECT FROM stage_known k WHERE k.row_no = r.row_no))"""


def keys_of(reference: str) -> str:
    """The table of the keys that rows name by a reference, with their ids."""
    return f"stage_{reference.removesuffix('_ref')}_keys"


def lose(reference: str) -> str:
    """Keep the keys that nobody has, or several."""
    return f"""
        INSERT INTO stage_lost (field, ref, id)
        SELECT '{reference}', ref, id FROM {keys_of(reference)} WHERE id IS NULL OR id = -1"""


def known_by_code(name: str, rows: str, keys: Mapping[str, str], staged: Iterable[str]) -> str:
    """Fill `stage_known` for new rows that name keys: what `met`, DOORS, ROOMS and `known` do.

    All in one statement, so that nothing is staged in between, and with their lines in the feed;
    keys that do not lead to one thing are kept in `stage_lost`.  `name` is what `rows` go by in
    the queries of `keys`, one for each reference.
    """
    needed = ", ".join((*_MET, *keys))
    steps = {name: f"SELECT {needed} FROM {rows} s"}
    steps |= {keys_of(ref): found for ref, found in keys.items()}
    steps |= {
        "stage_met": met(name, staged, _NO_PLACES),
        "stage_doors": DOORS,
        "stage_rooms": ROOMS,
    }
    tables = [f"{step} AS MATERIALIZED ({made})" for step, made in steps.items()]
    lost = [f"lost_{ref} AS ({lose(ref)})" for ref in keys]
    return f"""
        WITH {", ".join(tables + lost)},
        fresh AS ({known(name, again=False, told=True)} RETURNING address_id)
        INSERT INTO platform.change (object_type, object_id, op, import_id)
        SELECT :object_type, address_id, 'insert', :import_id FROM fresh"""


BLOCKS: Final = """
    SELECT pg_relation_size('stage_rows') / current_setting('block_size')::int"""
"""Blocks of the staging table."""

LEAVE: Final = """
    WITH gone AS (
        DELETE FROM stage_known k
        WHERE NOT EXISTS (SELECT FROM stage_rows s WHERE s.row_no = k.row_no)
        RETURNING address_id)
    DELETE FROM platform.change c USING gone g
    WHERE c.object_type = :object_type AND c.object_id = g.address_id
      AND c.import_id = :import_id"""
"""Rows that were set aside after they were looked at."""
