"""`cim role`: what roles there are, and what each may do."""

from collections.abc import Callable

import click

from cim.commands.acting import acting, as_who, dry, say
from cim.commands.listing import Row, as_json, show
from cim.security import roles
from cim.security.rights import SECURITY
from cim.security.roles import Allowed


@click.group()
def role() -> None:
    """Roles, and what each may do. 角色及其权限。

    A role allows scopes, with all collections or one, with all its fields or some, up to a level
    of secrecy. Where, is said when it is given: cim user role, cim key add.

    \b
    Example:
      cim role list
      cim role add lift-inspector --zh 电梯检验 --en "lift inspection" --as security
      cim role allow lift-inspector city.read --collection devices --secrecy 1 --as security
    """


@role.command("list")
@as_json
def list_them(as_json: bool) -> None:
    """Show every role with what it may do. 列出角色。

    \b
    Example:
      cim role list --json
    """
    show(roles.listed, COLUMNS, as_json=as_json)


def _told(right: Row) -> str:
    """A right as people read it."""
    of = f" {right['collection']}" if right["collection"] else ""
    some = f" ({', '.join(right['fields'])})" if right["fields"] else ""
    level = f" secrecy 密级 ≤ {right['secrecy']}" if right["secrecy"] else ""
    return f"{right['scope']}{of}{some}{level}"


COLUMNS: dict[str, Callable[[Row], str]] = {
    "role 角色": lambda row: row["code"],
    "name 名称": lambda row: f"{row['name_zh']}\n{row['name_en']}",
    "may 权限": lambda row: "\n".join(map(_told, row["rights"])),
}
"""What is shown of a role."""


@role.command()
@click.argument("code")
@click.option("--zh", required=True, help="Its name in Chinese 中文名称.")
@click.option("--en", required=True, help="Its name in English 英文名称.")
@as_who
@dry
def add(code: str, zh: str, en: str, who: str, dry_run: bool) -> None:
    """Make a role, which may do nothing yet. 新建角色。

    \b
    Example:
      cim role add lift-inspector --zh 电梯检验 --en "lift inspection" --as security
    """
    with acting(who, dry_run, SECURITY) as connection:
        roles.add(connection, code, zh, en)
        say(f"there is a role {code}", f"已新建角色 {code}")


@role.command()
@click.argument("code")
@click.argument("scope")
@click.option("--collection", help="Only with this collection 仅限该图层.")
@click.option("--field", "fields", multiple=True, help="Only this field 仅限字段; repeatable.")
@click.option("--secrecy", default=0, type=click.IntRange(0, 9), help="Up to this level 密级.")
@as_who
@dry
def allow(
    code: str,
    scope: str,
    collection: str | None,
    fields: tuple[str, ...],
    secrecy: int,
    who: str,
    dry_run: bool,
) -> None:
    """Let a role do something, in place of what it was allowed of that before. 授权。

    \b
    Example:
      cim role allow lift-inspector city.read --collection devices --field name \\
          --field class --secrecy 1 --as security
    """
    allowed = Allowed(code, scope, collection, fields, secrecy)
    with acting(who, dry_run, SECURITY) as connection:
        roles.allow(connection, allowed)
        say(f"{code} may {scope}", f"{code} 已获授权 {scope}")


@role.command()
@click.argument("code")
@click.argument("scope")
@click.option("--collection", help="With this collection 图层.")
@as_who
@dry
def deny(code: str, scope: str, collection: str | None, who: str, dry_run: bool) -> None:
    """Let a role do something no longer. 取消授权。

    \b
    Example:
      cim role deny lift-inspector city.read --collection devices --as security
    """
    with acting(who, dry_run, SECURITY) as connection:
        roles.deny(connection, Allowed(code, scope, collection))
        say(f"{code} may no longer {scope}", f"已取消 {code} 的 {scope} 权限")
