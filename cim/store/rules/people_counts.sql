-- How many people live where, as it may be told: k-anonymous numbers, kept by triggers.
--
-- Of each building a number is kept that is a multiple of five: its residents and a secret offset of
-- 0 to 4, rounded down. Over the offsets that is, on average, the number itself. The offset hangs on
-- the building and on a secret of this database: the number stays while the residents do, and a
-- question asked twice is answered alike. Whoever counts adds these numbers up, so what differences
-- of counts give away is such numbers and no more.

CREATE OR REPLACE FUNCTION security.told_people(secret bytea, building bigint, residents integer)
RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT 5 * (($3 + (get_byte(sha256($1 || int8send($2)), 0) * 256
                         + get_byte(sha256($1 || int8send($2)), 1)) % 5) / 5) $$;
REVOKE ALL ON FUNCTION security.told_people(bytea, bigint, integer) FROM PUBLIC;
COMMENT ON FUNCTION security.told_people(bytea, bigint, integer) IS
    'residents of a building as a multiple of five, by its secret offset';

-- A place as a key: the cell of a quadtree of the world, 360° wide and high, 20 levels down. What
-- lies in a cell of any level has keys in one range (cim.geometry.cover).
CREATE OR REPLACE FUNCTION city.place_key(at geometry) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    bits bigint;
    found bigint := 0;
BEGIN
    FOREACH bits IN ARRAY ARRAY[floor((ST_Y(at) + 180) / 360 * 1048576)::bigint,
                                floor((ST_X(at) + 180) / 360 * 1048576)::bigint] LOOP
        bits := least(greatest(bits, 0), 1048575);
        bits := (bits | (bits << 16)) & 281470681808895;
        bits := (bits | (bits << 8)) & 71777214294589695;
        bits := (bits | (bits << 4)) & 1085102592571150095;
        bits := (bits | (bits << 2)) & 3689348814741910323;
        bits := (bits | (bits << 1)) & 6148914691236517205;
        found := (found << 1) | bits;
    END LOOP;
    RETURN found;
END $$;
COMMENT ON FUNCTION city.place_key(geometry) IS
    'the cell of the world''s quadtree, 20 levels down, that a place lies in (Morton code)';

-- Sums that changed. Runs as its owner: whoever brings people in need not read the secret. What has
-- nobody, what has ended, and what is told as none has no row.
CREATE OR REPLACE FUNCTION city.tell_people() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    hidden bytea;
    buildings bigint[];
BEGIN
    IF TG_TABLE_NAME = 'building' THEN
        buildings := ARRAY[NEW.id];
    ELSIF TG_OP = 'INSERT' THEN
        SELECT array_agg(f.building_id) INTO buildings FROM fresh f WHERE f.residents > 0;
    ELSIF TG_OP = 'UPDATE' THEN
        SELECT array_agg(f.building_id) INTO buildings FROM fresh f
          JOIN stale s ON s.building_id = f.building_id WHERE s.residents <> f.residents;
    ELSE
        SELECT array_agg(s.building_id) INTO buildings FROM stale s WHERE s.residents > 0;
    END IF;
    IF buildings IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT s.value INTO STRICT hidden FROM security.secret s WHERE s.name = 'people';
    WITH changed AS MATERIALIZED (SELECT DISTINCT id FROM unnest(buildings) AS id),
    told AS MATERIALIZED (
        SELECT b.id, ST_PointOnSurface(b.footprint) AS at,
            security.told_people(hidden, b.id, p.residents) AS people
        FROM changed c
        JOIN city.building b ON b.id = c.id AND b.ended_at IS NULL
        JOIN city.building_pop p ON p.building_id = c.id AND p.residents > 0),
    none AS (
        DELETE FROM city.building_people p USING changed c
        WHERE p.building_id = c.id
          AND NOT EXISTS (SELECT FROM told t WHERE t.id = p.building_id AND t.people > 0))
    INSERT INTO city.building_people AS p (building_id, at, key, people)
    SELECT t.id, t.at, city.place_key(t.at), t.people FROM told t WHERE t.people > 0
    ON CONFLICT (building_id) DO UPDATE
        SET at = excluded.at, key = excluded.key, people = excluded.people;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION city.tell_people() FROM PUBLIC;
COMMENT ON FUNCTION city.tell_people() IS
    'keeps the people that are told of a building with its residents, its outline and its end';

CREATE OR REPLACE TRIGGER tell_inserted AFTER INSERT ON city.building_pop
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION city.tell_people();
CREATE OR REPLACE TRIGGER tell_updated AFTER UPDATE ON city.building_pop
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION city.tell_people();
CREATE OR REPLACE TRIGGER tell_deleted AFTER DELETE ON city.building_pop
    REFERENCING OLD TABLE AS stale FOR EACH STATEMENT EXECUTE FUNCTION city.tell_people();
CREATE OR REPLACE TRIGGER tell_moved AFTER UPDATE OF footprint, ended_at ON city.building
    FOR EACH ROW WHEN (OLD.footprint IS DISTINCT FROM NEW.footprint
                       OR OLD.ended_at IS DISTINCT FROM NEW.ended_at)
    EXECUTE FUNCTION city.tell_people();
ALTER TABLE city.building_pop ENABLE ALWAYS TRIGGER tell_inserted;
ALTER TABLE city.building_pop ENABLE ALWAYS TRIGGER tell_updated;
ALTER TABLE city.building_pop ENABLE ALWAYS TRIGGER tell_deleted;
ALTER TABLE city.building ENABLE ALWAYS TRIGGER tell_moved;

-- The number itself is not for readers.
REVOKE SELECT ON city.building_pop FROM cim_reader;
GRANT SELECT (building_id, units) ON city.building_pop TO cim_reader;
GRANT SELECT ON city.building_people TO cim_reader;
