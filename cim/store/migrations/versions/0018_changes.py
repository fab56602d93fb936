"""The change feed tells of every public object, in the order of transactions, and can be trimmed.

What was told before keeps its order, as of one transaction older than any.
"""

from importlib.resources import files

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """The columns, then the table and the triggers as frozen in the files beside this one."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute("""
        ALTER TABLE platform.change
            ADD COLUMN xid xid8 NOT NULL DEFAULT '2'::xid8, ADD COLUMN until_id bigint,
            ADD COLUMN fields text[], ADD COLUMN source_id smallint,
            ADD COLUMN west float8, ADD COLUMN south float8,
            ADD COLUMN east float8, ADD COLUMN north float8;
        ALTER TABLE platform.change
            ALTER COLUMN xid SET DEFAULT pg_current_xact_id(),
            DROP CONSTRAINT pk_change, ADD CONSTRAINT pk_change PRIMARY KEY (xid, id);
        COMMENT ON COLUMN platform.change.id IS 'in the order of writing, within a transaction';
        COMMENT ON COLUMN platform.change.object_id IS 'its id; of a run the first';
        COMMENT ON COLUMN platform.change.op IS 'insert, update, end, delete, truncate';
        COMMENT ON COLUMN platform.change.before
            IS 'what the changed fields were; never for personal data, nor of a run';
        COMMENT ON COLUMN platform.change.xid
            IS 'the transaction; it can be read once all older ones have ended';
        COMMENT ON COLUMN platform.change.until_id IS
            'of a run the last id: those between that were written at that time are meant';
        COMMENT ON COLUMN platform.change.fields IS 'columns that changed';
        COMMENT ON COLUMN platform.change.source_id IS 'the system its row comes from';
        COMMENT ON COLUMN platform.change.west
            IS 'extent before and after, degrees; NULL where it has no place';
        COMMENT ON COLUMN platform.change.south IS 'its southern edge';
        COMMENT ON COLUMN platform.change.east IS 'its eastern edge';
        COMMENT ON COLUMN platform.change.north IS 'its northern edge';
    """)
    for name in ("0018_changes.sql", "0018_changes_told.sql"):
        statements = files("cim.store.migrations") / "versions" / name
        driver.execute(statements.read_text("utf-8"))
