"""Devices and alarms are written by right, and a role that comes with the program has it."""

from alembic import op

revision = "0030"
down_revision = "0029"

_ROLE = """
    INSERT INTO security.role (code, name_zh, name_en, administers) VALUES
        ('devices', '设备管理', 'devices, their datastreams and alarms', '');
    INSERT INTO security.role_right (role, administers, scope) VALUES
        ('devices', '', 'city.read'), ('devices', '', 'living.read'),
        ('devices', '', 'devices.write'), ('devices', '', 'alarms.write')"""


def upgrade() -> None:
    """The role and its rights."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute(_ROLE)
