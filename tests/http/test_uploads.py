"""Sending files by tus 1.0: what broke off is gone on with, and nothing leaves its folder."""

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from api.app import create_app
from api.serving.bodies import Limits
from cim.intake import uploads
from cim.settings import Settings
from tests.accounts import PASSWORD, add_key, add_person, end_key

BYTES = "application/offset+octet-stream"
Headers = dict[str, str]


def metadata(**values: str) -> str:
    return ",".join(
        f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items()
    )


@pytest.fixture
def tus(key: Callable[..., Headers]) -> Headers:
    return key("data-office") | {"Tus-Resumable": "1.0.0"}


@pytest.fixture
def group() -> str:
    return str(uuid4())


def announce(client: TestClient, tus: Headers, group: str, name: str, size: int) -> Response:
    said = {"Upload-Length": str(size), "Upload-Metadata": metadata(filename=name, group=group)}
    return client.post("/uploads", headers=tus | said)


def send(
    client: TestClient, tus: Headers, address: str, content: bytes, offset: int = 0
) -> Response:
    told = {"Upload-Offset": str(offset), "Content-Type": BYTES}
    return client.patch(address, headers=tus | told, content=content)


def test_a_file_arrives_in_pieces(
    client: TestClient, city: Settings, tus: Headers, group: str
) -> None:
    made = announce(client, tus, group, "东城 楼栋.csv", 11)
    assert made.status_code == 201
    address = made.headers["location"]
    assert made.headers["upload-offset"] == "0"

    first = send(client, tus, address, b"hello ")
    assert (first.status_code, first.headers["upload-offset"]) == (204, "6")
    assert first.headers["tus-resumable"] == "1.0.0"
    head = client.head(address, headers=tus)
    assert (head.status_code, head.content) == (200, b"")
    assert (head.headers["upload-offset"], head.headers["upload-length"]) == ("6", "11")
    assert head.headers["cache-control"] == "no-store"
    assert not client.get(address, headers=tus).json()["complete"]

    assert send(client, tus, address, b"world", 6).status_code == 204
    told = client.get(address, headers=tus).json()
    assert (told["file"], told["offset"], told["complete"]) == ("东城 楼栋.csv", 11, True)
    folder = city.uploads_dir / group
    assert [path.name for path in folder.iterdir()] == ["东城 楼栋.csv"]
    assert (folder / "东城 楼栋.csv").read_bytes() == b"hello world"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert city.uploads_dir.stat().st_mode & 0o777 == 0o700
    assert (folder / "东城 楼栋.csv").stat().st_mode & 0o777 == 0o600


def test_a_file_of_no_bytes_is_whole_at_once(client: TestClient, tus: Headers, group: str) -> None:
    address = announce(client, tus, group, "empty.csv", 0).headers["location"]
    assert client.get(address, headers=tus).json()["complete"]
    assert client.head(address, headers=tus).headers["upload-offset"] == "0"


def test_what_the_uploads_can_do_is_told_without_a_key(client: TestClient, city: Settings) -> None:
    able = client.options("/uploads")
    assert able.status_code == 204
    assert able.headers["tus-version"] == "1.0.0"
    assert able.headers["tus-extension"] == "creation,expiration,termination"
    assert able.headers["tus-max-size"] == "20000000000"


def test_only_a_data_officer_sends_files(
    client: TestClient, key: Callable[..., Headers], group: str
) -> None:
    tus = {"Tus-Resumable": "1.0.0"}
    assert announce(client, tus, group, "a.csv", 1).status_code == 401
    refused = announce(client, tus | key("housing-desk"), group, "a.csv", 1)
    assert refused.status_code == 403
    assert "intake" in refused.json()["detail"]
    assert "intake" in refused.json()["detail_zh"]


def test_nothing_is_written_before_the_key_is_known(
    client: TestClient, city: Settings, tus: Headers, key: Callable[..., Headers], group: str
) -> None:
    address = announce(client, tus, group, "a.csv", 5).headers["location"]
    stranger = {"Tus-Resumable": "1.0.0"}
    assert send(client, stranger, address, b"12345").status_code == 401
    other = stranger | key("other-office")
    assert send(client, other, address, b"12345").status_code == 404
    assert client.head(address, headers=other).status_code == 404
    assert client.delete(address, headers=other).status_code == 404
    assert client.get("/uploads", params={"group": group}, headers=other).json() == {"uploads": []}
    assert client.head(address, headers=tus).headers["upload-offset"] == "0"


def test_a_group_belongs_to_whoever_made_it(
    client: TestClient, tus: Headers, key: Callable[..., Headers], group: str
) -> None:
    announce(client, tus, group, "a.shp", 5)
    other = {"Tus-Resumable": "1.0.0"} | key("other-office")
    assert announce(client, other, group, "a.dbf", 5).status_code == 409


def test_who_takes_over_a_name_does_not_take_over_the_files(
    client: TestClient, city: Settings, engine: Engine, group: str
) -> None:
    add_key(engine, "survey", "key-survey", ["intake"])
    tus = {"Tus-Resumable": "1.0.0"}
    first = tus | {"Authorization": "Bearer key-survey"}
    address = announce(client, first, group, "a.csv", 5).headers["location"]
    send(client, first, address, b"a,b\n1")
    end_key(engine, "survey")
    add_person(engine, "survey", "intake")
    with TestClient(create_app(city)) as page:
        signed = page.post("/session", json={"name": "survey", "password": PASSWORD})
        page.headers["X-CSRF-Token"] = signed.json()["csrf"]
        assert page.get("/session").json()["actor"] == "survey"
        assert page.get(address).status_code == 404
        assert page.delete(address, headers=tus).status_code == 404
        assert page.get("/uploads", params={"group": group}).json() == {"uploads": []}
        assert announce(page, tus, group, "b.csv", 5).status_code == 409
        asked = {"group": group, "file": "a.csv", "kind": "buildings"}
        assert page.post("/imports", json=asked).status_code == 404
    assert (city.uploads_dir / group / "a.csv").read_bytes() == b"a,b\n1"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE platform.upload SET group_name = '../../..' WHERE group_name = :group",
        "UPDATE platform.upload SET file = '../a.csv' WHERE group_name = :group",
        "UPDATE platform.upload SET file = '.a.csv' WHERE group_name = :group",
        "UPDATE platform.upload SET name = '../a' WHERE group_name = :group",
        "INSERT INTO platform.intake (upload, file, kind, request, dry_run, actor, owner)"
        " VALUES (:group, '/etc/passwd', 'buildings', '{}', true, 'x', 'key:1')",
        "INSERT INTO platform.intake (upload, file, kind, request, dry_run, actor, owner)"
        " VALUES ('../' || :group, 'a.csv', 'buildings', '{}', true, 'x', 'key:1')",
    ],
)
def test_what_takes_files_cannot_write_a_name_that_leads_elsewhere(
    client: TestClient, tus: Headers, group: str, statement: str
) -> None:
    announce(client, tus, group, "a.csv", 5)
    with (
        client.app.state.intake_engine.begin() as connection,
        pytest.raises(IntegrityError, match="ck_"),
    ):
        assert connection.execute(text(statement), {"group": group}).rowcount


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("../../../etc/passwd", "passwd"),
        ("..\\..\\windows\\楼栋.SHP", "楼栋.SHP"),
        ("C:\\数据\\楼栋.shp", "楼栋.shp"),
        (".hidden.csv", "hidden.csv"),
        ("a\x00b\n.csv", "ab.csv"),
        ("'; DROP TABLE platform.upload; --.csv", "'; DROP TABLE platform.upload; --.csv"),
        ("楼" * 300 + ".csv", "楼" * 66 + ".csv"),
    ],
)
def test_a_name_never_leaves_its_folder(
    client: TestClient, city: Settings, tus: Headers, group: str, asked: str, kept: str
) -> None:
    address = announce(client, tus, group, asked, 1).headers["location"]
    assert send(client, tus, address, b"x").status_code == 204
    assert [path.name for path in (city.uploads_dir / group).iterdir()] == [kept]


@pytest.mark.parametrize("name", ["", "..", "/", "...", "\x00"])
def test_a_name_of_nothing_is_refused(
    client: TestClient, tus: Headers, group: str, name: str
) -> None:
    assert announce(client, tus, group, name, 1).status_code == 422


@pytest.mark.parametrize(
    "group", ["../../etc", "a/b/c/d/e/f", ".", "short", "x" * 65, "组组组组组组组组", ""]
)
def test_a_group_is_never_a_path(client: TestClient, tus: Headers, group: str) -> None:
    assert announce(client, tus, group, "a.csv", 1).status_code == 422


@pytest.mark.parametrize("said", ["filename !!!", "filename", "x" * 5000, "filename 5qW8gA=="])
def test_odd_metadata_are_refused(client: TestClient, tus: Headers, said: str) -> None:
    answer = client.post("/uploads", headers=tus | {"Upload-Length": "1", "Upload-Metadata": said})
    assert answer.status_code == 422
    assert answer.json()["detail_zh"]


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "99999999999999999999"])
def test_an_odd_length_is_refused(
    client: TestClient, tus: Headers, group: str, length: str
) -> None:
    said = {"Upload-Length": length, "Upload-Metadata": metadata(filename="a.csv", group=group)}
    assert client.post("/uploads", headers=tus | said).status_code == 422


@pytest.mark.parametrize("offset", ["-1", "x", "1e3", "99999999999999999999"])
def test_an_offset_that_is_no_number_of_bytes_is_refused(
    client: TestClient, tus: Headers, group: str, offset: str
) -> None:
    address = announce(client, tus, group, "a.csv", 5).headers["location"]
    told = {"Upload-Offset": offset, "Content-Type": BYTES}
    assert client.patch(address, headers=tus | told, content=b"hello").status_code == 422
    assert client.head(address, headers=tus).headers["upload-offset"] == "0"


@pytest.mark.parametrize("offset", [0, 3, 5, 999])
def test_bytes_go_on_only_where_the_file_ends(
    client: TestClient, tus: Headers, group: str, offset: int
) -> None:
    address = announce(client, tus, group, "a.csv", 2000).headers["location"]
    send(client, tus, address, b"1234")
    refused = send(client, tus, address, b"56", offset)
    assert refused.status_code == 409
    assert client.head(address, headers=tus).headers["upload-offset"] == "4"


def test_more_than_was_announced_is_refused_and_not_kept(
    client: TestClient, tus: Headers, group: str
) -> None:
    address = announce(client, tus, group, "a.csv", 5).headers["location"]
    send(client, tus, address, b"123")
    assert send(client, tus, address, b"4567", 3).status_code == 413
    chunked = {"Upload-Offset": "3", "Content-Type": BYTES}
    told = client.patch(address, headers=tus | chunked, content=iter([b"45", b"67"]))
    assert told.status_code == 413
    assert client.head(address, headers=tus).headers["upload-offset"] == "3"
    assert send(client, tus, address, b"45", 3).status_code == 204


def test_another_version_or_type_is_refused(client: TestClient, tus: Headers, group: str) -> None:
    address = announce(client, tus, group, "a.csv", 5).headers["location"]
    old = send(client, tus | {"Tus-Resumable": "0.2.2"}, address, b"1")
    assert (old.status_code, old.headers["tus-version"]) == (412, "1.0.0")
    told = client.patch(address, headers=tus | {"Upload-Offset": "0"}, content=b"1")
    assert told.status_code == 415
    assert client.head(address, headers=tus).headers["upload-offset"] == "0"


def test_a_name_is_taken_once_in_a_group(client: TestClient, tus: Headers, group: str) -> None:
    address = announce(client, tus, group, "a.csv", 5).headers["location"]
    assert announce(client, tus, group, "a.csv", 5).status_code == 409
    assert client.delete(address, headers=tus).status_code == 204
    assert client.head(address, headers=tus).status_code == 404
    assert announce(client, tus, group, "a.csv", 5).status_code == 201


def test_a_deleted_file_is_gone(
    client: TestClient, city: Settings, tus: Headers, group: str
) -> None:
    address = announce(client, tus, group, "a.csv", 2).headers["location"]
    send(client, tus, address, b"12")
    assert client.delete(address, headers=tus).status_code == 204
    assert not (city.uploads_dir / group).exists()


def test_a_file_too_large_is_refused_before_it_is_sent(
    client: TestClient, tus: Headers, group: str
) -> None:
    refused = announce(client, tus, group, "a.csv", 30 * uploads.GIGABYTE)
    assert refused.status_code == 413
    assert "cim load" in refused.json()["detail"]


def test_a_group_holds_some_files_and_no_more(client: TestClient, tus: Headers, group: str) -> None:
    for number in range(uploads.MOST_FILES):
        assert announce(client, tus, group, f"{number}.csv", 1).status_code == 201
    refused = announce(client, tus, group, "more.csv", 1)
    assert refused.status_code == 507


def test_a_symbolic_link_in_the_way_is_not_followed(
    client: TestClient, city: Settings, tus: Headers, group: str, tmp_path: Path
) -> None:
    address = announce(client, tus, group, "a.csv", 3).headers["location"]
    part = next((city.uploads_dir / group).iterdir())
    target = tmp_path / "target"
    target.write_bytes(b"")
    part.unlink()
    part.symlink_to(target)
    assert send(client, tus, address, b"abc").status_code >= 400
    assert target.read_bytes() == b""


def test_a_body_that_never_comes_is_not_waited_for() -> None:
    async def silent() -> Any:
        await asyncio.sleep(60)

    async def unreached(*_: Any) -> None:
        raise AssertionError("it ran on half a body")

    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    scope = {"type": "http", "method": "POST", "path": "/imports", "headers": []}
    asyncio.run(Limits(unreached, patience=0.05)(scope, silent, send))
    assert said[0]["status"] == 408
