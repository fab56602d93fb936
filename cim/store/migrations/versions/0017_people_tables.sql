CREATE TABLE security.purpose (
	code TEXT NOT NULL,
	name_zh TEXT NOT NULL,
	name_en TEXT NOT NULL,
	plain BOOLEAN DEFAULT false NOT NULL,
	demo BOOLEAN DEFAULT false NOT NULL,
	ended_at TIMESTAMP WITH TIME ZONE,
	CONSTRAINT pk_purpose PRIMARY KEY (code)
);
COMMENT ON TABLE security.purpose IS 'what personal data may be asked for';
COMMENT ON COLUMN security.purpose.code IS 'what X-Purpose says';
COMMENT ON COLUMN security.purpose.name_zh IS 'name in Chinese';
COMMENT ON COLUMN security.purpose.name_en IS 'name in English';
COMMENT ON COLUMN security.purpose.plain IS 'whether it needs names and numbers unmasked';
COMMENT ON COLUMN security.purpose.demo IS 'only in a demo, whose people are invented';
COMMENT ON COLUMN security.purpose.ended_at IS 'no longer a purpose; never deleted';
CREATE TABLE security.seal (
	one BOOLEAN DEFAULT true NOT NULL,
	secret BYTEA NOT NULL,
	CONSTRAINT pk_seal PRIMARY KEY (one),
	CONSTRAINT ck_seal_one CHECK (one)
);
COMMENT ON TABLE security.seal IS 'what a transaction''s list of opened persons is sealed with';
COMMENT ON COLUMN security.seal.one IS 'there is one';
COMMENT ON COLUMN security.seal.secret IS '32 bytes that no login can read';
