-- What tells kept vector tiles that they are behind: whoever writes a table that they show, by a
-- load, the service or SQL, leaves in the same transaction which blocks of the world it touched.

-- Arguments: the collection, its geometry, and the other columns that kept tiles show.
CREATE OR REPLACE FUNCTION platform.touch_vector_tiles() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET jit TO off
AS $$
DECLARE
    before text;
    after text;
    rows text;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO platform.vector_touched (collection, west, south, east, north)
        VALUES (TG_ARGV[0], 0, 0, 16384, 16384);
        RETURN NULL;
    ELSIF TG_OP = 'INSERT' THEN
        rows := format('SELECT %I AS geom FROM fresh WHERE ended_at IS NULL', TG_ARGV[1]);
    ELSIF TG_OP = 'DELETE' THEN
        rows := format('SELECT %I AS geom FROM stale WHERE ended_at IS NULL', TG_ARGV[1]);
    ELSE
        SELECT string_agg(format('o.%I', name), ', '), string_agg(format('n.%I', name), ', ')
        INTO before, after FROM unnest(TG_ARGV[1:]) AS name;
        rows := format(
            'SELECT v.geom FROM stale o JOIN fresh n USING (id)
             CROSS JOIN LATERAL (VALUES (o.%1$I), (n.%1$I)) v(geom)
             WHERE (o.ended_at IS NULL OR n.ended_at IS NULL)
               AND ROW(o.ended_at, %2$s) IS DISTINCT FROM ROW(n.ended_at, %3$s)',
            TG_ARGV[1], before, after);
    END IF;
    -- Many places become the one around them: whoever reads a tile looks through all that is told.
    EXECUTE format(
        'WITH places AS MATERIALIZED (
             SELECT DISTINCT least(16384, greatest(0, floor((ST_XMin(geom) + 180) * 16384 / 360)))::int AS w,
                             least(16384, greatest(0, floor((ST_YMin(geom) + 90) * 16384 / 360)))::int AS s,
                             least(16384, greatest(0, floor((ST_XMax(geom) + 180) * 16384 / 360)))::int AS e,
                             least(16384, greatest(0, floor((ST_YMax(geom) + 90) * 16384 / 360)))::int AS n
             FROM (%s) r WHERE NOT ST_IsEmpty(geom))
         INSERT INTO platform.vector_touched (collection, west, south, east, north)
         SELECT $1, w, s, e, n FROM places WHERE (SELECT count(*) FROM places) <= 32
         UNION ALL
         SELECT $1, min(w), min(s), max(e), max(n) FROM places HAVING count(*) > 32', rows)
    USING TG_ARGV[0];
    RETURN NULL;
END $$;
COMMENT ON FUNCTION platform.touch_vector_tiles() IS
    'tells where a statement changed what kept vector tiles show';
-- Whoever may run what runs as its owner can hang it on a table of his own, whose types run his code.
REVOKE ALL ON FUNCTION platform.touch_vector_tiles() FROM PUBLIC;

DO $$
DECLARE
    line text[];
    event text;
BEGIN
    FOREACH line SLICE 1 IN ARRAY ARRAY[
        ['admin_area', 'areas', 'geom, code, name, level, kind, parent_id'],
        ['grid', 'grids', 'geom, code, name, kind, level'],
        ['estate', 'estates', 'geom, name, kind, renewal_state, rating_current'],
        ['street', 'streets', 'geom, name, kind'],
        ['parcel', 'parcels',
         'red_line, cadastral_code, land_use_code, area, far_max, height_max'],
        ['building', 'buildings', 'footprint, name, state, use_code, built_year, height, '
         'floors_above, footprint_area, gross_area, units_total'],
        ['facility', 'facilities', 'geom, class_code, name, status']]
    LOOP
        FOREACH event IN ARRAY ARRAY[
            'insert AFTER INSERT ON %1$s REFERENCING NEW TABLE AS fresh',
            'update AFTER UPDATE ON %1$s REFERENCING OLD TABLE AS stale NEW TABLE AS fresh',
            'delete AFTER DELETE ON %1$s REFERENCING OLD TABLE AS stale',
            'truncate AFTER TRUNCATE ON %1$s']
        LOOP
            EXECUTE format(
                'CREATE TRIGGER vector_' || event || ' FOR EACH STATEMENT '
                'EXECUTE FUNCTION platform.touch_vector_tiles(%2$L, %3$s)',
                'city.' || line[1], line[2],
                (SELECT string_agg(quote_literal(name), ', ')
                 FROM unnest(string_to_array(line[3], ', ')) AS name));
            -- Loads switch other triggers off, for they keep by themselves what those keep.
            EXECUTE format('ALTER TABLE city.%I ENABLE ALWAYS TRIGGER %I',
                           line[1], 'vector_' || split_part(event, ' ', 1));
        END LOOP;
    END LOOP;
END $$;

-- Tiles are compressed already, and read whole.
ALTER TABLE platform.vector_tile ALTER COLUMN data SET STORAGE EXTERNAL;

-- Whoever answers with tiles keeps them. They are made from what cim_reader may read.
GRANT INSERT, UPDATE, DELETE ON platform.vector_tile, platform.vector_cell, platform.vector_state
    TO cim_reader;
GRANT DELETE ON platform.vector_touched TO cim_reader;
