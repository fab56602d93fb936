"""`cim worker`: loads what was handed in through the service, and sends what waits for webhooks."""

import click

from cim import settings as settings_module


@click.command()
@click.option(
    "--jobs",
    default=1,
    show_default=True,
    type=click.IntRange(1, 16),
    help="Files that are loaded at the same time.",
)
@click.option("--attached", is_flag=True, hidden=True, help="End with the standard input.")
def worker(jobs: int, attached: bool) -> None:
    """Load the files that were handed in through the service, and send to webhooks, until stopped.

    `cim serve` starts one by itself; this is for running it elsewhere, or several of them. A load
    that is under way when the worker stops is begun again by the next.

    \b
    Example:
      cim serve --no-worker
      cim worker --jobs 2
    """
    from cim.feeds.webhooks import delivery  # noqa: PLC0415 - the queue, for this alone
    from cim.intake.attached import end_with_input  # noqa: PLC0415 - only where it works
    from cim.intake.worker import work  # noqa: PLC0415 - asyncio and the queue, for this alone

    if attached:
        end_with_input()
    else:
        click.echo("the worker waits for files; stop it with Ctrl-C")
        click.echo("任务程序等待文件；按 Ctrl-C 停止")
    work(settings_module.load(), jobs, lambda en, zh: click.echo(f"{en}\n{zh}"), [delivery.run])
