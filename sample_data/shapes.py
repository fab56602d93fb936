"""Kernels: footprints of a few well-known forms, placed by arrays of numbers."""

import numpy as np
import shapely
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RECTANGLE, NOTCHED, ELL, YOU, COURT = range(5)
"""A box; a tower with a recess on both long sides; an L; a U; a box with a courtyard."""

_FORMS: dict[int, list[tuple[float, float]]] = {
    RECTANGLE: [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)],
    NOTCHED: [
        (-0.5, -0.5), (-0.08, -0.5), (-0.08, -0.34), (0.08, -0.34), (0.08, -0.5), (0.5, -0.5),
        (0.5, 0.5), (0.08, 0.5), (0.08, 0.34), (-0.08, 0.34), (-0.08, 0.5), (-0.5, 0.5),
    ],
    ELL: [(-0.5, -0.5), (0.5, -0.5), (0.5, -0.1), (-0.12, -0.1), (-0.12, 0.5), (-0.5, 0.5)],
    YOU: [
        (-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (0.24, 0.5),
        (0.24, -0.1), (-0.24, -0.1), (-0.24, 0.5), (-0.5, 0.5),
    ],
    COURT: [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)],
}  # fmt: skip
_HOLE = [(-0.22, -0.22), (-0.22, 0.22), (0.22, 0.22), (0.22, -0.22)]


def draw(form: NDArray[np.int64], centre: Floats, size: Floats, angle: Floats) -> Floats:
    """Rings of one form: (n, k, 2), not closed, in the units of `centre`.

    `form` must hold one value; `size` is width and depth, `angle` radians from east.

    >>> draw(np.array([RECTANGLE]), np.zeros((1, 2)), np.array([[4.0, 2.0]]), np.zeros(1)).tolist()
    [[[-2.0, -1.0], [2.0, -1.0], [2.0, 1.0], [-2.0, 1.0]]]
    """
    return _place(_FORMS[int(form[0])], centre, size, angle)


def _place(
    template: list[tuple[float, float]], centre: Floats, size: Floats, angle: Floats
) -> Floats:
    local = np.array(template)[None] * size[:, None]
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x = local[..., 0] * cos - local[..., 1] * sin
    y = local[..., 0] * sin + local[..., 1] * cos
    return np.asarray(np.stack([x, y], axis=-1) + centre[:, None], dtype=np.float64)


def footprints(
    forms: NDArray[np.int64], centre: Floats, size: Floats, angle: Floats
) -> NDArray[np.object_]:
    """Polygons of every form, in the order given, in the units of `centre`.

    >>> len(footprints(np.zeros(0, int), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0)))
    0
    >>> two = footprints(np.array([ELL, COURT]), np.zeros((2, 2)), np.ones((2, 2)), np.zeros(2))
    >>> shapely.area(two).round(3).tolist()
    [0.628, 0.806]
    """
    polygons = np.empty(len(forms), object)
    for form in np.unique(forms):
        at = np.flatnonzero(forms == form)
        rings = shapely.linearrings(draw(forms[at], centre[at], size[at], angle[at]))
        if form == COURT:
            holes = shapely.linearrings(_place(_HOLE, centre[at], size[at], angle[at]))
            polygons[at] = [shapely.Polygon(r, [h]) for r, h in zip(rings, holes, strict=True)]
        else:
            polygons[at] = shapely.polygons(rings)
    return polygons
