"""The one road in: messages, however they came, to readings in the store.

Decoded once, each reading held against its stream, all of a batch written in one transaction.
Every message has an outcome: what it held is stored, or was there already, or is in the dead
letters with its reason. Nothing is acknowledged before this returns.
"""

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Final

import msgspec

from cim.codes.persons import REFUSED, refused, within
from cim.codes.units import conversion
from cim.errors import StoreBusy
from cim.feeds import fitting, writing
from cim.feeds.alarms.judge import judge
from cim.feeds.arrivals import Arrival, Untimed, forget, recall
from cim.feeds.book import LEFT_OUT, Book
from cim.feeds.codecs.pool import Pool
from cim.feeds.decoders import DECODERS
from cim.feeds.fitting import fit, timely
from cim.feeds.reading import OUT_OF_RANGE, Decoded, Fault, Message, Reading
from cim.feeds.resolving import Wanted, resolve
from cim.feeds.sources import Feed
from cim.feeds.throttle import Throttle
from cim.feeds.writing import Judge, Letter, Lot, Row

STATES: Final = 20_000
"""Senders whose state is kept (aliases of Sparkplug): the oldest are forgotten."""

ROUNDS: Final = 10
"""Times that a batch is looked up while the book forgets."""

UNSETTLED: Final = (
    "Devices change so fast that readings cannot be looked up; they are tried again.",
    "设备信息变更过于频繁，读数暂时无法归属，将重试。",
)

LONGEST: Final = 200
"""Characters of a name."""

LARGEST: Final = 1 << 20
"""Bytes of a payload that are kept as a dead letter."""


class Item(msgspec.Struct, gc=False):
    """A message on its way in."""

    feed: Feed
    payload: bytes
    message: Message
    sender: str | None = None
    """Who sent, where that is known by itself; None where the feed is trusted as a whole."""

    decoded: Decoded | None = None
    token: Any = None
    """What its transport needs to acknowledge it."""

    arrival: Arrival | None = None
    """By what it is known where it comes again, though it says no time."""

    room: dict[str, tuple[int, bool] | None] | None = None
    """Of letters of it by reason: see `_Batch.room`."""


class Outcome(msgspec.Struct, gc=False):
    """What became of a batch."""

    fates: Counter[tuple[int, str]] = msgspec.field(default_factory=Counter)
    """How many readings of each feed are stored, duplicate, late, corrected, out_of_range, or are
    dead letters by reason."""

    faults: dict[int, list[Fault]] = {}
    """By place in the batch, what could not come in."""

    def count(self, fate: str) -> int:
        """How many of a fate, of all feeds."""
        return sum(n for (_, name), n in self.fates.items() if name == fate)


class Ways(msgspec.Struct):
    """What an ingester keeps between batches, and how it goes about them."""

    book: Book = msgspec.field(default_factory=Book)
    states: OrderedDict[Hashable, Any] = msgspec.field(default_factory=OrderedDict)
    throttle: Throttle | None = None
    """None takes what comes."""

    judge: Judge | None = judge
    """What alarms make of readings; None judges none."""

    any_age: bool = False
    """Readings may be older than raw ones are kept: a replay brings them on purpose."""

    correct: bool = False
    """Every reading replaces what is there."""

    keeps_letters: bool = True
    """What cannot come in becomes a dead letter; not where it is one already."""

    begun: dict[str, int] = {}
    """Sessions of a broker that began anew, and when: of those before nothing is remembered."""

    codecs: Pool | None = None
    """Where scripts of makers run; made when the first is needed. Whoever keeps this closes it."""


async def ingest(connection: Any, items: Sequence[Item], ways: Ways, now: int) -> Outcome:
    """Take messages in; `now` is microseconds since 1970. Raises what the driver does where the
    database is away: then try again with the same items."""
    await decode(items, ways)
    untimed = await _untimed(connection, items, ways)
    batch = _Batch(items, ways, now)
    await _look_up(connection, batch)
    batch.sort()
    lot = Lot(batch.rows, batch.corrections, batch.watched, batch.letters, untimed)
    written = await writing.write(connection, lot, ways.book.days, batch.explain, ways.judge)
    return batch.outcome(written)


async def _untimed(connection: Any, items: Iterable[Item], ways: Ways) -> list[Untimed]:
    """What says no time; of one that comes again it is known when it arrived first."""
    some = [item for item in items if item.arrival is not None and _says_no_time(item)]
    found = [(item.arrival, item.message, item.payload) for item in some if item.arrival]
    begun = {one.session: one.began for one, _, _ in found if one.began}
    if begun.items() - ways.begun.items():
        await forget(connection, begun)
        ways.begun |= begun
    if any(arrival.again for arrival, _, _ in found):
        for item, message in zip(some, await recall(connection, found), strict=True):
            item.message = message
        found = [(item.arrival, item.message, item.payload) for item in some if item.arrival]
    return found


def _says_no_time(item: Item) -> bool:
    assert item.decoded is not None
    return any(reading.at is None for reading in item.decoded.readings)


async def decode(items: Iterable[Item], ways: Ways) -> None:
    """Decode what is not yet; scripts of makers run in a process of their own."""
    for item in items:
        if item.decoded is not None:
            continue
        try:
            item.decoded = _decoded(item, ways)
            if item.decoded.frames:
                if ways.codecs is None:
                    ways.codecs = Pool()
                more = await ways.codecs.decode(item.decoded.frames)
                item.decoded.readings += more.readings
                item.decoded.faults += more.faults
        except Exception as error:
            item.decoded = Decoded(faults=[Fault("not_decodable", type(error).__name__)])
        if ways.throttle is not None:
            _hold_back(item.decoded, item.feed.id, item.sender, ways.throttle)


def _hold_back(decoded: Decoded, feed: int, sender: str | None, throttle: Throttle) -> None:
    """Take out what its device sends too often; once, however often the batch is tried."""
    good = []
    for reading in decoded.readings:
        if throttle.floods(reading.device, feed, reading.at, sender):
            decoded.faults.append(Fault("flood", reading.device[:80]))
        else:
            good.append(reading)
    decoded.readings = good


def _decoded(item: Item, ways: Ways) -> Decoded:
    """Decode, with what came before from the same sender where that counts."""
    decoder = DECODERS[item.feed.decoder]
    if decoder.step is None or decoder.key is None:
        return decoder.decode(item.payload, item.message)
    of = (item.feed.id, decoder.key(item.message))
    decoded, state = decoder.step(item.payload, item.message, ways.states.pop(of, None))
    if state is not None:
        ways.states[of] = state
        while len(ways.states) > STATES:
            ways.states.popitem(last=False)
    return decoded


async def _look_up(connection: Any, batch: "_Batch") -> None:
    """Know every key of the batch. StoreBusy where other batches forget them again and again."""
    book = batch.ways.book
    book.settle()
    for _ in range(ROUNDS):
        wanted = batch.unknown()
        if not wanted:
            return
        told = book.told
        await resolve(connection, book, wanted)
        batch.note(wanted)
        if book.told != told:
            book.doubt()  # what was found may be of before
    if batch.unknown():
        raise StoreBusy(*UNSETTLED)


class _Batch:
    """The readings of some messages, sorted by what becomes of them."""

    def __init__(self, items: Sequence[Item], ways: Ways, now: int) -> None:
        self.items, self.ways, self.now = items, ways, now
        self.rows: list[Row] = []
        self.corrections: list[Row] = []
        self.watched: set[int] = set()
        self.letters: list[Letter] = []
        self.fates: Counter[tuple[int, str]] = Counter()
        self.faults: dict[int, list[Fault]] = {}
        self.alike: dict[tuple[int, str], Letter | None] = {}
        """By message and reason: many faults of one message are one letter."""

        self.secret: dict[int, bool] = {}
        self.missed: dict[str, Fault] = {}
        """Keys that were looked up and are none."""

    def note(self, wanted: Iterable[Wanted]) -> None:
        """Remember for this batch what was looked up in vain."""
        book = self.ways.book
        for one in wanted:
            if one.key not in book.targets and (fault := book.missing(one.key)) is not None:
                self.missed[one.key] = fault

    def unknown(self) -> list[Wanted]:
        """Keys that the book does not know, each once."""
        book, found = self.ways.book, {}
        targets = book.targets
        for item in self.items:
            feed, sender = item.feed, item.sender
            start = f"{feed.id}\n{sender}\n"
            for reading in item.decoded.readings:  # type: ignore[union-attr]  # it was decoded
                key = f"{start}{reading.device}\n{reading.stream}"
                if key in targets or key in found or key in self.missed:
                    continue
                fault = book.missing(key) or _unwanted(sender, reading)
                if fault is None:
                    found[key] = Wanted(key, feed, sender, reading)
                else:
                    self.missed[key] = fault
        return list(found.values())

    def sort(self) -> None:
        """Each reading to the rows, the corrections or the letters."""
        for number, item in enumerate(self.items):
            decoded = item.decoded
            assert decoded is not None
            for fault in decoded.faults:
                self.fault(number, fault)
            start = f"{item.feed.id}\n{item.sender}\n"
            for reading in decoded.readings:
                found = self._row(number, item, reading, start)
                if found is not None:
                    self.fault(number, found)

    def _row(self, number: int, item: Item, reading: Reading, start: str) -> Fault | None:
        """Make a row of a reading; its fault where it is none."""
        book = self.ways.book
        key = f"{start}{reading.device}\n{reading.stream}"
        target = book.targets.get(key)
        if target is None:
            return self.missed[key]
        if target == LEFT_OUT:
            self.fates[item.feed.id, "left_out"] += 1
            return None
        shape = book.shapes[target & 0xFFFF]
        got = item.message.received_at
        at = got if reading.at is None else reading.at
        now = self.now if self.now > got else got  # our clock may have been put back meanwhile
        value = reading.value
        if (
            shape.plain
            and value is not None
            and reading.unit is None
            and shape.low <= value <= shape.high
        ):
            fitted: fitting.Fitted = (value, None, reading.quality)
        else:
            tried = fit(shape, reading, conversion)
            if isinstance(tried, Fault):
                return _of(tried, reading)
            fitted = tried
        fault = timely(at, now, None if self.ways.any_age else shape.days)
        if fault is not None:
            return _of(fault, reading)
        row: Row = (target >> 16, at, *fitted, got, number)
        if fitted[2] == OUT_OF_RANGE:
            self.fates[item.feed.id, "out_of_range"] += 1
        if shape.ruled:
            self.watched.add(target >> 16)
        (self.corrections if reading.correct or self.ways.correct else self.rows).append(row)
        return None

    def fault(self, number: int, fault: Fault) -> None:
        """Set a message aside for a fault, whole, with what is at fault; once for each reason."""
        key = (number, fault.reason)
        if key not in self.alike:
            self.alike[key] = letter = self.letter(number, fault)
            if letter is not None:
                self.letters.append(letter)
            return
        self.faults[number].append(fault)
        self.fates[self.items[number].feed.id, fault.reason] += 1
        if (first := self.alike[key]) is not None:
            first.repeats += 1

    def letter(self, number: int, fault: Fault) -> Letter | None:
        """The letter of a fault; None where so many came that it is counted alone."""
        item = self.items[number]
        self.faults.setdefault(number, []).append(fault)
        self.fates[item.feed.id, fault.reason] += 1
        if not self.ways.keeps_letters:
            return None
        room = self.room(item, fault.reason)
        if room is None:
            return None
        repeats, is_kept = room
        detail = f"{fault.path}: {fault.detail}" if fault.path else fault.detail
        kept: bytes | None = item.payload
        if fault.reason in REFUSED:
            kept = None
        elif not is_kept:
            kept, detail = None, f"{detail[:900]} ({len(item.payload)} bytes)"
        elif self._is_secret(number):
            kept = None
        message = item.message
        return Letter(
            message.received_at,
            item.feed.id,
            message.topic,
            message.content_type,
            kept,
            fault.reason,
            detail,
            repeats,
            item.sender,
        )

    def room(self, item: Item, reason: str) -> tuple[int, bool] | None:
        """Of a letter: how many alike were counted alone before it, and whether its payload is
        kept; None where it is counted alone too. Asked once: a batch that is tried again and again
        would use up what room there is."""
        if item.room is None:
            item.room = {}
        if reason not in item.room:
            throttle, size, feed = self.ways.throttle, len(item.payload), item.feed.id
            repeats = 0 if throttle is None else throttle.letter(feed, reason)
            kept = repeats is not None and size <= LARGEST and reason not in REFUSED
            if kept and throttle is not None:
                kept = throttle.keeps(feed, size)
            item.room[reason] = None if repeats is None else (repeats, kept)
        return item.room[reason]

    def _is_secret(self, number: int) -> bool:
        """Whether a payload has what is never kept: looked for once, however many its faults."""
        if number not in self.secret:
            self.secret[number] = within(self.items[number].payload) is not None
        return self.secret[number]

    def explain(self, rows: Sequence[Row], reason: str, detail: str) -> Letter | None:
        """The letter of rows of a message that the store did not take."""
        number, after = rows[0][6], f": {detail}" if detail else ""
        first, *more = [Fault(reason, f"stream {row[0]}{after}") for row in rows]
        letter = self.letter(number, first)
        self.faults[number] += more
        self.fates[self.items[number].feed.id, reason] += len(more)
        if letter is not None:
            letter.repeats += len(more)
        return letter

    def outcome(self, written: writing.Written) -> Outcome:
        """What became of all of it."""
        feeds = {item.feed.id for item in self.items}
        feed = min(feeds) if len(feeds) == 1 else 0
        for name in ("stored", "duplicates", "corrected", "late"):
            number = getattr(written, name)
            if number:
                self.fates[feed, "duplicate" if name == "duplicates" else name] += number
        return Outcome(self.fates, self.faults)


def _of(fault: Fault, reading: Reading) -> Fault:
    """A fault that says of which device and stream."""
    what = f"{reading.device[:80]}, {reading.stream[:80]}"
    return Fault(fault.reason, f"{what}: {fault.detail}" if fault.detail else what, fault.path)


def _unwanted(sender: str | None, reading: Reading) -> Fault | None:
    """The fault of names that cannot be told apart, or are of what is never taken."""
    if (reason := refused(reading.stream)) is not None:
        return Fault(reason, f"{reading.device[:80]}, {reading.stream[:80]}")
    names = (sender or "", reading.device, reading.stream)
    if any(len(name) > LONGEST or "\n" in name or "\x00" in name for name in names):
        return Fault("no_device", "a name too long, or with a control character")
    return None
