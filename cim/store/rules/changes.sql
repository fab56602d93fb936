-- The change feed: every object of the public collections tells that it changed, whoever changes it.
-- A statement is told of once it is through, from the rows it wrote as PostgreSQL keeps them for its
-- triggers. These fire for loads too, which switch others off. What is told can be read in the order
-- of transactions (`xid`) as soon as all of these have ended; `cim.store.queries.changes` says how.

-- Have one table told of: its type in the feed, its geometry, and columns that tell nothing.
CREATE OR REPLACE FUNCTION platform.tell_changes(
    watched regclass, object_type text, shape text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $make$
DECLARE
    name text := (SELECT relname FROM pg_class WHERE oid = watched);
    silent text[] := '{id,source_id,ext_id,created_at,updated_at,last_seen}';
    personal text[] := '{occupancy_status}';
    columns text[] := ARRAY(SELECT attname FROM pg_attribute
        WHERE attrelid = watched AND attnum > 0 AND NOT attisdropped
          AND attname <> ALL (silent) ORDER BY attnum);
    source text := CASE WHEN EXISTS (SELECT FROM pg_attribute WHERE attrelid = watched
        AND attname = 'source_id' AND NOT attisdropped) THEN '%s.source_id' ELSE 'NULL' END;
    before text := (SELECT string_agg(format('o.%I', c), ', ') FROM unnest(columns) c);
    after text := replace(before, 'o.', 'n.');
    fields text := (SELECT string_agg(format('(%1$L, o.%1$I IS DISTINCT FROM n.%1$I, '
        'CASE WHEN o.%1$I IS DISTINCT FROM n.%1$I AND %2$L THEN to_jsonb(o.%1$I) END, %2$L)',
        c, c <> ALL (personal)), ', ') FROM unnest(columns) c WHERE c <> 'ended_at');
    some_fields text := (SELECT string_agg(format(
        'CASE WHEN bool_or(o.%1$I IS DISTINCT FROM n.%1$I) THEN %1$L END', c), ', ')
        FROM unnest(columns) c);
    box text := 'NULL, NULL, NULL, NULL';
    boxes text := box;
BEGIN
    -- PostGIS may stand in any schema: its functions are named by it.
    IF shape IS NOT NULL THEN
        SELECT string_agg(format('%s.%s(n.%I)', e.nspname, f, shape), ', ' ORDER BY i),
               string_agg(format('%s(%s.%s(o.%I), %s.%s(n.%I))', g, e.nspname, f, shape,
                                 e.nspname, f, shape), ', ' ORDER BY i)
          INTO box, boxes
          FROM (SELECT n.nspname FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace
                WHERE x.extname = 'postgis') e,
               (VALUES (1, 'st_xmin', 'least'), (2, 'st_ymin', 'least'),
                       (3, 'st_xmax', 'greatest'), (4, 'st_ymax', 'greatest')) v(i, f, g);
    END IF;
    EXECUTE format($function$
CREATE OR REPLACE FUNCTION platform.tell_%1$s() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, %2$s, pg_temp
SET jit TO off SET enable_nestloop TO off
AS $body$
DECLARE
    brought bigint := nullif(current_setting('cim.import', true), '')::bigint;
    many bigint;
    first bigint;
    last bigint;
    alike boolean;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT count(*), min(n.id), max(n.id), bool_and(n.created_at = now())
          INTO many, first, last, alike FROM fresh n;
        IF many >= 1000 AND alike THEN
            INSERT INTO platform.change (object_type, object_id, until_id, op, import_id)
            VALUES (%3$L, first, last, 'insert', brought);
        ELSIF many > 0 THEN
            INSERT INTO platform.change
                   (object_type, object_id, op, import_id, source_id, west, south, east, north)
            SELECT %3$L, n.id, 'insert', brought, %4$s, %5$s FROM fresh n ORDER BY n.id;
        END IF;
    ELSIF TG_OP = 'UPDATE' THEN
        many := (SELECT count(*) FROM (SELECT FROM fresh LIMIT 100000) f);
        IF many >= 100000 THEN
            alike := (SELECT bool_and(n.updated_at = now()) FROM fresh n);
        END IF;
        IF alike THEN
            INSERT INTO platform.change
                   (object_type, object_id, until_id, op, import_id, fields)
            SELECT %3$L, min(n.id), max(n.id),
                   CASE WHEN bool_and(o.ended_at IS NULL AND n.ended_at IS NOT NULL)
                        THEN 'end' ELSE 'update' END, brought, array_remove(ARRAY[%6$s], NULL)
              FROM stale o JOIN fresh n ON n.id = o.id
             WHERE ROW(%7$s) IS DISTINCT FROM ROW(%8$s) HAVING count(*) > 0;
        ELSE
            INSERT INTO platform.change (object_type, object_id, op, import_id, source_id, fields,
                   before, west, south, east, north)
            SELECT %3$L, n.id, CASE WHEN o.ended_at IS NULL AND n.ended_at IS NOT NULL
                                    THEN 'end' ELSE 'update' END, brought, %4$s, d.fields,
                   d.before, %9$s
              FROM stale o JOIN fresh n ON n.id = o.id
              CROSS JOIN LATERAL (
                    SELECT array_agg(f.name) AS fields,
                           jsonb_object_agg(f.name, f.value) FILTER (WHERE f.kept) AS before
                      FROM (VALUES %10$s, ('ended_at',
                                o.ended_at IS NOT NULL AND n.ended_at IS NULL,
                                to_jsonb(o.ended_at), true)) f(name, differs, value, kept)
                     WHERE f.differs) d
             WHERE ROW(%7$s) IS DISTINCT FROM ROW(%8$s) ORDER BY n.id;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        -- What a transaction made and took away again never was.
        DELETE FROM platform.change c USING stale o
         WHERE c.xid = pg_current_xact_id() AND c.object_type = %3$L AND c.object_id = o.id
           AND c.until_id IS NULL AND c.op = 'insert' AND o.created_at = now();
        INSERT INTO platform.change
               (object_type, object_id, op, import_id, source_id, west, south, east, north)
        SELECT %3$L, n.id, 'delete', brought, %4$s, %5$s FROM stale n
         WHERE n.created_at <> now() AND n.ended_at IS NULL ORDER BY n.id;
    ELSE
        INSERT INTO platform.change (object_type, object_id, op) VALUES (%3$L, 0, 'truncate');
    END IF;
    IF FOUND THEN
        PERFORM pg_notify('cim_changes', '');
    END IF;
    RETURN NULL;
END $body$
$function$, name, (SELECT n.nspname FROM pg_extension x JOIN pg_namespace n
                   ON n.oid = x.extnamespace WHERE x.extname = 'postgis'),
        object_type, format(source, 'n'), box, some_fields, before, after, boxes, fields);
    EXECUTE format('REVOKE ALL ON FUNCTION platform.tell_%s() FROM PUBLIC', name);
    PERFORM platform.tell_by(watched, format('tell_%s', name));
END $make$;

-- The triggers of a table that is told of.
CREATE OR REPLACE FUNCTION platform.tell_by(watched regclass, teller text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    event text;
    seen text;
BEGIN
    FOR event, seen IN VALUES ('insert', 'REFERENCING NEW TABLE AS fresh'),
            ('update', 'REFERENCING OLD TABLE AS stale NEW TABLE AS fresh'),
            ('delete', 'REFERENCING OLD TABLE AS stale'), ('truncate', '') LOOP
        EXECUTE format('DROP TRIGGER IF EXISTS %s_%s ON %s', teller, event, watched);
        EXECUTE format('CREATE TRIGGER %1$s_%2$s AFTER %2$s ON %3$s %4$s '
            'FOR EACH STATEMENT EXECUTE FUNCTION platform.%1$s()', teller, event, watched, seen);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %s_%s', watched, teller, event);
    END LOOP;
END $$;

-- Where an organisation is to be found is a table of its own.
CREATE OR REPLACE FUNCTION platform.tell_org_location() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit TO off
AS $$
DECLARE
    brought bigint := nullif(current_setting('cim.import', true), '')::bigint;
    moved CONSTANT text[] := '{building_id,unit_id,geom}';
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO platform.change (object_type, object_id, op, import_id, source_id, fields)
        SELECT DISTINCT 'organisation', g.id, 'update', brought, g.source_id, moved
          FROM fresh n JOIN city.organisation g ON g.id = n.org_id
         WHERE g.created_at <> now();  -- one that is new says where it is
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO platform.change (object_type, object_id, op, import_id, source_id, fields)
        SELECT DISTINCT 'organisation', g.id, 'update', brought, g.source_id, moved
          FROM stale o FULL JOIN fresh n ON n.id = o.id
          JOIN city.organisation g ON g.id IN (o.org_id, n.org_id)
         WHERE ROW(o.org_id, o.unit_id, o.building_id, o.role, o.to_date)
               IS DISTINCT FROM ROW(n.org_id, n.unit_id, n.building_id, n.role, n.to_date);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO platform.change (object_type, object_id, op, import_id, source_id, fields)
        SELECT DISTINCT 'organisation', g.id, 'update', brought, g.source_id, moved
          FROM stale o JOIN city.organisation g ON g.id = o.org_id;
    ELSE
        INSERT INTO platform.change (object_type, object_id, op)
        VALUES ('organisation', 0, 'truncate');
    END IF;
    IF FOUND THEN
        PERFORM pg_notify('cim_changes', '');
    END IF;
    RETURN NULL;
END $$;

-- Whoever may run what runs as its owner can hang it on a table of his own, whose types run his code.
REVOKE ALL ON FUNCTION platform.tell_org_location(), platform.tell_by(regclass, text),
    platform.tell_changes(regclass, text, text) FROM PUBLIC;

SELECT platform.tell_changes('city.admin_area', 'admin_area', 'geom');
SELECT platform.tell_changes('city.grid', 'grid', 'geom');
SELECT platform.tell_changes('city.estate', 'estate', 'geom');
SELECT platform.tell_changes('city.street', 'street', 'geom');
SELECT platform.tell_changes('city.parcel', 'parcel', 'red_line');
SELECT platform.tell_changes('city.building', 'building', 'footprint');
SELECT platform.tell_changes('city.storey', 'storey');
SELECT platform.tell_changes('city.unit', 'unit', 'outline');
SELECT platform.tell_changes('city.entrance', 'entrance', 'geom');
SELECT platform.tell_changes('city.std_address', 'address', 'geom');
SELECT platform.tell_changes('city.facility', 'facility', 'geom');
SELECT platform.tell_changes('city.project', 'project', 'geom');
SELECT platform.tell_changes('city.device', 'device', 'geom');
SELECT platform.tell_changes('city.organisation', 'organisation');
SELECT platform.tell_by('city.org_location', 'tell_org_location');

-- Which feed this is, and from where on all of it is kept: one row.
INSERT INTO platform.change_span (server)
SELECT system_identifier::text FROM pg_control_system()
ON CONFLICT DO NOTHING;
