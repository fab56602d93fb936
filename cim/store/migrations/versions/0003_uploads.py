"""Files that were handed in, and what a job must know of its being stopped and begun again."""

from importlib.resources import files

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """The table as frozen in the file beside this one, and further columns of the jobs."""
    statements = files("cim.store.migrations") / "versions" / "0003_uploads.sql"
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute(statements.read_text("utf-8"))
    driver.execute("""
        ALTER TABLE platform.intake ADD COLUMN cancelled_at timestamptz,
            ADD COLUMN attempts smallint NOT NULL DEFAULT 0;
        COMMENT ON COLUMN platform.intake.upload IS 'the group of uploads it lies in';
        COMMENT ON COLUMN platform.intake.cancelled_at IS 'asked to stop';
        COMMENT ON COLUMN platform.intake.attempts
            IS 'how often it was begun; a worker that dies leaves it to the next';
    """)
