"""In which area, grid and estate things stand: by place, as sets; and the trees of the places."""

import numpy as np
from sqlalchemy import text

from cim.geometry.within import Outlines
from cim.store.incoming.stage import ROWS, Stage
from cim.store.queries.incoming import places as statements


def of_stage(stage: Stage, *, least_area: float, most_area: float, tiny: float) -> None:
    """Fill the places of staged buildings; set aside outlines of nothing, and of whole towns."""
    small, vast = f"s.footprint_area < {least_area}", f"s.footprint_area > {most_area}"
    within = f"s.footprint_area BETWEEN {tiny} AND {most_area}"
    if stage.number(f"SELECT count(*) FROM {ROWS} s WHERE NOT ({within})"):
        stage.set_aside(small, "geometry", "sliver", value="s.footprint_area")
        stage.set_aside(vast, "geometry", "vast", value="s.footprint_area")
        odd = stage.number(f"SELECT count(*) FROM {ROWS} s WHERE s.footprint_area < {tiny}")
        if odd:
            stage.tallies["tiny"] = odd
    known = _known(stage)
    if known and changed(stage):
        stage.run(statements.index_points(ROWS))
        stage.run(statements.place_points(ROWS, known))


def changed(stage: Stage) -> bool:
    """Whether the places are no longer those that rows were put in as they were read."""
    return stage.stood != _state(stage)


def outlines(stage: Stage) -> dict[str, Outlines]:
    """The places by column, for rows to be put into as they are read.

    It is noted how they stood; where that is no longer so, `of_stage` puts the rows anew.
    """
    stage.stood = _state(stage)
    found = {}
    for column, (table, order) in _known(stage).items():
        rows = stage.connection.execute(text(statements.outlines(table, order))).all()
        ids = np.array([row.id for row in rows], np.int64)
        found[column] = Outlines(ids, [bytes(row.wkb) for row in rows])
    return found


def _known(stage: Stage) -> dict[str, tuple[str, str]]:
    """The places of which there are outlines."""
    return {
        column: (table, order)
        for column, (table, order) in statements.PLACES.items()
        if stage.number(statements.has_outlines(table))
    }


def _state(stage: Stage) -> str:
    return str(stage.connection.execute(text(statements.STATE)).scalar_one())


def within_areas(stage: Stage) -> None:
    """The lowest area of staged rows, where they have a place."""
    table, order = statements.PLACES["admin_area_id"]
    if stage.geometry and stage.number(statements.has_outlines(table)):
        stage.run(statements.place_stage(ROWS, stage.geometry, "admin_area_id", table, order))


def refresh(stage: Stage, column: str) -> None:
    """Put the buildings that are kept into the places that were just loaded."""
    if not stage.geometry:
        return
    moved = stage.run(statements.place_buildings(column, *statements.PLACES[column]))
    if moved:
        stage.tallies["reassigned"] = moved


def settle_areas(stage: Stage) -> None:
    """Codes by name where a row has none; an area known from another source changes hands."""
    stage.keys.clear()  # by name, they become others
    stage.run(statements.AREAS_BY_NAME)
    stage.set_aside("s.code IS NULL OR s.level IS NULL", "code", "unknown_area", value="s.name")
    stage.set_aside(statements.repeats("code"), "code", "duplicate", value="s.code")
    stage.run(statements.ADOPT_AREAS, source_id=stage.source_id)


def finish_areas(stage: Stage) -> None:
    """The tree: the area named as above, else the longest code that begins this one."""
    stage.run(statements.AREAS_ABOVE)
    if stage.has("parent_code"):
        stage.run(statements.AREAS_ABOVE_AS_SAID)
    refresh(stage, "admin_area_id")


def settle_grids(stage: Stage) -> None:
    """A grid known from another source changes hands."""
    kind = "coalesce(s.kind, '综合网格')" if stage.has("kind") else "'综合网格'"
    stage.set_aside(statements.repeats("ext_id"), "code", "duplicate", value="s.code")
    stage.run(statements.adopt_grids(kind), source_id=stage.source_id)


def finish_grids(stage: Stage) -> None:
    """The tree of grids, and the buildings in them."""
    if stage.has("parent_code"):
        stage.run(statements.GRIDS_ABOVE)
    refresh(stage, "grid_id")


def refresh_estates(stage: Stage) -> None:
    """The buildings of estates that were just loaded."""
    refresh(stage, "estate_id")
