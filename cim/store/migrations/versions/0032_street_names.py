"""Streets are found by their names."""

from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """An index."""
    op.create_index("ix_street_name", "street", ["name"], schema="city")
