"""The broker that comes with a city of one's own: a private Mosquitto in the data folder.

Made when it is first asked for and started when it is not up, as the embedded PostGIS is; a real
deployment names its own by CIM_MQTT_URL. Who may connect is in a file of salted hashes, made from
the keys of devices: each may publish below `cim/v1/` and its own name, and read its own receipts.
Debian's own service is neither used nor touched.
"""

import base64
import hashlib
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from cim.errors import NeighbourError, StoreMissing
from cim.feeds import receipts
from cim.feeds.decoders.own import ROOT
from cim.feeds.holding import EACH
from cim.settings import Settings
from cim.store.server import embedded

PROGRAM: Final = "mosquitto"
PLACES: Final = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin")

USER: Final = "cim-ingest"
"""Who takes messages in, and may read and publish everything."""

SENSORTHINGS: Final = "cim-sensorthings"
"""Who speaks SensorThings for the whole city: trusted as the role `devices` is over HTTP."""

ROUNDS: Final = 101
"""Rounds of PBKDF2: what is hashed are 32 random bytes, which nobody can try."""

MOST: Final = 2 << 30
"""Bytes of memory for what waits: `cim.feeds.holding` lets no device in beyond, as a queue that is
full drops what the broker acknowledges. An eighth of the machine's memory, where that is less."""

BEYOND: Final = 4
"""How much more the queues take, as all that waits is told of every few seconds only."""

TOLD: Final = 2
"""Seconds between two words of the broker about itself."""

LARGEST: Final = 4 << 20
"""Bytes of a packet."""

PATIENCE: Final = 20.0
"""Seconds that it may take to come up, or to end."""


class Running(msgspec.Struct, frozen=True):
    """A broker that is up: where it is, and how we are let in."""

    pid: int
    host: str
    port: int
    password: str

    @property
    def url(self) -> str:
        """Where the ingester connects."""
        return f"mqtt://{USER}:{self.password}@{self.host}:{self.port}"


_CHILDREN: Final[dict[int, "subprocess.Popen[bytes]"]] = {}
"""Those that this process started, which it hears of when they end."""


def most() -> int:
    """Bytes of memory for what waits on this machine."""
    return min(MOST, psutil.virtual_memory().total // 8)


def hashed(password: str, salt: bytes | None = None) -> str:
    """A password as Mosquitto keeps it: PBKDF2 with SHA-512.

    >>> hashed("secret", b"twelve bytes")[:24]
    '$7$101$dHdlbHZlIGJ5dGVz$'
    """
    salt = salt or secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS, 64)
    return f"$7${ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def running(settings: Settings) -> Running | None:
    """The broker of these settings, if it is up."""
    try:
        found = msgspec.json.decode((folder(settings) / "running.json").read_bytes(), type=Running)
        process = psutil.Process(found.pid)
        is_it = process.name() == PROGRAM and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, msgspec.DecodeError, psutil.Error):
        return None
    return found if is_it else None


def ensure(settings: Settings) -> tuple[Running, bool]:
    """The broker, up; and whether it was this call that started it."""
    with _alone(settings):
        found = running(settings)
        if found is not None:
            return found, False
        return _start(settings), True


def end(settings: Settings) -> bool:
    """End the broker, which saves what it holds; whether it was up."""
    with _alone(settings):
        found = running(settings)
        if found is None:
            return False
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(found.pid)
            process.terminate()
            try:
                process.wait(PATIENCE)
            except psutil.TimeoutExpired:
                process.kill()
        if found.pid in _CHILDREN:
            _CHILDREN.pop(found.pid).wait()
        (folder(settings) / "running.json").unlink(missing_ok=True)
        return True


def let_in(settings: Settings, users: Iterable[tuple[str, str]], *, shut: bool = False) -> bool:
    """Have these users known, by name and hash, and no others; whether that is anything new.

    Whoever is no longer known is put out. With `shut` nobody is known but who takes messages in.
    """
    with _alone(settings):
        found = running(settings)
        if found is None:
            return False
        ours = _ours(folder(settings), found.password)
        lines = ours[:1] if shut else ours
        lines += [f"{name}:{word}" for name, word in users]
        path = folder(settings) / "passwords"
        told = "\n".join(lines) + "\n"
        if path.exists() and path.read_text("utf-8") == told:
            return False
        _write(path, told)
        os.kill(found.pid, signal.SIGHUP)
        return True


def folder(settings: Settings) -> Path:
    """Where it keeps what it holds; elsewhere where its user cannot enter root's data folder."""
    usual = settings.data_dir / "broker"
    if os.geteuid() != 0:
        return usual
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    account = _account()
    entering = subprocess.run(
        ["test", "-x", settings.data_dir],
        cwd="/",
        check=False,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
    )
    if entering.returncode == 0:
        return usual
    digest = hashlib.sha256(os.fsencode(settings.data_dir)).hexdigest()[:12]
    return embedded.ELSEWHERE / digest / "broker"


def _account() -> pwd.struct_passwd:
    """Whom root runs it as."""
    try:
        return pwd.getpwnam(PROGRAM)
    except KeyError:
        raise _missing() from None


def _missing() -> StoreMissing:
    return StoreMissing(
        "there is no Mosquitto on this machine; on Debian: sudo apt-get install mosquitto "
        "(or name a broker by CIM_MQTT_URL)",
        "本机没有 Mosquitto；Debian 上请运行：sudo apt-get install mosquitto"
        "（或用 CIM_MQTT_URL 指定消息代理）",
    )


def _salt(password: str) -> bytes:
    """The same for the same password, so that the file stays as it is."""
    return hashlib.sha256(password.encode()).digest()[:12]


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """One at a time."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (settings.data_dir / "broker.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        yield


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file at once, for the broker's user alone."""
    fresh = path.with_name(path.name + ".new")
    fresh.touch(mode)
    fresh.chmod(mode)
    fresh.write_text(text, "utf-8")
    if os.geteuid() == 0:
        account = _account()
        os.chown(fresh, account.pw_uid, account.pw_gid)
    fresh.replace(path)


def _start(settings: Settings) -> Running:
    program = shutil.which(PROGRAM, path=os.pathsep.join((os.environ.get("PATH", ""), *PLACES)))
    if program is None:
        raise _missing()
    home = folder(settings)
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    if os.geteuid() == 0:
        account = _account()
        os.chown(home, account.pw_uid, account.pw_gid)
    host, _, wished = settings.mqtt_listen.rpartition(":")
    port = int(wished) or _former(home) or _free(host)
    _see_free(host, port)
    password = _password(home)
    # No device yet: it has forgotten who shares a topic, and would acknowledge and drop all that
    # comes before they are here again.
    _write(home / "passwords", "\n".join(_ours(home, password)) + "\n")
    _write(home / "acl", _ACL)
    _write(home / "mosquitto.conf", _configuration(home, host, port))
    log = (home / "log").open("ab")
    process = subprocess.Popen(
        [program, "-c", home / "mosquitto.conf"],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        start_new_session=True,
    )
    log.close()
    found = Running(process.pid, host, port, password)
    _await(found, process, home)
    for pid in [pid for pid, one in _CHILDREN.items() if one.poll() is not None]:
        del _CHILDREN[pid]  # those that died
    _CHILDREN[process.pid] = process
    path = home / "running.json"
    path.touch(0o600)
    path.chmod(0o600)
    path.write_bytes(msgspec.json.encode(found))
    return found


def sensorthings(settings: Settings) -> str:
    """Where programs connect that speak SensorThings for the whole city, with what lets them in."""
    found, _ = ensure(settings)
    word = _password(folder(settings), "password-sensorthings")
    return f"mqtt://{SENSORTHINGS}:{word}@{found.host}:{found.port}"


def _ours(home: Path, password: str) -> list[str]:
    """Who is always known, by name and hash."""
    words = ((USER, password), (SENSORTHINGS, _password(home, "password-sensorthings")))
    return [f"{name}:{hashed(word, _salt(word))}" for name, word in words]


def _password(home: Path, name: str = "password") -> str:
    """One of ours, made once."""
    path = home / name
    if not path.exists():
        path.touch(0o600)
        path.write_text(secrets.token_urlsafe(32), "utf-8")
    return path.read_text("utf-8")


_ACL: Final = f"""\
user {USER}
topic readwrite #
topic read $SYS/broker/log/M/#
topic read $SYS/broker/store/messages/#
topic read $SYS/broker/publish/messages/dropped

user {SENSORTHINGS}
topic readwrite v1.1/#

pattern write {ROOT}%u/#
pattern read {receipts.ROOT}%u
"""


def _configuration(home: Path, host: str, port: int) -> str:
    """What it is told; values are the rest of their line."""
    said: dict[str, Any] = {
        "per_listener_settings": "false",
        "allow_anonymous": "false",
        "password_file": home / "passwords",
        "acl_file": home / "acl",
        "persistence": "true",
        "persistence_location": f"{home}/",
        "persistent_client_expiration": "14d",
        "autosave_interval": 5,  # seconds that a broker may forget that is killed
        "max_inflight_messages": 0,  # as many as the client says: twenty would be twenty a commit
        "max_queued_messages": BEYOND * most() // EACH,
        "max_queued_bytes": BEYOND * most(),
        "sys_interval": TOLD,
        "max_packet_size": LARGEST,
        "set_tcp_nodelay": "true",
        "log_dest": "stdout",
        "log_type": "error\nlog_type subscribe\nlog_type unsubscribe\nlog_dest topic",
        "listener": f"{port} {host}",
    }
    if os.geteuid() == 0:
        said["user"] = _account().pw_name
    return "".join(f"{name} {value}\n" for name, value in said.items())


def _former(home: Path) -> int:
    """The port of the one that died here, where devices still look for it; 0 without one."""
    try:
        return msgspec.json.decode((home / "running.json").read_bytes(), type=Running).port
    except (OSError, msgspec.DecodeError):
        return 0


def _see_free(host: str, port: int) -> None:
    """Raise NeighbourError where somebody else listens there already."""
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        raise NeighbourError(
            f"our own broker cannot listen at {host}:{port} ({error.strerror}): name another "
            "place by CIM_MQTT_LISTEN, or a broker by CIM_MQTT_URL",
            f"自带消息代理无法监听 {host}:{port}（{error.strerror}）：请用 CIM_MQTT_LISTEN "
            "另选地址，或用 CIM_MQTT_URL 指定消息代理",
        ) from error


def _free(host: str) -> int:
    with socket.create_server((host, 0)) as one:
        port: int = one.getsockname()[1]
        return port


def _await(found: Running, process: "subprocess.Popen[bytes]", home: Path) -> None:
    """Wait until it listens; what it says where it does not."""
    last = time.monotonic() + PATIENCE
    while time.monotonic() < last:
        if process.poll() is not None:
            break
        with suppress(OSError), socket.create_connection((found.host, found.port), 1):
            return
        time.sleep(0.05)
    process.kill()
    process.wait()
    said = (home / "log").read_bytes()[-400:].decode("utf-8", "replace").strip()
    words = json.dumps(said.splitlines()[-1:], ensure_ascii=False)
    raise NeighbourError(
        f"the broker does not start at {found.host}:{found.port}: {words}",
        f"消息代理无法在 {found.host}:{found.port} 启动：{words}",
    )
