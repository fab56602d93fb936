"""Checks that every kind shares: each is one function over rows."""

from hashlib import blake2b

import numpy as np
import shapely
from numpy.typing import NDArray

from cim import crs
from cim.geometry import validity
from cim.load.fields import PARSERS, Field
from cim.load.mapping import Settled
from cim.load.rows import Rows, known, objects
from cim.load.source import Batch, Solids

DERIVED_KEY = "@"
"""What keys that were made from the place begin with."""

HIGHEST = 10_000.0
"""Metres above or below the height datum that nothing built reaches."""


def read_fields(batch: Batch, mapping: Settled, fields: tuple[Field, ...]) -> Rows:
    """A batch as rows by field; what cannot be read is set aside, unknown codes go to `attrs`."""
    rows = Rows(batch, {}, None, np.ones(len(batch), bool))
    if batch.broken is not None:
        for reason in {item for item in batch.broken.tolist() if item is not None}:
            rows.set_aside(batch.broken == reason, None, reason)
    for field in fields:
        name = mapping.columns.get(field.name)
        if name is None:
            continue
        column = batch.columns.column(name)
        values, bad = PARSERS[field.type](column, field)
        rows.columns[field.name] = values
        if field.type == "code" and not field.strict:
            if bad.any():
                rows.warn(bad, "unknown_code")
                raw = np.array(column.to_pylist(), dtype=object)
                raw[~bad] = None
                rows.extra[name] = raw
            continue
        if bad.any():
            reason = "not_listed" if field.type == "code" else "not_a_value"
            rows.set_aside(bad, field.name, reason, np.array(column.to_pylist(), object))
        if field.required:
            absent = np.array([not known(v) for v in values.tolist()], bool)
            rows.set_aside(absent, field.name, "missing")
        _bound(rows, field)
    return rows


def _bound(rows: Rows, field: Field) -> None:
    if field.least is None and field.most is None:
        return
    values = rows.numbers(field.name)
    with np.errstate(invalid="ignore"):
        if field.least is not None:
            rows.set_aside(values < field.least, field.name, "too_small")
        if field.most is not None:
            rows.set_aside(values > field.most, field.name, "too_large")


def read_geometry(rows: Rows, kind: str, system: str, *, needed: bool) -> None:
    """WKB to mended geometry in CGCS2000 degrees; rows without any are set aside if needed."""
    wkb = rows.batch.geometry
    if wkb is None:
        wkb = np.full(len(rows), None, dtype=object)
    parsed = validity.parse(wkb)
    absent = parsed.reason == "no_geometry"
    refused = parsed.reason.copy()
    if not needed:
        refused[absent] = None
    placed, outside = to_degrees(parsed.geometry, system)
    refused[outside] = "out_of_range"
    placed[outside] = None
    mended = validity.mend(placed, kind)
    refused = np.where(mended.reason == np.array(None), refused, mended.reason)
    if not needed and kind == "polygon":
        # A point beside an area that can do without an outline: the row is no worse for it.
        points = (refused == "wrong_geometry") & (shapely.get_type_id(parsed.geometry) == 0)
        refused[points] = None
        rows.warn(points, "outline_dropped")
    for reason in {item for item in refused.tolist() if item is not None}:
        rows.set_aside(refused == reason, "geometry", reason)
    rows.geometry = mended.geometry
    rows.repaired = parsed.repaired | mended.repaired
    if rows.batch.solids is not None:
        read_solids(rows, rows.batch.solids, system)


def read_solids(rows: Rows, solids: Solids, system: str) -> None:
    """Surfaces into degrees, beside the rows: columns `solid`, `solid_lods`, `base`, `top`."""
    found = shapely.from_wkb(solids.surfaces)
    points, row = shapely.get_coordinates(found, include_z=True, return_index=True)
    lon, lat = crs.to_4490(points[:, 0], points[:, 1], system)
    bad = ~(np.isfinite(lon) & np.isfinite(lat) & (np.abs(lon) <= 180) & (np.abs(lat) <= 90))
    bad |= np.abs(points[:, 2]) > HIGHEST
    outside = np.zeros(len(rows), bool)
    outside[row[bad]] = True
    placed = np.column_stack((np.where(bad, 0.0, lon), np.where(bad, 0.0, lat), points[:, 2]))
    found = shapely.set_coordinates(found, placed)
    found[outside] = None
    rows.set_aside(outside, "geometry", "out_of_range")
    rows.columns["solid"] = np.array(shapely.to_wkb(found), dtype=object)
    rows.columns["solid_lods"] = solids.lods
    rows.columns["base"], rows.columns["top"] = solids.base, solids.top


def to_degrees(
    geometry: NDArray[np.object_], system: str
) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """Geometries in CGCS2000 degrees, and which of them lie outside the world.

    A place is outside where its system has no degrees for it, or none that lead back to it.
    """
    points, row = shapely.get_coordinates(geometry, return_index=True)
    lon, lat = crs.to_4490(points[:, 0], points[:, 1], system)
    bad = ~(np.isfinite(lon) & np.isfinite(lat) & (np.abs(lon) <= 180) & (np.abs(lat) <= 90))
    outside = np.zeros(len(geometry), bool)
    outside[row[bad]] = True
    if crs.is_ours(system):
        return geometry, outside
    moved = geometry.copy()
    degrees = np.column_stack((np.where(bad, 0.0, lon), np.where(bad, 0.0, lat)))
    return shapely.set_coordinates(moved, degrees), outside


def key_from_place(rows: Rows) -> NDArray[np.object_]:
    """A key that stays the same while the place does: a hash of coordinates rounded to 1e-7°.

    Rows at one place get one key here; the staging table tells them apart by their order.  Rows
    that are set aside for something else have theirs too, by which they are known again.
    """
    keys = np.full(len(rows), None, dtype=object)
    if rows.geometry is None:
        return keys
    here = np.flatnonzero(~shapely.is_missing(rows.geometry))
    rough = shapely.normalize(shapely.transform(rows.geometry[here], lambda p: np.round(p, 7)))
    keys[here] = [
        DERIVED_KEY + blake2b(item, digest_size=9).hexdigest() for item in shapely.to_wkb(rough)
    ]
    return keys


def key_from_fields(rows: Rows, names: tuple[str, ...]) -> NDArray[np.object_]:
    """A key from the fields that tell rows of a kind apart, joined with `/`."""
    columns = [rows.words(name) for name in names]
    made = ["/".join(str(v) if known(v) else "" for v in row) for row in zip(*columns, strict=True)]
    return np.array([key.strip("/") or None for key in made] or [], dtype=object)


def attributes(rows: Rows, mapping: Settled) -> list[bytes | None]:
    """What no field took, one JSON object a row; None where nothing is left."""
    columns = {name: rows.batch.columns.column(name).to_pylist() for name in mapping.rest}
    columns |= {name: values.tolist() for name, values in rows.extra.items() if any(values)}
    if not columns:
        return [None] * len(rows)
    return [None if item == b"{}" else item for item in objects(columns, len(rows))]
