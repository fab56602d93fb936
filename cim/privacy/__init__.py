"""Personal data: encrypted with a key outside the database, shown as masks, found by keyed hash."""

from cim.privacy.keys import open_vault
from cim.privacy.masks import mask_id, mask_name, mask_phone, plain_id, plain_phone
from cim.privacy.vault import Vault

__all__ = [
    "Vault",
    "mask_id",
    "mask_name",
    "mask_phone",
    "open_vault",
    "plain_id",
    "plain_phone",
]
