"""`cim key`: keys of machines."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click

from cim.commands.acting import acting, as_who, dry, moment, say, until
from cim.commands.listing import Row, as_json, here, show
from cim.security import keys
from cim.security.rights import SECURITY
from cim.store.queries.security import callers as queries


@click.group()
def key() -> None:
    """Keys of machines: made, listed, ended. 机器密钥。

    A key goes into the header `Authorization: Bearer …` and never into an address. Of a key only
    its SHA-256 is kept, so it is shown once, when it is made.

    \b
    Example:
      cim key add housing-desk --owner wang --role residents --as security
      cim key list
    """


@key.command()
@click.argument("name")
@click.option("--owner", required=True, help="The account that answers for it 负责的账户.")
@click.option("--role", "roles", multiple=True, help="What it may be 角色; may be repeated.")
@click.option("--scope", "scopes", multiple=True, help="Only these scopes of its roles 权限范围.")
@click.option("--at", metavar="CODE", help="Only in the area or grid of this code 仅限该区域.")
@until
@as_who
@dry
def add(  # noqa: PLR0913, PLR0917 - each is an argument or an option of the command
    name: str,
    owner: str,
    roles: tuple[str, ...],
    scopes: tuple[str, ...],
    at: str | None,
    until: datetime | None,
    who: str,
    dry_run: bool,
) -> None:
    """Make a key and print it, once. 新建密钥。

    \b
    Example:
      cim key add housing-desk --owner wang --role residents --role intake \\
          --at 441900001 --until 2027-12-31 --as security
    """
    wanted = keys.Wanted(name, owner, roles, scopes, at, moment(until))
    with acting(who, dry_run, SECURITY) as connection:
        made = keys.add(connection, wanted)
    if not dry_run:
        say("the key, shown this once:", "密钥仅显示这一次：")
        click.echo(made)


@key.command("list")
@as_json
def list_them(as_json: bool) -> None:
    """Show every key: how it begins, whose it is, what it may do, when it was used. 列出密钥。

    \b
    Example:
      cim key list --json
    """
    show(lambda connection: connection.execute(queries.keys()).mappings(), COLUMNS, as_json=as_json)


def _day(at: datetime | None) -> str:
    return "" if at is None else here(at, "%Y-%m-%d")


def _may(row: Row) -> str:
    return "\n".join(row["roles"] + [f"only 仅 {scope}" for scope in row["scopes"] or []])


COLUMNS: dict[str, Callable[[Row], str]] = {
    "name 名称": lambda row: row["name"],
    "begins 前缀": lambda row: row["prefix"],
    "owner 负责人": lambda row: row["owner"],
    "roles 角色": _may,
    "until 到期": lambda row: "ended 已终止" if row["ended_at"] else _day(row["expires_at"]),
    "used 使用": lambda row: _day(row["used_at"]),
}
"""What is shown of a key."""


@key.command()
@click.argument("name")
@as_who
@dry
def end(name: str, who: str, dry_run: bool) -> None:
    """End a key: it opens nothing from now on. 终止密钥。

    \b
    Example:
      cim key end housing-desk --as security
    """
    with acting(who, dry_run, SECURITY) as connection:
        keys.end(connection, name)
        say(f"the key {name} has ended", f"密钥 {name} 已终止")


@key.command("import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--owner", required=True, help="The account that answers for them 负责的账户.")
@as_who
@dry
def take_over(path: Path, owner: str, who: str, dry_run: bool) -> None:
    """Take over the keys of an access.json of an earlier version. 导入旧版密钥文件。

    They stay good as they are; the file is of no use afterwards.

    \b
    Example:
      cim key import .cim/access.json --owner wang --as security --dry-run
    """
    with acting(who, dry_run, SECURITY) as connection:
        for made in keys.take_over(connection, path, owner):
            click.echo(f"{made.name}: {', '.join(made.roles) or '-'}")
