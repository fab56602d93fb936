"""In which area, grid and estate things stand: by place, as sets."""

from cim.store.queries import places as statements
from cim.store.stage import ROWS, Stage


def of_stage(stage: Stage, *, least_area: float, tiny: float) -> None:
    """Fill the areas of staged buildings; set aside outlines that enclose nothing."""
    stage.set_aside(
        f"s.footprint_area < {least_area}", "geometry", "sliver", value="s.footprint_area"
    )
    odd = stage.number(f"SELECT count(*) FROM {ROWS} s WHERE s.footprint_area < {tiny}")
    if odd:
        stage.tallies["tiny"] = odd
    for column, (table, order) in statements.PLACES.items():
        if stage.number(
            f"SELECT count(*) FROM (SELECT FROM {table} WHERE geom IS NOT NULL "
            "AND ended_at IS NULL LIMIT 1) x"
        ):
            stage.run(statements.place_stage(ROWS, "footprint", column, table, order))
