"""What a load did, in numbers and in two languages."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from cim.store.stage import Counts


@dataclass
class Report:
    """The outcome of one file."""

    kind: str
    file: str
    source: str
    crs: str | None = None
    mapping: dict[str, str] = field(default_factory=dict)
    guessed: tuple[str, ...] = ()
    read: int = 0
    counts: Counts = field(default_factory=Counts)
    repaired: int = 0
    merged: int = 0
    aside: dict[str, int] = field(default_factory=dict)
    warnings: Counter[str] = field(default_factory=Counter)
    notes: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def set_aside(self) -> int:
        """Rows that did not come in."""
        return sum(self.aside.values())

    @property
    def came_in(self) -> int:
        """Rows of the file that are in the store now, pieces of one thing counted once."""
        return self.counts.new + self.counts.changed + self.counts.unchanged

    @property
    def exit_code(self) -> int:
        """0 all in, 1 some set aside, 2 nothing loaded."""
        if self.came_in == 0:
            return 2
        return 1 if self.set_aside else 0

    def stats(self) -> dict[str, Any]:
        """The numbers alone, as kept with the import."""
        return {
            "read": self.read,
            **asdict(self.counts),
            "repaired": self.repaired,
            "merged": self.merged,
            "set_aside": self.aside,
            "warnings": dict(self.warnings),
            "seconds": round(self.seconds, 3),
        }
