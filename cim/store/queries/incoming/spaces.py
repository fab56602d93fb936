"""Statements that bring a floor model into the city: its building, its parts, its rooms."""

from sqlalchemy import Table

from cim.store.queries.incoming.load import told

KNOWN_BUILDING = """
    SELECT b.id, b.name, (b.source_id, b.ext_id) IS NOT DISTINCT FROM
           (CAST(:source_id AS smallint), CAST(:guid AS text)) AS own
    FROM (
        (SELECT building_id AS id, 1 AS rank FROM city.unit_space
          WHERE source_id = :source_id AND ext_id = ANY(CAST(:spaces AS text[]))
            AND ended_at IS NULL ORDER BY id LIMIT 1)
        UNION ALL
        SELECT id, 2 FROM city.building WHERE source_id = :source_id AND ext_id = :guid) k
    JOIN city.building b ON b.id = k.id AND b.ended_at IS NULL
    ORDER BY k.rank LIMIT 1"""
"""The building that holds this model's rooms, else the one that it made."""

BUILDING = """
    SELECT id, name, ST_AsBinary(footprint) AS footprint, floors_above, height,
           source_id = :source_id AND ext_id IS NOT DISTINCT FROM :guid AS own
    FROM city.building WHERE id = :id AND ended_at IS NULL"""

OF_SOURCE = """
    SELECT id, ground_elev FROM city.building
    WHERE source_id = :source_id AND ext_id = :key AND ended_at IS NULL"""
"""A building by the key that its source gave it."""

LAST_PLACE = """
    SELECT mapping->'place' AS place FROM platform.data_import
    WHERE kind = 'model' AND source_id = :source_id AND id < :import_id
      AND mapping->'place'->>'model' IS NOT DISTINCT FROM CAST(:guid AS text)
      AND mapping->'place' IS NOT NULL
    ORDER BY id DESC LIMIT 1"""
"""What was last said of where this model stands."""

OVERLAPPED = """
    WITH model AS (SELECT ST_SetSRID(ST_GeomFromWKB(:outline), 4490) AS outline)
    SELECT b.id, b.name,
           ST_Area(ST_Intersection(b.footprint, m.outline)) / ST_Area(m.outline) AS share
    FROM model m JOIN city.building b ON b.footprint && m.outline
     AND ST_Intersects(b.footprint, m.outline)
    WHERE b.ended_at IS NULL AND b.state <> 'demolished'
    ORDER BY share DESC, b.id LIMIT 2"""
"""The buildings that a model's ground outline covers, with the share of it that each takes."""

NEAR_GROUND = """
    SELECT ground_elev FROM city.building
    WHERE ended_at IS NULL AND footprint && ST_Expand(ST_SetSRID(ST_MakePoint(:lon, :lat), 4490),
                                                      0.003)
    ORDER BY footprint <-> ST_SetSRID(ST_MakePoint(:lon, :lat), 4490) LIMIT 1"""
"""The ground of the next building within some 300 m."""

FAR = """
    SELECT ST_Distance(ST_Transform(ST_SetSRID(ST_MakePoint(:lon, :lat), 4490), 4326)::geography,
               ST_Transform(ST_SetSRID(ST_Extent(footprint)::geometry, 4490), 4326)::geography)
           / 1000
    FROM city.building WHERE ended_at IS NULL"""
"""Kilometres from the rest of the city; NULL where there is none."""

KEEP_LABELS = """
    UPDATE stage_rows s SET label = t.label FROM city.storey t
    WHERE t.building_id = s.building_id AND t.no = s.no AND t.status = 'given'
      AND t.ended_at IS NULL AND NOT EXISTS (
        SELECT FROM city.storey o WHERE o.building_id = s.building_id AND o.no = s.no
          AND o.ended_at IS NULL AND o.id <> t.id AND (o.status = 'given' OR o.label = s.label))"""
"""A storey that was given keeps its label: the model's is the same one, whatever it is called."""

STOREYS = """
    SELECT s.no, t.id FROM stage_rows s JOIN city.storey t
      ON t.building_id = s.building_id AND t.no = s.no AND t.label = s.label
     AND t.ended_at IS NULL"""

LINK_UNITS = """
    CREATE TEMPORARY TABLE stage_linked ON COMMIT DROP AS
    SELECT s.row_no, s.ext_id, (array_agg(u.id))[1] AS unit_id
    FROM stage_rows s JOIN city.unit u ON u.building_id = s.building_id
     AND u.storey_id = s.storey_id AND u.room_no = s.room_no AND u.ended_at IS NULL
     AND u.ext_id IS NOT NULL AND u.source_id IS DISTINCT FROM :source_id
    GROUP BY s.row_no, s.ext_id HAVING count(*) = 1"""
"""Units that a register has already: they stay the register's and get the model's shape."""

DRAW_LINKED = """
    UPDATE city.unit u SET outline = s.outline, z_bottom = s.z_bottom, z_top = s.z_top,
           geom_status = 'ifc', updated_at = now()
    FROM stage_rows s JOIN stage_linked l USING (row_no)
    WHERE u.id = l.unit_id AND s.outline IS NOT NULL
      AND u.geom_status IN ('none', 'generated', 'ifc')
      AND ROW(u.outline, u.z_bottom, u.z_top, u.geom_status)
          IS DISTINCT FROM ROW(s.outline, s.z_bottom, s.z_top, 'ifc')"""
"""What was surveyed or drawn keeps its outline."""

TAKE_LINKED = "DELETE FROM stage_rows s USING stage_linked l WHERE l.row_no = s.row_no"

OUTLINED = """
    UPDATE city.unit u SET geom_status = CASE WHEN u.outline IS NULL THEN 'none' ELSE 'ifc' END
    FROM stage_rows s WHERE u.source_id = :source_id AND u.ext_id = s.ext_id
      AND (u.outline IS NOT NULL AND u.geom_status <> 'ifc'
           OR u.outline IS NULL AND u.geom_status = 'ifc')"""
"""Units that were generated before, or known without an outline, have the model's now."""

UNIT_IDS = """
    SELECT ext_id, id FROM city.unit
    WHERE source_id = :source_id AND ext_id = ANY(CAST(:keys AS text[])) AND ended_at IS NULL
    UNION ALL SELECT ext_id, unit_id FROM stage_linked"""

PARTS_TYPES = {
    "unit_id": "int8",
    "storey_id": "int8",
    "share": "float8",
    "outline": "geometry",
    "z_bottom": "float8",
    "z_top": "float8",
}
"""Columns of the staged parts of units on further storeys."""

DROP_PARTS = """
    WITH gone AS (
        DELETE FROM city.unit_storey p
        WHERE p.unit_id = ANY(CAST(:units AS bigint[])) AND NOT EXISTS (
            SELECT FROM stage_parts s WHERE s.unit_id = p.unit_id AND s.storey_id = p.storey_id)
        RETURNING p.unit_id)
    INSERT INTO platform.change (object_type, object_id, op, import_id, fields)
    SELECT DISTINCT 'unit', unit_id, 'update', :import_id, '{outline}'::text[] FROM gone"""

PUT_PARTS = """
    WITH done AS (
        INSERT INTO city.unit_storey AS p (unit_id, storey_id, share, outline, z_bottom, z_top)
        SELECT unit_id, storey_id, share, outline, z_bottom, z_top FROM stage_parts
        ON CONFLICT (unit_id, storey_id) DO UPDATE
           SET share = excluded.share, outline = excluded.outline,
               z_bottom = excluded.z_bottom, z_top = excluded.z_top
         WHERE ROW(p.share, p.outline, p.z_bottom, p.z_top) IS DISTINCT FROM
               ROW(excluded.share, excluded.outline, excluded.z_bottom, excluded.z_top)
        RETURNING p.unit_id)
    INSERT INTO platform.change (object_type, object_id, op, import_id, fields)
    SELECT DISTINCT 'unit', unit_id, 'update', :import_id, '{outline}'::text[] FROM done"""


def missing(table: str) -> str:
    """How many of the building's rows of this source the model no longer has."""
    return f"SELECT count(*) FROM {table} t WHERE {_GONE}"


def end_missing(table: Table) -> str:
    """Mark them as ended."""
    ended = f"UPDATE {table.fullname} t SET ended_at = now(), updated_at = now() WHERE {_GONE}"
    return told(table, ended, "end")


_GONE = """t.source_id = :source_id AND t.building_id = :building_id AND t.ended_at IS NULL
    AND t.ext_id IS NOT NULL AND NOT (t.ext_id = ANY(CAST(:keys AS text[])))"""

KEEP_PLACE = """
    UPDATE platform.data_import
    SET mapping = jsonb_build_object('place', CAST(:place AS jsonb)) WHERE id = :import_id"""
"""An import of a model has no columns: its mapping is how it was placed."""

REMEMBER = """
    CREATE TEMPORARY TABLE stage_model ON COMMIT DROP AS
    SELECT unnest(CAST(:ids AS bigint[])) AS id"""
"""The buildings that were loaded, for the derivation that follows."""
