"""A handful of wrong rows, for trying out what the loader does with them.

Added after the good rows of `buildings`, with ids that begin with X:

* X1 an outline that crosses itself, like a bow tie
* X2 neither floors nor height
* the first building's id a second time, somewhere else
* X4 longitude and latitude the wrong way round
* X5 minus three storeys
* X6 an outline without area
"""

from collections.abc import Iterator

import numpy as np
import shapely

from sample_data.files import Columns
from sample_data.places import Plan, to_degrees
from sample_data.town import buildings as good_buildings

SQUARE = np.array([(0.0, 0.0), (12.0, 0.0), (12.0, 10.0), (0.0, 10.0)])
"""An outline in metres."""


def buildings(plan: Plan) -> Iterator[Columns]:
    """All good buildings, then the wrong ones in one last part."""
    last: Columns = {}
    first_id = ""
    for part in good_buildings(plan):
        first_id = first_id or part["编号"][0]
        last = part
        yield part
    yield _wrong(plan, {name: values[-1] for name, values in last.items()}, first_id)


def _wrong(plan: Plan, pattern: Columns, first_id: str) -> Columns:
    """Six rows like the pattern, each wrong in its way."""
    corner = plan.communities[0].corners[0] + 20.0
    outlines = [shapely.Polygon(to_degrees(SQUARE + corner + [0, 14 * n])) for n in range(6)]
    ring = to_degrees(SQUARE[[0, 2, 1, 3]] + corner)
    outlines[0] = shapely.Polygon(ring)
    outlines[3] = shapely.transform(outlines[3], lambda lonlat: lonlat[:, ::-1])
    outlines[5] = shapely.Polygon(to_degrees(SQUARE[[0, 1, 1, 0]] + corner + [0, 70]))
    rows = {name: [value] * len(outlines) for name, value in pattern.items()}
    floors: list[int | None] = [3, None, 3, 3, -3, 3]
    return rows | {
        "编号": ["X1", "X2", first_id, "X4", "X5", "X6"],
        "地上层数": floors,
        "高度": [None] * len(outlines),
        "geometry": outlines,
    }
