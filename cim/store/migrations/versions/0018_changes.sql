CREATE TABLE platform.change_span (
	one BOOLEAN DEFAULT true NOT NULL,
	generation TEXT DEFAULT substr(gen_random_uuid()::text, 1, 8) NOT NULL,
	server TEXT NOT NULL,
	xid XID8 DEFAULT '2'::xid8 NOT NULL,
	trimmed_at TIMESTAMP WITH TIME ZONE,
	CONSTRAINT pk_change_span PRIMARY KEY (one),
	CONSTRAINT ck_change_span_one CHECK (one)
);
COMMENT ON TABLE platform.change_span IS 'which feed it is, and from where on all of it is kept';
COMMENT ON COLUMN platform.change_span.one IS 'there is one row';
COMMENT ON COLUMN platform.change_span.generation IS 'which feed positions are of; another one after the database was restored';
COMMENT ON COLUMN platform.change_span.server IS 'the server that counts its transactions';
COMMENT ON COLUMN platform.change_span.xid IS 'what is older than this transaction is not kept as a whole';
COMMENT ON COLUMN platform.change_span.trimmed_at IS 'when that was last taken away';
