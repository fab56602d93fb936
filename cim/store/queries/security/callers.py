"""Who calls and what they may do: statements on keys, sessions, accounts, and the audit log."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Insert,
    Integer,
    LargeBinary,
    Select,
    Text,
    TextClause,
    bindparam,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.types import DateTime, TypeEngine

from cim.model.security import session
from cim.store.queries.ready import Ready

_TYPES: dict[type, TypeEngine[Any]] = {
    bytes: LargeBinary(),
    str: Text(),
    bool: Boolean(),
    int: BigInteger(),
    datetime: DateTime(timezone=True),
}


def _bound(sql: str, **values: Any) -> TextClause:
    """A statement with its values, each of the type it has in Python; None as text."""
    return text(sql).bindparams(
        *(bindparam(name, value, _TYPES.get(type(value))) for name, value in values.items())
    )


def _below(column: str, table: str) -> str:
    """An area or grid of a grant and all below it, as JSON; NULL where the grant has none."""
    return f"""CASE WHEN g.{column} IS NOT NULL THEN (
        WITH RECURSIVE d AS (SELECT g.{column} AS id UNION
            SELECT c.id FROM d, LATERAL (SELECT x.id FROM city.{table} x
                WHERE x.parent_id = d.id OFFSET 0) c)
        SELECT json_agg(id) FROM d) END"""


def _rights(whose: str) -> str:
    """What the grants `g` of somebody allow: one line a right and place."""
    return f"""(SELECT coalesce(json_agg(json_build_array(r.role, r.scope, r.collection, r.fields,
            r.secrecy, {_below("area_id", "admin_area")}, {_below("grid_id", "grid")})), '[]')
        FROM security.role_grant g JOIN security.role_right r ON r.role = g.role
        WHERE {whose} AND g.ended_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > now()))"""


_ALIVE = "{0}.ended_at IS NULL AND ({0}.expires_at IS NULL OR {0}.expires_at > now())"

BY_KEY = f"""
SELECT k.id, k.name, k.scopes, {_rights("g.key_id = k.id")}::text AS rights,
    k.used_at IS NULL OR k.used_at < now() - interval '10 minutes' AS stale
FROM security.api_key k JOIN security.account o ON o.id = k.owner_id
WHERE k.digest = :digest AND {_ALIVE.format("k")} AND {_ALIVE.format("o")}"""

BY_SESSION = f"""
SELECT s.account_id, s.name, coalesce(a.must_change, false) AS must_change,
    CASE WHEN s.account_id IS NOT NULL THEN {_rights("g.account_id = s.account_id")}
    ELSE (SELECT coalesce(json_agg(json_build_array(r.role, r.scope, r.collection, r.fields,
            r.secrecy, to_json(s.areas), to_json(s.grids))), '[]')
        FROM security.role_right r WHERE r.role = ANY (s.roles) AND r.administers = '')
    END::text AS rights,
    s.seen_at < now() - interval '1 minute' AS stale, s.ends_at
FROM security.session s LEFT JOIN security.account a ON a.id = s.account_id
WHERE s.digest = :digest AND s.ended_at IS NULL AND s.ends_at > now()
    AND s.seen_at > now() - make_interval(mins => (
        SELECT value FROM security.rule WHERE name = 'session_idle_minutes'))
    AND (a.id IS NULL OR {_ALIVE.format("a")})"""


by_key = Ready(BY_KEY, digest="bytea")
"""The key of a SHA-256, `digest`, with its rights, if it and its owner are in force."""

by_session = Ready(BY_SESSION, digest="bytea")
"""The session of a SHA-256, `digest`, with its rights, if it is not over."""


def claimed_rights(
    roles: list[str], areas: list[int] | None, grids: list[int] | None
) -> TextClause:
    """The rights of roles that another place vouched for, in the areas it named."""
    return text(
        """SELECT coalesce(json_agg(json_build_array(r.role, r.scope, r.collection, r.fields,
            r.secrecy, to_json(CAST(:areas AS bigint[])), to_json(CAST(:grids AS bigint[])))),
            '[]')::text AS rights
        FROM security.role_right r WHERE r.role = ANY (:roles) AND r.administers = ''"""
    ).bindparams(
        bindparam("roles", roles, ARRAY(Text)),
        bindparam("areas", areas, ARRAY(BigInteger)),
        bindparam("grids", grids, ARRAY(BigInteger)),
    )


PLACES = """
WITH RECURSIVE a AS (SELECT id FROM city.admin_area WHERE code = ANY (:codes) AND ended_at IS NULL
    UNION SELECT c.id FROM a JOIN city.admin_area c ON c.parent_id = a.id),
g AS (SELECT id FROM city.grid WHERE code = ANY (:codes) AND ended_at IS NULL
    UNION SELECT c.id FROM g JOIN city.grid c ON c.parent_id = g.id)
SELECT coalesce((SELECT array_agg(id) FROM a), '{}') AS areas,
    coalesce((SELECT array_agg(id) FROM g), '{}') AS grids"""


def places(codes: list[str]) -> TextClause:
    """Ids of the areas and grids of these codes and of all below them."""
    return text(PLACES).bindparams(bindparam("codes", codes, ARRAY(Text)))


def purposes() -> TextClause:
    """Every purpose that personal data may be asked for."""
    return text(
        "SELECT code, name_zh, name_en, plain, demo FROM security.purpose "
        "WHERE ended_at IS NULL ORDER BY demo, plain, code"
    )


def vouch(row: dict[str, Any], ends: datetime) -> Insert:
    """Keep by its digest what somebody proves who they are with; nothing where it is kept."""
    return upsert(session).values(**row, ends_at=ends).on_conflict_do_nothing()


def used_key(id: int) -> TextClause:
    """Note that a key was used."""
    return _bound("UPDATE security.api_key SET used_at = now() WHERE id = :id", id=id)


def used_session(digest: bytes) -> TextClause:
    """Note that a session was used."""
    return _bound(
        "UPDATE security.session SET seen_at = now() WHERE digest = :digest", digest=digest
    )


def rules() -> TextClause:
    """Every rule: its name, value, bounds and meaning."""
    return text(
        "SELECT name, value, least, most, name_zh, name_en FROM security.rule ORDER BY name"
    )


TAKE = """
INSERT INTO security.bucket AS b VALUES (:name, :burst - 1, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET at = excluded.at, tokens = least(:burst, b.tokens
    + extract(epoch FROM excluded.at - b.at) / :seconds) - 1
WHERE least(:burst, b.tokens + extract(epoch FROM excluded.at - b.at) / :seconds) >= 1
RETURNING tokens"""


def take(name: bytes, burst: int, seconds: float) -> TextClause:
    """Take one try out of a bucket that holds `burst` and gains one every so many seconds.

    No row where none is left. `name` is a digest of what is counted.
    """
    return text(TAKE).bindparams(
        bindparam("name", name, LargeBinary),
        bindparam("burst", burst, Integer),
        bindparam("seconds", seconds),
    )


def sweep() -> TextClause:
    """Forget what was counted a month ago, and not since: any bucket is full again by then."""
    return text("DELETE FROM security.bucket WHERE at < now() - interval '31 days'")


def identify(**settings: str) -> Select[Any]:
    """Say in the transaction who acts; each setting ends with it. Nothing is left from before."""
    names = ("account", "actor", "roles", "purpose", "areas", "grids", "address", "request")
    return select(*(func.set_config(f"cim.{name}", settings.get(name, ""), True) for name in names))


def record(
    event: str,
    *,
    success: bool = True,
    actor: str | None = None,
    object_type: str | None = None,
    object_id: int | None = None,
    persons: int | None = None,
    detail: dict[str, Any] | None = None,
) -> TextClause:
    """A line in the audit log, in the transaction that does what it tells of."""
    return text(
        "SELECT security.record(:event, :success, :object_type, :object_id, :persons, :detail,"
        " :actor)"
    ).bindparams(
        bindparam("event", event, Text),
        bindparam("success", success, Boolean),
        bindparam("object_type", object_type, Text),
        bindparam("object_id", object_id, BigInteger),
        bindparam("persons", persons, Integer),
        bindparam("detail", detail or {}, JSONB),
        bindparam("actor", actor, Text),
    )


ACCOUNT = f"""
SELECT a.id, a.name, a.holder, a.password, a.password_at, a.must_change, a.failed, a.totp,
    a.totp_step, coalesce(a.locked_until > now(), false) AS locked, {_ALIVE.format("a")} AS alive,
    {_rights("g.account_id = a.id")}::text AS rights
FROM security.account a WHERE a.name = :name"""


def account(name: str) -> TextClause:
    """An account by its name, with its rights."""
    return _bound(ACCOUNT, name=name)


ACCOUNTS = """
SELECT a.id, a.name, a.holder, a.made_at, a.expires_at, a.ended_at, a.seen_at,
    a.password IS NOT NULL AS ready, coalesce(a.locked_until > now(), false) AS locked,
    a.totp IS NOT NULL AS totp,
    ARRAY(SELECT g.role || coalesce(' @' || p.code, ' @' || q.code, '')
        FROM security.role_grant g LEFT JOIN city.admin_area p ON p.id = g.area_id
        LEFT JOIN city.grid q ON q.id = g.grid_id
        WHERE g.account_id = a.id AND g.ended_at IS NULL ORDER BY 1) AS roles
FROM security.account a ORDER BY a.ended_at IS NOT NULL, a.name"""

KEYS = """
SELECT k.id, k.name, k.prefix, o.name AS owner, k.scopes, k.made_at, k.expires_at, k.ended_at,
    k.used_at,
    ARRAY(SELECT g.role || coalesce(' @' || p.code, ' @' || q.code, '')
        FROM security.role_grant g LEFT JOIN city.admin_area p ON p.id = g.area_id
        LEFT JOIN city.grid q ON q.id = g.grid_id
        WHERE g.key_id = k.id AND g.ended_at IS NULL ORDER BY 1) AS roles
FROM security.api_key k JOIN security.account o ON o.id = k.owner_id
ORDER BY k.ended_at IS NOT NULL, k.name"""


def accounts() -> TextClause:
    """Every account with its roles, `role @code` where it is confined; ended ones last."""
    return text(ACCOUNTS)


def keys() -> TextClause:
    """Every key with its roles; ended ones last."""
    return text(KEYS)


def place(code: str) -> TextClause:
    """The area or grid of a code: one row, `area_id` or `grid_id`."""
    return _bound(
        """SELECT id AS area_id, NULL::bigint AS grid_id FROM city.admin_area
           WHERE code = :code AND ended_at IS NULL
           UNION ALL SELECT NULL, id FROM city.grid WHERE code = :code AND ended_at IS NULL""",
        code=code,
    )


def link(digest: bytes) -> TextClause:
    """The account of a link that is still good; the row is held so that it is used once."""
    return _bound(
        f"""SELECT a.id, a.name, a.holder,
            (SELECT count(*) FROM security.role_grant g WHERE g.account_id = a.id
             AND g.administers <> '' AND g.ended_at IS NULL) > 0 AS administers
        FROM security.link l JOIN security.account a ON a.id = l.account_id
        WHERE l.digest = :digest AND l.used_at IS NULL AND l.expires_at > now()
          AND {_ALIVE.format("a")} FOR UPDATE OF l""",
        digest=digest,
    )


def fail(id: int, tries: int, minutes: int) -> TextClause:
    """Count a failed try; the last of so many locks the account."""
    return _bound(
        """UPDATE security.account SET failed = CASE WHEN failed + 1 >= :tries THEN 0
                ELSE failed + 1 END,
            locked_until = CASE WHEN failed + 1 >= :tries
                THEN now() + make_interval(mins => CAST(:minutes AS integer))
                ELSE locked_until END
        WHERE id = :id RETURNING locked_until > now() AS locked""",
        id=id,
        tries=tries,
        minutes=minutes,
    )


def succeed(id: int, password: str | None, must_change: bool, totp_step: int | None) -> TextClause:
    """Note a sign-in: a hash made anew, whether the password must be changed, the code's step."""
    return _bound(
        """UPDATE security.account SET failed = 0, locked_until = NULL, seen_at = now(),
            password = coalesce(:password, password), must_change = :must_change,
            totp_step = coalesce(CAST(:totp_step AS bigint), totp_step) WHERE id = :id""",
        id=id,
        password=password,
        must_change=must_change,
        totp_step=totp_step,
    )


def set_password(id: int, password: str) -> TextClause:
    """A new password's hash; the account is open again."""
    return _bound(
        """UPDATE security.account SET password = :password, password_at = now(), failed = 0,
            must_change = false, locked_until = NULL WHERE id = :id""",
        id=id,
        password=password,
    )


def end_sessions(id: int, besides: bytes | None = None) -> TextClause:
    """End the sessions of an account, but for one."""
    return _bound(
        """UPDATE security.session SET ended_at = now() WHERE account_id = :id
            AND ended_at IS NULL AND digest IS DISTINCT FROM CAST(:besides AS bytea)""",
        id=id,
        besides=besides,
    )


def set_codes(id: int, secret: bytes | None, step: int | None) -> TextClause:
    """The encrypted secret of one-time codes, and the last step used; None for none."""
    return text(
        "UPDATE security.account SET totp = :secret, totp_step = :step WHERE id = :id"
    ).bindparams(
        bindparam("id", id, BigInteger),
        bindparam("secret", secret, LargeBinary),
        bindparam("step", step, BigInteger),
    )


def refill(name: bytes) -> TextClause:
    """Forget what a bucket counted."""
    return _bound("DELETE FROM security.bucket WHERE name = :name", name=name)


def add_session(row: dict[str, Any], hours: int) -> Insert:
    """A session that is over after so many hours at the latest."""
    ends = func.now() + func.make_interval(0, 0, 0, 0, hours)
    return insert(session).values(**row, ends_at=ends)


def end_session(digest: bytes) -> TextClause:
    """End a session; whose it was, if it was not over."""
    return _bound(
        """UPDATE security.session SET ended_at = now() WHERE digest = :digest
           AND ended_at IS NULL RETURNING name, account_id""",
        digest=digest,
    )


def forget_sessions() -> TextClause:
    """Forget sessions that were over a day ago; the audit log knows of them."""
    return text("DELETE FROM security.session WHERE ends_at < now() - interval '1 day'")


def key_named(name: str) -> TextClause:
    """The key of a name that is in force."""
    return _bound(
        "SELECT id FROM security.api_key WHERE name = :name AND ended_at IS NULL", name=name
    )


def forget_buckets() -> TextClause:
    """Forget what was last counted a day ago."""
    return text("DELETE FROM security.bucket WHERE at < now() - interval '1 day'")
