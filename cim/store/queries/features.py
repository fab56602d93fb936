"""Features of a collection as GeoJSON, by bounds or by ids."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ARRAY, BigInteger, Float, Integer, TextClause, bindparam, text

from cim.store.queries.parts import UNIT_OUTLINE, UNIT_PLACE

BOX = "ST_MakeEnvelope(:west, :south, :east, :north, 4490)"


@dataclass(frozen=True)
class Source:
    """Where a collection's features come from: pieces of SQL, none of them a caller's."""

    key: str
    tables: str
    geometry: str
    properties: str
    within: str
    present: str
    order: str = ""

    def __post_init__(self) -> None:
        """Order by the key where nothing else is said."""
        object.__setattr__(self, "order", self.order or self.key)


def _plain(table: str, geometry: str, properties: str) -> Source:
    """A collection that is one table with a geometry of its own, under alias t."""
    return Source(
        key="t.id",
        tables=f"city.{table} t",
        geometry=f"t.{geometry}",
        properties=properties,
        within=f"t.{geometry} && {BOX}",
        present="t.ended_at IS NULL",
    )


DEVICE_PLACE = """coalesce(t.geom, ST_PointOnSurface(b.footprint),
    (SELECT ST_PointOnSurface(p.geom) FROM city.project p
        WHERE t.bind_type = 'project' AND p.id = t.bind_id))"""

SOURCES: dict[str, Source] = {
    "areas": _plain(
        "admin_area",
        "geom",
        "'code', t.code, 'name', t.name, 'level', t.level, 'kind', t.kind, "
        "'parent_id', t.parent_id",
    ),
    "grids": _plain(
        "grid",
        "geom",
        "'code', t.code, 'name', t.name, 'kind', t.kind, 'admin_area_id', t.admin_area_id",
    ),
    "estates": _plain(
        "estate",
        "geom",
        "'name', t.name, 'kind', t.kind, 'admin_area_id', t.admin_area_id, 'gated', t.gated",
    ),
    "projects": _plain(
        "project",
        "geom",
        "'name', t.name, 'kind', t.kind, 'status', t.status, 'admin_area_id', t.admin_area_id",
    ),
    "streets": _plain("street", "geom", "'name', t.name, 'kind', t.kind"),
    "buildings": _plain(
        "building",
        "footprint",
        "'name', t.name, 'kind', t.kind, 'state', t.state, 'use', t.use_code, "
        "'height', t.height, 'height_method', t.height_method, "
        "'floors_above', t.floors_above, 'floors_below', t.floors_below, "
        "'built_year', t.built_year, 'ground_elev', t.ground_elev, "
        "'estate_id', t.estate_id, 'grid_id', t.grid_id, 'footprint_area', t.footprint_area",
    ),
    "storeys": Source(
        key="s.id",
        tables="city.storey s JOIN city.building b ON b.id = s.building_id "
        "LEFT JOIN city.floor_plan fp ON fp.id = s.plan_id",
        geometry="coalesce(fp.outline, b.footprint)",
        properties="'building_id', s.building_id, 'no', s.no, 'label', s.label, 'kind', s.kind, "
        "'elev_bottom', s.elev_bottom, 'elev_top', s.elev_top, 'status', s.status",
        within=f"b.footprint && {BOX}",
        present="s.ended_at IS NULL AND b.ended_at IS NULL",
        order="b.id, s.id",
    ),
    "units": Source(
        key="u.id",
        tables=UNIT_PLACE,
        geometry=f"CASE WHEN u.geom_status <> 'none' THEN {UNIT_OUTLINE} END",
        properties="'building_id', u.building_id, 'storey_id', u.storey_id, "
        "'storey_no', s.no, 'room_no', u.room_no, 'kind', u.kind, "
        "'elev_bottom', coalesce(u.z_bottom, s.elev_bottom), "
        "'elev_top', coalesce(u.z_top, s.elev_top), 'geom_status', u.geom_status",
        within=f"b.footprint && {BOX}",
        present="u.ended_at IS NULL AND b.ended_at IS NULL",
        order="b.id, u.id",
    ),
    "entrances": Source(
        key="e.id",
        tables="city.entrance e JOIN city.building b ON b.id = e.building_id",
        geometry="e.geom",
        properties="'building_id', e.building_id, 'no', e.no, 'name', e.name, "
        "'lift_count', e.lift_count, 'geom_status', e.geom_status",
        within=f"b.footprint && {BOX} AND e.geom && {BOX}",
        present="e.ended_at IS NULL AND b.ended_at IS NULL",
        order="b.id, e.id",
    ),
    "facilities": _plain(
        "facility",
        "geom",
        "'name', t.name, 'class', t.class_code, 'estate_id', t.estate_id, "
        "'building_id', t.building_id, 'unit_id', t.unit_id, 'elevation', t.elevation, "
        "'status', t.status",
    ),
    "devices": Source(
        key="t.id",
        tables="city.device t LEFT JOIN city.building b ON b.id = t.building_id",
        geometry=DEVICE_PLACE,
        properties="'name', t.name, 'class', t.class_code, 'bind_type', t.bind_type, "
        "'bind_id', t.bind_id, 'building_id', t.building_id, 'elevation', t.elevation, "
        "'status', t.status, 'last_seen', "
        # When a device in a home last spoke tells whether somebody is there.
        "CASE WHEN t.bind_type IS DISTINCT FROM 'unit' THEN t.last_seen END, "
        "'placed', t.geom IS NOT NULL",
        within=f"t.id IN (SELECT id FROM city.device WHERE geom && {BOX} UNION ALL "
        "SELECT d.id FROM city.building h JOIN city.device d ON d.building_id = h.id "
        f"WHERE h.footprint && {BOX} AND d.geom IS NULL UNION ALL "
        "SELECT d.id FROM city.project p JOIN city.device d ON d.bind_type = 'project' "
        f"AND d.bind_id = p.id WHERE p.geom && {BOX} AND d.geom IS NULL "
        "AND d.building_id IS NULL)",
        present="t.ended_at IS NULL AND t.secrecy = 0",
        order="t.geom IS NULL, t.id",  # a map has symbols for those with a place of their own
    ),
}
"""Every collection by name; a device without a place of its own stands in its building, or on its
site."""


def _select(source: Source, condition: str) -> str:
    return f"""
SELECT {source.key} AS id, json_build_object('type', 'Feature', 'id', {source.key},
    'geometry', ST_AsGeoJSON({source.geometry}, 7, 0)::json,
    'properties', json_build_object({source.properties}))::text AS feature
FROM {source.tables}
WHERE {source.present} AND {condition}
ORDER BY {source.order}
"""


def within(collection: str, bounds: tuple[float, float, float, float], limit: int) -> TextClause:
    """At most `limit` features whose box meets the bounds, each as GeoJSON in `feature`.

    Bounds are west, south, east, north in degrees. Units, storeys and entrances are those of
    buildings that meet the bounds. KeyError for a collection that does not exist.
    """
    source = SOURCES[collection]
    names = ("west", "south", "east", "north")
    return text(_select(source, source.within) + "LIMIT :limit").bindparams(
        *(bindparam(name, value, Float) for name, value in zip(names, bounds, strict=True)),
        bindparam("limit", limit, Integer),
    )


def by_ids(collection: str, ids: Sequence[int]) -> TextClause:
    """The features with these ids, each by its `id` and as GeoJSON in `feature`."""
    source = SOURCES[collection]
    return text(_select(source, f"{source.key} = ANY (:ids)")).bindparams(
        bindparam("ids", list(ids), ARRAY(BigInteger))
    )
