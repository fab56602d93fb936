-- A message; of a place and a device that stand beside each other, no name is said twice, and where
-- the device has none no blank is left of it.
CREATE OR REPLACE FUNCTION city.worded(
    template text, value double precision, said text, unit text, device text, place text,
    stream text DEFAULT NULL)
RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT btrim(replace(replace(replace(replace(replace(
        CASE WHEN device <> '' THEN template ELSE replace(template, ' {device}', '') END,
        '{value}', coalesce(said, round(value::numeric, 3)::float8::text, '')),
        '{unit}', coalesce(unit, '')), '{stream}', coalesce(stream, '')),
        '{device}', coalesce(device, '')), '{place}', coalesce(CASE
            WHEN template NOT LIKE '%{device}%' THEN place
            WHEN right(place, length(device)) = device
                THEN rtrim(left(place, length(place) - length(device)))
            WHEN city.says_again(device, substring(place from '[^ ]+$'))
                THEN rtrim(regexp_replace(place, '[^ ]+$', ''))
            ELSE place END, ''))) $$;
