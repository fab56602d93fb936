"""What the checks of a kind would say of the rows, and what is odd in its fields."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from cim.load import checks
from cim.load.inspection.outcome import Oddity
from cim.load.kind import Context, Kind
from cim.load.mapping import Settled
from cim.load.report import ODD
from cim.load.rows import REASONS, Rows
from cim.load.source import Batch
from cim.settings import Settings

LISTED = 5
"""Rows named with something odd."""

_FLOORS = {
    "no_floors": ("no floors at all (0)", "层数为 0"),
    "many_floors": ("more than 120 floors", "层数超过 120"),
    "low": ("under 2 m high", "高度不足 2 米"),
}


class Trial:
    """The rows of a file put through the checks of a kind, batch by batch.

    Nothing is encrypted, so of personal kinds only the fields are read.
    """

    def __init__(self, kind: Kind, settled: Settled, system: str | None, settings: Settings):
        """Begin with no rows."""
        self.kind, self.settled, self.system = kind, settled, system
        self.context = Context(settings, frozenset(settled.columns))
        self.counts: Counter[tuple[str, str]] = Counter()
        self.where: dict[tuple[str, str], list[int]] = {}
        self.warnings: Counter[str] = Counter()
        self.each: list[NDArray[np.float64]] = []

    def add(self, batch: Batch) -> None:
        """Put a batch through the checks."""
        rows = checks.read_fields(batch, self.settled, self.kind.all_fields)
        if self.kind.geometry and self.system is not None:
            needed = self.kind.needs_geometry
            checks.read_geometry(rows, self.kind.geometry, self.system, needed=needed)
        self._storeys(rows)
        if not self.kind.personal:
            for check in self.kind.checks:
                check(rows, self.context)
        if "ext_id" in self.settled.columns and not self.kind.personal:
            empty = np.array([key is None for key in rows.words("ext_id")], bool)
            rows.set_aside(empty, "ext_id", "missing")
        faults = rows.faults
        for row, field, reason in zip(faults.row_no, faults.field, faults.reason, strict=True):
            self._count((reason, field or ""), row)
        self.warnings += rows.warnings

    def _count(self, key: tuple[str, str], row: int) -> None:
        self.counts[key] += 1
        rows = self.where.setdefault(key, [])
        if len(rows) < LISTED:
            rows.append(int(row))

    def _storeys(self, rows: Rows) -> None:
        """Floors and heights as they were given, before one is made from the other."""
        if self.kind.name != "buildings":
            return
        floors, height = rows.numbers("floors_above"), rows.numbers("height")
        with np.errstate(invalid="ignore", divide="ignore"):
            odd = {"no_floors": floors == 0, "many_floors": floors > 120,
                   "low": (height > 0) & (height < 2)}  # fmt: skip
            both = (floors > 0) & (height > 0)
            self.each.append((height / floors)[both])
        for what, mask in odd.items():
            for row in rows.row_no[mask].tolist():
                self._count((what, ""), row)

    def oddities(self) -> list[Oddity]:
        """What would be set aside and why, and what would come in although it is odd."""
        found = []
        names = {field.name: field for field in self.kind.all_fields}
        for (code, field), count in self.counts.most_common():
            en, zh = _FLOORS.get(code) or REASONS[code]
            label = names.get(field)
            if label is not None:
                en, zh = f"{label.en} ({field}): {en}", f"{label.zh}（{field}）：{zh}"
            rows = tuple(self.where[code, field])
            if code in _FLOORS:
                found.append(Oddity(en, zh, count, rows))
            else:
                found.append(Oddity(f"would be set aside: {en}", f"将暂存待改：{zh}", count, rows))
        found += [Oddity(*ODD.get(w, (w, w)), n) for w, n in self.warnings.items()]
        return found + self._centimetres()

    def _centimetres(self) -> list[Oddity]:
        each = np.concatenate(self.each) if self.each else np.empty(0)
        usual = float(np.median(each)) if each.size else 3.0
        for least, most, en, zh in _SCALES:
            if least <= usual <= most:
                return [
                    Oddity(
                        f"heights seem to be {en}: {usual:.4g} a floor",
                        f"高度疑似以{zh}为单位：每层约 {usual:.4g}",
                        int(each.size),
                    )
                ]
        return []


_SCALES = (
    (200, 700, "centimetres", "厘米"),
    (2000, 7000, "millimetres", "毫米"),
    (8, 16, "feet", "英尺"),
)
"""Height of a floor in other units than metres."""
