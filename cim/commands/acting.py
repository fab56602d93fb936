"""Who gives a command that only an administrator may: asked for the password, and told on."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import click
from sqlalchemy import Connection, Engine

from cim import settings as settings_module
from cim.errors import NotAllowed
from cim.privacy import open_vault
from cim.security import accounts
from cim.security.identity import stand_for
from cim.security.signing import CONSOLE, REFUSED, Attempt, Signed, Slow, sign_in
from cim.settings import Settings
from cim.store.engine import connect
from cim.store.queries.security import callers as queries

Decorated = Callable[..., Any]

HERE: Final = timezone(timedelta(hours=8))
"""China Standard Time, for times that do not say their zone."""


def say(en: str, zh: str) -> None:
    """A sentence in both languages."""
    click.echo(f"{en}\n{zh}")


def as_who(command: Decorated) -> Decorated:
    """The option `--as`."""
    return click.option(
        "--as", "who", required=True, envvar="CIM_AS", metavar="ACCOUNT",
        help="The administrator who does it 操作的管理员; asked for the password.",
    )(command)  # fmt: skip


def dry(command: Decorated) -> Decorated:
    """The option `--dry-run`."""
    return click.option(
        "--dry-run", is_flag=True, help="Say what would be done, keep nothing 试运行，不保存."
    )(command)


def until(command: Decorated) -> Decorated:
    """The option `--until`."""
    return click.option(
        "--until", type=click.DateTime(["%Y-%m-%d"]), help="Good before that day 到期日."
    )(command)


def moment(day: datetime | None) -> datetime | None:
    """The beginning of a day in China.

    >>> moment(datetime(2027, 1, 1)).isoformat()
    '2027-01-01T00:00:00+08:00'
    """
    return None if day is None else day.replace(tzinfo=HERE)


@contextmanager
def opened() -> Iterator[tuple[Settings, Engine]]:
    """The settings, and an engine on the city's database."""
    settings = settings_module.load()
    engine = connect(settings)
    try:
        yield settings, engine
    finally:
        engine.dispose()


def ask(prompt: str) -> str:
    """A secret, from the terminal unseen, or a line of what is piped in."""
    if sys.stdin.isatty():
        return str(click.prompt(prompt, hide_input=True, err=True))
    return sys.stdin.readline().rstrip("\n")


def prove(settings: Settings, engine: Engine, name: str) -> Signed:
    """The account of somebody who knows its password; NotAllowed for anybody else."""
    with engine.connect() as connection:
        row = connection.execute(queries.account(accounts.plain(name))).first()
    secret = ask(f"password of {name} 的密码")
    code = ask("one-time code 验证码") if row is not None and row.totp is not None else ""
    with engine.begin() as connection:
        signed = sign_in(connection, open_vault(settings), Attempt(name, secret, code))
    if isinstance(signed, Slow):
        raise NotAllowed(
            f"Too many tries; wait {signed.seconds} seconds.",
            f"尝试次数过多，请等待 {signed.seconds} 秒。",
        )
    if signed is None:
        raise REFUSED
    if signed.must_change:
        raise NotAllowed(
            "The password has run out: set a new one in the viewer first.",
            "密码已过期，请先在系统中修改密码。",
        )
    return signed


@contextmanager
def acting(who: str, dry_run: bool, scope: str) -> Iterator[Connection]:
    """A transaction in which this administrator acts; nothing is kept of a dry run."""
    with opened() as (settings, engine):
        signed = prove(settings, engine, who)
        with engine.connect() as connection, connection.begin() as transaction:
            connection.execute(stands(signed))
            if not signed.rights.may(scope):
                kind = scope.removeprefix("admin.")
                if kind == scope:
                    raise NotAllowed(f"That takes the right {scope}.", f"此操作需要权限 {scope}。")
                raise NotAllowed(
                    f"That is for the {kind} administrator.", "此操作仅限相应的管理员。"
                )
            yield connection
            if dry_run:
                transaction.rollback()
        if dry_run:
            say("dry run: nothing was kept", "试运行：未保存任何内容")


def stands(signed: Signed) -> Any:
    """The statement that says who acts at the console."""
    return stand_for(
        actor=signed.name,
        account=signed.account,
        roles=signed.rights.roles,
        address=CONSOLE,
        request=f"{CONSOLE}:{os.getpid()}",
    )
