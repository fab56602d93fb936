"""Bringing files in: kinds, uploads, what a look into a file shows, jobs."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.common import Answer, Bounds, Sentence, example

Group = str
Word = Annotated[str, Field(max_length=300, pattern="^[^\\x00]*$")]
"""A text that a database keeps: not long, without NUL."""
Number = Annotated[float, Field(allow_inf_nan=False)]
GROUP = r"^[0-9A-Za-z][0-9A-Za-z_-]{7,63}$"
"""What a group of uploads may be called: a UUID, made by whoever sends the files."""


_UPLOADED: dict[str, Any] = {
    "id": "0b0c4d1f9a5e4c3e8d5f2a6b7c8d9e0f",
    "group": "6f1e0a86-52a4-4f0c-9d0e-1a2b3c4d5e6f",
    "file": "楼栋.shp",
    "size": 5242880,
    "offset": 1048576,
    "complete": False,
    "expires_at": "2026-11-29T02:00:00Z",
}
_JOB: dict[str, Any] = {
    "id": 12,
    "group": "6f1e0a86-52a4-4f0c-9d0e-1a2b3c4d5e6f",
    "file": "楼栋.shp",
    "kind": "buildings",
    "dry_run": False,
    "request": {"crs": "EPSG:4547", "fields": {}, "source": "housing", "units": True},
    "state": "running",
    "step": "read",
    "rows_done": 20000,
    "rows_total": 118000,
    "cancelling": False,
    "report": None,
    "error": None,
    "quarantine": None,
    "created_at": "2026-11-22T02:00:00Z",
    "started_at": "2026-11-22T02:00:01Z",
    "finished_at": None,
}
_INSPECTION: dict[str, Any] = {
    "file": "楼栋.shp",
    "layer": None,
    "layers": ["楼栋"],
    "format": "ESRI Shapefile",
    "encoding": "GB18030",
    "rows": 118000,
    "crs": None,
    "crs_proposals": [
        {"code": "EPSG:4547", "sure": 80, "en": "CGCS2000, 114° E", "zh": "CGCS2000，中央经线 114°"}
    ],
    "extent": [113.8, 22.9, 113.9, 23.0],
    "geometry": {"Polygon": 118000},
    "kinds": [{"name": "buildings", "score": 97}],
    "kind": "buildings",
    "columns": [],
    "mapping": [],
    "missing": [],
    "oddities": [],
    "preview": {"columns": ["层数"], "rows": [["6"]], "numbers": [1]},
    "footprints": None,
    "sampled": False,
    "notes": [],
}
_KINDS: dict[str, Any] = {
    "kinds": [
        {
            "name": "buildings",
            "zh": "建筑",
            "en": "footprints of buildings",
            "geometry": "polygon",
            "personal": False,
            "fields": [
                {
                    "name": "height",
                    "zh": "高度",
                    "en": "height, m",
                    "type": "number",
                    "required": False,
                }
            ],
        }
    ],
    "formats": [".csv", ".gpkg", ".shp", ".xlsx"],
}


class Asked(BaseModel):
    """Base of what callers send: exactly these fields, no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KindField(Answer):
    """A field that a kind of file may have."""

    name: str
    zh: str
    en: str
    type: str = Field(description="text, number, integer, year, date, boolean, code …")
    required: bool


class KindOfFile(Answer):
    """What a file can be loaded as."""

    name: str
    zh: str
    en: str
    geometry: str | None = Field(description="polygon, line, point, or none")
    personal: bool = Field(description="rows set aside are kept encrypted")
    fields: list[KindField]


class Kinds(Answer):
    """Everything a file can be loaded as, in the order in which a city is loaded."""

    model_config = example(_KINDS)

    kinds: list[KindOfFile]
    formats: list[str] = Field(description="endings of the names of files that can be read")


class Uploaded(Answer):
    """A file that was sent, or is being sent."""

    model_config = example(_UPLOADED)

    id: str
    group: str
    file: str
    size: int = Field(description="bytes that were announced")
    offset: int = Field(description="bytes that are there")
    complete: bool
    expires_at: datetime


class Uploads(Answer):
    """The files of a group."""

    model_config = example({"uploads": [_UPLOADED]})

    uploads: list[Uploaded]


class Inspect(Asked):
    """Which file to look into, and what is known of it already."""

    group: Group = Field(pattern=GROUP)
    file: Word | None = Field(None, description="without: the one that can be read")
    kind: Word | None = Field(None, max_length=50, description="without: the likeliest")
    crs: Word | None = Field(None, max_length=100)
    layer: Word | None = None
    encoding: Word | None = Field(None, max_length=50)
    fields: dict[Word, Word | None] = Field(default_factory=dict, max_length=200)
    mends: int | None = Field(
        None,
        ge=1,
        le=2**53 - 1,
        description="the job whose rows are mended in this file; source, coordinates and mapping "
        "are those of that job then",
    )
    heights: Literal["1985", "ellipsoid", "egm96", "egm2008"] | None = Field(
        None,
        description="of terrain: what its heights are above; without, what the file says, else "
        "1985, the city's height datum",
    )


class ImportRequest(Inspect):
    """Which file to load, as what, and how; null as a column leaves the field out."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "example": {
                "group": "6f1e0a86-52a4-4f0c-9d0e-1a2b3c4d5e6f",
                "file": "楼栋.shp",
                "kind": "buildings",
                "fields": {"floors_above": "层数"},
                "crs": "EPSG:4547",
                "source": "housing",
                "dry_run": True,
            }
        },
    )

    kind: Word = Field(max_length=50)
    source: Word | None = Field(None, max_length=200)
    full: bool = Field(False, description="the file is complete: what it lacks has ended")
    dry_run: bool = Field(False, description="do everything but keep it")
    units: bool = Field(True, description="make storeys and units of what came in")
    at: tuple[Number, Number, Number] | None = Field(
        None,
        description="where the middle of a model stands: degrees east, north, clockwise from north",
    )
    building: int | None = Field(
        None, ge=1, le=2**53 - 1, description="the building whose footprint a model is laid on"
    )
    rotation: float | None = Field(
        None,
        ge=-360,
        le=360,
        description="of a model laid on a building, or standing where it stood: degrees clockwise "
        "from north",
    )
    every_space: bool = Field(False, description="of a model: every room is a unit of its own")
    surveyed: date | None = Field(None, description="of terrain: the day of survey")


class Crs(Answer):
    """A coordinate system that the file may be in."""

    code: str
    sure: int = Field(description="0 to 100")
    en: str
    zh: str


class Oddity(Answer):
    """Something that looks wrong, how often, and the first rows that have it."""

    en: str
    zh: str
    count: int
    rows: list[int]


class Column(Answer):
    """A column of the file."""

    name: str
    type: str
    filled: int = Field(description="rows that have a value")
    distinct: int = Field(description="different values")
    more: bool = Field(description="there are more different values than were counted")
    least: str | float | None
    most: str | float | None
    samples: list[str]
    oddities: list[Oddity]


class Mapped(Answer):
    """A field, and the column it is proposed to be read from."""

    field: str
    zh: str
    en: str
    required: bool
    column: str | None
    sure: int = Field(description="0 to 100")
    why_en: str
    why_zh: str


class Scored(Answer):
    """A kind that the file may be."""

    name: str
    score: int = Field(description="0 to 100")


class Preview(Answer):
    """The first rows of the file; personal data are masked."""

    columns: list[str]
    rows: list[list[str | None]]
    numbers: list[int] = Field(description="the numbers of these rows, as reports name them")


class Inspection(Answer):
    """What a look into a file shows; nothing was loaded."""

    model_config = example(_INSPECTION)

    file: str
    layer: str | None
    layers: list[str]
    format: str
    encoding: str | None
    rows: int | None
    crs: str | None = Field(description="what the file says of itself")
    crs_proposals: list[Crs]
    extent: Bounds | None
    geometry: dict[str, int] | None = Field(description="how many of each type")
    kinds: list[Scored]
    kind: str | None
    columns: list[Column]
    mapping: list[Mapped]
    missing: list[str] = Field(description="required fields that no column was found for")
    oddities: list[Oddity]
    preview: Preview
    footprints: dict[str, Any] | None = Field(
        description="GeoJSON FeatureCollection in CRS84, at most 500 features, property `row`"
    )
    sampled: bool = Field(description="only some of the rows were looked at")
    notes: list[Sentence]


class Tally(Answer):
    """How many rows for one reason."""

    code: str
    en: str
    zh: str
    rows: int


class Outcome(Answer):
    """What a load did, in numbers and in two languages."""

    kind: str
    file: str
    source: str
    crs: str | None
    mapping: dict[str, str]
    guessed: list[str]
    read: int
    new: int
    changed: int
    unchanged: int
    missing: int
    ended: int
    repaired: int
    merged: int
    came_in: int
    set_aside: int
    aside: list[Tally] = Field(description="rows set aside, by reason")
    warnings: list[Tally] = Field(description="rows that came in although they are odd")
    notes: list[Sentence]
    seconds: float


State = Literal["waiting", "running", "done", "failed", "cancelled"]


class Job(Answer):
    """A file on its way into the city."""

    model_config = example(_JOB)

    id: int
    group: str
    file: str
    kind: str
    dry_run: bool
    request: dict[str, Any] = Field(description="fields, crs, source … as asked")
    state: State
    step: str | None = Field(description="read, compare, keep, units, commit")
    rows_done: int | None
    rows_total: int | None
    cancelling: bool = Field(description="it was asked to stop and has not yet")
    report: Outcome | None
    error: Sentence | None = Field(description="why nothing could be loaded")
    quarantine: str | None = Field(description="where the rows that were set aside can be had")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Jobs(Answer):
    """The caller's latest jobs, newest first."""

    model_config = example({"imports": [_JOB], "workers": 1})

    imports: list[Job]
    workers: int = Field(description="how many programs are there to run them; 0: they wait")
