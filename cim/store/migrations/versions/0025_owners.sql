-- A name may be an account's and a key's at once, and given to another later: files and jobs are
-- whose id it is. Those of a name that two have are nobody's from now on; jobs run to their end.
ALTER TABLE platform.upload ADD COLUMN owner text;
ALTER TABLE platform.intake ADD COLUMN owner text;
CREATE TEMPORARY TABLE owner_of ON COMMIT DROP AS
    SELECT name, CASE WHEN count(*) = 1 THEN min(owner) ELSE 'nobody' END AS owner
    FROM (SELECT name, 'account:' || id AS owner FROM security.account
          UNION ALL SELECT name, 'key:' || id FROM security.api_key) AS o
    GROUP BY name;
UPDATE platform.upload u SET owner = coalesce(
    (SELECT o.owner FROM owner_of o WHERE o.name = u.actor),
    'other:' || left(encode(sha256(convert_to(u.actor, 'UTF8')), 'hex'), 32));
UPDATE platform.intake u SET owner = coalesce(
    (SELECT o.owner FROM owner_of o WHERE o.name = u.actor),
    'other:' || left(encode(sha256(convert_to(u.actor, 'UTF8')), 'hex'), 32));
ALTER TABLE platform.upload ALTER COLUMN owner SET NOT NULL;
ALTER TABLE platform.intake ALTER COLUMN owner SET NOT NULL;
COMMENT ON COLUMN platform.upload.owner IS 'whose it is: account:ID, key:ID, or a digest of who was vouched for';
COMMENT ON COLUMN platform.intake.owner IS 'whose it is: account:ID, key:ID, or a digest of who was vouched for';

-- Names become paths in the folder of uploads: none leads out of it, whoever writes the row.
ALTER TABLE platform.upload
    ADD CONSTRAINT ck_upload_group_name CHECK (group_name ~ '^[0-9A-Za-z][0-9A-Za-z_-]{7,63}$'),
    ADD CONSTRAINT ck_upload_name CHECK (name ~ '^[0-9a-f]{32}$'),
    ADD CONSTRAINT ck_upload_file CHECK (file ~ '^[^./\\][^/\\]*$' AND octet_length(file) <= 255);
ALTER TABLE platform.intake
    ADD CONSTRAINT ck_intake_upload CHECK (upload ~ '^[0-9A-Za-z][0-9A-Za-z_-]{7,63}$'),
    ADD CONSTRAINT ck_intake_file CHECK (file ~ '^[^./\\][^/\\]*$' AND octet_length(file) <= 255);
COMMENT ON COLUMN platform.upload.actor IS 'name of who sent it, as it was then; never a secret';
COMMENT ON COLUMN platform.intake.actor IS 'name of who asked, as it was then; never a secret';
