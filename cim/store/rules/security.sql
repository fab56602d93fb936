-- What holds of accounts, roles, keys and the audit log whoever writes: a person may not do it, nor
-- a bug in the service, nor SQL typed by hand. Who acts is told by the setting cim.account, local to
-- a transaction (cim.security.identity). Refusals are SQLSTATE CIM01: English, Chinese in DETAIL.

-- ── the audit log ────────────────────────────────────────────────────────────────────────────────

-- The digest of texts: each by its length and itself, so that no two lists read alike.
CREATE OR REPLACE FUNCTION security.digest(fields text[]) RETURNS bytea
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT sha256(convert_to(string_agg(
            CASE WHEN field IS NULL THEN '-' ELSE octet_length(field) || ':' || field END, ''
            ORDER BY place), 'UTF8'))
      FROM unnest(fields) WITH ORDINALITY AS f(field, place) $$;

-- That of a line of the log.
CREATE OR REPLACE FUNCTION security.digest_of(line security.audit_log) RETURNS bytea
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT security.digest(ARRAY[
            line.lane::text, line.no::text,
            (extract(epoch FROM line.at) * 1000000)::bigint::text,
            line.event, line.success::text, line.actor, line.roles, line.purpose,
            line.object_type, line.object_id::text, line.persons::text, line.address,
            line.request, line.detail::text, encode(line.previous, 'hex')]) $$;

-- Write a line and chain it, in the transaction that does what it tells of. Chains are eight, and a
-- transaction takes one that nobody holds: a writer waits only where eight others are committing.
CREATE OR REPLACE FUNCTION security.record(
    event text, success boolean DEFAULT true, object_type text DEFAULT NULL,
    object_id bigint DEFAULT NULL, persons integer DEFAULT NULL, detail jsonb DEFAULT '{}',
    actor text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    line security.audit_log;
    month date;
    part text;
    mine integer := pg_backend_pid() % 8;
    taken boolean := false;
BEGIN
    FOR i IN 0..7 LOOP
        IF pg_try_advisory_xact_lock(1667853683, (mine + i) % 8) THEN
            mine := (mine + i) % 8;
            taken := true;
            EXIT;
        END IF;
    END LOOP;
    IF NOT taken THEN
        PERFORM pg_advisory_xact_lock(1667853683, mine);
    END IF;
    line.at := clock_timestamp();
    month := date_trunc('month', line.at AT TIME ZONE 'UTC')::date;
    part := 'audit_log_' || to_char(month, 'YYYYMM');
    IF to_regclass('security.' || part) IS NULL THEN
        PERFORM pg_advisory_xact_lock(1667853684);
        IF to_regclass('security.' || part) IS NULL THEN
            EXECUTE format('CREATE TABLE security.%I (LIKE security.audit_log INCLUDING ALL)', part);
            EXECUTE format('ALTER TABLE security.audit_log ATTACH PARTITION security.%I '
                'FOR VALUES FROM (%L) TO (%L)', part, month || ' 00:00+00',
                (month + interval '1 month')::date || ' 00:00+00');
        END IF;
    END IF;
    SELECT l.lane, l.last + 1, l.digest INTO line.lane, line.no, line.previous
        FROM security.audit_lane AS l WHERE l.lane = mine FOR UPDATE;
    line.event := record.event;
    line.success := record.success;
    line.actor := coalesce(record.actor, nullif(current_setting('cim.actor', true), ''));
    line.roles := nullif(current_setting('cim.roles', true), '');
    line.purpose := nullif(current_setting('cim.purpose', true), '');
    line.object_type := record.object_type;
    line.object_id := record.object_id;
    line.persons := record.persons;
    line.address := nullif(current_setting('cim.address', true), '');
    line.request := nullif(current_setting('cim.request', true), '');
    line.detail := record.detail;
    line.digest := security.digest_of(line);
    INSERT INTO security.audit_log VALUES (line.*);
    UPDATE security.audit_lane AS l SET last = line.no, digest = line.digest WHERE l.lane = mine;
END $$;

CREATE OR REPLACE FUNCTION security.keep_log() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    RAISE EXCEPTION USING ERRCODE = 'CIM01',
        MESSAGE = 'The audit log is added to and never changed.',
        DETAIL = '审计日志只能追加，不能修改或删除。';
END $$;

-- ── who acts, and what they are ──────────────────────────────────────────────────────────────────

CREATE OR REPLACE FUNCTION security.acting() RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT nullif(current_setting('cim.account', true), '')::bigint $$;

-- Whether an account administers that now: given, not taken away, not run out.
CREATE OR REPLACE FUNCTION security.administers(account bigint, kind text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT EXISTS (
        SELECT FROM security.role_grant AS g JOIN security.account AS a ON a.id = g.account_id
        WHERE g.account_id = $1 AND g.administers = $2 AND g.ended_at IS NULL
          AND a.ended_at IS NULL AND (a.expires_at IS NULL OR a.expires_at > now())) $$;

-- Whether somebody else than this account administers that.
CREATE OR REPLACE FUNCTION security.administered(kind text, besides bigint) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT EXISTS (
        SELECT FROM security.role_grant AS g JOIN security.account AS a ON a.id = g.account_id
        WHERE g.administers = $1 AND g.ended_at IS NULL AND a.id IS DISTINCT FROM $2
          AND a.ended_at IS NULL AND (a.expires_at IS NULL OR a.expires_at > now())) $$;

CREATE OR REPLACE FUNCTION security.demand(kind text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    IF security.acting() IS NULL OR NOT security.administers(security.acting(), kind) THEN
        RAISE EXCEPTION USING ERRCODE = 'CIM01',
            MESSAGE = format('That is for the %s administrator.', kind),
            DETAIL = format('此操作仅限%s管理员。',
                CASE kind WHEN 'system' THEN '系统' WHEN 'security' THEN '安全' ELSE '审计' END);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION security.refuse_last(kind text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    RAISE EXCEPTION USING ERRCODE = 'CIM01',
        MESSAGE = format('There would be no %s administrator left; make another first.', kind),
        DETAIL = '操作后将没有此类管理员，请先设立另一位。';
END $$;

CREATE OR REPLACE FUNCTION security.keep_rows() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    RAISE EXCEPTION USING ERRCODE = 'CIM01',
        MESSAGE = format('Rows of %s are ended, never deleted.', TG_TABLE_NAME),
        DETAIL = format('%s 中的记录只能终止，不能删除。', TG_TABLE_NAME);
END $$;

-- ── accounts: made and ended by a system administrator, not by oneself ───────────────────────────

CREATE OR REPLACE FUNCTION security.check_account() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE kind text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.made_by := security.acting();
        NEW.password := NULL; -- set by a link, or by whoever knows the old one
        IF security.administered('system', NULL) THEN
            PERFORM security.demand('system');
        END IF;
    ELSIF (NEW.id, NEW.name, NEW.made_at, NEW.made_by)
            IS DISTINCT FROM (OLD.id, OLD.name, OLD.made_at, OLD.made_by)
            OR OLD.ended_at IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'CIM01',
            MESSAGE = 'An account keeps its name and its maker; one that has ended stays ended.',
            DETAIL = '账户的名称和创建者不能更改；已终止的账户不能恢复。';
    ELSIF (NEW.holder, NEW.expires_at, NEW.ended_at)
            IS DISTINCT FROM (OLD.holder, OLD.expires_at, OLD.ended_at) THEN
        PERFORM security.demand('system');
        IF NEW.id = security.acting() THEN
            RAISE EXCEPTION USING ERRCODE = 'CIM01',
                MESSAGE = 'Nobody ends or prolongs their own account.',
                DETAIL = '不能终止或延长自己的账户。';
        END IF;
        FOREACH kind IN ARRAY ARRAY['system', 'security', 'audit'] LOOP
            IF security.administers(NEW.id, kind) AND NOT security.administered(kind, NEW.id) THEN
                PERFORM security.refuse_last(kind);
            END IF;
        END LOOP;
    END IF;
    RETURN NEW;
END $$;

-- ── roles: given and taken by a security administrator, not to oneself ───────────────────────────

CREATE OR REPLACE FUNCTION security.check_grant() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    IF TG_OP = 'UPDATE' AND ((NEW.id, NEW.account_id, NEW.holder, NEW.key_id, NEW.role,
                NEW.administers, NEW.area_id, NEW.grid_id, NEW.made_at, NEW.made_by)
            IS DISTINCT FROM (OLD.id, OLD.account_id, OLD.holder, OLD.key_id, OLD.role,
                OLD.administers, OLD.area_id, OLD.grid_id, OLD.made_at, OLD.made_by)
            OR OLD.ended_at IS NOT NULL) THEN
        RAISE EXCEPTION USING ERRCODE = 'CIM01',
            MESSAGE = 'A role that was given is taken away and given anew, not changed.',
            DETAIL = '已授予的角色不能修改，请收回后重新授予。';
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.made_by := security.acting();
        -- The first of each kind is given by nobody.
        IF NEW.administers <> '' AND NOT security.administered(NEW.administers, NULL) THEN
            RETURN NEW;
        END IF;
    END IF;
    PERFORM security.demand('security');
    IF NEW.holder = (SELECT holder FROM security.account WHERE id = security.acting()) THEN
        RAISE EXCEPTION USING ERRCODE = 'CIM01',
            MESSAGE = 'Nobody gives themselves a role or takes one from themselves.',
            DETAIL = '不能给自己授予或收回角色。';
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.administers <> '' AND NEW.ended_at IS NOT NULL
            AND security.administers(NEW.account_id, NEW.administers)
            AND NOT security.administered(NEW.administers, NEW.account_id) THEN
        PERFORM security.refuse_last(NEW.administers);
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION security.check_key() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.made_by := security.acting();
        PERFORM security.demand('security');
    ELSIF to_jsonb(NEW) - '{used_at,ended_at}'::text[]
            <> to_jsonb(OLD) - '{used_at,ended_at}'::text[] OR OLD.ended_at IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'CIM01',
            MESSAGE = 'A key is ended and another made; it is not changed.',
            DETAIL = '密钥不能修改，请终止后另行创建。';
    ELSIF NEW.ended_at IS NOT NULL THEN
        PERFORM security.demand('security');
    END IF;
    RETURN NEW;
END $$;

-- A link sets the password of another's account: an administrator's takes two other administrators,
-- or one could become two.
CREATE OR REPLACE FUNCTION security.check_link() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    fresh boolean := (SELECT password IS NULL FROM security.account WHERE id = NEW.account_id);
    kinds text[] := ARRAY(SELECT DISTINCT administers FROM security.role_grant
        WHERE account_id IN (security.acting(), NEW.witness) AND ended_at IS NULL
          AND administers <> '' AND security.administers(account_id, administers));
BEGIN
    NEW.made_by := security.acting();
    IF EXISTS (SELECT FROM security.role_grant WHERE account_id = NEW.account_id
               AND administers <> '' AND ended_at IS NULL) THEN
        IF fresh AND NEW.made_by IS NULL THEN
            RETURN NEW; -- the first
        ELSIF cardinality(kinds) < 2 OR NEW.account_id IN (NEW.made_by, NEW.witness) THEN
            RAISE EXCEPTION USING ERRCODE = 'CIM01',
                MESSAGE = 'A new link for an administrator takes the two other administrators.',
                DETAIL = '为管理员重新生成链接须由另外两位管理员共同操作。';
        END IF;
    ELSE
        PERFORM security.demand('system');
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION security.check_rule() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    PERFORM security.demand('security');
    RETURN NEW;
END $$;

-- ── and each of these is a line in the log, whoever did it and by what means ─────────────────────

CREATE OR REPLACE FUNCTION security.tell() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    hidden text[] := 
        '{id,password,totp,totp_step,digest,used_at,seen_at,failed,holder,made_at,made_by}';
    before jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) END;
    changed jsonb;
BEGIN
    IF NOT EXISTS (SELECT FROM security.account) THEN
        RETURN NULL; -- roles as they come with the program
    END IF;
    SELECT coalesce(jsonb_object_agg(key, value), '{}') INTO changed
        FROM jsonb_each(CASE WHEN TG_OP = 'DELETE' THEN before ELSE after END)
        WHERE value <> 'null' AND key <> ALL (hidden)
          AND (TG_OP <> 'UPDATE' OR value IS DISTINCT FROM before -> key);
    -- A field that became empty is told of too; a password or a code, that it changed.
    IF TG_OP = 'UPDATE' THEN
        SELECT changed || coalesce(jsonb_object_agg(key, value), '{}') INTO changed
            FROM jsonb_each(after) WHERE value = 'null' AND before -> key <> 'null'
              AND key <> ALL (hidden);
        SELECT changed || coalesce(jsonb_object_agg(key, true), '{}') INTO changed
            FROM jsonb_each(after) WHERE key IN ('password', 'totp')
              AND value IS DISTINCT FROM before -> key;
        IF changed = '{}' THEN
            RETURN NULL;
        END IF;
    END IF;
    PERFORM security.record(TG_TABLE_NAME || '.' || lower(TG_OP), true, TG_TABLE_NAME,
        coalesce((after ->> 'id')::bigint, (before ->> 'id')::bigint), NULL,
        changed || CASE WHEN after ? 'name' THEN jsonb_build_object('name', after -> 'name')
                        WHEN after ->> 'account_id' IS NOT NULL
                        THEN jsonb_build_object('account_id', after -> 'account_id')
                        ELSE '{}' END);
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER keep BEFORE UPDATE OR DELETE ON security.audit_log
    FOR EACH ROW EXECUTE FUNCTION security.keep_log();
CREATE OR REPLACE TRIGGER keep_all BEFORE TRUNCATE ON security.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION security.keep_log();
CREATE OR REPLACE TRIGGER check_it BEFORE INSERT OR UPDATE ON security.account
    FOR EACH ROW EXECUTE FUNCTION security.check_account();
CREATE OR REPLACE TRIGGER check_it BEFORE INSERT OR UPDATE ON security.role_grant
    FOR EACH ROW EXECUTE FUNCTION security.check_grant();
CREATE OR REPLACE TRIGGER check_it BEFORE INSERT OR UPDATE ON security.api_key
    FOR EACH ROW EXECUTE FUNCTION security.check_key();
CREATE OR REPLACE TRIGGER check_it BEFORE INSERT ON security.link
    FOR EACH ROW EXECUTE FUNCTION security.check_link();
CREATE OR REPLACE TRIGGER check_it BEFORE UPDATE ON security.rule
    FOR EACH ROW EXECUTE FUNCTION security.check_rule();
CREATE OR REPLACE TRIGGER keep BEFORE DELETE ON security.account
    FOR EACH ROW EXECUTE FUNCTION security.keep_rows();
CREATE OR REPLACE TRIGGER keep BEFORE DELETE ON security.role_grant
    FOR EACH ROW EXECUTE FUNCTION security.keep_rows();
CREATE OR REPLACE TRIGGER keep BEFORE DELETE ON security.api_key
    FOR EACH ROW EXECUTE FUNCTION security.keep_rows();
CREATE OR REPLACE TRIGGER tell AFTER INSERT OR UPDATE ON security.account
    FOR EACH ROW EXECUTE FUNCTION security.tell();
CREATE OR REPLACE TRIGGER tell AFTER INSERT OR UPDATE ON security.role_grant
    FOR EACH ROW EXECUTE FUNCTION security.tell();
CREATE OR REPLACE TRIGGER tell AFTER INSERT OR UPDATE ON security.api_key
    FOR EACH ROW EXECUTE FUNCTION security.tell();
CREATE OR REPLACE TRIGGER tell AFTER INSERT OR UPDATE ON security.link
    FOR EACH ROW EXECUTE FUNCTION security.tell();
CREATE OR REPLACE TRIGGER tell AFTER UPDATE ON security.rule
    FOR EACH ROW EXECUTE FUNCTION security.tell();
CREATE OR REPLACE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON security.role
    FOR EACH ROW EXECUTE FUNCTION security.tell();
CREATE OR REPLACE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON security.role_right
    FOR EACH ROW EXECUTE FUNCTION security.tell();

COMMENT ON FUNCTION security.record(text, boolean, text, bigint, integer, jsonb, text) IS
    'writes a line of the audit log, chained to the one before';

-- ── database roles ───────────────────────────────────────────────────────────────────────────────

-- The service itself: it logs in as this where it can, and is then nobody who may do more. Roles
-- belong to the server, so another city's database may have made it.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'cim_service') THEN
        BEGIN
            CREATE ROLE cim_service LOGIN NOINHERIT;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF NOT pg_has_role('cim_service', 'cim_resident_reader', 'MEMBER') THEN
        GRANT cim_reader, cim_resident_reader TO cim_service;
    END IF;
    IF NOT pg_has_role('cim_service', 'MEMBER')
       OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT cim_service TO %I', current_user);
    END IF;
END $$;

-- What the service does for callers: it may look up who calls, sign in, and add to the log. It can
-- neither give a role, nor make a key, nor change what was logged.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA security FROM PUBLIC;
GRANT USAGE ON SCHEMA security TO cim_service, cim_reader;
GRANT EXECUTE ON FUNCTION security.record(text, boolean, text, bigint, integer, jsonb, text)
    TO cim_service, cim_reader, cim_resident_reader;
GRANT EXECUTE ON FUNCTION security.administers(bigint, text), security.administered(text, bigint),
    security.acting() TO cim_service;
GRANT SELECT ON security.account, security.role, security.role_right, security.role_grant,
    security.api_key, security.link, security.session, security.rule, security.bucket TO cim_service;
GRANT UPDATE (password, password_at, must_change, failed, locked_until, totp, totp_step, seen_at)
    ON security.account TO cim_service;
GRANT UPDATE (used_at) ON security.api_key, security.link TO cim_service;
GRANT INSERT, DELETE, UPDATE (seen_at, ended_at) ON security.session TO cim_service;
GRANT INSERT, UPDATE, DELETE ON security.bucket TO cim_service;
GRANT USAGE ON SCHEMA city TO cim_service;
GRANT SELECT (id, parent_id, code, ended_at) ON city.admin_area, city.grid TO cim_service;
