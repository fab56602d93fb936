"""How deep the ladder matched is kept with each link of an address.

And pairs of characters are made in half the time: an index needs them neither sorted nor once.
"""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """The column; links made before do not say it."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute("""
        ALTER TABLE city.address_link ADD COLUMN level smallint;
        COMMENT ON COLUMN city.address_link.level
            IS 'deepest level of the ladder that matched; NULL where nobody said';
        COMMENT ON COLUMN city.address_link.role
            IS '主, 别名, 历史, 门牌; 所在: lies in it, itself unknown';
        CREATE OR REPLACE FUNCTION city.bigrams(value text) RETURNS text[]
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        AS $$ SELECT ARRAY(SELECT substr(value, i, 2)
                    FROM generate_series(1, greatest(length(value) - 1, 0)) AS i) $$;
    """)
