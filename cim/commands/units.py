"""`cim units`: storeys, entrances and units made from footprints and floor counts."""

import click
from sqlalchemy import Connection

from cim import derive
from cim import settings as settings_module
from cim.commands.bar import bar
from cim.settings import Settings
from cim.store import engine


@click.group()
def units() -> None:
    """Storeys, entrances and units, made from footprints and floor counts.

    `cim load` makes them by itself; this is for making them again.

    \b
    Example:
      cim units build
    """


@units.command()
@click.option("--all", "everything", is_flag=True, help="Also where nothing has changed.")
@click.option("--building", "ids", type=int, multiple=True, help="Only this id; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Say what would be made, and make nothing.")
def build(everything: bool, ids: tuple[int, ...], dry_run: bool) -> None:
    """Make the storeys and units of buildings whose data changed since they were made.

    Given storeys and rooms win; ids of what is still there stay.

    \b
    Example:
      cim units build
      cim units build --all --dry-run
      cim units build --building 17 --building 18
    """
    settings = settings_module.load()
    chosen = list(ids) or None
    store = engine.connect(settings)
    try:
        with store.begin() as connection:
            if dry_run:
                done = derive.count(connection, settings, building_ids=chosen, force=everything)
            else:
                done = _build(connection, settings, chosen, everything)
    finally:
        store.dispose()
    _say(done, dry_run)


def _build(
    connection: Connection, settings: Settings, chosen: list[int] | None, everything: bool
) -> derive.Derived:
    with bar("storeys and units of buildings 楼层与房屋单元（栋）", None) as advance:
        return derive.run(
            connection, settings, building_ids=chosen, force=everything, progress=advance
        )


def _say(done: derive.Derived, dry_run: bool) -> None:
    en, zh = ("would be made: ", "将生成：") if dry_run else ("made: ", "已生成：")
    click.echo(f"{en}{done}")
    click.echo(f"{zh}{done.zh}")
