-- Who lives where, and who may know it: held here, whoever asks and by what means. A setting such as
-- cim.roles is what somebody says of himself, so nothing is opened by it. Rows are opened by a
-- proof: a key or a session's token as its holder sent it. The database looks it up itself, weighs
-- rights, purpose and place, writes the line of the log, and seals the list of the rows that were
-- opened; policies show those rows to that transaction, and no others to anybody.

-- ── what a proof is worth ────────────────────────────────────────────────────────────────────────

-- Whose a proof is, and what it allows of residents' data: a line a role, scope and place.
CREATE OR REPLACE FUNCTION security.proved(proof text)
RETURNS TABLE (actor text, account bigint, demo boolean, role text, scope text, fields text[],
    areas bigint[], grids bigint[])
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    known bytea := sha256(convert_to(proof, 'UTF8'));
BEGIN
    RETURN QUERY SELECT k.name, NULL::bigint, false, g.role, r.scope, r.fields,
        CASE WHEN g.area_id IS NOT NULL THEN ARRAY[g.area_id] END,
        CASE WHEN g.grid_id IS NOT NULL THEN ARRAY[g.grid_id] END
    FROM security.api_key AS k
    JOIN security.account AS o ON o.id = k.owner_id AND o.ended_at IS NULL
        AND (o.expires_at IS NULL OR o.expires_at > now())
    LEFT JOIN security.role_grant AS g ON g.key_id = k.id AND g.ended_at IS NULL
        AND (g.expires_at IS NULL OR g.expires_at > now())
    LEFT JOIN security.role_right AS r ON r.role = g.role AND left(r.scope, 10) = 'residents.'
        AND coalesce(r.collection, 'residents') = 'residents'
        AND (k.scopes IS NULL OR r.scope = ANY (k.scopes))
    WHERE k.digest = known AND k.ended_at IS NULL
        AND (k.expires_at IS NULL OR k.expires_at > now())
    UNION ALL
    SELECT s.name, s.account_id, coalesce(s.subject = 'demo', false), r.role, r.scope, r.fields,
        CASE WHEN s.account_id IS NULL THEN s.areas
            WHEN g.area_id IS NOT NULL THEN ARRAY[g.area_id] END,
        CASE WHEN s.account_id IS NULL THEN s.grids
            WHEN g.grid_id IS NOT NULL THEN ARRAY[g.grid_id] END
    FROM security.session AS s
    LEFT JOIN security.account AS a ON a.id = s.account_id
    LEFT JOIN security.role_grant AS g ON g.account_id = s.account_id AND g.ended_at IS NULL
        AND (g.expires_at IS NULL OR g.expires_at > now())
    LEFT JOIN security.role_right AS r ON left(r.scope, 10) = 'residents.'
        AND coalesce(r.collection, 'residents') = 'residents'
        AND (r.role = g.role OR s.account_id IS NULL AND r.role = ANY (s.roles))
    WHERE s.digest = known AND s.ended_at IS NULL
        AND s.ends_at > now()
        AND (s.subject IN ('demo', 'bearer:' || s.name) OR s.seen_at > now() - make_interval(mins => (
            SELECT value FROM security.rule WHERE name = 'session_idle_minutes')))
        AND (s.account_id IS NULL OR NOT a.must_change AND a.ended_at IS NULL
            AND (a.expires_at IS NULL OR a.expires_at > now()));
END $$;

-- Whether a building lies where somebody may look; of what lies nowhere, who may look everywhere.
CREATE OR REPLACE FUNCTION security.lies_in(building bigint, areas bigint[], grids bigint[])
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    IF areas IS NULL AND grids IS NULL THEN
        RETURN true;
    END IF;
    RETURN (WITH RECURSIVE place AS MATERIALIZED (
        SELECT coalesce(b.admin_area_id,
            (SELECT e.admin_area_id FROM city.estate AS e WHERE e.id = b.estate_id),
            (SELECT g.admin_area_id FROM city.grid AS g WHERE g.id = b.grid_id)) AS area,
            b.grid_id AS grid
        FROM city.building AS b WHERE b.id = building),
    up AS (SELECT area AS id FROM place UNION
        SELECT a.parent_id FROM up JOIN city.admin_area AS a ON a.id = up.id),
    over AS (SELECT grid AS id FROM place UNION
        SELECT g.parent_id FROM over JOIN city.grid AS g ON g.id = over.id)
    SELECT EXISTS (SELECT FROM up WHERE id = ANY (areas))
        OR EXISTS (SELECT FROM over WHERE id = ANY (grids)));
END $$;

-- ── what was opened in this transaction ──────────────────────────────────────────────────────────

-- A list of the ids that were opened, sealed with what nobody can read: none where the seal is not
-- ours, or is of another session or another transaction.
CREATE OR REPLACE FUNCTION security.seal_of(list text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    RETURN (SELECT encode(sha256(s.secret || sha256(s.secret || convert_to(pg_backend_pid() || '/'
            || extract(epoch FROM now()) || '/' || list, 'UTF8'))), 'hex')
      FROM security.seal AS s);
END $$;

CREATE OR REPLACE FUNCTION security.opened() RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    list text := current_setting('cim.opened', true);
BEGIN
    IF list <> '' AND current_setting('cim.seal', true) = security.seal_of(list) THEN
        RETURN list::jsonb;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION security.opened_ids(kind text) RETURNS bigint[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    RETURN ARRAY(SELECT jsonb_array_elements_text(security.opened() -> kind)::bigint);
END $$;

-- The ciphertexts of those who were opened unmasked; the key to them is outside the database.
CREATE OR REPLACE FUNCTION security.opened_sealed()
RETURNS TABLE (person_id bigint, name bytea, id_no bytea, phone bytea)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT p.id, p.name_enc, p.id_no_enc, p.phone_enc FROM pii.person AS p
      WHERE (security.opened() ->> 'plain')::boolean
        AND p.id = ANY (security.opened_ids('persons')) $$;

-- ── opening ──────────────────────────────────────────────────────────────────────────────────────

-- One look-up out of the bucket of whoever looks; the seconds to wait where none is left.
CREATE OR REPLACE FUNCTION security.take_look(actor text) RETURNS double precision
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    whose bytea := sha256(convert_to('people ' || actor, 'UTF8'));
    burst integer := (SELECT value FROM security.rule AS r WHERE r.name = 'people_burst');
    rate integer := (SELECT value FROM security.rule AS r WHERE r.name = 'people_hour');
    held double precision;
BEGIN
    INSERT INTO security.bucket AS b VALUES (whose, burst, clock_timestamp())
    ON CONFLICT (name) DO UPDATE SET at = excluded.at, tokens = least(burst, b.tokens
        + extract(epoch FROM excluded.at - b.at) * rate / 3600)
    RETURNING tokens INTO held;
    IF held < 1 THEN
        RETURN (1 - held) * 3600 / rate;
    END IF;
    UPDATE security.bucket SET tokens = tokens - 1 WHERE name = whose;
    RETURN 0;
END $$;

-- Say who acts, for the log and its rules: as the proof says, whatever was said before.
CREATE OR REPLACE FUNCTION security.stand(actor text, account bigint, roles text, purpose text,
    address text, request text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    PERFORM set_config('cim.actor', actor, true),
        set_config('cim.account', coalesce(account::text, ''), true),
        set_config('cim.roles', coalesce(roles, ''), true),
        set_config('cim.purpose', coalesce(purpose, ''), true),
        set_config('cim.address', coalesce(address, ''), true),
        set_config('cim.request', coalesce(request, ''), true);
END $$;

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

-- Seal the ids that this transaction may see.
CREATE OR REPLACE FUNCTION security.seal_ids(list text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    PERFORM set_config('cim.opened', list, true),
             set_config('cim.seal', security.seal_of(list), true);
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

-- Open them and say who they are, as whoever may read what was opened: what the policies show.
CREATE OR REPLACE FUNCTION pii.show(proof text, purpose text, what text, id bigint,
    numbers bytea[] DEFAULT NULL, plain boolean DEFAULT false, address text DEFAULT NULL,
    request text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    answer jsonb := security.open_people(proof, purpose, what, id, numbers, plain, address, request);
    narrow jsonb := security.opened() -> 'fields';
BEGIN
    IF answer ? 'refused' THEN
        RETURN answer;
    END IF;
    RETURN answer || jsonb_build_object('people', (
        SELECT coalesce(jsonb_agg(
            CASE WHEN narrow = 'null' OR narrow IS NULL THEN told.one ELSE
                (SELECT jsonb_object_agg(f.key, CASE WHEN narrow ? f.key OR f.key IN ('unit', 'person')
                    THEN f.value ELSE 'null' END) FROM jsonb_each(told.one) AS f) END
            ORDER BY told.head DESC NULLS LAST, told.home), '[]')
        FROM (SELECT r.id AS home, r.role = '户主' AS head, jsonb_build_object('person', p.id,
                'unit', r.unit_id, 'name', p.name_mask, 'id_no', p.id_no_mask,
                'phone', p.phone_mask, 'role', r.role, 'kind', r.kind,
                'birth_year', p.birth_year) AS one
            FROM pii.residency AS r JOIN pii.person AS p ON p.id = r.person_id) AS told))
        || CASE WHEN plain THEN jsonb_build_object('sealed', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('person', s.person_id,
                'name', encode(s.name, 'hex'), 'id_no', encode(s.id_no, 'hex'),
                'phone', encode(s.phone, 'hex'))), '[]')
            FROM security.opened_sealed() AS s)) ELSE '{}' END;
END $$;

-- ── a person's own requests: what is kept of me, and let it be gone ──────────────────────────────

-- Take persons out: homes, contacts, and the person. Who has a right in a unit is kept, for that
-- the register must, and shown to nobody any more.
CREATE OR REPLACE FUNCTION pii.forget(persons bigint[]) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kept bigint[] := ARRAY(SELECT DISTINCT t.party_id FROM pii.tenure AS t
        WHERE t.party_type = 'person' AND t.party_id = ANY (persons));
    touched bigint[] := ARRAY(SELECT DISTINCT r.building_id FROM pii.residency AS r
        WHERE r.person_id = ANY (persons) AND r.building_id IS NOT NULL);
    homes integer;
    gone integer;
BEGIN
    DELETE FROM pii.residency AS r WHERE r.person_id = ANY (persons);
    GET DIAGNOSTICS homes = ROW_COUNT;
    UPDATE pii.household AS h SET head_person_id = NULL WHERE h.head_person_id = ANY (persons);
    UPDATE pii.person AS p SET phone_enc = NULL, phone_hash = NULL, phone_mask = NULL,
        sex_code = NULL, birth_year = NULL, restricted_at = now() WHERE p.id = ANY (kept);
    DELETE FROM pii.person AS p WHERE p.id = ANY (persons) AND p.id <> ALL (kept);
    GET DIAGNOSTICS gone = ROW_COUNT;
    UPDATE city.building_pop AS b SET residents = (SELECT count(DISTINCT r.person_id)
            FROM pii.residency AS r JOIN pii.person AS p ON p.id = r.person_id
                AND p.ended_at IS NULL
            WHERE r.building_id = b.building_id
              AND (r.to_date IS NULL OR r.to_date > current_date)
              AND r.role IS DISTINCT FROM '业主不住')
        WHERE b.building_id = ANY (touched);
    RETURN jsonb_build_object('persons', gone, 'homes', homes, 'kept', cardinality(kept));
END $$;

-- What a person asks for by way of an officer who may handle such requests, in the whole city:
-- 'export' opens all that is kept of who has a document of one of these keyed hashes; 'erase' takes it out,
-- and rows set aside with it. The log has the office's reference, and of an erasure no person.
CREATE OR REPLACE FUNCTION security.request_of_person(proof text, act text, numbers bytea[],
    reference text, aside bigint[] DEFAULT '{}', address text DEFAULT NULL,
    request text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    who record := security.weigh(proof, 'residents.requests');
    wait double precision;
    refused text;
    persons bigint[];
    done jsonb := '{}';
BEGIN
    PERFORM set_config('cim.opened', '', true), set_config('cim.seal', '', true);
    IF who.actor IS NULL THEN
        RETURN jsonb_build_object('refused', 'proof');
    END IF;
    PERFORM security.stand(who.actor, who.account, who.roles, 'request', address, request);
    wait := security.take_look(who.actor);
    refused := CASE WHEN wait > 0 THEN 'rate' WHEN NOT who.may THEN 'role'
        WHEN who.areas IS NOT NULL OR who.grids IS NOT NULL THEN 'place' END;
    IF refused IS NULL THEN
        persons := ARRAY(SELECT p.id FROM pii.person AS p WHERE p.id_no_hash = ANY (numbers));
        IF act = 'erase' THEN
            done := pii.forget(persons) || security.forget_aside(aside);
        ELSE
            PERFORM security.seal_ids(jsonb_build_object('persons', persons, 'plain', true,
                'homes', ARRAY(SELECT r.id FROM pii.residency AS r
                    WHERE r.person_id = ANY (persons)),
                'tenures', ARRAY(SELECT t.id FROM pii.tenure AS t
                    WHERE t.party_type = 'person' AND t.party_id = ANY (persons)))::text);
            done := jsonb_build_object('persons', cardinality(persons));
        END IF;
    END IF;
    PERFORM security.record('people.' || act, refused IS NULL, 'person',
        CASE WHEN act = 'export' THEN persons[1] END, cardinality(persons),
        jsonb_strip_nulls(done || jsonb_build_object('refused', refused,
            'reference', reference)));
    RETURN CASE WHEN refused IS NULL THEN done
        ELSE jsonb_build_object('refused', refused, 'seconds', wait) END;
END $$;

-- Who read the data of those who are opened, and when: a person may ask.
CREATE OR REPLACE FUNCTION security.readers_of_opened()
RETURNS TABLE (at timestamptz, event text, purpose text, roles text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT l.at, l.event, l.purpose, l.roles FROM security.audit_log AS l
      WHERE l.event IN ('people.open', 'people.export') AND l.success
        AND l.detail -> 'people' @> ANY (ARRAY(SELECT to_jsonb(i)
            FROM unnest(security.opened_ids('persons')) AS i))
      ORDER BY l.at $$;

-- All that is kept of a person, as whoever may read what was opened; names and numbers sealed.
CREATE OR REPLACE FUNCTION pii.tell(proof text, numbers bytea[], reference text,
    address text DEFAULT NULL, request text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    answer jsonb := security.request_of_person(proof, 'export', numbers, reference, '{}',
        address, request);
BEGIN
    RETURN answer || CASE WHEN answer ? 'refused' THEN '{}' ELSE pii.told() END;
END $$;

CREATE OR REPLACE FUNCTION pii.told() RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT jsonb_build_object(
    'records', (SELECT coalesce(jsonb_agg(jsonb_build_object('person', p.id, 'sex', p.sex_code,
            'id_type', p.id_type, 'birth_year', p.birth_year, 'updated_at', p.updated_at,
            'ended_at', p.ended_at, 'restricted_at', p.restricted_at, 'source', o.name,
            'name', encode(s.name, 'hex'), 'id_no', encode(s.id_no, 'hex'),
            'phone', encode(s.phone, 'hex')) ORDER BY p.id), '[]')
        FROM pii.person AS p JOIN security.opened_sealed() AS s ON s.person_id = p.id
        LEFT JOIN city.source_system AS o ON o.id = p.source_id),
    'homes', (SELECT coalesce(jsonb_agg(jsonb_build_object('unit', r.unit_id,
            'building', r.building_id, 'place', concat_ws(' ', b.name, u.room_no),
            'role', r.role, 'kind', r.kind, 'from', r.from_date, 'to', r.to_date,
            'legal_basis', r.legal_basis, 'purposes', r.purpose_scope) ORDER BY r.id), '[]')
        FROM pii.residency AS r LEFT JOIN city.unit AS u ON u.id = r.unit_id
        LEFT JOIN city.building AS b ON b.id = r.building_id),
    'rights', (SELECT coalesce(jsonb_agg(jsonb_build_object('unit', t.unit_id, 'kind', t.kind,
            'share', t.share, 'from', t.start_date, 'to', t.end_date, 'document', t.doc_ref)
            ORDER BY t.id), '[]') FROM pii.tenure AS t),
    'readers', (SELECT coalesce(jsonb_agg(jsonb_build_object('at', l.at, 'event', l.event,
            'purpose', l.purpose, 'roles', l.roles)), '[]')
        FROM security.readers_of_opened() AS l)) $$;

-- Rows of people that were set aside lose what they came with.
CREATE OR REPLACE FUNCTION security.forget_aside(aside bigint[]) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE gone integer;
BEGIN
    UPDATE platform.quarantine AS q SET record_enc = NULL, ext_id = NULL, value = NULL,
            cleared_at = coalesce(q.cleared_at, now())
        WHERE q.id = ANY (aside) AND q.record_enc IS NOT NULL;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN jsonb_build_object('aside', gone);
END $$;

-- Purposes are data, and the security administrator's.
CREATE OR REPLACE TRIGGER check_it BEFORE INSERT OR UPDATE ON security.purpose
    FOR EACH ROW EXECUTE FUNCTION security.check_rule();
CREATE OR REPLACE TRIGGER keep BEFORE DELETE ON security.purpose
    FOR EACH ROW EXECUTE FUNCTION security.keep_rows();
CREATE OR REPLACE TRIGGER tell AFTER INSERT OR UPDATE ON security.purpose
    FOR EACH ROW EXECUTE FUNCTION security.tell();

-- ── which rows a transaction sees ────────────────────────────────────────────────────────────────

ALTER TABLE pii.person ENABLE ROW LEVEL SECURITY;
ALTER TABLE pii.person FORCE ROW LEVEL SECURITY;
ALTER TABLE pii.residency ENABLE ROW LEVEL SECURITY;
ALTER TABLE pii.residency FORCE ROW LEVEL SECURITY;
ALTER TABLE pii.household ENABLE ROW LEVEL SECURITY;
ALTER TABLE pii.household FORCE ROW LEVEL SECURITY;
ALTER TABLE pii.tenure ENABLE ROW LEVEL SECURITY;
ALTER TABLE pii.tenure FORCE ROW LEVEL SECURITY;

CREATE POLICY opened ON pii.person FOR SELECT TO cim_resident_reader
    USING (id = ANY ((SELECT security.opened_ids('persons'))::bigint[]));
CREATE POLICY opened ON pii.residency FOR SELECT TO cim_resident_reader
    USING (id = ANY ((SELECT security.opened_ids('homes'))::bigint[]));
CREATE POLICY opened ON pii.household FOR SELECT TO cim_resident_reader
    USING (unit_id = ANY ((SELECT security.opened_ids('units'))::bigint[]));
CREATE POLICY opened ON pii.tenure FOR SELECT TO cim_resident_reader
    USING (unit_id = ANY ((SELECT security.opened_ids('units'))::bigint[])
        OR id = ANY ((SELECT security.opened_ids('tenures'))::bigint[]));

-- Whoever loads, derives and counts is the owner, whom FORCE leaves nothing without a policy.
CREATE POLICY keeper ON pii.person TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY keeper ON pii.residency TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY keeper ON pii.household TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY keeper ON pii.tenure TO CURRENT_USER USING (true) WITH CHECK (true);

-- ── logins: each part of the service may do its own ──────────────────────────────────────────────

-- cim_public reads what is not personal · cim_service opens people, by a proof · cim_gate looks up
-- and signs in callers · cim_intake takes files. Roles belong to the server, so another city's
-- database may have made them.
DO $$
DECLARE
    login text;
BEGIN
    FOREACH login IN ARRAY ARRAY['cim_public', 'cim_gate', 'cim_intake'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT', login);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END;
        END IF;
        IF NOT pg_has_role(login, 'cim_reader', 'MEMBER') THEN
            EXECUTE format('GRANT cim_reader TO %I', login);
        END IF;
        IF NOT pg_has_role(login, 'MEMBER')
           OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
            EXECUTE format('GRANT %I TO %I', login, current_user);
        END IF;
    END LOOP;
END $$;

-- The hashes and the ciphertexts are read by nobody: who may see them is given them.
ALTER DEFAULT PRIVILEGES IN SCHEMA pii REVOKE SELECT ON TABLES FROM cim_resident_reader;
REVOKE ALL ON ALL TABLES IN SCHEMA pii FROM cim_resident_reader;
GRANT SELECT (id, name_mask, id_type, id_no_mask, sex_code, birth_year, is_minor14, phone_mask,
    source_id, updated_at, ended_at, restricted_at) ON pii.person TO cim_resident_reader;
GRANT SELECT ON pii.residency, pii.household, pii.tenure TO cim_resident_reader;

REVOKE ALL ON ALL TABLES IN SCHEMA security FROM cim_service;
REVOKE ALL ON FUNCTION security.administers(bigint, text), security.administered(text, bigint),
    security.acting() FROM cim_service;
REVOKE ALL ON FUNCTION security.proved(text), security.lies_in(bigint, bigint[], bigint[]),
    security.seal_of(text), security.opened(), security.opened_ids(text),
    security.opened_sealed(), security.take_look(text),
    security.weigh(text, text), security.fields_at(text, text, bigint[]),
    security.seal_ids(text), security.forget_aside(bigint[]),
    security.open_people(text, text, text, bigint, bytea[], boolean, text, text),
    security.request_of_person(text, text, bytea[], text, bigint[], text, text),
    security.readers_of_opened(), security.stand(text, bigint, text, text, text, text),
    pii.forget(bigint[]), pii.show(text, text, text, bigint, bytea[], boolean, text, text),
    pii.told(), pii.tell(text, bytea[], text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION security.opened(), security.opened_ids(text), security.opened_sealed(),
    security.open_people(text, text, text, bigint, bytea[], boolean, text, text),
    security.request_of_person(text, text, bytea[], text, bigint[], text, text),
    security.readers_of_opened(),
    pii.show(text, text, text, bigint, bytea[], boolean, text, text), pii.told(),
    pii.tell(text, bytea[], text, text, text) TO cim_resident_reader;
GRANT USAGE ON SCHEMA security TO cim_resident_reader, cim_gate, cim_intake;

-- What looks up callers may write a session and a password, and so could become anybody who can
-- sign in: it is a login of its own, which answers nothing else.
GRANT EXECUTE ON FUNCTION security.record(text, boolean, text, bigint, integer, jsonb, text)
    TO cim_gate, cim_intake;
GRANT EXECUTE ON FUNCTION security.administers(bigint, text), security.administered(text, bigint),
    security.acting() TO cim_gate;
GRANT SELECT ON security.account, security.role, security.role_right, security.role_grant,
    security.api_key, security.link, security.session, security.rule, security.bucket,
    security.purpose TO cim_gate;
GRANT UPDATE (password, password_at, must_change, failed, locked_until, totp, totp_step, seen_at)
    ON security.account TO cim_gate;
GRANT UPDATE (used_at) ON security.api_key, security.link TO cim_gate;
GRANT INSERT, DELETE, UPDATE (seen_at, ended_at) ON security.session TO cim_gate;
GRANT INSERT, UPDATE, DELETE ON security.bucket TO cim_gate;
GRANT USAGE ON SCHEMA city TO cim_gate;
GRANT SELECT (id, parent_id, code, ended_at) ON city.admin_area, city.grid TO cim_gate;

-- Files on their way in, and what an officer decides of them.
GRANT USAGE ON SCHEMA city, platform TO cim_intake;
GRANT SELECT ON ALL TABLES IN SCHEMA city, platform TO cim_intake;
REVOKE SELECT ON city.building_pop FROM cim_intake; -- how many live in each building
GRANT INSERT, UPDATE, DELETE ON platform.upload, platform.intake TO cim_intake;
GRANT UPDATE ON platform.match TO cim_intake;
ALTER DEFAULT PRIVILEGES IN SCHEMA city GRANT SELECT ON TABLES TO cim_intake;
ALTER DEFAULT PRIVILEGES IN SCHEMA platform GRANT SELECT ON TABLES TO cim_intake;
