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
    SELECT id, is_current AND asset_uri = :uri AND model_matrix = CAST(:matrix AS float8[])
               AND ST_AsBinary(geom) = ST_AsBinary(ST_GeomFromWKB(:surfaces, 4490)) AS same
    FROM city.building_geom WHERE building_id = :building_id AND kind = 'mesh'
    ORDER BY id DESC LIMIT 1"""

HIDE = """
    UPDATE city.building_geom SET is_current = false
    WHERE building_id = :building_id AND is_current AND id IS DISTINCT FROM :id"""

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
    INSERT INTO platform.change (object_type, object_id, op, import_id, before)
    SELECT 'building', id, 'update', :import_id, '{"mesh": "another"}'::jsonb FROM touched"""
