-- What a caller without rights in pii may still know: how many, never who. Each function runs as
-- its owner, returns one number, and reads nothing else.
CREATE OR REPLACE FUNCTION city.resident_count(unit_id bigint) RETURNS integer
LANGUAGE sql STABLE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT count(DISTINCT r.person_id)::integer
      FROM pii.residency AS r JOIN pii.person AS p ON p.id = r.person_id
      WHERE r.unit_id = $1 AND p.ended_at IS NULL
        AND (r.to_date IS NULL OR r.to_date > current_date)
        AND r.role IS DISTINCT FROM '业主不住' $$;

REVOKE ALL ON FUNCTION city.resident_count(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION city.resident_count(bigint) TO cim_reader;
COMMENT ON FUNCTION city.resident_count(bigint) IS
    'persons who live in a unit now; owners who live elsewhere are not counted';
