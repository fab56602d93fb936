"""Address search: exact and prefix by btree, parts by bigrams or trigrams, rooms from buildings.

Only places down to the entrance are in the text indexes.  A room number at the end of what was
asked is looked up below the buildings that the rest finds: among room addresses, and among units
of a building that has an address but no room addresses.
"""

import re
from typing import Any, Final

from sqlalchemy import TextClause, text

from cim.addresses import LADDER, Address, Gazetteer, join, normalise, parse
from cim.store.queries.incoming.ladders import NAMES

CANDIDATES: Final = 2_000
"""Most places that are ranked; exact and prefix matches are found beside them."""

PLACES: Final = 200
"""Best places in which a room is looked for."""

_LETTERS: Final = re.compile(r"[^\W_]{2,}")
"""What indexes of parts are made of; nothing is looked up by hyphens and wildcards alone."""

_COLUMNS: Final = """f.id, f.text, f.level, f.score, f.object_type, f.object_id,
    f.building_id, f.unit_id, f.lon, f.lat"""

_FOUND: Final = """
    SELECT a.id, a.full_text AS text, a.level, n.score, n.first, a.norm_text,
        l.object_type, l.object_id,
        coalesce(u.building_id, e.building_id,
            CASE WHEN l.object_type = 'building' THEN l.object_id END) AS building_id,
        CASE WHEN l.object_type = 'unit' THEN l.object_id END AS unit_id,
        ST_X(a.geom) AS lon, ST_Y(a.geom) AS lat
    FROM best n JOIN city.std_address a ON a.id = n.id
    LEFT JOIN LATERAL (
        SELECT object_type, object_id FROM city.address_link
        WHERE address_id = a.id
        ORDER BY (role = '主') DESC, score DESC, object_id LIMIT 1) l ON true
    LEFT JOIN city.unit u ON l.object_type = 'unit' AND u.id = l.object_id
    LEFT JOIN city.entrance e ON l.object_type = 'entrance' AND e.id = l.object_id"""

_UNITS: Final = """
    UNION ALL
    SELECT a.id, a.full_text || coalesce(e.name, '') || :room || '室', 15, n.score, 0,
        a.norm_text, 'unit', u.id, u.building_id, u.id, ST_X(a.geom), ST_Y(a.geom)
    FROM places n JOIN city.std_address a ON a.id = n.id AND a.level < 15
    JOIN city.address_link l ON l.address_id = a.id AND l.object_type IN ('building', 'entrance')
    LEFT JOIN city.entrance g ON l.object_type = 'entrance' AND g.id = l.object_id
    JOIN city.unit u ON u.building_id = coalesce(g.building_id, l.object_id)
        AND (g.id IS NULL OR u.entrance_id = g.id) AND u.room_no = :room AND u.ended_at IS NULL
    LEFT JOIN city.entrance e ON e.id = u.entrance_id
    WHERE (CAST(:entrance AS text) IS NULL OR e.id IS NULL OR e.name = :entrance
           OR e.no = CAST(:entrance_no AS smallint))
      AND NOT EXISTS (SELECT FROM city.address_link k JOIN rooms r ON r.id = k.address_id
                      WHERE k.object_type = 'unit' AND k.object_id = u.id)"""

_ROOMS: Final = """,
places AS MATERIALIZED (
    SELECT id, max(score) AS score FROM (
        SELECT * FROM near UNION ALL SELECT * FROM alike) x
    GROUP BY id, size ORDER BY 2 DESC, size, id LIMIT :places),
rooms AS MATERIALIZED (
    SELECT r.id, n.score FROM places n JOIN city.std_address r
      ON r.parent_id = n.id AND r.room_no = :room
    WHERE r.ended_at IS NULL
      AND (CAST(:entrance AS text) IS NULL OR r.entrance_no IS NULL
           OR r.entrance_no = :entrance))"""


_STATE: Final = text("""
    SELECT concat_ws(' ', a.state, e.state, s.state) FROM
        (SELECT concat(count(*), max(updated_at), count(ended_at)) AS state
         FROM city.admin_area WHERE level BETWEEN 3 AND 5) a,
        (SELECT concat(count(*), max(updated_at), count(ended_at)) AS state FROM city.estate) e,
        (SELECT concat(count(*), max(updated_at), count(ended_at)) AS state FROM city.street) s
    """)


def state_of_names() -> TextClause:
    """A text that is another one once `names` are others."""
    return _STATE


def names() -> TextClause:
    """Level, name and parent of the places that the city knows, for a Gazetteer."""
    return text(NAMES)


def search(
    q: str, limit: int = 20, gazetteer: Gazetteer | None = None, *, anywhere: bool = True
) -> TextClause:
    """Addresses that match what was typed, best first; unless `anywhere`, such as begin with it.

    Columns: id, text, level, score (0 to 100), object_type, object_id, building_id, unit_id, lon,
    lat.  A unit without an address of its own comes with the id of its building's address.
    `gazetteer` holds the names that the city knows.
    """
    found = parse(q, gazetteer)
    levels = dict(found.levels)
    room = levels.pop("room_no", None) if found.levels and not found.remainder else None
    entrance = levels.pop("entrance_no", None) if room else None
    if room:
        levels.pop("floor_no", None)
    if not anywhere:
        return _statement(_parts(normalise(q)), found, limit, anywhere=False)
    if room and len(join(levels)) < 2:
        return _statement(_parts(normalise(q)), found, limit)
    words = _words(levels, found) if levels and not found.remainder else _parts(normalise(q))
    asked = {"room": room, "entrance": entrance, "entrance_no": _number(entrance)}
    return _statement(words, found, limit, asked if room else None, join(levels))


def _words(levels: dict[str, str], found: Address) -> list[str]:
    """The levels in order, each a word that what is found must hold.

    Of an area no more than was typed: an address may name it with its word or without.
    """
    areas = ("county", "town", "village")
    typed = {level: said for level, said in found.pieces if level in areas}
    levels = levels | {k: said for k, said in typed.items() if levels[k].startswith(said)}
    words: list[str] = []
    for level in LADDER:
        value = levels.get(level)
        if value and value not in words and not (level == "province" and len(levels) > 1):
            words.append(value)
    first = levels.get("estate_name", "")
    if words[0] == first and len(first) >= 5:
        # 南城翠堤春晓: a town may stand before the estate without its word.
        words[:1] = [first[:2], first[2:]]
    return words


def _parts(plain: str) -> list[str]:
    return [part for part in plain.split() if part]


def _number(entrance: str | None) -> int | None:
    digits = re.fullmatch(r"(\d{1,3})单元", entrance or "")
    return int(digits[1]) if digits else None


def _escaped(words: str) -> str:
    """Words as they stand in a LIKE pattern."""
    return re.sub(r"([\\%_])", r"\\\1", words)


def _statement(
    words: list[str],
    found: Address,
    limit: int,
    asked: dict[str, Any] | None = None,
    place: str = "",
    *,
    anywhere: bool = True,
) -> TextClause:
    whole = found.norm_text if found.levels and not found.remainder else "".join(words)
    values: dict[str, Any] = {
        "whole": whole,
        "limit": limit,
    }
    arms = [_exact()]
    if whole:
        arms.append(_prefix())
        values["begins"] = _escaped(whole) + "%"
    if asked and place:
        arms += [_exact("place"), _prefix("place_begins")]
        values |= {"place": place, "place_begins": _escaped(place) + "%"}
    enough = None if asked or not whole else "(SELECT count(DISTINCT id) FROM begun) < :limit"
    held, within = (_within(words, values, enough) if anywhere else None) or ("", [])
    if held and enough:
        listed = "\n    UNION ALL\n    ".join(arms)
        held, arms = f"begun AS MATERIALIZED (\n    {listed}\n),\n{held}", ["SELECT * FROM begun"]
    arms += within
    rooms, units = "", ""
    if asked:
        rooms, units = _ROOMS, _UNITS
        values |= asked | {"places": PLACES}
    listed = "\n    UNION ALL\n    ".join(arms)
    first = "SELECT id, score, 0 AS size, 0 AS first FROM rooms UNION ALL " if asked else ""
    return text(f"""
WITH {held}near AS MATERIALIZED (
    {listed}
),
alike AS MATERIALIZED ({_alike(values)}){rooms},
best AS (SELECT id, max(score) AS score, min(first) AS first FROM (
        {first}SELECT id, score, size, 1 AS first FROM near
        UNION ALL SELECT id, score, size, 1 FROM alike) x
    GROUP BY id ORDER BY 3, 2 DESC, min(size), 1 LIMIT :limit)
SELECT {_COLUMNS} FROM (
    SELECT * FROM ({_FOUND}{units}) x
    ORDER BY x.first, x.score DESC, length(x.norm_text), x.norm_text, x.unit_id LIMIT :limit) f
ORDER BY f.first, f.score DESC, length(f.norm_text), f.norm_text, f.unit_id""").bindparams(**values)


def _exact(name: str = "whole") -> str:
    return f"""(SELECT id, 100 AS score, length(norm_text) AS size FROM city.std_address
        WHERE norm_text = :{name} AND ended_at IS NULL LIMIT :limit)"""


def _prefix(name: str = "begins") -> str:
    return f"""(SELECT id, 90, length(norm_text) FROM city.std_address
        WHERE norm_text LIKE :{name} AND ended_at IS NULL LIMIT :limit)"""


def _within(
    words: list[str], values: dict[str, Any], enough: str | None
) -> tuple[str, list[str]] | None:
    """What holds the words anywhere, in order, with others between them, and the arm that ranks it.

    The places are listed apart from the limit: with one in sight the planner goes through the
    table from its beginning, where streets and villages lie together and the first may be far.
    `enough` is the condition to look at all: what begins with the words ranks before what holds
    them.  None for what no index knows anything of.
    """
    runs = [run for word in words for run in _LETTERS.findall(word)]
    if not runs:
        return None
    values["candidates"] = CANDIDATES
    values["holds"] = "%" + "%".join(_escaped(word) for word in words) + "%"
    conditions = ["level <= 13", "ended_at IS NULL", "norm_text LIKE :holds"]
    if max(map(len, runs)) == 2:
        values["pairs"] = runs
        conditions.append("city.bigrams(norm_text) @> CAST(:pairs AS text[])")
    score = "80"
    numbered = [word for word in words if word[0].isascii() and word[0].isalnum()]
    if numbered:
        # 3栋 is also the end of 13栋, which is another building.
        values["begun"] = "(^|[^0-9A-Z])" + re.escape(numbered[-1])
        score = "CASE WHEN norm_text ~ :begun THEN 80 ELSE 50 END"
    conditions += [enough] if enough else []
    held = f"""held AS MATERIALIZED (
    SELECT id, norm_text FROM city.std_address WHERE {" AND ".join(conditions)}),
"""
    return held, [f"(SELECT id, {score}, length(norm_text) FROM held LIMIT :candidates)"]


def _alike(values: dict[str, Any]) -> str:
    """Places that resemble the text, looked for only where nothing holds it."""
    name = "place" if "place" in values else "whole"
    if len(values[name]) < 3 or not _LETTERS.search(values[name]):
        return "SELECT 0::bigint AS id, 0 AS score, 0 AS size WHERE false"
    # The right number in another spelling of the street beats the number next door.
    right = " + CASE WHEN norm_text ~ :begun THEN 9 ELSE 0 END" if "begun" in values else ""
    return f"""
    SELECT id, (30 + 40 * word_similarity(:{name}, norm_text){right})::int AS score,
        length(norm_text) AS size
    FROM city.std_address
    WHERE NOT EXISTS (SELECT FROM near) AND level <= 13 AND ended_at IS NULL
      AND :{name} <% norm_text
    ORDER BY 2 DESC LIMIT :limit"""
