"""The solids that come with buildings, into the table of their further representations."""

from cim.store.incoming import merge
from cim.store.incoming.stage import Counts, Stage
from cim.store.queries.incoming import solids as statements

STAGED = {"solid": "geometry", "solid_lods": "text"}
"""Staged columns: a collection of surfaces, one a level of detail, and the levels' names."""


def by_source(stage: Stage) -> Counts:
    """Buildings as `merge.by_source` enters them, and their solids where the file has some.

    A building whose solid alone is another counts as changed, and the change feed says so.
    """
    counts = merge.by_source(stage)
    if not stage.has("solid"):
        return counts
    key = {"source_id": stage.source_id}
    stage.run(statements.STAGED, **key)
    stage.run("ANALYZE stage_solids")
    stage.run(statements.CHANGED)
    stage.run(statements.HIDDEN, **key)
    stage.run(statements.HIDE)
    stage.run(statements.UPDATE)
    stage.run(statements.INSERT)
    stage.run("ANALYZE city.building_geom")
    more = stage.run(statements.RECORD, import_id=stage.import_id)
    counts.changed += more
    counts.unchanged -= more
    return counts
