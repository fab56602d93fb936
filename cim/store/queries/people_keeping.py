"""Statements on people's data by whoever keeps them: sealed anew in batches, ended, found."""

from typing import Final

PERSONS: Final = """
SELECT id, ext_id, name_enc, id_no_enc, phone_enc FROM pii.person
WHERE id > :last ORDER BY id LIMIT :most"""

LOCKED: Final = " FOR NO KEY UPDATE"
"""What is added where the rows read are then written."""

SEAL_PERSONS: Final = """
UPDATE pii.person AS p SET ext_id = n.ext_id, name_enc = n.name, id_no_enc = n.id_no,
    phone_enc = n.phone, id_no_hash = n.id_no_hash, phone_hash = n.phone_hash
FROM unnest(CAST(:id AS bigint[]), CAST(:ext_id AS text[]), CAST(:name AS bytea[]),
    CAST(:id_no AS bytea[]), CAST(:phone AS bytea[]), CAST(:id_no_hash AS bytea[]),
    CAST(:phone_hash AS bytea[])) AS n (id, ext_id, name, id_no, phone, id_no_hash, phone_hash)
WHERE p.id = n.id"""

ASIDE: Final = """
SELECT id, record_enc FROM platform.quarantine
WHERE id > :last AND record_enc IS NOT NULL ORDER BY id LIMIT :most"""

SEAL_ASIDE: Final = """
UPDATE platform.quarantine AS q SET record_enc = n.record
FROM unnest(CAST(:id AS bigint[]), CAST(:record AS bytea[])) AS n (id, record) WHERE q.id = n.id"""

CODES: Final = """
SELECT id, totp FROM security.account
WHERE id > :last AND totp IS NOT NULL ORDER BY id LIMIT :most"""

SEAL_CODES: Final = """
UPDATE security.account AS a SET totp = n.totp
FROM unnest(CAST(:id AS bigint[]), CAST(:totp AS bytea[])) AS n (id, totp) WHERE a.id = n.id"""

HOOKS: Final = """
SELECT id, secret_enc FROM platform.webhook WHERE id > :last ORDER BY id LIMIT :most"""

SEAL_HOOKS: Final = """
UPDATE platform.webhook AS h SET secret_enc = n.secret
FROM unnest(CAST(:id AS bigint[]), CAST(:secret AS bytea[])) AS n (id, secret) WHERE h.id = n.id"""

COUNTS: Final = """
SELECT (SELECT count(*) FROM pii.person) AS person,
    (SELECT count(*) FROM platform.quarantine WHERE record_enc IS NOT NULL) AS aside,
    (SELECT count(*) FROM security.account WHERE totp IS NOT NULL) AS codes,
    (SELECT count(*) FROM platform.webhook) AS hooks"""

STATE: Final = "SELECT value FROM platform.setting WHERE name = :name"
KEEP_STATE: Final = """
INSERT INTO platform.setting (name, value, is_public)
VALUES (:name, CAST(:value AS jsonb), false)
ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
FORGET_STATE: Final = "DELETE FROM platform.setting WHERE name = :name"

MOVED_OUT: Final = """
SELECT r.id FROM pii.residency AS r
WHERE r.to_date < current_date - CAST(:days AS integer) AND r.id > :last
ORDER BY r.id LIMIT :most"""

END_HOMES: Final = "DELETE FROM pii.residency WHERE id = ANY (CAST(:ids AS bigint[]))"

GONE: Final = """
SELECT p.id FROM pii.person AS p
WHERE coalesce(p.ended_at, p.updated_at) < now() - make_interval(days => CAST(:days AS integer))
    AND p.id > :last
    AND NOT EXISTS (SELECT FROM pii.residency AS r WHERE r.person_id = p.id)
    AND NOT EXISTS (SELECT FROM pii.tenure AS t
        WHERE t.party_type = 'person' AND t.party_id = p.id)
ORDER BY p.id LIMIT :most"""

FORGET: Final = "SELECT pii.forget(CAST(:ids AS bigint[]))"

OLD_ASIDE: Final = """
SELECT id FROM platform.quarantine WHERE record_enc IS NOT NULL AND id > :last
    AND created_at < now() - make_interval(days => CAST(:days AS integer))
ORDER BY id LIMIT :most"""

FORGET_ASIDE: Final = "SELECT security.forget_aside(CAST(:ids AS bigint[]))"

DUE: Final = """
SELECT (SELECT count(*) FROM pii.residency
        WHERE to_date < current_date - CAST(:moved_out_days AS integer)) AS homes,
    (SELECT count(*) FROM pii.person AS p
        WHERE coalesce(p.ended_at, p.updated_at)
                < now() - make_interval(days => CAST(:moved_out_days AS integer))
          AND NOT EXISTS (SELECT FROM pii.residency AS r WHERE r.person_id = p.id
              AND (r.to_date IS NULL
                  OR r.to_date >= current_date - CAST(:moved_out_days AS integer)))
          AND NOT EXISTS (SELECT FROM pii.tenure AS t
              WHERE t.party_type = 'person' AND t.party_id = p.id)) AS persons,
    (SELECT count(*) FROM platform.quarantine WHERE record_enc IS NOT NULL
        AND created_at < now() - make_interval(days => CAST(:aside_days AS integer))) AS aside"""

MONTHS: Final = """
SELECT c.relname AS name FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'security.audit_log'::regclass AND c.relname < :least ORDER BY 1"""

ENDS: Final = """
SELECT l.lane,
    (SELECT max(no) FROM security.audit_log AS a WHERE a.lane = l.lane AND a.at < :before) AS last,
    (SELECT min(no) FROM security.audit_log AS a WHERE a.lane = l.lane AND a.at >= :before) AS next
FROM security.audit_lane AS l ORDER BY l.lane FOR UPDATE"""

SHORTEN: Final = """
UPDATE security.audit_lane AS l SET first = CAST(:last AS bigint) + 1, before = (
    SELECT digest FROM security.audit_log AS a WHERE a.lane = l.lane AND a.no = :last)
WHERE l.lane = :lane"""
"""Statements with names for their values; who runs them binds them (`incoming.load.bound`)."""

NUMBERED: Final = """
SELECT id FROM pii.person WHERE id_no_hash = ANY (CAST(:numbers AS bytea[]))"""

OPEN: Final = """
WITH who AS MATERIALIZED (SELECT ARRAY(SELECT p.id FROM pii.person AS p
    WHERE p.id_no_hash = ANY (CAST(:numbers AS bytea[]))) AS ids),
opened AS MATERIALIZED (SELECT jsonb_build_object('persons', ids, 'plain', true,
    'homes', ARRAY(SELECT r.id FROM pii.residency AS r WHERE r.person_id = ANY (ids)),
    'tenures', ARRAY(SELECT t.id FROM pii.tenure AS t
        WHERE t.party_type = 'person' AND t.party_id = ANY (ids)))::text AS list FROM who)
SELECT ids, security.seal_ids(list) FROM who, opened"""
"""Open all that is kept of a person, as the owner; PostgreSQL holds the list until it ends."""

TOLD: Final = "SELECT pii.told()::text"
"""All that was opened; asked as the role that sees no more than that."""

ADD_PURPOSE: Final = """
INSERT INTO security.purpose (code, name_zh, name_en, plain) VALUES (:code, :zh, :en, :plain)
ON CONFLICT (code) DO UPDATE SET name_zh = excluded.name_zh, name_en = excluded.name_en,
    plain = excluded.plain, ended_at = NULL"""

END_PURPOSE: Final = "UPDATE security.purpose SET ended_at = now() WHERE code = :code"
