"""Everything this project raises on purpose.

* CimError
  - NotFound           nothing goes by that id
  - Gone               it was there and is not kept any more
  - InvalidQuery       the caller asked for something malformed
    + TooLarge         the caller sent more than is read
    + Conflict         what is there already, or not yet, stands against it
    + Outdated         what is to be changed is not what the caller has seen
    + NoCondition      the caller does not say which version is to be changed
    + BadPassword      a new password is against the rules
    + BadParameter     a parameter that a standard describes is malformed, or is none of its own
  - NotAllowed         the caller lacks the role, or named no purpose
    + UnknownKey       the key is not known, or no longer valid
  - TooMany            the caller asks more often than is allowed
  - NoRoom             the service keeps no more for now
  - BadSetting         a setting has a value that it cannot have
  - SourceError        a file is not what it claims to be
    + UnknownFormat    no reader for that ending
    + MissingCrs       coordinates without a coordinate system
    + BadMapping       a column or field that does not exist, or a required one missing
  - StoreError         the database said no
    + StoreMissing     no PostgreSQL or no PostGIS on this machine, or none at that address
    + StoreVersion     the database is newer or older than the program can use
    + StoreLocale      a character type under which Chinese cannot be searched
    + StoreFull        no room on the disk
    + StoreBusy        the database did not answer in time
  - NeighbourError     another service, which this one asks, does not answer
  - PrivacyError       the key for personal data is missing, open to others, or another one
  - TilingError        a tileset could not be written

Every error carries one sentence in English and one in Chinese, both fit to show a user, and
none carries personal data.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager


class CimError(Exception):
    """Base of every deliberate error; `str()` is the English sentence, `zh` the Chinese one."""

    def __init__(self, en: str, zh: str = "") -> None:
        """Keep both sentences; `zh` falls back to the English one."""
        super().__init__(en)
        self.zh = zh or en


@contextmanager
def told_as_interrupt() -> Iterator[None]:
    """An error that only followed from Ctrl-C is told as Ctrl-C: KeyboardInterrupt.

    A connection that is cut off amid a statement refuses the rollback, and that error would hide
    what the user did.
    """
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, KeyboardInterrupt):
            cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        if cause is None:
            raise
        raise KeyboardInterrupt from error


_WHY = {
    errno.ENOENT: "文件不存在",
    errno.EACCES: "没有权限",
    errno.EPERM: "没有权限",
    errno.EROFS: "磁盘为只读",
    errno.ENOSPC: "磁盘空间不足",
    errno.EDQUOT: "磁盘配额已满",
    errno.EFBIG: "超过允许的文件大小",
    errno.EIO: "磁盘读写错误",
    errno.ELOOP: "符号链接循环",
    errno.ENAMETOOLONG: "文件名过长",
    errno.EISDIR: "它是文件夹",
    errno.ENOTDIR: "路径中有一段不是文件夹",
    errno.EEXIST: "已存在",
    errno.EMFILE: "打开的文件过多",
    errno.ENOMEM: "内存不足",
    errno.EBUSY: "正被其他程序使用",
}


def why(error: OSError) -> tuple[str, str]:
    """What the system said of a file, in English and in Chinese; never a path.

    >>> why(OSError(errno.ENOSPC, "No space left on device"))
    ('No space left on device', '磁盘空间不足')
    """
    en = error.strerror or type(error).__name__
    return en, _WHY.get(error.errno or 0, en)


class NotFound(CimError):
    """Nothing goes by that id."""


class Gone(CimError):
    """It was there, and is not kept any more."""


class InvalidQuery(CimError):
    """The caller asked for something malformed."""


class TooLarge(InvalidQuery):
    """The caller sent more than is read."""


class Conflict(InvalidQuery):
    """What is there already, or not yet, stands against it."""


class BadParameter(InvalidQuery):
    """A parameter that a standard describes is malformed, or is none of its own."""


class Outdated(InvalidQuery):
    """What is to be changed is not any more what the caller has seen."""


class NoCondition(InvalidQuery):
    """The caller does not say which version is to be changed."""


class BadPassword(InvalidQuery):
    """A new password is against the rules."""


class TooMany(CimError):
    """The caller asks more often than is allowed; `seconds` is how long to wait."""

    def __init__(self, en: str, zh: str = "", seconds: float = 1) -> None:
        """Keep the wait beside the sentences."""
        super().__init__(en, zh)
        self.seconds = seconds


class NoRoom(CimError):
    """The service keeps no more for now."""


class NotAllowed(CimError):
    """The caller lacks the role, or named no purpose."""


class UnknownKey(NotAllowed):
    """The key is not known, or no longer valid."""


class BadSetting(CimError):
    """A setting has a value that it cannot have."""


class SourceError(CimError):
    """A file is not what it claims to be."""


class UnknownFormat(SourceError):
    """No reader for that ending."""


class MissingCrs(SourceError):
    """Coordinates without a coordinate system."""


class BadMapping(SourceError):
    """A column or field that does not exist, or a required one that is missing."""


class StoreError(CimError):
    """The database said no."""


class StoreMissing(StoreError):
    """No PostgreSQL or no PostGIS on this machine, or none at that address."""


class StoreVersion(StoreError):
    """The database is newer or older than the program can use."""


class StoreLocale(StoreError):
    """A character type under which Chinese cannot be searched."""


class StoreFull(StoreError):
    """No room on the disk."""


class PrivacyError(CimError):
    """The key for personal data is missing, open to others, or not the right one."""


class NeighbourError(CimError):
    """Another service, which this one asks, does not answer."""


class StoreBusy(StoreError):
    """The database did not answer in time."""


class TilingError(CimError):
    """A tileset could not be written."""
