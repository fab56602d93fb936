"""Statements of the readings' way in: the rows travel once, joined with their streams."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import TextClause, text


def streams(staged: Mapping[str, str]) -> str:
    """The streams of the file, one row each."""
    prop = "min(observed_property)" if "observed_property" in staged else "NULL::text"
    unit = "min(unit_ucum)" if "unit_ucum" in staged else "NULL::text"
    return f"""
        CREATE TEMPORARY TABLE stage_streams ON COMMIT DROP AS
        SELECT device_ref, stream, {prop} AS property, {unit} AS unit,
            bool_and(result IS NULL) AS texts, NULL::bigint AS device_id, NULL::bigint AS id
        FROM stage_rows GROUP BY 1, 2"""


def days(rows: str) -> TextClause:
    """The days of UTC that have readings."""
    return text(f"SELECT DISTINCT (at AT TIME ZONE 'UTC')::date FROM {rows}")


NAMES: Final = text("SELECT DISTINCT stream FROM stage_streams")

DROP: Final = "DELETE FROM stage_rows WHERE stream = ANY (:names)"
DROP_STREAMS: Final = "DELETE FROM stage_streams WHERE stream = ANY (:names)"

FIND_DEVICES: Final = """
    UPDATE stage_streams r SET device_id = f.id FROM (
        SELECT x.device_ref, coalesce(min(d.id) FILTER (WHERE d.source_id = :source_id),
            CASE WHEN count(*) = 1 THEN min(d.id) END) AS id
        FROM (SELECT DISTINCT device_ref FROM stage_streams) x
        CROSS JOIN city.source_system y
        JOIN city.device d ON d.source_id = y.id AND d.ext_id = x.device_ref AND d.ended_at IS NULL
        GROUP BY 1) f
    WHERE f.device_ref = r.device_ref"""
"""Devices by key: of this source, else of the only one that has it."""

MAKE_STREAMS: Final = """
    INSERT INTO city.datastream (device_id, name, observed_property, unit_ucum, result_type,
        kind, low, high, retention)
    SELECT r.device_id, r.stream, coalesce(r.property, r.stream), r.unit,
        CASE WHEN r.texts THEN 'text' ELSE 'number' END, coalesce(y.kind, 'gauge'),
        CASE WHEN y.unit_ucum = r.unit THEN y.low END,
        CASE WHEN y.unit_ucum = r.unit THEN y.high END, coalesce(y.retention, 'normal')
    FROM stage_streams r JOIN city.device d ON d.id = r.device_id
    LEFT JOIN LATERAL (SELECT * FROM city.stream_type y
        WHERE y.class_code = d.class_code AND (y.name = r.stream
            OR starts_with(r.stream, y.name_zh) OR y.observed_property = r.property)
        ORDER BY y.name = r.stream DESC, starts_with(r.stream, y.name_zh) DESC,
            length(y.name_zh) DESC, y.name LIMIT 1) y ON true
    ON CONFLICT (device_id, name) DO UPDATE
    SET observed_property = CASE
            WHEN city.datastream.observed_property = city.datastream.name
            THEN excluded.observed_property ELSE city.datastream.observed_property END,
        unit_ucum = coalesce(city.datastream.unit_ucum, excluded.unit_ucum)
    WHERE city.datastream.unit_ucum IS NULL AND excluded.unit_ucum IS NOT NULL
       OR city.datastream.observed_property = city.datastream.name
          AND excluded.observed_property <> excluded.name"""
"""A stream that its device has not yet is made as the class of the device has the one that is
called so, or measures that: a meter's is a counter, and kept for long."""

FIND_STREAMS: Final = """
    UPDATE stage_streams r SET id = t.id FROM city.datastream t
    WHERE t.device_id = r.device_id AND t.name = r.stream"""

UNITS: Final = text("""
    SELECT DISTINCT s.unit_ucum, t.unit_ucum
    FROM stage_rows s JOIN stage_streams r ON r.device_ref = s.device_ref AND r.stream = s.stream
    JOIN city.datastream t ON t.id = r.id
    WHERE s.unit_ucum <> t.unit_ucum AND s.result IS NOT NULL""")
"""Units of numbers in the file that are not those of their streams, and these."""

IN_UNITS: Final = """s.unit_ucum = :given AND s.result IS NOT NULL AND EXISTS (
    SELECT FROM stage_streams r JOIN city.datastream t ON t.id = r.id
    WHERE r.device_ref = s.device_ref AND r.stream = s.stream AND t.unit_ucum = :wanted)"""

CONVERT: Final = f"""
    UPDATE stage_rows s SET result = s.result * :scale + :shift WHERE {IN_UNITS}"""

OUT_OF_RANGE: Final = """
    UPDATE stage_rows s SET quality = 4 FROM stage_streams r JOIN city.datastream t ON t.id = r.id
    WHERE r.device_ref = s.device_ref AND r.stream = s.stream
      AND (s.result < t.low OR s.result > t.high) AND coalesce(s.quality, 0) IN (0, 2, 3)"""
"""A number outside of its stream's limits is no good one (reading_quality 4), as of a message."""

_ROWS: Final = """
    SELECT DISTINCT ON (r.id, s.at) r.id AS datastream_id, s.at AS phenomenon_time, s.result,
        s.result_text, coalesce(s.quality, 0::smallint) AS quality
    FROM stage_rows s JOIN stage_streams r ON r.device_ref = s.device_ref AND r.stream = s.stream
    ORDER BY r.id, s.at, s.row_no DESC"""
"""The readings of the file, the last of several at one time, in the order of the table's key."""

_INTO: Final = (
    "INSERT INTO city.observation (datastream_id, phenomenon_time, result, result_text, quality)"
)

_UNLIKE: Final = """ROW({0}.result, {0}.result_text, {0}.quality)
    IS DISTINCT FROM ROW({1}.result, {1}.result_text, {1}.quality)"""

INSERT: Final = f"{_INTO} {_ROWS}"

UPSERT: Final = f"""{_INTO} {_ROWS}
    ON CONFLICT (datastream_id, phenomenon_time) DO UPDATE
    SET result = excluded.result, result_text = excluded.result_text, quality = excluded.quality
    WHERE {_UNLIKE.format("city.observation", "excluded")}"""

_KEPT: Final = f"""SELECT count(*) FROM ({_ROWS}) s JOIN city.observation o
    ON o.datastream_id = s.datastream_id AND o.phenomenon_time = s.phenomenon_time"""

THERE: Final = _KEPT

DIFFERENT: Final = f"{_KEPT} WHERE {_UNLIKE.format('o', 's')}"

LATEST: Final = """
    UPDATE city.datastream t SET last_value = f.result, last_text = f.result_text,
        last_at = f.at, quality = f.quality
    FROM (SELECT DISTINCT ON (r.id) r.id, s.at, s.result, s.result_text,
              coalesce(s.quality, 0::smallint) AS quality
          FROM stage_rows s
          JOIN stage_streams r ON r.device_ref = s.device_ref AND r.stream = s.stream
          ORDER BY r.id, s.at DESC, s.row_no DESC) f
    WHERE f.id = t.id AND (t.last_at IS NULL OR f.at >= t.last_at)
      AND ROW(t.last_value, t.last_text, t.last_at, t.quality)
        IS DISTINCT FROM ROW(f.result, f.result_text, f.at, f.quality)"""
"""A reading that arrives late does not become the latest."""

PAST: Final = """
    SELECT count(*) FROM stage_rows s
    JOIN stage_streams r ON r.device_ref = s.device_ref AND r.stream = s.stream
    JOIN city.datastream t ON t.id = r.id JOIN city.retention_class c ON c.code = t.retention
    WHERE s.at < date_trunc('day', now() - make_interval(days => c.days), 'UTC')"""
"""How many are of days of which raw readings are not kept any more."""

SHORTEST: Final = "SELECT min(days) FROM city.retention_class"

SEEN: Final = """
    UPDATE city.device d SET last_seen = f.at
    FROM (SELECT r.device_id, max(t.last_at) AS at
          FROM stage_streams r JOIN city.datastream t ON t.id = r.id GROUP BY 1) f
    WHERE d.id = f.device_id AND (d.last_seen IS NULL OR d.last_seen < f.at)"""

MARK: Final = """
    INSERT INTO city.rollup_mark (datastream_id, since, until)
    SELECT r.id, date_bin('1 hour', min(s.at), '2000-01-01 00:00+00'),
        date_bin('1 hour', max(s.at), '2000-01-01 00:00+00') + interval '1 hour'
    FROM stage_rows s JOIN stage_streams r ON r.device_ref = s.device_ref AND r.stream = s.stream
    GROUP BY r.id ORDER BY r.id"""
"""The time that a file has readings of is summed up again, once its hours are over."""
