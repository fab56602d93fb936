"""The embedded server's configuration, scaled to the machine."""

import os
import select
from pathlib import Path

import psutil

_MIB = 1024**2

_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory() -> int:
    """Bytes of memory this machine, or the container we are in, has."""
    limits = [psutil.virtual_memory().total]
    for name in _CGROUPS:
        try:
            limits.append(int(Path(name).read_text()))
        except (OSError, ValueError):
            continue
    return min(limits)


def configuration(total: int, cores: int, sockets: Path, shared: int) -> dict[str, str]:
    """Server settings for `total` bytes of memory, `cores`, and `shared` bytes in /dev/shm.

    The proportions are those measured at 24 GiB, where max_wal_size is 4 GB.  What the server
    keeps of tables for itself has a limit, so that a large load stays within 1.5 GB of memory with
    all its processes; the operating system keeps the rest.

    >>> made = configuration(24 * 1024**3, 8, Path("/run/x"), 1024**3)
    >>> made["shared_buffers"], made["max_wal_size"], made["work_mem"]
    ('768MB', '4096MB', '64MB')
    >>> configuration(1024**3, 1, Path("/run/x"), 64 * 1024**2)["shared_buffers"]
    '170MB'
    """

    def share(of: int, least: int, most: int) -> str:
        return f"{min(max(total // _MIB // of, least), most)}MB"

    return {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
        "port": "5432",
        "max_connections": "100",
        "shared_buffers": share(6, 64, 768),
        "effective_cache_size": share(2, 256, 1024**2),
        "work_mem": share(256, 8, 64),
        "maintenance_work_mem": share(16, 64, 1024),
        "max_wal_size": share(6, 512, 4096),
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "max_worker_processes": str(max(cores, 4)),
        "max_parallel_workers": str(cores),
        # A container's /dev/shm is often 64 MB, too little for a parallel query.
        "dynamic_shared_memory_type": "posix" if shared >= 256 * _MIB else "mmap",
        "fsync": "on",
        "synchronous_commit": "on",
        "timezone": "UTC",
        "log_timezone": "UTC",
        # One file a weekday, each overwritten a week later.
        "logging_collector": "on",
        "log_directory": "log",
        "log_filename": "postgresql-%a.log",
        "log_rotation_age": "1d",
        "log_rotation_size": "0",
        "log_truncate_on_rotation": "on",
        # Statements and the errors they cause may quote a row, and the row may be somebody's.
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "lc_messages": "C",
        "cluster_name": "cimtwin",
    }


def here(sockets: Path, *, lz4: bool) -> dict[str, str]:
    """Server settings for this machine, and a server built with LZ4 or without."""
    try:
        space = os.statvfs("/dev/shm")
        shared = space.f_frsize * space.f_blocks
    except OSError:
        shared = 0
    made = configuration(memory(), os.cpu_count() or 1, sockets, shared)
    made["wal_compression"] = "lz4" if lz4 else "on"
    if hasattr(select, "POLLRDHUP"):  # what a killed load had begun ends with it, and its locks
        made["client_connection_check_interval"] = "2s"
    return made


def as_file(settings: dict[str, str]) -> str:
    """The text of a PostgreSQL configuration file.

    >>> print(as_file({"port": "5432"}), end="")
    # Written by cim at every start of the server.
    port = '5432'
    """
    lines = [
        f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items()
    ]
    return "# Written by cim at every start of the server.\n" + "".join(lines)
