"""Topics of SensorThings over MQTT: what they ask for, and who has subscribed to them.

`v1.1/Datastreams(1)/Observations?$select=result` asks for what an address of that path would
answer, whenever it changes. Which topics there are is heard from the broker: Mosquitto tells of
every subscription below `$SYS/broker/log/M/`.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from cim.errors import CimError
from cim.store.queries.sensorthings.addresses import address
from cim.store.queries.sensorthings.asked import Options
from cim.store.queries.sensorthings.entities import NAMES
from cim.store.queries.sensorthings.options import options
from cim.store.queries.sensorthings.pages import Target, target

VERSION: Final = "v1.1/"
MOST: Final = 1000
"""Topics that are told of; of more the ones subscribed to longest ago are forgotten."""

SUBSCRIBED, UNSUBSCRIBED = "$SYS/broker/log/M/subscribe", "$SYS/broker/log/M/unsubscribe"
CREATED: Final = (f"{VERSION}Observations", f"{VERSION}+/Observations")
"""Where Observations are published to be made."""

_TAKEN = {"$select", "$expand", "$filter"}


@dataclass(frozen=True)
class Topic:
    """One topic that somebody has subscribed to."""

    text: str
    where: Target
    part: str | None
    """The property that it is about, where it is one alone."""

    options: Options

    @property
    def entity(self) -> str:
        """The kind of what it tells of."""
        return self.where.entity.name

    @property
    def stream(self) -> int | None:
        """The datastream that it is about alone; None where others may be meant."""
        first = self.where.steps[0]
        its = first[0].name in ("Datastream", "MultiDatastream") and len(self.where.steps) == 2
        if self.entity == "Observation" and its and isinstance(first[2].id, int):
            return int(first[2].id)
        return None


def topic(text: str) -> Topic | None:
    """What a topic asks for; None where it is none of SensorThings, or has wildcards.

    >>> found = topic("v1.1/Datastreams(7)/Observations?$select=result")
    >>> found.stream, found.options.select, topic("v1.1/#"), topic("v1.1/Nothing")
    (7, ('result',), None, None)
    """
    if not text.startswith(VERSION) or "#" in text or "+" in text or len(text) > 2000:
        return None
    path, _, query = text[len(VERSION) :].partition("?")
    pairs = [each.partition("=") for each in query.split("&") if each]
    try:
        found = address(unquote(path), NAMES)
        where = target(found)
        asked = options((name.strip(), unquote(value)) for name, _, value in pairs)
    except CimError:
        return None
    names = {name.strip() for name, _, _ in pairs}
    bad = found.raw or found.references or len(found.property) > 1 or not names <= _TAKEN
    if found.property:
        bad = bad or where.many or bool(names) or found.property[0] not in where.entity.properties
        asked = Options(select=found.property)
    return None if bad else Topic(text, where, next(iter(found.property), None), asked)


def subscription(said: bytes) -> str:
    """The topic in what a broker tells of a subscription, without a group that shares it.

    >>> subscription(b"1795359975: some client 1 v1.1/Things(1)/name")
    'v1.1/Things(1)/name'
    >>> subscription(b"1795359975: client $share/group/v1.1/Things?$filter=name eq 'x'")
    "v1.1/Things?$filter=name eq 'x'"
    """
    text = said.decode("utf-8", "replace")
    at = text.find(f" {VERSION}")
    if at >= 0:
        return text[at + 1 :]
    at = text.find(f"/{VERSION}")
    return text[at + 1 :] if at >= 0 and " $share/" in text else ""


class Book:
    """The topics that are told of, kept in a file for the next start."""

    def __init__(self, path: Path) -> None:
        """Those that were kept."""
        self._path = path
        self._topics: OrderedDict[str, Topic] = OrderedDict()
        kept = path.read_text("utf-8").splitlines() if path.exists() else []
        for each in map(topic, kept[-MOST:]):
            if each is not None:
                self._topics[each.text] = each
        self._sort()

    def __contains__(self, text: object) -> bool:
        """Whether a topic is told of."""
        return text in self._topics

    def __len__(self) -> int:
        """How many there are."""
        return len(self._topics)

    def add(self, text: str) -> None:
        """Somebody subscribed."""
        found = topic(text)
        if found is not None:
            new = text not in self._topics
            self._topics[text] = found
            self._topics.move_to_end(text)
            if len(self._topics) > MOST:
                self._topics.popitem(last=False)
            if new:
                self._keep()

    def drop(self, text: str) -> None:
        """Nobody listens any more."""
        if self._topics.pop(text, None) is not None:
            self._keep()

    def _keep(self) -> None:
        self._sort()
        fresh = self._path.with_suffix(".new")
        fresh.write_text("\n".join(self._topics), "utf-8")
        fresh.replace(self._path)

    def _sort(self) -> None:
        self._of: dict[str, list[Topic]] = {}
        self._streams: dict[int, list[Topic]] = {}
        self._any: list[Topic] = []
        for each in self._topics.values():
            self._of.setdefault(each.entity, []).append(each)
            if each.entity == "Observation" and each.stream is None:
                self._any.append(each)
            elif each.stream is not None:
                self._streams.setdefault(each.stream, []).append(each)

    @property
    def hears_readings(self) -> bool:
        """Whether any topic is about readings."""
        return "Observation" in self._of

    def wants(self, stream: int) -> bool:
        """Whether readings of a datastream are told of."""
        return bool(self._any) or stream in self._streams

    def about(self, entity: str) -> Iterator[Topic]:
        """The topics that tell of an entity of that kind."""
        yield from list(self._of.get(entity, ()))

    def about_readings(self, stream: int) -> Iterator[Topic]:
        """The topics that tell of readings of a datastream."""
        yield from [*self._any, *self._streams.get(stream, ())]
