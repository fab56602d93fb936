"""Messages to others are signed with secrets that outlive the key for personal data."""

from sqlalchemy import Engine, text

from cim.feeds.webhooks import hooks
from cim.people import rotation
from cim.privacy import Vault, open_vault
from cim.privacy.keys import key_file, read_keys
from cim.settings import Settings
from cim.store import keys as store_keys


def test_messages_are_signed_as_before_after_the_key_was_changed(
    engine: Engine, settings: Settings
) -> None:
    with engine.begin() as connection:
        vault = open_vault(settings)
        store_keys.held(connection, vault)
        where = "https://regulator.example/"
        id, secret = hooks.add(connection, vault, "安检", where, {}, "system")
    done = rotation.rotate(engine, settings, lambda _: None, batch=7)
    assert done.sealed["hooks"] == 1
    sealed = text("SELECT secret_enc FROM platform.webhook WHERE id = :id")
    fresh = Vault(read_keys(key_file(settings))[0])
    with engine.connect() as connection:
        value = bytes(connection.execute(sealed, {"id": id}).scalar_one())
    assert fresh.decrypt([value], "webhook.secret") == [secret]
