"""`cim user`: accounts of people, their roles, and the links by which they set a password."""

from collections.abc import Callable
from datetime import datetime

import click

from cim.commands.acting import (
    acting,
    as_who,
    ask,
    dry,
    moment,
    opened,
    prove,
    say,
    stands,
    until,
)
from cim.commands.listing import Row, as_json, here, show
from cim.errors import InvalidQuery
from cim.security import accounts
from cim.security.identity import stand_for
from cim.security.rights import SECURITY, SYSTEM
from cim.security.signing import CONSOLE, redeem
from cim.settings import Settings
from cim.store.queries.security import callers as queries


@click.group()
def user() -> None:
    """Accounts of people, and what they may do. 人员账户与角色。

    Three administrators share this, and no person can be two of them: the system administrator
    makes accounts, the security administrator gives roles, the audit administrator reads the log.

    \b
    Example:
      cim user first --system 0417 --security 0533 --audit 0618
      cim user add wang --holder 0720 --as system
      cim user role wang residents --at 441900001 --as security
    """


def shown(settings: Settings, link: accounts.Link) -> None:
    """A link, with whose it is; what it carries stands behind the #, which no server is sent."""
    role = f" ({link.role})" if link.role else ""
    click.echo(f"{link.account}{role}: {settings.opened_at}/#link={link.token}")


@user.command()
@click.option("--system", help="Staff number of the system administrator 系统管理员工号.")
@click.option("--security", help="Staff number of the security administrator 安全管理员工号.")
@click.option("--audit", help="Staff number of the audit administrator 审计管理员工号.")
def first(system: str | None, security: str | None, audit: str | None) -> None:
    """Make the three administrators and print a one-time link for each. 设立三员。

    Hand each link to its person, who sets the password with it. Run it again for links that ran
    out; once a password is set there is nothing more to print.

    \b
    Example:
      cim user first --system 0417 --security 0533 --audit 0618
    """
    given = {"system": system, "security": security, "audit": audit}
    with opened() as (settings, engine):
        with engine.begin() as connection:
            connection.execute(stand_for(address=CONSOLE))
            links = accounts.first(connection, {kind: no for kind, no in given.items() if no})
            hours = accounts.rules(connection)["link_hours"]
        for link in links:
            shown(settings, link)
    if links:
        say(
            f"each link sets one password, once, within {hours} hours: give each to its person",
            f"每个链接只能使用一次，{hours} 小时内有效；请分别交给本人设置密码",
        )
    else:
        say("the three administrators have set their passwords", "三员均已设置密码")


@user.command()
@click.argument("name")
@click.option("--holder", help="Staff number of whose it is 使用人工号; the name, unless given.")
@until
@as_who
@dry
def add(name: str, holder: str | None, until: datetime | None, who: str, dry_run: bool) -> None:
    """Make an account and print the link that sets its password. 新建账户。

    \b
    Example:
      cim user add wang --holder 0720 --until 2027-12-31 --as system
    """
    with acting(who, dry_run, SYSTEM) as connection:
        accounts.add(connection, name, holder, moment(until))
        link = accounts.make_link(connection, name)
    if not dry_run:
        with opened() as (settings, _):
            shown(settings, link)


@user.command("list")
@as_json
def list_them(as_json: bool) -> None:
    """Show every account with its roles. 列出账户。

    \b
    Example:
      cim user list --json
    """
    found = queries.accounts()
    show(lambda connection: connection.execute(found).mappings(), COLUMNS, as_json=as_json)


def _state(row: Row) -> str:
    if row["ended_at"]:
        return "ended 已终止"
    if row["locked"]:
        return "locked 已锁定"
    return "ready 可用" if row["ready"] else "no password yet 未设密码"


def _day(at: object) -> str:
    return here(at, "%Y-%m-%d %H:%M") if isinstance(at, datetime) else ""


COLUMNS: dict[str, Callable[[Row], str]] = {
    "name 账户": lambda row: row["name"],
    "holder 使用人": lambda row: row["holder"],
    "roles 角色": lambda row: "\n".join(row["roles"]),
    "state 状态": _state,
    "last sign-in 上次登录": lambda row: _day(row["seen_at"]),
}
"""What is shown of an account."""


@user.command()
@click.argument("name")
@click.argument("role")
@click.option("--at", metavar="CODE", help="Only in the area or grid of this code 仅限该区域.")
@click.option("--take", is_flag=True, help="Take the role away instead 收回角色.")
@until
@as_who
@dry
def role(
    name: str,
    role: str,
    at: str | None,
    take: bool,
    until: datetime | None,
    who: str,
    dry_run: bool,
) -> None:
    """Give an account a role, or take it away. 授予或收回角色。

    \b
    Example:
      cim user role wang residents --at 441900001 --until 2026-12-31 --as security
      cim user role wang residents --take --as security
    """
    with acting(who, dry_run, SECURITY) as connection:
        if take:
            accounts.take(connection, role, name)
            say(f"{name} has no longer the role {role}", f"已收回 {name} 的角色 {role}")
        else:
            accounts.give(connection, role, to=name, at=at, expires=moment(until))
            say(f"{name} has the role {role}", f"{name} 已具有角色 {role}")


@user.command()
@click.argument("name")
@as_who
@dry
def end(name: str, who: str, dry_run: bool) -> None:
    """End an account for good, with its sessions and keys. 终止账户。

    \b
    Example:
      cim user end wang --as system
    """
    with acting(who, dry_run, SYSTEM) as connection:
        accounts.end(connection, name)
        say(f"the account {name} has ended", f"账户 {name} 已终止")


@user.command()
@click.argument("name")
@as_who
@dry
def unlock(name: str, who: str, dry_run: bool) -> None:
    """Open an account that failed tries have locked. 解锁账户。

    \b
    Example:
      cim user unlock wang --as system
    """
    with acting(who, dry_run, SYSTEM) as connection:
        accounts.unlock(connection, name)
        say(f"the account {name} is open", f"账户 {name} 已解锁")


@user.command("link")
@click.argument("name")
@click.option("--with", "second", metavar="ACCOUNT", help="A second administrator 另一位管理员.")
@as_who
@dry
def link_to(name: str, second: str | None, who: str, dry_run: bool) -> None:
    """Print a new one-time link for an account. 重新生成一次性链接。

    For an administrator's it takes the two others: one alone could become two.

    \b
    Example:
      cim user link wang --as system
      cim user link system --as security --with audit
    """
    with opened() as (settings, engine):
        signed = prove(settings, engine, who)
        witness = prove(settings, engine, second) if second else None
        with engine.connect() as connection, connection.begin() as transaction:
            connection.execute(stands(signed))
            link = accounts.make_link(connection, name, witness.account if witness else None)
            if dry_run:
                transaction.rollback()
        if dry_run:
            say("dry run: nothing was kept", "试运行：未保存任何内容")
        else:
            shown(settings, link)


@user.command()
def password() -> None:
    """Set a password by a link, where there is no browser. 用一次性链接设置密码。

    Asks for the link, or what stands behind `#link=` in it, and for the new password.

    \b
    Example:
      cim user password
    """
    token = ask("link 链接").rpartition("#link=")[2].strip()
    first_time, again = ask("new password 新密码"), ask("again 再次输入")
    if first_time != again:
        raise InvalidQuery("The two passwords differ.", "两次输入的密码不一致。")
    with opened() as (_, engine), engine.begin() as connection:
        connection.execute(stand_for(address=CONSOLE))
        signed = redeem(connection, token, first_time)
    say(f"the password of {signed.name} is set", f"{signed.name} 的密码已设置")


@user.command()
@click.option("--set", "change", metavar="RULE=NUMBER", help="Change a rule 修改规则.")
@click.option(
    "--as", "who", envvar="CIM_AS", metavar="ACCOUNT", help="Who changes it 操作的管理员."
)
@dry
def rules(change: str | None, who: str | None, dry_run: bool) -> None:
    """Show the rules on passwords, sign-in and sessions, or change one. 密码与登录规则。

    \b
    Example:
      cim user rules
      cim user rules --set password_length=14 --as security
    """
    if change is None:
        with opened() as (_, engine), engine.connect() as connection:
            for row in connection.execute(queries.rules()):
                click.echo(f"{row.name} = {row.value}  ({row.least}–{row.most})")
                click.echo(f"    {row.name_zh} {row.name_en}")
        return
    name, _, value = change.partition("=")
    if who is None or not value.strip().isdecimal():
        raise InvalidQuery(
            "A rule is changed as RULE=NUMBER by --as ACCOUNT.",
            "修改规则的格式为 规则=数字，并用 --as 指定管理员。",
        )
    with acting(who, dry_run, SECURITY) as connection:
        accounts.set_rule(connection, name.strip(), int(value))
        say(f"{name.strip()} is {int(value)} now", f"{name.strip()} 已改为 {int(value)}")
