"""`cim feed`: where messages of devices come from, taking them in, and those that could not."""

import asyncio
import json
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from cim import settings as settings_module
from cim.commands.acting import dry, opened, say
from cim.commands.bar import bar
from cim.commands.dead import dead, left, tell
from cim.commands.history import retention, rollup
from cim.commands.listing import as_json, show
from cim.errors import InvalidQuery
from cim.store.queries.feeds import letters as queries


@click.group()
def feed() -> None:
    """Messages of devices: feeds, taking them in, dead letters. 接入设备消息。

    \b
    Example:
      cim feed add own --decoder cim --topic 'cim/v1/#' --source 设备平台
      cim feed run
      cim feed dead list
    """


@feed.command()
@click.option("--attached", is_flag=True, hidden=True, help="End with the standard input.")
@click.option("--metrics", metavar="HOST:PORT", help="Answer Prometheus there 监控指标地址.")
def run(attached: bool, metrics: str | None) -> None:
    """Take in the messages of every feed until stopped. 持续接入消息。

    A message is acknowledged once it is in the store. Several may run at once, here or on other
    machines: they share the load. Without CIM_MQTT_URL a Mosquitto of our own is started beside.
    `cim serve` starts one by itself.

    \b
    Example:
      cim serve --no-feeds
      cim feed run --metrics 127.0.0.1:9465
    """
    # Told to stop while all is being loaded is told to stop too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        _take_in(attached, metrics)


def _take_in(attached: bool, metrics: str | None) -> None:
    import uvloop  # noqa: PLC0415 - for this alone: a fifth of the time of a message

    from cim.feeds import measures  # noqa: PLC0415 - where it runs alone
    from cim.feeds.running import Runner  # noqa: PLC0415 - asyncio and drivers, for this alone
    from cim.intake.attached import end_with_input  # noqa: PLC0415 - only where it is started so

    if attached:
        end_with_input()
    else:
        say("taking in messages; stop it with Ctrl-C", "正在接入消息；按 Ctrl-C 停止")
    if metrics:
        measures.answer(metrics)
    runner = Runner(settings_module.load(), lambda *said: None if attached else say(*said))

    async def go() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, runner.stop)
        await runner.run()

    uvloop.run(go())


@feed.command()
@click.argument("name")
@click.option("--decoder", required=True, help="Format of its payloads 报文格式.")
@click.option("--source", required=True, help="System that its devices' keys are of 来源系统.")
@click.option("--topic", help="What to subscribe to; without, it is pushed over HTTP 订阅主题.")
@click.option(
    "--provision",
    type=click.Choice(("none", "streams", "devices")),
    default="none",
    show_default=True,
    help="What is made when it is named first 自动建立.",
)
@click.option(
    "--map",
    "words",
    multiple=True,
    metavar="PATH=STREAM:UNIT:SCALE:OFFSET",
    help="Which place in a payload is which stream; may be repeated 映射.",
)
@click.option(
    "--map-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The same from a JSON file: path, stream, class, device, unit, texts 映射文件.",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="What the decoder is told, JSON or text; may be repeated 选项.",
)
@click.option("--key", "keyed", is_flag=True, help="Make a key that pushes into it 生成推送密钥.")
@click.option(
    "--new-source", is_flag=True, help="The source is new, whatever it is called 新建来源系统."
)
@dry
def add(  # noqa: PLR0913, PLR0917 - each is an argument or an option of the command
    name: str,
    decoder: str,
    source: str,
    topic: str | None,
    provision: str,
    words: tuple[str, ...],
    map_file: Path | None,
    options: tuple[str, ...],
    keyed: bool,
    new_source: bool,
    dry_run: bool,
) -> None:
    """Make a feed, or make the one of that name so. 新建接入源。

    A source that is not there is made, unless one is called almost so. Where another feed takes in
    messages of the same topics, both would: it is said.

    \b
    Example:
      cim feed add own --decoder cim --topic 'cim/v1/#' --source 设备平台
      cim feed add lora --decoder chirpstack --topic 'application/+/device/+/event/up' --source lora
      cim feed add aep --decoder ctwing --source ctwing --provision streams --key
    """
    from cim.feeds import adding  # noqa: PLC0415 - the decoders, for this alone

    places = adding.places(words, map_file)
    told = dict(map(_option, options))
    wanted = adding.Wanted(name, decoder, source, topic, provision, told, places, keyed, new_source)
    with opened() as (_, engine), engine.connect() as connection:
        added = adding.add(connection, wanted)
        if added.source_new:
            say(
                f"the source {source} is new: no device's key is of it yet",
                f"来源系统 {source} 为新建：尚无设备属于该来源",
            )
        for other, theirs in added.twice:
            say(
                f"messages that come by {topic} and by {theirs}, of the feed {other}, will be "
                "taken in by both",
                f"同时符合 {topic} 与接入源 {other} 的 {theirs} 的消息会被重复接入",
            )
        if dry_run:
            connection.rollback()
            say("dry run: nothing was kept", "试运行：未保存任何内容")
            return
        connection.commit()
    say(f"the feed {name} stands", f"接入源 {name} 已建立")
    if added.key:
        say("its key, shown this once:", "密钥仅显示这一次：")
        click.echo(added.key)


def _option(word: str) -> tuple[str, Any]:
    name, is_, value = word.partition("=")
    if not is_ or not name:
        raise InvalidQuery(f"{word}: write NAME=VALUE.", f"{word}：写作 名称=值。")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


COLUMNS: dict[str, Any] = {
    "feed 接入源": lambda row: row["name"] + ("" if row["enabled"] else " (off 停用)"),
    "format 格式": lambda row: row["decoder"],
    "source 来源": lambda row: row["source"],
    "by 方式": lambda row: row["topic"] or f"POST /feeds/{row['name']}",
    "makes 自动建立": lambda row: row["provision"],
    "24 h 读数": lambda row: "\n".join(f"{k} {v}" for k, v in (row["readings"] or {}).items()),
    "dead 死信": lambda row: str(row["letters"]),
}
"""What is shown of a feed."""


@feed.command("list")
@as_json
def list_them(as_json: bool) -> None:
    """Show every feed, and what came by it in a day. 列出接入源。

    \b
    Example:
      cim feed list
    """
    show(lambda one: one.execute(queries.LISTED).mappings(), COLUMNS, as_json=as_json)


@feed.command()
@click.argument("name")
@click.option("--on", is_flag=True, help="Take it in again 恢复.")
@dry
def end(name: str, on: bool, dry_run: bool) -> None:
    """Take a feed in no more; what came by it stays. 停用接入源。

    \b
    Example:
      cim feed end lora
      cim feed end lora --on
    """
    from cim.feeds import adding  # noqa: PLC0415 - the decoders, for this alone

    with opened() as (_, engine), engine.connect() as connection:
        adding.switch(connection, name, on)
        if dry_run:
            connection.rollback()
            say("dry run: nothing was kept", "试运行：未保存任何内容")
            return
        connection.commit()
    say(f"{name} is {'on' if on else 'off'}", f"{name} 已{'启用' if on else '停用'}")


@feed.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--feed", "name", required=True, help="As which feed 接入源.")
@click.option(
    "--speed",
    default=0.0,
    type=click.FloatRange(0),
    help="Seconds of the file to a second; 0, the default, as fast as can be 速度.",
)
@click.option("--now", "shift", is_flag=True, help="As if the first message came now 从现在起.")
@click.option("--correct", is_flag=True, help="Replace what is there of the same time 覆盖.")
@dry
def replay(path: Path, name: str, speed: float, shift: bool, correct: bool, dry_run: bool) -> None:
    """Bring the messages of a file, a JSON line each: at (µs), topic, payload. 回放消息文件。

    A line without these is a payload, and one that is no JSON becomes a dead letter. What is older
    than raw readings are kept comes in too. Doing it again changes nothing. The exit code is 0
    where all came in, 1 where something did not.

    \b
    Example:
      cim feed replay day.jsonl --feed own --dry-run
      cim feed replay day.jsonl --feed own
      cim feed replay lift.jsonl --feed demo --speed 1 --now
    """
    from cim.feeds import replay as replaying  # noqa: PLC0415 - drivers, for this alone

    how = replaying.How(0.0 if dry_run else speed, shift, correct, dry_run)
    with bar(path.name, None) as progress:
        fates = replaying.replay(settings_module.load(), name, path, how, progress)
    tell(fates)
    if dry_run:
        say("dry run: nothing was kept", "试运行：未保存任何内容")
    if left(fates):
        raise SystemExit(1)


@feed.command("broker")
@click.option("--end", "ending", is_flag=True, help="End it 停止.")
def show_broker(ending: bool) -> None:
    """Say where devices publish to, or end the broker of our own. 消息代理地址。

    \b
    Example:
      cim feed broker
      cim feed broker --end
    """
    from cim.feeds import broker  # noqa: PLC0415 - for this alone

    settings = settings_module.load()
    if ending:
        up = broker.end(settings)
        say("ended" if up else "it was not up", "已停止" if up else "未在运行")
        return
    found = broker.running(settings)
    if settings.mqtt_url:
        click.echo(settings.mqtt_url.rpartition("@")[2] or settings.mqtt_url)
    elif found is None:
        say("it is not up: cim feed run starts it", "未运行：cim feed run 会启动它")
    else:
        click.echo(f"{found.host}:{found.port}")


@feed.command()
def sensorthings() -> None:
    """Show where programs speak SensorThings over MQTT. 显示 SensorThings 的 MQTT 地址。

    With its password: who has it reads and writes as the role `devices` does in the whole city.

    \b
    Example:
      cim feed sensorthings
    """
    from cim.feeds import broker  # noqa: PLC0415 - sockets and processes, for this alone

    click.echo(broker.sensorthings(settings_module.load()))


feed.add_command(dead)
feed.add_command(rollup)
feed.add_command(retention)
