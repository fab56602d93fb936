"""Readings of devices: numbers, texts and states, each at a time."""

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cim.load.fields import Field
from cim.load.kind import Context, Kind
from cim.load.rows import Rows
from cim.model.devices import observation
from cim.store.incoming import readings

EARLIEST: Final = np.datetime64("2000-01-01", "us")
"""No reading is older."""

HERE: Final = np.timedelta64(8, "h")
"""China Standard Time, for times that do not say their zone."""

FIELDS = (
    Field("device_ref", "text", "设备编号", "key of the device", ("device", "device_id", "设备"),
          required=True),
    Field("stream", "text", "数据流", "name of the stream",
          ("观测项", "datastream", "指标", "测点")),
    Field("observed_property", "text", "观测属性", "what is measured", ("property",)),
    Field("unit_ucum", "text", "计量单位", "unit of measure", ("单位", "unit")),
    Field("at", "text", "观测时间", "when; China Standard Time unless it says its zone",
          ("时间", "采集时间", "上报时间", "time", "timestamp", "phenomenon_time", "date"),
          required=True, staged="timestamptz"),
    Field("value", "text", "数值", "number, text or state", ("读数", "值", "观测值", "result"),
          required=True),
    Field("quality", "code", "质量", "quality of the reading", ("数据质量",),
          codes="reading_quality", staged="int2"),
)  # fmt: skip


def measure(rows: Rows, context: Context) -> None:
    """Times as moments of UTC; values as numbers where they are, else as text."""
    moments = times(pa.array(rows.words("at").tolist(), pa.string()))
    raw = rows.words("at")
    rows.set_aside(np.isnat(moments), "at", "not_a_time", raw)
    latest = np.datetime64(datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1), "us")
    with np.errstate(invalid="ignore"):
        rows.set_aside((moments < EARLIEST) | (moments > latest), "at", "odd_time", raw)
    rows.columns["at"] = moments
    words = pa.array(rows.words("value").tolist(), pa.string())
    plain = pc.match_substring_regex(words, r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?$")
    plain = pc.fill_null(plain, False)
    number = pc.cast(pc.if_else(plain, words, None), pa.float64())
    values = np.asarray(number.to_numpy(zero_copy_only=False), np.float64)
    endless = np.asarray(plain.to_numpy(zero_copy_only=False), bool) & ~np.isfinite(values)
    rows.set_aside(endless, "value", "too_large")
    rows.columns["result"] = np.where(np.isfinite(values), values, np.nan)
    rows.columns["result_text"] = np.array(pc.if_else(plain, None, words).to_pylist(), dtype=object)
    rows.columns["value"] = np.full(len(rows), None, dtype=object)
    quality = rows.words("quality").tolist()
    rows.columns["quality"] = np.array([np.nan if q is None else float(q) for q in quality])
    stream = zip(
        rows.words("stream").tolist(), rows.words("observed_property").tolist(), strict=True
    )
    rows.columns["stream"] = np.array([s or p or "value" for s, p in stream] or [], dtype=object)


def times(words: pa.Array) -> NDArray[np.datetime64]:
    """Moments of UTC from texts: ISO 8601 with or without a zone, or seconds or ms since 1970.

    >>> times(pa.array(["2026-01-01T08:00:00+08:00", "2026-01-01 08:00", "1767225600", "?"]))
    array(['2026-01-01T00:00:00.000000', '2026-01-01T00:00:00.000000',
           '2026-01-01T00:00:00.000000',                        'NaT'],
          dtype='datetime64[us]')
    >>> times(pa.array([], pa.string()))
    array([], dtype='datetime64[us]')
    """
    words = pc.replace_substring_regex(words, r"^(\d{4})[/.](\d{2})[/.](\d{2})", r"\1-\2-\3")
    iso = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.]\d{1,6})?)?"
    zoned = _where(words, iso + r"(Z|[-+]\d{2}:?\d{2}|[-+]\d{2}))$")
    plain = _where(words, iso + r")?$")
    epoch = _where(words, r"^\d{9,10}([.]\d+)?$|^\d{12,13}$")
    moments = _moments(zoned, "UTC")
    local = _moments(plain, None) - HERE
    seconds = np.asarray(pc.cast(epoch, pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    seconds = np.where(seconds > 1e11, seconds / 1000, seconds)
    since = np.full(len(seconds), np.datetime64("NaT"), "M8[us]")
    known = np.isfinite(seconds)
    since[known] = np.round(seconds[known] * 1e6).astype(np.int64).astype("M8[us]")
    return np.where(np.isnat(moments), np.where(np.isnat(local), since, local), moments)


def _where(words: pa.Array, pattern: str) -> pa.Array:
    return pc.if_else(pc.fill_null(pc.match_substring_regex(words, pattern), False), words, None)


def _moments(words: pa.Array, zone: str | None) -> NDArray[np.datetime64]:
    """Cast to moments; where one of them is no day that exists, one by one."""
    kind = pa.timestamp("us", zone)
    try:
        found = pc.cast(words, kind)
    except pa.ArrowInvalid:
        found = pa.array([_one(word.as_py(), kind) for word in words], pa.timestamp("us"))
    return np.asarray(found.to_numpy(zero_copy_only=False)).astype("M8[us]")


def _one(word: str | None, kind: pa.DataType) -> datetime | None:
    try:
        found = pc.cast(pa.array([word], pa.string()), kind)[0].as_py()
    except pa.ArrowInvalid:
        return None
    return None if found is None else found.replace(tzinfo=None)


KIND = Kind(
    name="readings",
    zh="读数",
    en="readings of devices",
    table=observation,
    object_type="observation",
    fields=FIELDS,
    checks=(measure,),
    adds={"stream": "text", "result": "float8", "result_text": "text", "quality": "int2"},
    key=("device_ref",),
    key_kept=False,
    settle=readings.settle,
    repeated=readings.repeated,
    enter=readings.enter,
)
