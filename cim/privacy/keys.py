"""The key file: made at first need, readable by its owner alone, never in the database."""

import os
import secrets
import stat
from pathlib import Path

from cim.errors import PrivacyError, why
from cim.privacy.vault import LEAST_SECRET, Vault
from cim.settings import Settings


def key_file(settings: Settings) -> Path:
    """Where the key for personal data is kept."""
    return settings.pii_key_file or settings.data_dir / "keys" / "pii.key"


def open_vault(settings: Settings) -> Vault:
    """The vault of this installation; makes its key file where there is none yet.

    Raises PrivacyError where the file cannot be read, is too short, or is open to others.
    """
    path = key_file(settings)
    if not path.exists():
        make_key(path)
    return Vault(read_key(path))


def make_key(path: Path) -> None:
    """Write a new random key, mode 0600; the whole file appears at once.

    When two programs do it at the same time one of them wins and both use its key.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(LEAST_SECRET) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            return
    finally:
        fresh.unlink()


def read_key(path: Path) -> bytes:
    """The bytes of a key file without the white space at its end.

    Raises PrivacyError where it cannot be read, is too short, or others may read or write it.
    """
    try:
        mode = path.stat().st_mode
        secret = path.read_bytes().rstrip()
    except OSError as error:
        raise PrivacyError(
            f"The key file {path} cannot be read: {error.strerror}.",
            f"无法读取密钥文件 {path}：{why(error)[1]}。",
        ) from None
    if stat.S_IMODE(mode) & 0o077:
        raise PrivacyError(
            f"The key file {path} is open to other users (mode {stat.S_IMODE(mode):04o}); "
            f"close it with: chmod 600 {path}",
            f"密钥文件 {path} 对其他用户开放（权限 {stat.S_IMODE(mode):04o}）；"
            f"请执行：chmod 600 {path}",
        )
    if len(secret) < LEAST_SECRET:
        raise PrivacyError(
            f"The key file {path} holds {len(secret)} bytes; a key has at least {LEAST_SECRET}. "
            "Put back the whole file; a new key cannot read the data written with the old one.",
            f"密钥文件 {path} 只有 {len(secret)} 字节，密钥至少 {LEAST_SECRET} 字节。"
            "请恢复完整的文件；新密钥无法读取旧数据。",
        )
    return secret
