"""`cim people`: how long people's data are kept, what a person asks for, and the keys."""

import getpass
import json
from pathlib import Path

import click
from sqlalchemy import Connection

from cim.commands.acting import acting, as_who, ask, dry, opened, prove, say, stands
from cim.commands.bar import bar
from cim.errors import NotAllowed
from cim.people import requests, retention, rotation
from cim.people.owned import owned
from cim.privacy import open_vault
from cim.security.identity import stand_for
from cim.security.rights import RESIDENTS_REQUESTS, SECURITY
from cim.security.signing import CONSOLE
from cim.store.queries import people_keeping as statements
from cim.store.queries.incoming.load import bound
from cim.store.queries.security import callers as queries

reference_given = click.option(
    "--reference",
    required=True,
    help="The office's number of the request 受理编号; goes to the log.",
)


@click.group()
def people() -> None:
    """People's data: how long they are kept, what a person asks for, and the keys. 个人信息。

    \b
    Example:
      cim people retain --dry-run
      cim people export copy.html --reference 2026-17 --as officer
      cim people keys rotate --as security
    """


def console_user(connection: Connection) -> None:
    """Say that whoever runs the command acts."""
    name = f"{CONSOLE}:{getpass.getuser()}"
    connection.execute(stand_for(actor=name, purpose="retention", address=CONSOLE))


@people.command()
@dry
def retain(dry_run: bool) -> None:
    """Take out what was kept as long as the rules allow. 按保留期限清理。

    People who moved out, rows of people that were set aside, and old months of the audit log; the
    rules are moved_out_days, aside_days and audit_months of `cim user rules`. Made to be run by a
    timer; each batch is a line of the log.

    \b
    Example:
      cim people retain --dry-run
    """
    with opened() as (_, engine):
        with engine.connect() as connection:
            gone = retention.due(connection)
        if not dry_run:
            with bar("rows 行", gone.homes + gone.persons + gone.aside) as tick:
                gone = retention.retain(engine, console_user, tick)
    en, zh = ("would go: ", "将清理：") if dry_run else ("gone: ", "已清理：")
    months = len(gone.months)
    say(
        f"{en}{gone.homes:,} homes, {gone.persons:,} persons, {gone.aside:,} rows set aside, "
        f"{months} months of the log",
        f"{zh}居住记录 {gone.homes:,} 条，人员 {gone.persons:,} 人，暂存 {gone.aside:,} 行，"
        f"日志 {months} 个月",
    )


@people.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@reference_given
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@as_who
def export(path: Path, reference: str, force: bool, who: str) -> None:
    """Write all that is kept of a person to PATH, a page for that person. 导出个人信息副本。

    Asks for the number of the person's document, which is never part of a command. Takes the right
    residents.requests. Only the owner can read PATH.

    \b
    Example:
      cim people export copy.html --reference 2026-17 --as officer
    """
    with acting(who, False, RESIDENTS_REQUESTS) as connection, opened() as (settings, _):
        number = ask("number of the document 证件号码")
        found = requests.tell(connection, open_vault(settings), number, reference)
        with owned(path, force=force) as out:
            out.write(requests.page(found))
    count = len(found["records"])
    say(f"{count:,} records of that person → {path}", f"该人员的 {count:,} 条记录 → {path}")


@people.command()
@reference_given
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_who
@dry
def erase(reference: str, yes: bool, who: str, dry_run: bool) -> None:
    """Erase a person, as they asked. 删除个人信息。

    Goes: homes, phone, name and numbers, and rows set aside. Stays, for the law: name and number of
    who has a right in a unit, shown to nobody any more. Erase at the source too, or the next file
    brings the person back.

    \b
    Example:
      cim people erase --reference 2026-18 --as officer
    """
    with acting(who, dry_run, RESIDENTS_REQUESTS) as connection, opened() as (settings, _):
        number = ask("number of the document 证件号码")
        if not (yes or dry_run):
            click.confirm("erase what is kept of this person? 确定删除该人员的信息？", abort=True)
        gone = requests.erase(connection, open_vault(settings), number, reference)
    say(
        f"{gone['persons']:,} records and {gone['homes']:,} homes erased, {gone['aside']:,} rows "
        f"set aside; {gone['kept']:,} records kept for the law alone",
        f"已删除人员记录 {gone['persons']:,} 条、居住记录 {gone['homes']:,} 条、"
        f"暂存 {gone['aside']:,} 行；依法保留 {gone['kept']:,} 条",
    )


@people.group()
def keys() -> None:
    """The key that personal data are sealed with. 加密密钥。

    \b
    Example:
      cim people keys rotate --as security
    """


@keys.command()
@click.option("--batch", default=rotation.BATCH, show_default=True, help="Rows of a transaction.")
@as_who
@dry
def rotate(batch: int, who: str, dry_run: bool) -> None:
    """Seal all personal data with a new key. 更换密钥。

    Names, numbers and phones, the hashes they are found by, rows set aside, secrets of one-time
    codes and of webhooks. May be stopped and run again at any time; the service goes on meanwhile,
    loads of people wait. The old key stays beside the new one: backups made before need it.

    \b
    Example:
      cim people keys rotate --as security
    """
    with opened() as (settings, engine):
        signed = prove(settings, engine, who)
        if not signed.rights.may(SECURITY):
            raise NotAllowed("That is for the security administrator.", "此操作仅限安全管理员。")
        counts = rotation.count(engine)
        if dry_run:
            told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
            say(f"would be sealed anew: {told}", f"将重新加密：{told}")
            return
        with engine.begin() as connection:
            connection.execute(stands(signed))
            connection.execute(queries.record("people.rekey", detail=counts))
        with bar("values 数据", sum(counts.values())) as tick:
            done = rotation.rotate(engine, settings, tick, batch=batch)
        with engine.begin() as connection:
            connection.execute(stands(signed))
            connection.execute(queries.record("people.rekeyed", detail=done.sealed))
    told = ", ".join(f"{name} {count:,}" for name, count in done.sealed.items())
    say(f"sealed anew: {told}", f"已重新加密：{told}")
    if done.unknown:
        say(
            f"{done.unknown:,} persons keep a key of their source made with the old one: loading "
            "their whole file again takes them for new",
            f"{done.unknown:,} 人的来源标识仍由旧密钥生成：再次全量载入时会视为新人员",
        )
    say(
        f"backups made before need the old key: keep {done.old} where they are kept, not here",
        f"此前的备份仍需旧密钥：请将 {done.old} 移到备份存放处",
    )


@people.group()
def purpose() -> None:
    """What personal data may be asked for. 用途。

    \b
    Example:
      cim people purpose list
      cim people purpose add census --zh 人口普查 --en census --as security
    """


@purpose.command("list")
def list_them() -> None:
    """Show the purposes. 列出用途。

    \b
    Example:
      cim people purpose list
    """
    with opened() as (_, engine), engine.connect() as connection:
        for row in connection.execute(queries.purposes()):
            marks = [name for name in ("plain", "demo") if getattr(row, name)]
            click.echo(f"{row.code}  {row.name_zh} {row.name_en} {json.dumps(marks)}")


@purpose.command()
@click.argument("code")
@click.option("--zh", required=True, help="Its name in Chinese.")
@click.option("--en", required=True, help="Its name in English.")
@click.option("--plain", is_flag=True, help="Names and numbers are needed unmasked 需要明文.")
@as_who
@dry
def add(code: str, zh: str, en: str, plain: bool, who: str, dry_run: bool) -> None:
    """Add a purpose, or change its names and whether it needs data unmasked. 新增或修改用途。

    \b
    Example:
      cim people purpose add census --zh 人口普查 --en census --as security
    """
    with acting(who, dry_run, SECURITY) as connection:
        given = {"code": code, "zh": zh, "en": en, "plain": plain}
        connection.execute(bound(statements.ADD_PURPOSE), given)
        say(f"{code} is a purpose", f"{code} 已列为用途")


@purpose.command()
@click.argument("code")
@as_who
@dry
def end(code: str, who: str, dry_run: bool) -> None:
    """End a purpose: nothing is opened for it any more. 终止用途。

    \b
    Example:
      cim people purpose end census --as security
    """
    with acting(who, dry_run, SECURITY) as connection:
        connection.execute(bound(statements.END_PURPOSE), {"code": code})
        say(f"{code} is no purpose any more", f"{code} 不再是用途")
