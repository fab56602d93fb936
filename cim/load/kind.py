"""What a kind is: its fields, its geometry, its checks, and how its rows enter the store."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlalchemy import Table

from cim.addresses import Gazetteer
from cim.geometry.within import Outlines
from cim.load.fields import EXT_ID, Field
from cim.load.rows import Rows
from cim.privacy import Vault
from cim.settings import Settings
from cim.store.incoming import merge
from cim.store.incoming.stage import Counts, Stage
from cim.store.incoming.straight import Terms

if TYPE_CHECKING:  # reading rasters takes a quarter of a second to import
    from cim.terrain.ground import Ground


@dataclass(frozen=True)
class Context:
    """What checks may want to know.

    `mapped` are the fields that the file has; `vault` is there for personal kinds alone, `standing`
    (column to outlines) for kinds whose rows stand in areas, grids and estates, `gazetteer` for
    files with addresses as text; `ground` the terrain for what stands on it.
    """

    settings: Settings
    mapped: frozenset[str]
    vault: Vault | None = None
    standing: Mapping[str, Outlines] = field(default_factory=dict)
    gazetteer: Gazetteer | None = None
    ground: "Ground | None" = None


SEALED = "quarantine.record"
"""The purpose that rows set aside are encrypted for, where they are personal data."""

Check = Callable[[Rows, Context], None]
"""Looks at rows; sets aside, warns, fills in columns."""


def nothing(stage: Stage) -> None:
    """No step at this point."""


def wait(stage: Stage, last: int) -> None:
    """Nothing is done with a batch before the whole file is read."""


@dataclass(frozen=True)
class Kind:
    """One kind of thing that can be loaded.

    `geometry` is point, line, polygon or None; with `needs_geometry` a row without is set aside.
    `fold` is the last to see a batch, when it is known which rows are in: what many rows share need
    be sent only once.
    `adds` names columns (with PostgreSQL types) that the checks fill in beyond the mapped fields.
    `adds_of_solids` are those that come with the solids of a city model, `adds_on_terrain` those
    that a city with terrain gives.
    `key` are fields that make up a row's key where the file names none; without, the place does.
    `key_names` are further names of the key's column; without `key_kept` the table keeps no key of
    the source, and `key` alone tells rows apart.
    `follow` is told the number of the last row that was staged, while further ones are being read.
    Steps on the whole file, in the database, in this order:
    `settle` (look up references, set aside what is wrong; before duplicates are looked for),
    `repeated` (what to do with several rows of one key), `place` (what depends on where the row
    is), `enter` (compare with what is there and write), `finish`.
    Those of a `standing` kind are told what areas, grids and estates there are.
    `straight` are the terms on which its first rows are written without being staged; None for a
    kind whose steps look at every row.
    `again` names the tables in which its rows are looked up: where those, the file and its rows are
    as they were at its last load, the file is not read again; None for a kind that always is.
    `guarded` names fields with the column that says how their value was come by: a file without
    the field does not change what another gave.
    Of a `personal` kind, rows that are set aside are kept encrypted, and their values nowhere.
    """

    name: str
    zh: str
    en: str
    table: Table
    object_type: str
    fields: tuple[Field, ...]
    geometry: str | None = None
    geometry_column: str = "geom"
    needs_geometry: bool = True
    checks: tuple[Check, ...] = ()
    fold: Callable[[Rows], None] | None = None
    adds: dict[str, str] = field(default_factory=dict)
    adds_of_solids: dict[str, str] = field(default_factory=dict)
    adds_on_terrain: dict[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    follow: Callable[[Stage, int], None] = wait
    settle: Callable[[Stage], None] = nothing
    repeated: Callable[[Stage], None] = merge.first_stays
    place: Callable[[Stage], None] = nothing
    enter: Callable[[Stage], Counts] = merge.by_source
    finish: Callable[[Stage], None] = nothing
    guarded: dict[str, str] = field(default_factory=dict)
    personal: bool = False
    key_names: tuple[str, ...] = ()
    key_kept: bool = True
    derives: bool = False
    again: tuple[Table, ...] | None = None
    standing: bool = False
    straight: Terms | None = None

    @property
    def all_fields(self) -> tuple[Field, ...]:
        """The kind's own fields, and the key in the source where the kind keeps one."""
        if not self.key_kept:
            return self.fields
        return (*self.fields, replace(EXT_ID, names=(*self.key_names, *EXT_ID.names)))
