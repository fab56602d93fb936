"""Sparkplug B (ISO/IEC 20237): births, data and deaths of edge nodes and the devices behind them.

    spBv1.0/{group}/{NBIRTH|NDATA|NDEATH|DBIRTH|DDATA|DDEATH}/{node}[/{device}]

A device is `group/node` or `group/node/device`, a stream the name of a metric, `online` what births
and deaths say. Data names metrics by aliases, which births give, and counts messages from 0 to 255:
after a gap a birth may have been missed, so what goes by alias alone is set aside, and the node is
asked to be born again (`NCMD`, at most once a minute), until it is.

The messages of one node must be decoded in order, by one reader.
"""

from typing import Any, Final

import msgspec

from cim.feeds.decoders.sparkplug_schema import VALUES, payload_class
from cim.feeds.decoders.values import add, fault, guarded
from cim.feeds.reading import Decoded, Decoder, Message, Reply

ROOT: Final = "spBv1.0"
_PATIENCE: Final = 60_000_000
"""Microseconds after which a node that was not born again is asked once more."""

_ALIASES: Final = 20_000
"""Metrics of one node that are remembered."""

_KINDS: Final = frozenset(("NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"))
_CONTROL: Final = ("Node Control/", "Device Control/")
_SIGNED: Final = {1: 8, 2: 16, 3: 32, 4: 64}
_QUALITY: Final = {0: 5, 500: 1}
"""Sparkplug's property Quality → ours: bad → device fault, stale → doubtful; 192 is good."""

Names = dict[str, dict[int | str, tuple[str, int]]]
"""Device ("" the node itself) → alias, and name → name and datatype."""


class Node(msgspec.Struct, frozen=True):
    """What is known of an edge node."""

    names: Names = {}
    seq: int | None = None
    """Of its last message; None where one is missing, or none came yet."""

    born: int | None = None
    """`bdSeq` of its birth: a death of another session is an old one."""

    asked_at: int = 0
    """When it was asked to be born again, microseconds; 0 is never since its birth."""


def key(message: Message) -> tuple[str, str]:
    """Group and node: whose state a message needs."""
    parts = message.topic.split("/", 4)
    return (parts[1], parts[3]) if len(parts) > 3 else ("", "")


def decode(payload: bytes, message: Message) -> Decoded:
    """The readings of a message by itself: what goes by alias alone has no name."""
    return step(payload, message, None)[0]


def step(payload: bytes, message: Message, state: Any) -> tuple[Decoded, Any]:
    """The readings of a message after what came before of its node, and what is known then."""
    node = state if isinstance(state, Node) else Node()
    after = [node]

    def fill(out: Decoded) -> None:
        after[0] = _message(out, payload, message, node)

    return guarded(payload, fill), after[0]


def _message(out: Decoded, payload: bytes, message: Message, node: Node) -> Node:
    parts = message.topic.split("/", 4)
    if len(parts) < 4 or parts[0] != ROOT or parts[2] not in _KINDS:
        # Commands, and the state of host applications, are nobody's readings.
        if parts[0] != ROOT or not ({"NCMD", "DCMD", "STATE"} & set(parts[1:3])):
            fault(out, "not_decodable", "no topic of Sparkplug B")
        return node
    read = _read(payload)
    kind, inner = parts[2], parts[4] if len(parts) > 4 else ""
    device = "/".join((parts[1], *parts[3:]))
    if kind in ("NDEATH", "DDEATH"):
        return _death(out, read, device, inner, node)
    if kind == "NBIRTH":
        node = Node(seq=_seq(read), born=_born(read))
    else:
        node = _counted(out, read, message, node)
    if kind in ("NBIRTH", "DBIRTH"):
        node = _birth(out, read, device, inner, node)
    unknown = _metrics(out, read, device, node.names.get(inner, {}), kind)
    if unknown:
        fault(out, "lost_before", f"{unknown} metrics by alias", "metrics")
    return _ask(out, message, node) if unknown or node.seq is None else node


def _read(payload: bytes) -> Any:
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - only who reads it needs it

    try:
        read = payload_class().FromString(payload)
    except DecodeError as error:
        raise msgspec.DecodeError(f"no payload of Sparkplug B: {error}") from None
    for metric in read.metrics:
        for text in (metric.name, metric.string_value):
            if type(text) is bytes:  # so protobuf gives a text that is no UTF-8
                raise msgspec.DecodeError("a text that is no UTF-8")
    return read


def _seq(read: Any) -> int | None:
    return read.seq if read.HasField("seq") and read.seq < 256 else None


def _born(read: Any) -> int | None:
    for metric in read.metrics:
        if metric.name == "bdSeq":
            return int(metric.long_value or metric.int_value)
    return None


def _counted(out: Decoded, read: Any, message: Message, node: Node) -> Node:
    """The node after one more message: after a gap it has no count, and no aliases."""
    seq = _seq(read)
    if node.seq is None or seq != (node.seq + 1) % 256:
        if node.seq is not None:
            fault(out, "lost_before", f"number {seq} after {node.seq}", "seq")
        return Node(born=node.born, asked_at=node.asked_at)
    return msgspec.structs.replace(node, seq=seq)


def _birth(out: Decoded, read: Any, device: str, inner: str, node: Node) -> Node:
    """The node with the metrics that a birth names."""
    names: dict[int | str, tuple[str, int]] = {}
    for metric in read.metrics:
        if metric.name:
            names[metric.name] = (metric.name, metric.datatype)
            if metric.HasField("alias"):
                names[metric.alias] = (metric.name, metric.datatype)
    add(out, device, "online", _time(read), True)
    known = sum(map(len, node.names.values())) - len(node.names.get(inner, {}))
    if known + len(names) > 2 * _ALIASES:
        fault(out, "too_large", f"a node with more than {_ALIASES} metrics", "metrics")
        return node
    return msgspec.structs.replace(node, names={**node.names, inner: names})


def _death(out: Decoded, read: Any, device: str, inner: str, node: Node) -> Node:
    """The node after a death; one of an earlier session than its birth's says nothing."""
    if inner:
        add(out, device, "online", _time(read), False)
        node = _after(read, node)
        names = {name: each for name, each in node.names.items() if name != inner}
        return msgspec.structs.replace(node, names=names)
    if node.born is not None and _born(read) not in (None, node.born):
        return node
    # A death is a last will: written when its session began, so its own time is none of now.
    for name in {"", *node.names}:
        add(out, f"{device}/{name}" if name else device, "online", None, False)
    return Node()


def _after(read: Any, node: Node) -> Node:
    following = node.seq is not None and _seq(read) == (node.seq + 1) % 256
    return msgspec.structs.replace(node, seq=_seq(read) if following else None)


def _time(read: Any) -> int | None:
    """Microseconds since 1970 out of milliseconds; what cannot be a time is none."""
    given = int(read.timestamp)
    return given * 1_000 if 0 < given < 253_402_300_800_000 else None


def _metrics(
    out: Decoded, read: Any, device: str, names: dict[int | str, tuple[str, int]], kind: str
) -> int:
    """Read the metrics; how many go by an alias that no birth has named."""
    unknown = 0
    sent = _time(read)
    for metric in read.metrics:
        name, datatype = metric.name, metric.datatype
        if not name:
            name, datatype = names.get(metric.alias, ("", datatype))
        elif not datatype:
            datatype = names.get(name, ("", 0))[1]
        if not name:
            unknown += 1
        elif not _silent(name, metric.is_null and kind.endswith("BIRTH")):
            _metric(out, device, name, metric, (datatype, sent))
    return unknown


def _silent(name: str, unset: bool) -> bool:
    """Whether a metric is no measurement: of the session, a control, or born without a value."""
    return unset or name == "bdSeq" or name.startswith(_CONTROL)


def _metric(
    out: Decoded, device: str, name: str, metric: Any, besides: tuple[int, int | None]
) -> None:
    datatype, sent = besides
    at = _time(metric) or sent
    found = [field.name for field, _ in metric.ListFields() if field.name in VALUES]
    if metric.is_null or not found:
        fault(out, "not_a_value", "null", name)
    elif found[-1] in ("bytes_value", "dataset_value", "template_value"):
        fault(out, "not_a_value", found[-1].removesuffix("_value"), name)
    else:
        value = getattr(metric, found[-1])
        add(out, device, name, at, _signed(value, datatype), None, _quality(metric))


def _signed(value: Any, datatype: int) -> Any:
    """A number as its datatype has it: signed ones come in two's complement.

    >>> _signed(4294967295, 3), _signed(255, 1), _signed(255, 5), _signed(1.5, 9)
    (-1, -1, 255, 1.5)
    """
    bits = _SIGNED.get(datatype)
    if bits is None or type(value) is not int:
        return value
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _quality(metric: Any) -> int:
    if not metric.HasField("properties"):
        return 0
    keys, values = metric.properties.keys, metric.properties.values
    for name, value in zip(keys, values, strict=False):
        if name == "Quality" and (value.HasField("int_value") or value.HasField("long_value")):
            return _QUALITY.get(int(value.int_value or value.long_value), 0)
    return 0


def _ask(out: Decoded, message: Message, node: Node) -> Node:
    """Ask the node to be born again, unless it was a moment ago."""
    if node.asked_at and 0 <= message.received_at - node.asked_at < _PATIENCE:
        return node
    group, name = key(message)
    made = payload_class()(timestamp=max(message.received_at // 1_000, 0))
    made.metrics.add(name="Node Control/Rebirth", datatype=11, boolean_value=True)
    out.replies.append(Reply(f"{ROOT}/{group}/NCMD/{name}", made.SerializeToString()))
    return msgspec.structs.replace(node, asked_at=message.received_at)


DECODER: Final = Decoder(
    decode,
    ("application/x-sparkplug-b",),
    "Sparkplug B (births, data, deaths)",
    "Sparkplug B（上线、数据、下线）",
    step,
    key,
)
