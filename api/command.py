"""`cim serve`: the service on this machine, until it is stopped."""

import errno
import os
import signal
import socket
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import click
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import mark_process_dead

from api.access import is_loopback
from api.app import create_app
from api.serving.logs import configure
from api.serving.metrics import answer_at
from api.serving.protocol import Patient, PatientSocket
from cim import settings as configuration
from cim.crs.geoid import geoid
from cim.errors import CimError
from cim.intake.attached import attached
from cim.security import accounts
from cim.security.identity import stand_for
from cim.security.signing import CONSOLE
from cim.settings import Settings
from cim.store.engine import connect, open_engine, share
from cim.store.patience import patiently

GRACE = 5
"""Seconds that answers under way have after the service was told to stop."""

MESSAGE = 100_000
"""Bytes of a message over a socket: a subscription to thousands of ids."""

STARTING = 60
"""Seconds that one of several processes has to start, and to say that it is alive."""


class Server(uvicorn.Server):
    """A server that says where it can be opened, once it can."""

    def __init__(self, config: uvicorn.Config, address: str) -> None:
        """Keep the address to announce."""
        super().__init__(config)
        self.address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then announce."""
        await super().startup(sockets)
        if self.started and not self.should_exit:
            announce(self.address)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: any free."
)
@click.option(
    "--demo", is_flag=True, help="Callers on this machine act as a housing and data officer."
)
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that answer.")
@click.option(
    "--no-worker",
    is_flag=True,
    help="Load nothing here, nor keep tiles true; `cim worker` and `cim tile follow` do elsewhere.",
)
@click.option(
    "--no-feeds",
    is_flag=True,
    help="Take in no messages of devices from brokers; `cim feed run` does elsewhere.",
)
def serve(
    host: str, port: int, demo: bool, workers: int | None, no_worker: bool, no_feeds: bool
) -> None:
    """Serve the viewer, the API and the tiles, load what is handed in, take in what devices say.

    Residents are shown, masked, only to callers who may see them, and files are taken only from
    such: `cim user first` makes the first accounts, `cim key add` keys for machines. A terminal
    is shown their links at the first start.

    \b
    Example:
      cim serve --port 8080
      curl -H "Authorization: Bearer KEY" -H "X-Purpose: housing_management" \\
           http://127.0.0.1:8080/units/1/card
    """
    settings = configuration.load()
    given = {"demo": settings.demo or demo, "workers": workers or settings.workers}
    settings = settings.model_copy(update=given)
    configure(settings.log)
    if settings.demo and not is_loopback(host):
        raise CimError(
            "the demo shows residents to whoever calls, so it listens on this machine only: "
            "leave out --demo or take --host 127.0.0.1.",
            "演示模式会向所有调用者显示居民信息，只能在本机运行："
            "请去掉 --demo，或使用 --host 127.0.0.1。",
        )
    listener = listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listener.getsockname()[1]}"
    geoid(settings)  # what is wrong with it or the store is said here, in sentences
    patiently(lambda: welcome(settings, address))
    share(settings)
    # What stopped the server is raised once more after it has ended, unless whoever started us has
    # interrupts ignored, as a shell has for what it runs in the background; the worker ends first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = True  # who is told to stop before has stopped as he was told
    with listener, suppress(KeyboardInterrupt), ExitStack() as stack:
        if not no_worker:
            stack.enter_context(attached("worker"))
            stack.enter_context(attached("tile", "follow"))
        if not no_feeds:
            stack.enter_context(attached("feed", "run"))
        run = alone if settings.workers == 1 else together
        started = run(settings, listener, address)
    if not started:
        raise SystemExit(2)
    click.echo("stopped · 服务已停止")


def configured(app: FastAPI | str, **more: Any) -> uvicorn.Config:
    """How the server is run, by one process or several."""
    return uvicorn.Config(
        app,
        http=Patient,
        ws=PatientSocket,
        ws_max_size=MESSAGE,
        ws_per_message_deflate=False,  # its memory for each of a thousand sockets
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whose word is taken is the settings' to say
        timeout_graceful_shutdown=GRACE,
        **more,
    )


def alone(settings: Settings, listener: socket.socket, address: str) -> bool:
    """Answer with this process, until told to stop; whether it came so far as to answer."""
    app = create_app(settings)
    measured(settings, app.state.registry)
    server = Server(configured(app), address)
    server.run([listener])
    return server.started


def together(settings: Settings, listener: socket.socket, address: str) -> bool:
    """The same with several processes."""
    from api import workers  # noqa: PLC0415 - the folder is named before the library looks

    # What was given to the command is for them too.
    os.environ["CIM_DEMO"], os.environ["CIM_WORKERS"] = str(settings.demo), str(settings.workers)
    with workers.shared() as folder:
        measured(settings, CollectorRegistry(), folder / "metrics")
        config = configured(
            workers.FACTORY,
            factory=True,
            workers=settings.workers,
            timeout_worker_healthcheck=STARTING,
        )
        found = workers.Workers(config, [listener], lambda: announce(address), mark_process_dead)
        found.run()
        return found.started


def measured(settings: Settings, registry: CollectorRegistry, files: Path | None = None) -> None:
    """Answer Prometheus, where the settings say; CimError where nothing can listen there."""
    if not settings.metrics:
        return
    try:
        answer_at(settings.metrics, registry, open_engine(settings), files)
    except OSError as error:
        host, _, port = settings.metrics.rpartition(":")
        raise unavailable(host, int(port), error) from error


def announce(address: str) -> None:
    """Say where it can be opened."""
    click.echo(f"open {address}")
    click.echo(f"请在浏览器中打开 {address}")


def welcome(settings: Settings, address: str) -> None:
    """At the first start, links for the administrators: on a terminal, for a log is read by many.

    An access file that earlier versions read is spoken of.
    """
    links, shown = [], sys.stdout.isatty()
    engine = connect(settings)
    try:
        with engine.begin() as connection:
            missing = not settings.demo and not accounts.complete(connection)
            if missing and shown:
                connection.execute(stand_for(address=CONSOLE))
                links = accounts.first(connection, {})
    finally:
        engine.dispose()
    for link in links:
        at = settings.public_url or address
        click.echo(f"{link.account} ({link.role}): {at}/#link={link.token}")
    if links:
        click.echo("each link sets the password of one administrator, once: three persons")
        click.echo("每个链接为一位管理员设置密码，只能使用一次；须由三名不同人员担任")
    elif missing:
        click.echo("not all three administrators have set their passwords: cim user first")
        click.echo("三位管理员尚未全部设置密码，请运行：cim user first")
    if (settings.data_dir / "access.json").exists():
        click.echo("access.json is not read any more; take its keys over: cim key import")
        click.echo("不再读取 access.json，请用 cim key import 导入其中的密钥")


def listen(host: str, port: int) -> socket.socket:
    """A socket on that address; CimError where it is taken or not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        raise unavailable(host, port, error) from error
    return listener


def unavailable(host: str, port: int, error: Exception) -> CimError:
    """Why nothing can listen there, and what to do."""
    reason = getattr(error, "errno", None)
    if reason == errno.EADDRINUSE:
        return CimError(
            f"port {port} is in use already; stop what listens there or take another: --port "
            f"{port + 1}.",
            f"端口 {port} 已被占用，请停止占用它的程序，或改用 --port {port + 1}。",
        )
    if reason == errno.EACCES:
        return CimError(
            f"port {port} is for the administrator only; take one above 1023.",
            f"端口 {port} 仅限管理员使用，请使用 1023 以上的端口。",
        )
    return CimError(
        f"this machine cannot listen at {host}; take an address of its own, or 127.0.0.1.",
        f"本机无法在地址 {host} 上监听，请使用本机的地址或 127.0.0.1。",
    )
