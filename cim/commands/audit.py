"""`cim audit`: the audit log, proved and given out."""

import sys
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path

import click

from cim.commands.acting import acting, as_who, moment, opened, say
from cim.commands.listing import here
from cim.security import audit as log
from cim.security.rights import AUDIT
from cim.store.queries.security.callers import record

SHOWN = 20
"""Faults that are named one by one."""


@click.group()
def audit() -> None:
    """The audit log: proved, and given out. 审计日志。

    \b
    Example:
      cim audit verify --anchor last.json --write-anchor new.json
      cim audit export november.jsonl --since 2026-11-01 --as audit
    """


@audit.command()
@click.option(
    "--anchor",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What an earlier run wrote: the log must hold it still 以前的锚点.",
)
@click.option(
    "--write-anchor",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the ends of the chains, to be kept elsewhere 写出锚点.",
)
def verify(anchor: Path | None, write_anchor: Path | None) -> None:
    """Follow every chain and name the lines that are not as they were written. 校验。

    Finds lines that were changed, removed, or put in by hand. The end of the log, and a log that
    was written anew as a whole, are known by an anchor that is kept outside the database.
    The exit code is 0 where all is as it was written, 1 where not.

    \b
    Example:
      cim audit verify --anchor last.json --write-anchor new.json
    """
    held = log.read_anchor(anchor.read_text("utf-8")) if anchor else None
    with opened() as (_, engine):
        # One view of log and ends, whatever is written meanwhile.
        steady = engine.execution_options(isolation_level="REPEATABLE READ")
        with steady.connect() as connection:
            verdict = log.verify(connection, held)
    for fault in verdict.faults[:SHOWN]:
        at = f" {here(fault.at)}" if fault.at else ""
        say(
            f"chain {fault.lane}, line {fault.no}{at}: {fault.en}",
            f"链 {fault.lane} 第 {fault.no} 行{at}：{fault.zh}",
        )
    if len(verdict.faults) > SHOWN:
        rest = len(verdict.faults) - SHOWN
        say(f"and {rest} more", f"另有 {rest} 处")
    if verdict.faults:
        raise SystemExit(1)
    say(
        f"{verdict.lines:,} lines are as they were written",
        f"{verdict.lines:,} 行记录均未被改动",
    )
    if write_anchor:
        write_anchor.write_text(log.write_anchor(verdict.anchor), "utf-8")


@audit.command()
@click.argument("path", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="From that day on 起始日.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Before that day 截止日.")
@as_who
def export(path: Path, since: datetime | None, until: datetime | None, who: str) -> None:
    """Write the log to a file as JSON, one line each; `-` is the standard output. 导出。

    For the audit administrator; that it was given out is a line of the log itself.

    \b
    Example:
      cim audit export november.jsonl --since 2026-11-01 --until 2026-12-01 --as audit
    """
    with acting(who, False, AUDIT) as connection:
        target = nullcontext(sys.stdout) if str(path) == "-" else path.open("w", encoding="utf-8")
        with target as out:
            count = log.export(connection, out, moment(since), moment(until))
        connection.execute(record("audit.export", detail={"lines": count}))
    click.echo(f"{count:,} lines\n{count:,} 行", err=True)
