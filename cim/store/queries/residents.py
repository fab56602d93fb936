"""Residents of a unit: run as the role that may read them, in the transaction that logs it."""

from sqlalchemy import BigInteger, Insert, Text, TextClause, bindparam, text

from cim.model.people import access_log

RESIDENTS = """
SELECT coalesce(json_agg(json_build_object('name', p.name_mask, 'id_no', p.id_no_mask,
        'phone', p.phone_mask, 'role', r.role, 'kind', r.kind, 'birth_year', p.birth_year)
        ORDER BY (r.role = '户主') DESC NULLS LAST, r.id), '[]')::text AS people,
    count(*)::int AS persons
FROM pii.residency r JOIN pii.person p ON p.id = r.person_id
WHERE r.unit_id = :id AND p.ended_at IS NULL
    AND (r.to_date IS NULL OR r.to_date > current_date)
    AND r.role IS DISTINCT FROM '业主不住'
    AND NOT p.is_minor14
    AND (p.birth_year IS NULL OR p.birth_year <= extract(year FROM current_date) - 14)
    AND (r.purpose_scope IS NULL OR :purpose = ANY (r.purpose_scope))
"""
"""A year of birth fourteen years back may still be a child of thirteen: the flag, set at load from
the whole date, decides; the year catches a flag that was never set."""


def as_role() -> TextClause:
    """Become the role that may read personal data, until the transaction ends."""
    return text("SET LOCAL ROLE cim_resident_reader")


def residents(unit: int, purpose: str) -> TextClause:
    """Masked residents of a unit as JSON in column `people`, and how many in `persons`.

    Children under 14 are left out, as are records that may not be used for this purpose and
    owners who live elsewhere.
    """
    return text(RESIDENTS).bindparams(
        bindparam("id", unit, BigInteger), bindparam("purpose", purpose, Text)
    )


def record_read(
    actor: str, role: str, purpose: str, id: int, persons: int, opened: str = "unit"
) -> Insert:
    """The line in the access log of one read of a unit's residents, or of what else was opened.

    Nothing is asked back: the role that writes the log may not read it.
    """
    line = access_log.insert().values(
        actor=actor,
        role=role,
        purpose=purpose,
        object_type=opened,
        object_id=id,
        persons=persons,
    )
    return line.inline()
