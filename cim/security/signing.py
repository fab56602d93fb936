"""Signing in with a password, and setting one: what fails takes as long as what does not."""

import re
import time
from dataclasses import dataclass

import orjson
import pyotp
from sqlalchemy import Connection, text

from cim.errors import BadPassword, InvalidQuery, NotAllowed
from cim.privacy import Vault
from cim.security import accounts, passwords, secrets
from cim.security.identity import stand_for
from cim.security.rights import Rights, read
from cim.store.queries.security import callers as queries

STEP = 30
"""Seconds that a one-time code is good for."""

CODES = "account.totp"
"""What the secret of the codes is encrypted for."""

CONSOLE = "console"
"""What the log says of where a command was given."""

REFUSED = NotAllowed(
    "The name, the password or the code is wrong, or the account is locked.",
    "账户名、密码或验证码错误，或账户已锁定。",
)
"""The same for every reason, or the service would tell who has an account."""


@dataclass(frozen=True)
class Attempt:
    """What somebody wrote who wants to sign in."""

    name: str
    password: str
    code: str = ""
    address: str | None = None
    """Where it came from; None at the console."""

    request: str | None = None


@dataclass(frozen=True)
class Signed:
    """Who signed in."""

    account: int
    name: str
    holder: str
    rights: Rights
    must_change: bool


@dataclass(frozen=True)
class Slow:
    """Too many tries of late; one more in so many seconds."""

    seconds: int


def sign_in(connection: Connection, vault: Vault, attempt: Attempt) -> Signed | Slow | None:
    """Who signs in; None where it fails, for whatever reason. Commit in every case.

    A failure is counted and logged; so many of them lock the account for a while.
    """
    rules = accounts.rules(connection)
    name = accounts.plain(attempt.name)[:200]
    # What was typed as a name may be a password: only names that there are go into the log.
    address = attempt.address or CONSOLE
    connection.execute(stand_for(address=address, request=attempt.request))
    if slow := _throttled(connection, rules, name, attempt.address):
        return slow
    found = connection.execute(queries.account(name)).first()
    if found is not None:
        connection.execute(stand_for(actor=name, address=address, request=attempt.request))
    fits = passwords.fits(attempt.password, found.password if found else None)
    step = _step(vault, found.totp, found.totp_step, attempt.code) if found else None
    if found is None or not found.alive or found.locked or not fits or step == -1:
        _failed(connection, found, rules)
        return None
    old = found.password_at is not None and rules["password_days"] > 0
    old = old and (time.time() - found.password_at.timestamp()) > rules["password_days"] * 86400
    must_change = found.must_change or old
    again = passwords.hashed(attempt.password) if passwords.outdated(found.password) else None
    connection.execute(queries.succeed(found.id, again, must_change, step))
    connection.execute(queries.refill(_bucket("account", name)))
    connection.execute(queries.record("sign_in", object_type="account", object_id=found.id))
    rights = read(orjson.loads(found.rights))
    return Signed(found.id, found.name, found.holder, rights, must_change)


def _throttled(
    connection: Connection, rules: dict[str, int], name: str, address: str | None
) -> Slow | None:
    """Take a try for the account and for the address; how long to wait where there is none."""
    for kind, value in (("account", name), ("address", address)):
        if value is None:
            continue
        key = _bucket(kind, value)
        seconds = rules[f"{kind}_seconds"]
        if not connection.execute(queries.take(key, rules[f"{kind}_burst"], seconds)).first():
            # Told once a minute, or whoever tries all day long would fill the log.
            if connection.execute(queries.take(_bucket(f"told {kind}", value), 1, 60)).first():
                slowed = queries.record("sign_in", success=False, detail={"throttled": kind})
                connection.execute(slowed)
            return Slow(seconds)
    return None


def _bucket(kind: str, value: str) -> bytes:
    """The name of what is counted, which tells nobody."""
    return secrets.digest(f"sign_in {kind} {value}")


def _failed(connection: Connection, found: object, rules: dict[str, int]) -> None:
    """Count and log a failure."""
    id = getattr(found, "id", None)
    locked = getattr(found, "locked", False)
    if id is not None and not locked:
        failed = queries.fail(id, rules["failed_tries"], rules["locked_minutes"])
        locked = bool(connection.execute(failed).scalar_one())
    detail = {"locked": True} if locked else {}
    connection.execute(
        queries.record("sign_in", success=False, object_type="account", object_id=id, detail=detail)
    )


def _step(vault: Vault, sealed: bytes | None, last: int | None, code: str) -> int | None:
    """The step of a one-time code, this or the one before; -1 for a wrong or a used one.

    None where the account has no codes.
    """
    if sealed is None:
        return None
    secret = pyotp.TOTP(str(vault.decrypt([sealed], CODES)[0]))
    now = int(time.time()) // STEP
    for step in (now, now - 1):
        if secrets.same(secret.at(step * STEP), code.strip()) and step > (last or 0):
            return step
    return -1


def redeem(connection: Connection, token: str, password: str) -> Signed:
    """Set the password of a link's account; the link is used up.

    NotAllowed for a link that is not good any more, BadPassword for a password against the rules.
    """
    found = connection.execute(queries.link(secrets.digest(token))).first()
    if found is None:
        raise NotAllowed(
            "This link is not good any more; ask for another.", "此链接已失效，请重新获取。"
        )
    connection.execute(stand_for(actor=found.name, account=found.id))
    _judge(connection, password, found.name)
    connection.execute(
        text("UPDATE security.link SET used_at = now() WHERE digest = :digest"),
        {"digest": secrets.digest(token)},
    )
    return _set(connection, found.name, password, None)


def change(
    connection: Connection, signed: Signed, password: str, besides: bytes | None = None
) -> Signed:
    """Set one's own password; every other session of the account ends."""
    found = accounts.find(connection, signed.name)
    _judge(connection, password, signed.name)
    if passwords.fits(password, found.password):
        raise BadPassword("The new password is the old one.", "新密码不能与旧密码相同。")
    return _set(connection, signed.name, password, besides)


def _set(connection: Connection, name: str, password: str, besides: bytes | None) -> Signed:
    found = accounts.find(connection, name)
    connection.execute(queries.set_password(found.id, passwords.hashed(password)))
    connection.execute(queries.end_sessions(found.id, besides))
    rights = read(orjson.loads(found.rights))
    return Signed(found.id, found.name, found.holder, rights, must_change=False)


def _judge(connection: Connection, password: str, name: str) -> None:
    """BadPassword where the rules speak against it."""
    found = passwords.faults(password, name, accounts.rules(connection))
    if found:
        en, zh = zip(*found, strict=True)
        raise BadPassword(
            f"This password will not do: {'; '.join(en)}.", f"密码不符合要求：{'；'.join(zh)}。"
        )


def begin_codes(signed: Signed) -> tuple[str, str]:
    """A secret for one-time codes, and the address that an authenticator reads from a picture.

    Nothing is kept before `confirm_codes`.
    """
    secret = pyotp.random_base32()
    return secret, pyotp.TOTP(secret).provisioning_uri(name=signed.name, issuer_name="cimtwin")


def confirm_codes(
    connection: Connection, vault: Vault, signed: Signed, secret: str, code: str
) -> None:
    """From now on signing in takes a code too; NotAllowed where this one does not fit."""
    if not re.fullmatch(r"[A-Z2-7]{32}", secret):
        raise InvalidQuery(
            "The secret must be the one that was given.", "密钥必须为系统生成的密钥。"
        )
    totp, now = pyotp.TOTP(secret), int(time.time()) // STEP
    fitting = [n for n in (now, now - 1) if secrets.same(totp.at(n * STEP), code.strip())]
    if not fitting:
        raise NotAllowed("The code is wrong.", "验证码错误。")
    sealed = vault.encrypt([secret], CODES)[0]
    connection.execute(queries.set_codes(signed.account, sealed, fitting[0]))


def end_codes(connection: Connection, signed: Signed) -> None:
    """Signing in takes no code any more."""
    connection.execute(queries.set_codes(signed.account, None, None))
