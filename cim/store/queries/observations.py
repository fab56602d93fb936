"""Readings of one datastream."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Integer, TextClause, bindparam, text

from cim.store.queries.linked.pieces import (
    AT_HOME,
    HOLDER,
    HOMES_BEFORE,
    HOUSE,
    LABEL,
    LABELLED,
)
from cim.store.queries.parts import coded

STREAM = f"""
SELECT json_build_object('id', t.id, 'name', t.name, 'label', {LABEL},
    'property', t.observed_property, 'unit', t.unit_ucum,
    'device', CASE WHEN d.id IS NOT NULL THEN json_build_object('id', d.id, 'name', d.name,
        'class', {coded("device_class", "d.class_code")}) END)::text AS answer,
    {AT_HOME} AS in_a_home, {HOUSE} AS building_id,
    {HOMES_BEFORE} AS homes_before
FROM city.datastream t {HOLDER} {LABELLED}
WHERE t.id = :id AND d.ended_at IS NULL AND coalesce(d.secrecy, 0) = 0
"""

READINGS = """
SELECT phenomenon_time AS at, result, result_text FROM city.observation
WHERE datastream_id = :id
    AND phenomenon_time >= coalesce(:start, '-infinity'::timestamptz)
    AND phenomenon_time < coalesce(:end, 'infinity'::timestamptz)
ORDER BY phenomenon_time DESC LIMIT :limit
"""


def stream(key: int) -> TextClause:
    """A datastream with its device as JSON in `answer`, its building, and if it is `in_a_home`."""
    return text(STREAM).bindparams(bindparam("id", key, BigInteger))


def readings(key: int, start: datetime | None, end: datetime | None, limit: int) -> TextClause:
    """The latest readings from `start` until before `end`, newest first."""
    stamp = DateTime(timezone=True)
    return text(READINGS).bindparams(
        bindparam("id", key, BigInteger),
        bindparam("start", start, stamp),
        bindparam("end", end, stamp),
        bindparam("limit", limit, Integer),
    )
