CREATE INDEX ix_street_name ON city.street (name);

-- A message; what a place already names, as a lift that a device is bound to, is not said twice.
CREATE OR REPLACE FUNCTION city.worded(
    template text, value double precision, said text, unit text, device text, place text)
RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT btrim(replace(replace(replace(replace(template,
        '{value}', coalesce(said, round(value::numeric, 3)::float8::text, '')),
        '{unit}', coalesce(unit, '')), '{device}', coalesce(device, '')),
        '{place}', CASE WHEN template LIKE '%{device}%' AND right(place, length(device)) = device
            THEN rtrim(left(place, length(place) - length(device)))
            ELSE coalesce(place, '') END)) $$;
