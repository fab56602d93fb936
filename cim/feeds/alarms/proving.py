"""The history of alarms proved: that nobody changed, removed or put in an entry.

Entries are written by `city.add_entries` (cim/store/rules/alarms.sql). Here their chains are
followed without trusting the database's own arithmetic, and each alarm is held against its own
history.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from cim.security.chains import CUT_OFF, Anchor, End, Verdict, follow

STREAMED: Final = {"stream_results": True, "max_row_buffer": 2000}

TEXTS: Final = (
    "lane_text", "no_text", "event_text", "kind", "at", "noted", "actor", "note", "value",
    "value_text", "detail", "previous",
)  # fmt: skip
"""What the digest of an entry is made of, in this order, each as text."""

_LANES = text("SELECT lane, last, digest FROM city.event_lane ORDER BY lane")

_CHAIN = text("""
    SELECT no, at AS moment, lane::text AS lane_text, no::text AS no_text,
        event_id::text AS event_text, kind, (extract(epoch FROM at) * 1000000)::bigint::text AS at,
        (extract(epoch FROM noted_at) * 1000000)::bigint::text AS noted, actor, note,
        value::text AS value, value_text, detail::text AS detail,
        encode(previous, 'hex') AS previous, digest
    FROM city.event_entry WHERE lane = :lane ORDER BY no""")

_ODD = text("""
    WITH told AS (
        SELECT e.id, b.lane, b.no, e.started_at, b.event_id IS NULL AS untold,
            b.at IS DISTINCT FROM e.started_at OR b.value IS DISTINCT FROM e.value
                OR b.value_text IS DISTINCT FROM e.value_text
                OR (b.detail ->> 'device')::bigint IS DISTINCT FROM e.device_id
                OR b.detail ->> 'kind' IS DISTINCT FROM e.kind
                OR (b.detail ->> 'object_id')::bigint IS DISTINCT FROM e.object_id AS other,
            (SELECT h.kind IN ('end', 'false') FROM city.event_entry h WHERE h.event_id = e.id
                AND h.kind IN ('begin', 'end', 'false', 'reopen')
                ORDER BY h.id DESC LIMIT 1) IS DISTINCT FROM (e.ended_at IS NOT NULL) AS wrong_end
        FROM city.event e LEFT JOIN city.event_entry b ON b.event_id = e.id AND b.kind = 'begin'
        WHERE e.rule_id IS NOT NULL)
    SELECT * FROM told WHERE untold OR other OR wrong_end ORDER BY id""")

UNTOLD = ("alarm {} has no history", "告警 {} 没有历史记录")
OTHER = ("alarm {} is not what its history says it began as", "告警 {} 与其历史中的初始信息不符")
WRONG_END = (
    "alarm {} is open or closed against what its history says",
    "告警 {} 的开闭状态与其历史不符",
)


def verify(connection: Connection, anchor: Anchor | None = None) -> Verdict:
    """Follow every chain, and hold every alarm against its history; what is not as it was written.

    With an `anchor` of an earlier time the chains must hold it too.
    """
    verdict, held = Verdict(), dict(anchor or {})
    ends = {row.lane: row for row in connection.execute(_LANES)}
    for lane, row in ends.items():
        end = End(lane, 1, b"", row.last, bytes(row.digest))
        follow(verdict, end, _streamed(connection, lane), TEXTS, held)
    for lane in sorted(set(held) - set(ends)):
        verdict.blame(lane, 0, None, CUT_OFF)
    for row in connection.execute(_ODD):
        en, zh = UNTOLD if row.untold else OTHER if row.other else WRONG_END
        why = (en.format(row.id), zh.format(row.id))
        verdict.blame(row.lane or 0, row.no or 0, _moment(row), why)
    return verdict


def _moment(row: Any) -> datetime:
    found: datetime = row.started_at
    return found


def _streamed(connection: Connection, lane: int) -> Iterator[Any]:
    """The entries of a chain by their numbers, a few thousand at a time."""
    yield from connection.execute(_CHAIN, {"lane": lane}, execution_options=STREAMED)
