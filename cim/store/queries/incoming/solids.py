"""Statements that keep the solids of buildings beside them: those of a file, compared as sets."""

STAGED = """
    CREATE TEMPORARY TABLE stage_solids ON COMMIT DROP AS
    SELECT t.id AS building_id, l.lod, ST_GeometryN(s.solid, l.place::int) AS geom,
           l.place = 1 AND NOT EXISTS (
               SELECT FROM city.building_geom m
               WHERE m.building_id = t.id AND m.is_current AND m.kind <> 'solid') AS is_current
    FROM stage_rows s
    JOIN city.building t ON t.source_id = :source_id AND t.ext_id = s.ext_id
    CROSS JOIN LATERAL unnest(string_to_array(s.solid_lods, ',')) WITH ORDINALITY l(lod, place)
    WHERE s.solid IS NOT NULL"""
"""The solids of the rows that came in, one a level of detail.

The one to be shown is marked, unless a mesh was put in its place.
"""

CHANGED = """
    CREATE TEMPORARY TABLE stage_solids_changed ON COMMIT DROP AS
    SELECT s.*, g.id FROM stage_solids s
    LEFT JOIN city.building_geom g
         ON g.building_id = s.building_id AND g.kind = 'solid' AND g.lod = s.lod
    WHERE g.id IS NULL OR g.is_current <> s.is_current
       OR ST_AsBinary(g.geom) IS DISTINCT FROM ST_AsBinary(s.geom)"""
"""Those unlike what is kept, to the last bit."""

HIDDEN = """
    CREATE TEMPORARY TABLE stage_solids_hidden ON COMMIT DROP AS
    SELECT g.id, g.building_id FROM city.building_geom g
    JOIN city.building t ON t.id = g.building_id
    JOIN stage_rows r ON t.source_id = :source_id AND t.ext_id = r.ext_id
    WHERE g.kind = 'solid' AND g.is_current
      AND NOT EXISTS (SELECT FROM stage_solids s WHERE s.building_id = g.building_id
                      AND s.lod = g.lod AND s.is_current)"""
"""Kept solids that the file shows no longer: they stay, and are not current."""

HIDE = """
    UPDATE city.building_geom g SET is_current = false
    FROM stage_solids_hidden h WHERE h.id = g.id"""
"""To come first: no building has two to show at any time."""

UPDATE = """
    UPDATE city.building_geom g SET geom = c.geom, is_current = c.is_current
    FROM stage_solids_changed c WHERE c.id = g.id"""

INSERT = """
    INSERT INTO city.building_geom (building_id, kind, lod, geom, is_current)
    SELECT building_id, 'solid', lod, geom, is_current FROM stage_solids_changed
    WHERE id IS NULL ORDER BY building_id, lod"""

RECORD = """
    WITH touched AS (
        UPDATE city.building t SET updated_at = now()
        WHERE t.id IN (SELECT building_id FROM stage_solids_changed
                       UNION SELECT building_id FROM stage_solids_hidden)
          AND NOT EXISTS (SELECT FROM platform.change c WHERE c.xid = pg_current_xact_id()
                          AND c.import_id = :import_id AND c.object_type = 'building'
                          AND c.object_id = t.id)
          AND NOT EXISTS (SELECT FROM platform.change c WHERE c.xid = pg_current_xact_id()
                          AND c.import_id = :import_id AND c.object_type = 'building'
                          AND t.id BETWEEN c.object_id AND c.until_id)
        RETURNING t.id)
    INSERT INTO platform.change (object_type, object_id, op, import_id, fields, before)
    SELECT 'building', id, 'update', :import_id, '{solid}', '{"solid": "another"}'::jsonb
    FROM touched"""
"""A line in the change feed for each building whose solid alone is another."""
