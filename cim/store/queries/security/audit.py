"""The audit log as it is read: its chains, their ends, and lines of a time."""

from datetime import datetime

from sqlalchemy import DateTime, SmallInteger, TextClause, bindparam, text

CHAIN = """
SELECT no, at AS moment, lane::text AS lane_text, no::text AS no_text,
    (extract(epoch FROM at) * 1000000)::bigint::text AS at, event, success::text AS success,
    actor, roles, purpose, object_type, object_id::text AS object_id, persons::text AS persons,
    address, request, detail::text AS detail, encode(previous, 'hex') AS previous, digest
FROM security.audit_log WHERE lane = :lane ORDER BY no, at"""

LINES = """
SELECT (to_jsonb(l) - '{previous,digest}'::text[] || jsonb_build_object(
    'previous', encode(l.previous, 'hex'), 'digest', encode(l.digest, 'hex')))::text AS line
FROM security.audit_log l
WHERE l.at >= coalesce(:since, '-infinity'::timestamptz)
    AND l.at < coalesce(:until, 'infinity'::timestamptz)
ORDER BY l.at, l.lane, l.no"""


def lanes() -> TextClause:
    """Where each chain begins and ends."""
    return text("SELECT lane, first, before, last, digest FROM security.audit_lane ORDER BY lane")


def chain(lane: int) -> TextClause:
    """The lines of a chain by their numbers, each field as the text that its digest is of."""
    return text(CHAIN).bindparams(bindparam("lane", lane, SmallInteger))


def lines(since: datetime | None, until: datetime | None) -> TextClause:
    """The lines from `since` until before `until` as JSON, oldest first."""
    stamp = DateTime(timezone=True)
    return text(LINES).bindparams(
        bindparam("since", since, stamp), bindparam("until", until, stamp)
    )
