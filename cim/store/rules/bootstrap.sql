-- What must stand before the tables: extensions, schemas, and the functions that indexes use.
CREATE EXTENSION IF NOT EXISTS postgis;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE SCHEMA IF NOT EXISTS city;
CREATE SCHEMA IF NOT EXISTS pii;
CREATE SCHEMA IF NOT EXISTS platform;
CREATE SCHEMA IF NOT EXISTS security;

-- Every pair of neighbouring characters of a text: what a two-character search is answered from,
-- because trigrams need three.
CREATE OR REPLACE FUNCTION city.bigrams(value text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT ARRAY(SELECT substr(value, i, 2)
                    FROM generate_series(1, greatest(length(value) - 1, 0)) AS i) $$;

-- A text, and the text with each one of its characters left out: two names that differ by one
-- character have one of these in common.
CREATE OR REPLACE FUNCTION city.lacking_one(value text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT ARRAY(SELECT overlay(value PLACING '' FROM i FOR 1)
                    FROM generate_series(1, length(value)) AS i) || value $$;
