"""Who holds a unit: asked in a transaction that has opened the unit's people, and no other."""

from cim.store.queries.ready import Asked, Ready

_OF_UNIT = Ready(
    """SELECT coalesce(json_agg(json_build_object('id', t.id, 'kind', t.kind, 'share', t.share,
            'since', t.start_date, 'until', t.end_date, 'party', t.party_type,
            'name', CASE t.party_type
                WHEN 'organisation' THEN (SELECT o.name FROM city.organisation o
                    WHERE o.id = t.party_id)
                ELSE (SELECT p.name_mask FROM pii.person p WHERE p.id = t.party_id
                    AND coalesce(jsonb_exists(nullif(security.opened() -> 'fields', 'null'),
                        'name'), true)) END)
            ORDER BY (t.kind = '产权') DESC, t.start_date DESC NULLS LAST, t.id), '[]')::text
    FROM pii.tenure t
    WHERE t.unit_id = :id AND (t.end_date IS NULL OR t.end_date > current_date)""",
    id="bigint",
)


def of_unit(key: int) -> Asked:
    """Rights in a unit that are in force, as JSON; none where its people were not opened.

    A person has a masked name where they were opened too, to a role that may see names; a child's
    is NULL.
    """
    return _OF_UNIT(id=key)
