"""The key file: made at first need, readable by its owner alone, never in the database.

While keys are changed it holds two, a line each: the first seals, both open.  Programs that run
meanwhile look whether it is another file than the one they read.
"""

import os
import re
import secrets
import stat
from pathlib import Path

from cim.errors import PrivacyError, why
from cim.privacy.vault import LEAST_SECRET, Key, Vault
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
    return FileVault(path)


class FileVault(Vault):
    """The vault of a key file, as the file is now."""

    def __init__(self, path: Path) -> None:
        """Raises PrivacyError as `read_keys` does."""
        self.path = path
        self._read = _stamp(path)
        super().__init__(*read_keys(path))

    def _keys(self) -> tuple[Key, ...]:
        stamp = _stamp(self.path)
        if stamp not in (None, self._read):
            self._known = Vault(*read_keys(self.path))._known
            self._read = stamp
        return self._known


def _stamp(path: Path) -> tuple[int, int] | None:
    """What tells whether a file is another; None where it cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def make_key(path: Path) -> None:
    """Write a new random key, mode 0600; the whole file appears at once.

    When two programs do it at the same time one of them wins and both use its key.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = _written(path, [new_secret()])
    try:
        os.link(fresh, path)
    except FileExistsError:
        return
    finally:
        fresh.unlink()


def new_secret() -> bytes:
    """A random secret as a key file has it: 64 hexadecimal digits."""
    return secrets.token_hex(LEAST_SECRET).encode()


def replace_keys(path: Path, keys: list[bytes]) -> None:
    """Put other keys into the file, at once: whoever reads it finds the old ones or these."""
    os.replace(_written(path, keys), path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _written(path: Path, keys: list[bytes]) -> Path:
    """A file beside that one, on the disk for good, with these keys; mode 0600."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(b"".join(key + b"\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    return fresh


def read_keys(path: Path) -> list[bytes]:
    """The keys in a file, the one that seals first; PrivacyError as `read_key` raises it."""
    whole = read_key(path)
    lines = whole.split(b"\n")
    return lines if all(map(_KEY.fullmatch, lines)) else [whole]


_KEY = re.compile(rb"[0-9a-f]{64}")
"""A key as this program makes it; a file with anything else is one key, whatever is in it."""


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
