"""Whether what an earlier load left is still as it left it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from cim.store.incoming.stage import Stage
from cim.store.queries.incoming import again as statements
from cim.store.queries.incoming.load import bound


@dataclass(frozen=True)
class Proof:
    """What a file, with all its load hangs on, is known by; and its bytes."""

    print: str
    size: int


@dataclass(frozen=True)
class Before:
    """The last load of a source: when, what it counted, and what it may be known by."""

    import_id: int
    day: str
    stats: dict[str, Any]
    proof: Proof

    @property
    def came_in(self) -> int:
        """Rows of the file that are in the store."""
        return int(self.stats["new"] + self.stats["changed"] + self.stats["unchanged"])

    @property
    def missing(self) -> int:
        """Rows of the source that the file does not have, and that have not ended."""
        return int(self.stats["missing"] - self.stats["ended"])


def before(stage: Stage, kind: str) -> Before | None:
    """The last load of this kind and source; None where there is none, or it cannot be told."""
    found = stage.connection.execute(
        bound(statements.LAST), {"kind": kind, "source_id": stage.source_id}
    ).one_or_none()
    if found is None or found.proof is None:
        return None
    proof = Proof(found.proof["print"], found.proof["size"])
    return Before(found.id, found.day, found.stats, proof)


def begin(stage: Stage) -> None:
    """Note which transactions the load can have seen; to be called before it looks at any row."""
    stage.snapshot = stage.connection.execute(bound(statements.NOW)).scalar_one()


def unchanged(stage: Stage, last: Before, places: tuple[Table, ...]) -> bool:
    """Whether no row of the source, and none of the places, was written since that load."""
    key = {"import_id": last.import_id}
    if not stage.number(statements.LIVED, **key):
        return False
    if stage.number(statements.STILL_ASIDE, **key) != sum(last.stats["set_aside"].values()):
        return False
    rows, touched = stage.connection.execute(
        bound(statements.touched(stage.table)), {"source_id": stage.source_id, **key}
    ).one()
    return (
        rows == last.came_in + last.missing
        and not touched
        and not any(stage.number(statements.places_touched(table), **key) for table in places)
    )


def keep(stage: Stage, proof: Proof | None, last: Before | None = None) -> None:
    """Write down what this load may be known by, or that it repeated an earlier one."""
    if last is not None:
        stage.run(statements.REPEAT, import_id=stage.import_id, last=last.import_id)
    elif proof is not None:
        told = {"print": proof.print, "size": proof.size, "snapshot": stage.snapshot}
        stage.run(statements.KEEP, import_id=stage.import_id, **told)


def set_aside_again(stage: Stage, last: Before) -> None:
    """Set aside the rows that the last load did, as it did."""
    stage.run(statements.ASIDE_AGAIN, import_id=last.import_id)


def name_rows(stage: Stage, most: int) -> None:
    """Stage the keys of the source, for whoever asks what the file speaks of."""
    stage.run(statements.keys_of(stage.table, most), source_id=stage.source_id)
