-- What ran as its owner and was anybody's is so no more: a trigger's function could be hung on a table
-- of one's own, whose types ran one's own code as the owner. And fields are shown where their role is for.

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION platform.touch_vector_tiles() '
        'SET search_path = pg_catalog, %s, pg_temp', (
        SELECT n.nspname FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace
        WHERE x.extname = 'postgis'));
END $$;
REVOKE ALL ON FUNCTION platform.touch_vector_tiles(), platform.tell_org_location(),
    platform.tell_by(regclass, text), platform.tell_changes(regclass, text, text) FROM PUBLIC;

-- Who stands behind a proof, what he may do of that scope and where, and the name he is logged under.
-- `fields` is NULL where no role of his is for some fields alone; else `fields_at` says which.
CREATE OR REPLACE FUNCTION security.weigh(proof text, scope text, OUT actor text,
    OUT account bigint, OUT demo boolean, OUT roles text, OUT may boolean, OUT areas bigint[],
    OUT grids bigint[], OUT fields text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    SELECT min(p.actor), min(p.account), bool_or(p.demo), string_agg(DISTINCT p.role, ','),
        coalesce(bool_or(p.scope = $2), false),
        CASE WHEN NOT bool_or(p.scope = $2 AND p.areas IS NULL AND p.grids IS NULL) THEN
            coalesce(array_agg(DISTINCT a) FILTER (WHERE a IS NOT NULL), '{}') END,
        CASE WHEN NOT bool_or(p.scope = $2 AND p.areas IS NULL AND p.grids IS NULL) THEN
            coalesce(array_agg(DISTINCT g) FILTER (WHERE g IS NOT NULL), '{}') END,
        CASE WHEN bool_or(p.scope = $2 AND p.fields IS NOT NULL) THEN
            coalesce(array_agg(DISTINCT f) FILTER (WHERE f IS NOT NULL), '{}') END
    INTO actor, account, demo, roles, may, areas, grids, fields
    FROM security.proved($1) AS p
    LEFT JOIN LATERAL unnest(CASE WHEN p.scope = $2 THEN p.areas END) AS a ON true
    LEFT JOIN LATERAL unnest(CASE WHEN p.scope = $2 THEN p.grids END) AS g ON true
    LEFT JOIN LATERAL unnest(CASE WHEN p.scope = $2 THEN p.fields END) AS f ON true;
END $$;

-- The fields that a proof shows of homes in all of these buildings; NULL is all. Each role counts
-- where it was given for, so that one for a few fields of the whole city and one for all of a town
-- do not make one for all of the city.
CREATE OR REPLACE FUNCTION security.fields_at(proof text, scope text, buildings bigint[])
RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    here bigint;
    whole boolean;
    these text[];
    shown text[];
BEGIN
    FOREACH here IN ARRAY buildings LOOP
        SELECT bool_or(p.fields IS NULL),
               coalesce(array_agg(DISTINCT f) FILTER (WHERE f IS NOT NULL), '{}')
          INTO whole, these
          FROM security.proved($1) AS p LEFT JOIN LATERAL unnest(p.fields) AS f ON true
         WHERE p.scope = $2 AND security.lies_in(here, p.areas, p.grids);
        IF whole IS NOT TRUE THEN
            shown := CASE WHEN shown IS NULL THEN these
                ELSE ARRAY(SELECT unnest(shown) INTERSECT SELECT unnest(these)) END;
        END IF;
    END LOOP;
    RETURN shown;
END $$;

-- Open the residents of a unit or an address, or who has a document of one of these keyed hashes, for this
-- transaction. The answer says how many, or why not; either way it is a line of the log.
CREATE OR REPLACE FUNCTION security.open_people(proof text, purpose text, what text, id bigint,
    numbers bytea[] DEFAULT NULL, plain boolean DEFAULT false, address text DEFAULT NULL,
    request text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    who record;
    known security.purpose;
    wait double precision;
    refused text;
    rows bigint[];
    homes bigint[] := '{}';
    persons bigint[] := '{}';
    units bigint[] := '{}';
BEGIN
    PERFORM set_config('cim.opened', '', true), set_config('cim.seal', '', true);
    who := security.weigh(proof, CASE WHEN plain THEN 'residents.plain' ELSE 'residents.read' END);
    IF who.actor IS NULL THEN
        RETURN jsonb_build_object('refused', 'proof');
    END IF;
    PERFORM security.stand(who.actor, who.account, who.roles, purpose, address, request);
    SELECT * INTO known FROM security.purpose AS u
        WHERE u.code = open_people.purpose AND u.ended_at IS NULL;
    wait := security.take_look(who.actor);
    refused := CASE WHEN wait > 0 THEN 'rate' WHEN NOT who.may THEN 'role'
        WHEN known.code IS NULL OR known.demo AND NOT who.demo THEN 'purpose'
        WHEN plain AND NOT known.plain THEN 'plain'
        WHEN what = 'unit' AND NOT security.lies_in(
            (SELECT u.building_id FROM city.unit AS u WHERE u.id = open_people.id),
            who.areas, who.grids) THEN 'place' END;
    -- Which homes are meant, each way by its index.
    IF refused IS NOT NULL THEN
        NULL;
    ELSIF what = 'unit' THEN
        rows := ARRAY(SELECT r.id FROM pii.residency AS r WHERE r.unit_id = open_people.id);
    ELSIF what = 'address' THEN
        rows := ARRAY(SELECT r.id FROM city.address_link AS l
                JOIN pii.residency AS r ON r.unit_id = l.object_id
                WHERE l.address_id = open_people.id AND l.object_type = 'unit'
            UNION SELECT r.id FROM pii.residency AS r
                WHERE r.address_id = open_people.id AND r.unit_id IS NULL);
    ELSIF what = 'number' THEN
        rows := ARRAY(SELECT r.id FROM pii.person AS p JOIN pii.residency AS r
            ON r.person_id = p.id AND r.to_date IS NULL WHERE p.id_no_hash = ANY (numbers));
    END IF;
    -- Nobody is shown a child, nor who has ended or is kept for the law alone. A year of birth
    -- fourteen years back may be a child of thirteen: the flag, set at load from the whole date,
    -- decides; the year catches a flag that was never set.
    SELECT coalesce(array_agg(r.id), '{}'), coalesce(array_agg(DISTINCT p.id), '{}'),
            coalesce(array_agg(DISTINCT r.unit_id) FILTER (WHERE r.unit_id IS NOT NULL), '{}')
        INTO homes, persons, units
        FROM pii.residency AS r JOIN pii.person AS p ON p.id = r.person_id
        WHERE r.id = ANY (rows) AND (r.to_date IS NULL OR r.to_date > current_date)
          AND (what = 'number' OR r.role IS DISTINCT FROM '业主不住')
          AND p.ended_at IS NULL AND p.restricted_at IS NULL AND NOT p.is_minor14
          AND (p.birth_year IS NULL OR p.birth_year <= extract(year FROM current_date) - 14)
          AND (r.purpose_scope IS NULL OR known.code = ANY (r.purpose_scope))
          AND (what = 'unit' OR security.lies_in(coalesce(r.building_id,
                (SELECT u.building_id FROM city.unit AS u WHERE u.id = r.unit_id)),
                who.areas, who.grids));
    -- And who has a right in the unit, wherever they live.
    IF refused IS NULL AND what = 'unit' THEN
        persons := ARRAY(SELECT unnest(persons) UNION SELECT p.id
            FROM pii.tenure AS t JOIN pii.person AS p ON p.id = t.party_id
            WHERE t.unit_id = open_people.id AND t.party_type = 'person'
              AND (t.end_date IS NULL OR t.end_date > current_date)
              AND p.ended_at IS NULL AND p.restricted_at IS NULL AND NOT p.is_minor14
              AND (p.birth_year IS NULL OR p.birth_year <= extract(year FROM current_date) - 14)
            ORDER BY 1);
    END IF;
    IF what <> 'unit' AND cardinality(persons) > (SELECT value FROM security.rule AS r
            WHERE r.name = 'people_at_address') THEN
        refused := 'many';
    END IF;
    PERFORM security.record('people.open', refused IS NULL, what,
        CASE WHEN what = 'number' THEN persons[1] ELSE open_people.id END,
        CASE WHEN refused IS NULL THEN cardinality(persons) ELSE 0 END,
        jsonb_strip_nulls(jsonb_build_object('refused', refused, 'plain', nullif(plain, false),
            'people', CASE WHEN refused IS NULL AND cardinality(persons) BETWEEN 1 AND 100
                      THEN to_jsonb(persons) END)));
    IF refused IS NOT NULL THEN
        RETURN jsonb_build_object('refused', refused, 'seconds', wait);
    END IF;
    IF what = 'unit' THEN
        units := ARRAY[open_people.id];
    END IF;
    IF who.fields IS NOT NULL THEN
        who.fields := security.fields_at(proof,
            CASE WHEN plain THEN 'residents.plain' ELSE 'residents.read' END,
            CASE WHEN what = 'unit' THEN ARRAY(
                    SELECT u.building_id FROM city.unit AS u WHERE u.id = open_people.id)
                ELSE ARRAY(SELECT DISTINCT coalesce(r.building_id,
                        (SELECT u.building_id FROM city.unit AS u WHERE u.id = r.unit_id))
                    FROM pii.residency AS r WHERE r.id = ANY (homes)) END);
    END IF;
    PERFORM security.seal_ids(jsonb_build_object('homes', homes, 'persons', persons,
        'units', units, 'plain', plain, 'fields', who.fields)::text);
    -- How many live in a unit, with those who are not shown; of what else, no more than is shown.
    RETURN jsonb_build_object('persons', cardinality(persons), 'living',
        CASE WHEN what = 'unit' THEN (
            SELECT count(DISTINCT p.id) FROM pii.residency AS r JOIN pii.person AS p
                ON p.id = r.person_id AND p.ended_at IS NULL
            WHERE r.id = ANY (rows) AND (r.to_date IS NULL OR r.to_date > current_date)
              AND r.role IS DISTINCT FROM '业主不住')
        ELSE cardinality(persons) END);
END $$;

REVOKE ALL ON FUNCTION security.fields_at(text, text, bigint[]) FROM PUBLIC;
