"""Tilesets in a real object store (SeaweedFS), opened by somebody without a key."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import obstore
import pytest
from click.testing import CliRunner
from obstore.store import S3Store
from sqlalchemy import Engine, text

from cim import derive
from cim.cli import main
from cim.errors import TilingError
from cim.settings import Settings
from tests.squares import insert
from tiling.check.tileset import check
from tiling.city.layers import BUILDINGS, LAYERS
from tiling.out import bucket
from tiling.out.export import Tileset, chosen
from tiling.run.build import build

SIDE = 60
KEYS = {
    "identities": [
        {
            "name": "writer",
            "credentials": [{"accessKey": "writer", "secretKey": "secret"}],
            "actions": ["Admin", "Read", "Write", "List"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": "reader", "secretKey": "secret"}],
            "actions": ["Read", "List"],
        },
        {"name": "anonymous", "actions": ["Read"]},
    ]
}
"""Who may do what in the store."""

PARTS = ("master", "volume", "filer", "s3")
"""What the store is made of; each has ports of its own."""


@pytest.fixture(scope="module")
def city(engine: Engine, settings: Settings) -> Settings:
    """Blocks in a square, in both tilesets."""
    insert(engine, SIDE)
    with engine.begin() as connection:
        derive.run(connection, settings)
    for layer in LAYERS.values():
        build(settings, engine, layer)
    return settings


def free(count: int) -> list[int]:
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in taken]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an object store of the module's own."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "keys.json").write_text(json.dumps(KEYS))
    names = [f"{part}.port{kind}" for part in PARTS for kind in ("", ".grpc")]
    names += ["s3.port.iceberg", "s3.port.lance"]
    ports = dict(zip(names, free(len(names)), strict=True))
    words = [str(Path(sys.executable).with_name("weed")), "server", "-filer", "-s3"]
    words += [f"-dir={folder}", f"-s3.config={folder / 'keys.json'}"]
    words += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    words += ["-volume.max=8", "-master.volumeSizeLimitMB=64"]
    words += [f"-{name}={port}" for name, port in ports.items()]
    started = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{ports['s3.port']}"
    try:
        end = time.monotonic() + 60
        while not answers(address):
            assert started.poll() is None and time.monotonic() < end, "the store does not answer"
            time.sleep(0.2)
        made = S3Store(
            "city",
            endpoint=address,
            access_key_id="writer",
            secret_access_key="secret",
            client_options={"allow_http": True},
        )
        obstore.put(made, "made", b"")  # this store makes a bucket when it is written to
        yield address
    finally:
        started.kill()
        started.wait()


def answers(address: str) -> bool:
    """Whether the store is there."""
    try:
        return httpx2.get(address).status_code == 403  # it knows its keys by then
    except httpx2.TransportError:
        return False


@pytest.fixture(autouse=True)
def environment(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", store)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "writer")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def test_the_command_brings_all_tilesets_to_where_anyone_can_open_them(
    city: Settings, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIM_DATA_DIR", str(city.data_dir))
    words = ["tile", "export", "all", "--to", "s3://city/tiles"]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0 and "0 were there" in done.output and "个已存在" in done.output
    report = check(f"{store}/city/tiles/tileset.json")
    assert report.faults == [] and report.features > SIDE * SIDE
    for name in LAYERS:
        assert check(f"{store}/city/tiles/{name}/tileset.json").faults == []


def test_every_object_says_what_it_is_and_how_long_it_may_be_kept(
    city: Settings, store: str
) -> None:
    (units,) = chosen(city.tiles_dir, "units")
    bucket.write([units], "s3://city/units")
    for path, kind in (("tileset.json", "application/json"), (tile(units), "model/gltf-binary")):
        answer = httpx2.get(f"{store}/city/units/{units.version}/{path}")
        assert answer.headers["content-type"] == kind
        assert answer.headers["content-encoding"] == "gzip"
        assert "immutable" in answer.headers["cache-control"]
        assert answer.content == units.files[path].read_bytes()
        assert len(units.files[path + ".gz"].read_bytes()) < len(answer.content)
    root = httpx2.get(f"{store}/city/units/tileset.json")
    assert (root.headers["content-type"], root.headers["cache-control"]) == (
        "application/json",
        "no-cache",
    )


def tile(tileset: Tileset) -> str:
    return next(path for path in tileset.contents() if path.endswith(".glb"))


def test_who_looks_in_the_middle_sees_the_old_city_whole_and_the_next_run_goes_on(
    city: Settings, engine: Engine, store: str
) -> None:
    url = f"{store}/city/buildings/tileset.json"
    first = bucket.write(chosen(city.tiles_dir, "buildings"), "s3://city/buildings")
    before = httpx2.get(url).content
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET height = height + 3"))
    build(city, engine, BUILDINGS)

    def broken_off(done: int, total: int) -> None:
        assert total == first.objects - 1
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bucket.write(chosen(city.tiles_dir, "buildings"), "s3://city/buildings", broken_off)
    assert httpx2.get(url).content == before
    assert check(url).faults == []
    rest = bucket.write(chosen(city.tiles_dir, "buildings"), "s3://city/buildings")
    assert rest.stood >= 2 and rest.objects + rest.stood == first.objects
    assert httpx2.get(url).content != before
    assert check(url).faults == []


def versions(store: str, prefix: str) -> set[str]:
    """The folders of versions there are below a prefix."""
    opened = S3Store(
        "city",
        prefix=prefix,
        endpoint=store,
        access_key_id="writer",
        secret_access_key="secret",
        client_options={"allow_http": True},
    )
    paths = [item["path"] for batch in obstore.list(opened) for item in batch]
    return {path.rpartition("/content")[0] for path in paths if "/content/" in path}


def test_a_version_that_was_replaced_stays_for_a_while_and_goes_with_a_later_run(
    city: Settings, engine: Engine, store: str
) -> None:
    def again(keep: float) -> bucket.Written:
        return bucket.write(chosen(city.tiles_dir, "buildings"), "s3://city/kept", keep=keep)

    def raised() -> str:
        with engine.begin() as connection:
            connection.execute(text("UPDATE city.building SET height = height + 1"))
        return build(city, engine, BUILDINGS).version

    (first,) = chosen(city.tiles_dir, "buildings")
    again(2.5)
    second = raised()
    assert again(2.5).removed == ()  # just replaced
    assert versions(store, "kept") == {first.version, second}
    time.sleep(3)
    third = raised()
    assert again(2.5).removed == (first.version,)  # the second is replaced only now
    assert versions(store, "kept") == {second, third}
    assert again(3600).removed == ()
    time.sleep(3)
    done = again(2.5)
    assert done.removed == (second,) and done.objects == 0  # the root stood, and told since when
    assert versions(store, "kept") == {third}
    assert check(f"{store}/city/kept/tileset.json").faults == []
    fourth = raised()
    assert again(0).removed == (third,)
    assert versions(store, "kept") == {fourth}


def test_of_several_tilesets_each_keeps_its_own_versions_and_nothing_else_is_touched(
    city: Settings, engine: Engine, store: str
) -> None:
    buildings, units = (chosen(city.tiles_dir, name)[0] for name in ("buildings", "units"))
    bucket.write([buildings, units], "s3://city/several")
    bucket.write([units], "s3://city/several/other", keep=0)
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET height = height + 2 WHERE id = 1"))
    build(city, engine, BUILDINGS)
    (after,) = chosen(city.tiles_dir, "buildings")
    done = bucket.write([after, units], "s3://city/several", keep=0)
    assert done.removed == (f"buildings/{buildings.version}",)
    assert versions(store, "several") == {
        f"buildings/{after.version}",
        f"units/{units.version}",
        f"other/{units.version}",
    }


@pytest.mark.parametrize(
    ("name", "value", "to", "sentence"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "city/refused", "it does not allow that"),
        ("AWS_ACCESS_KEY_ID", "reader", "city/refused", "it does not allow that"),
        ("AWS_REGION", "us-east-1", "town/refused", "there is no such bucket"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1", "city/x", "it does not answer as it should"),
    ],
)
def test_a_store_that_refuses_is_said(
    city: Settings, monkeypatch: pytest.MonkeyPatch, name: str, value: str, to: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(TilingError) as said:
        bucket.write(chosen(city.tiles_dir, "buildings"), f"s3://{to}")
    assert str(said.value) == f"s3://{to} cannot be written: {sentence}"


def test_without_the_package_it_is_said_which(
    city: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(TilingError, match=r"cimtwin\[s3\]"):
        bucket.write(chosen(city.tiles_dir, "buildings"), "s3://city/none")
