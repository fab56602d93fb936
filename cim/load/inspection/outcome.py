"""What an inspection found: values that go to the terminal, to JSON and to the browser alike."""

from dataclasses import asdict, dataclass, field
from typing import Any

from cim.load import coordinates


@dataclass(frozen=True)
class Oddity:
    """Something suspicious: in words, how often, and in which rows first."""

    en: str
    zh: str
    count: int
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Column:
    """A column of the file; least, most and samples are None and empty where they are personal, and
    `more` says that there are more different values than were counted."""

    name: str
    type: str
    filled: int
    distinct: int
    least: str | float | None
    most: str | float | None
    samples: tuple[str, ...]
    oddities: tuple[Oddity, ...]
    more: bool = False


@dataclass(frozen=True)
class Proposal:
    """Which column a field is probably read from; `sure` 80 and more is used unasked."""

    field: str
    zh: str
    en: str
    required: bool
    column: str | None
    sure: int
    why_en: str
    why_zh: str


@dataclass(frozen=True)
class Score:
    """How well a kind fits the file, 0 to 100."""

    name: str
    score: int


@dataclass(frozen=True)
class Inspection:
    """What a file holds, and how it would be loaded.  `extent` is in degrees: west, south, east,
    north; `footprints` GeoJSON in CRS84; `sampled` says that only some rows were looked at."""

    file: str
    layer: str | None
    layers: tuple[str, ...]
    format: str
    encoding: str | None
    rows: int | None
    crs: str | None
    crs_proposals: tuple[coordinates.Proposal, ...]
    extent: tuple[float, float, float, float] | None
    geometry: dict[str, int] | None
    kinds: tuple[Score, ...]
    kind: str | None
    columns: tuple[Column, ...]
    mapping: tuple[Proposal, ...]
    missing: tuple[str, ...]
    oddities: tuple[Oddity, ...]
    preview: dict[str, Any] = field(default_factory=dict)
    footprints: dict[str, Any] | None = None
    sampled: bool = False
    notes: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The same as plain dictionaries and lists."""
        return asdict(self)

    def wish(self, least: int = 0) -> dict[str, str]:
        """The proposed mapping, field to column, of proposals at least so sure."""
        return {
            each.field: each.column
            for each in self.mapping
            if each.column is not None and each.sure >= least
        }
