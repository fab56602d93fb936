"""Statements that put a mesh beside its building, to be drawn in place of all else."""

BUILDING = """
    SELECT id, name, ST_AsBinary(footprint) AS footprint, ground_elev FROM city.building
    WHERE id = :id AND ended_at IS NULL"""

STANDING_AT = """
    SELECT id, name, ST_AsBinary(footprint) AS footprint, ground_elev FROM city.building
    WHERE ST_Intersects(footprint, ST_SetSRID(ST_MakePoint(:lon, :lat), 4490))
      AND ended_at IS NULL
    ORDER BY footprint_area LIMIT 1"""
"""The smallest building over a place."""

KEPT = """
    SELECT id, is_current, is_current AND asset_uri = :uri
               AND model_matrix = CAST(:matrix AS float8[])
               AND ST_AsBinary(geom) = ST_AsBinary(ST_GeomFromWKB(:surfaces, 4490)) AS same
    FROM city.building_geom WHERE building_id = :building_id AND kind = 'mesh'
    ORDER BY id DESC LIMIT 1"""

HIDE = """
    UPDATE city.building_geom SET is_current = false
    WHERE building_id = :building_id AND is_current AND id IS DISTINCT FROM :id
    RETURNING id"""

CHANGE = """
    UPDATE city.building_geom SET geom = ST_GeomFromWKB(:surfaces, 4490), asset_uri = :uri,
           model_matrix = CAST(:matrix AS float8[]), is_current = true
    WHERE id = :id"""

ADD = """
    INSERT INTO city.building_geom (building_id, kind, geom, asset_uri, model_matrix, is_current)
    VALUES (:building_id, 'mesh', ST_GeomFromWKB(:surfaces, 4490), :uri,
            CAST(:matrix AS float8[]), true)"""

RECORD = """
    WITH touched AS (UPDATE city.building SET updated_at = now() WHERE id = :building_id
                     RETURNING id)
    INSERT INTO platform.change (object_type, object_id, op, import_id, fields, before)
    SELECT 'building', id, 'update', :import_id, '{solid}',
           jsonb_build_object('mesh', 'another', 'shown', CAST(:shown AS bigint)) FROM touched"""
"""`shown` is what was drawn in its place before: a solid, 0 for the prism, NULL for a mesh."""

STANDING = """
    SELECT g.id, g.building_id, b.name, came.source_id,
           (SELECT CAST(c.before ->> 'shown' AS bigint) FROM platform.change c
             WHERE c.object_type = 'building' AND c.object_id = g.building_id
               AND c.op <> 'insert' AND c.before ->> 'shown' IS NOT NULL
             ORDER BY c.id DESC LIMIT 1) AS shown
    FROM city.building_geom g JOIN city.building b ON b.id = g.building_id
    CROSS JOIN LATERAL (
        SELECT i.source_id, i.file FROM platform.change c
        JOIN platform.data_import i ON i.id = c.import_id AND i.kind = 'mesh'
        WHERE c.object_type = 'building' AND c.object_id = g.building_id AND c.op <> 'insert'
        ORDER BY c.id DESC LIMIT 1) came
    JOIN city.source_system s ON s.id = came.source_id
    WHERE g.kind = 'mesh' AND g.is_current AND (s.name = :name OR came.file = :name)
      AND (CAST(:building AS bigint) IS NULL OR g.building_id = :building)
    ORDER BY g.building_id"""
"""Buildings drawn as a mesh of that source or file, and what each was drawn as before."""

SOLIDS = """
    SELECT id, lod FROM city.building_geom
    WHERE building_id = :building_id AND kind = 'solid' ORDER BY id"""

SHOW = "UPDATE city.building_geom SET is_current = true WHERE id = :id"

GONE = """
    WITH touched AS (UPDATE city.building SET updated_at = now() WHERE id = :building_id
                     RETURNING id)
    INSERT INTO platform.change (object_type, object_id, op, import_id, fields, before)
    SELECT 'building', id, 'update', :import_id, '{solid}', '{"mesh": "shown"}'::jsonb
    FROM touched"""
"""A mesh is drawn no longer; it stays beside the building, and comes back when it is loaded."""
