"""Signing in at an OpenID Connect provider, and tokens that it signs.

The provider is the npm package oidc-provider. It runs beside the service; its pages are gone
through as a browser does. Tokens that no honest provider signs are signed here, with its own key.
"""

import hmac
import json
import shutil
import socket
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from re import findall
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy import Engine, text

from api.app import create_app
from api.security import provider as providers
from cim.errors import BadSetting
from cim.settings import Settings

HERE = Path(__file__).parent / "provider"
BACK = "http://testserver/session/elsewhere/back"
AUDIENCE = "https://city.example/api"
CARD = "/units/201/card"


@contextmanager
def running(port: int, key: RSAKey) -> Iterator[None]:
    """A provider that signs with this key."""
    node = shutil.which("node")
    assert node, "node is not on PATH: run the tests by `make test`, or `scripts/node pytest`"
    assert (HERE / "node_modules").exists(), "make .setup/provider"
    process = subprocess.Popen(
        [node, str(HERE / "provider.mjs"), str(port), BACK, json.dumps(key.as_dict(private=True))],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout and process.stdout.readline() == "listening\n"
        yield
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def new_key(name: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": name})


@pytest.fixture(scope="module")
def key() -> RSAKey:
    return new_key("first")


@pytest.fixture(scope="module")
def issuer(key: RSAKey) -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with running(port, key):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def federated(city: Settings, engine: Engine, issuer: str) -> Settings:
    """Settings of a city that trusts the provider."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO city.admin_area (id, code, level, name) "
                "VALUES (6, '441900002', 4, '别镇')"
            )
        )
    return city.model_copy(
        update={
            "oidc_issuer": issuer,
            "oidc_client_id": "cimtwin",
            "oidc_audience": AUDIENCE,
            "oidc_areas_claim": "areas",
            "oidc_roles": {
                "bureau-desk": "residents",
                "bureau-figures": "statistics",
                "boss": "security_admin",
            },
        }
    )


@pytest.fixture
def page(federated: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(federated), follow_redirects=False) as client:
        yield client


def go_through(begun: str, name: str) -> str:
    """Sign in at the provider as a browser does; where it sends the browser back to."""
    with httpx2.Client(timeout=20) as browser:
        address, answer = begun, browser.get(begun)
        for _ in range(12):
            if answer.is_redirect:
                address = urljoin(address, answer.headers["location"])
                if address.startswith(BACK):
                    return address
                answer = browser.get(address)
                continue
            (action,) = findall(r'action="([^"]+)"', answer.text)
            prompt = findall(r'name="prompt" value="(\w+)"', answer.text)[0]
            form = {"prompt": prompt, "login": name, "password": "any"}
            address = urljoin(address, action)
            answer = browser.post(address, data=form)
    raise AssertionError("the provider never sent the browser back")


def enter(page: TestClient, name: str) -> Any:
    begun = page.get("/session/elsewhere")
    assert begun.status_code == 302
    back = go_through(begun.headers["location"], name)
    return page.get(back.removeprefix("http://testserver"))


def test_who_signs_in_elsewhere_has_the_paired_roles_in_the_named_areas(
    page: TestClient, issuer: str, engine: Engine
) -> None:
    assert page.get("/session").json()["ways"]["elsewhere"] == "127.0.0.1"
    answer = enter(page, "wang")
    assert answer.status_code == 302 and answer.headers["location"] == "/"
    assert "HttpOnly" in answer.headers["set-cookie"]
    told = page.get("/session").json()
    assert (told["actor"], told["roles"], told["signed_in"]) == ("oidc:wang", ["residents"], True)
    people = page.get(CARD, headers={"X-Purpose": "emergency"}).json()["residents"]["people"]
    assert [person["name"] for person in people] == ["甲*", "乙*"]
    with engine.connect() as connection:
        line = connection.execute(
            text("SELECT * FROM security.audit_log WHERE actor = 'oidc:wang' ORDER BY at LIMIT 1")
        ).one()
        assert (line.event, line.success) == ("sign_in", True)
    assert page.delete("/session", headers={"X-CSRF-Token": told["csrf"]}).status_code == 204
    assert page.get("/session").json()["actor"] is None


def test_nobody_becomes_an_administrator_elsewhere(page: TestClient) -> None:
    enter(page, "wang")
    assert "admin.security" not in page.get("/session").json()["scopes"]


def test_who_has_no_paired_role_may_nothing(page: TestClient) -> None:
    enter(page, "chen")
    told = page.get("/session").json()
    assert (told["actor"], told["roles"]) == ("oidc:chen", [])
    assert page.get(CARD).json()["unit"]["occupancy"] == "unknown"


def test_the_request_carries_a_challenge_and_no_secret(page: TestClient) -> None:
    asked = parse_qs(urlsplit(page.get("/session/elsewhere").headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"] and asked["redirect_uri"] == [BACK]
    kept = page.cookies["cimtwin-begun"].split(".")
    assert kept[2] not in str(asked) and len(kept[2]) >= 43


def test_a_sign_in_ends_in_the_browser_that_began_it_and_once(
    page: TestClient, federated: Settings
) -> None:
    begun = page.get("/session/elsewhere").headers["location"]
    back = go_through(begun, "wang").removeprefix("http://testserver")
    with TestClient(create_app(federated), follow_redirects=False) as other:
        assert other.get(back).status_code == 403
        other.get("/session/elsewhere")  # began one of its own: the state is another
        assert other.get(back).status_code == 403
    assert page.get(back.replace("state=", "state=x")).status_code == 403
    assert page.get(back + "&iss=http://elsewhere.example").status_code in (403, 422)
    assert page.get(back).status_code == 302
    assert page.get(back).status_code == 403  # the cookie is gone
    page.cookies.set("cimtwin-begun", "a.b.c")
    assert page.get("/session/elsewhere/back?code=x&state=a").status_code == 401


def machine(issuer: str) -> str:
    """An access token as the provider gives it to a machine."""
    answer = httpx2.post(
        f"{issuer}/token",
        data={"grant_type": "client_credentials", "resource": AUDIENCE},
        auth=("meter-gateway", "of-the-machine"),
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_machine_shows_a_token_that_the_provider_signed(page: TestClient, issuer: str) -> None:
    headers = bearer(machine(issuer))
    told = page.get("/session", headers=headers).json()
    assert (told["actor"], told["roles"]) == ("oidc:meter-gateway", ["statistics"])
    assert told["signed_in"] is False
    assert page.get(CARD, headers=headers).json()["unit"]["occupancy"] == "自住"


def made(issuer: str, key: Any, header: dict[str, Any] | None = None, **claims: Any) -> str:
    now = int(time.time())
    usual = {
        "iss": issuer, "aud": AUDIENCE, "sub": "gateway", "iat": now, "exp": now + 300,
        "roles": ["bureau-figures"], "areas": ["441900001"],
    }  # fmt: skip
    said = {name: value for name, value in (usual | claims).items() if value is not None}
    known = {"alg": "RS256", "kid": "first"} | (header or {})
    return jwt.encode(known, said, key, algorithms=[known["alg"]])


def test_the_areas_of_a_token_confine_it(page: TestClient, issuer: str, key: RSAKey) -> None:
    for areas, occupancy in (
        (["441900001"], "自住"),
        (["G01"], "自住"),
        (["441900002"], "unknown"),
        ([], "unknown"),
        (None, "unknown"),
    ):
        headers = bearer(made(issuer, key, areas=areas))
        card = page.get(CARD, headers=headers).json()
        assert card["unit"]["occupancy"] == occupancy, areas


def test_a_token_opens_residents_in_its_areas(page: TestClient, issuer: str, key: RSAKey) -> None:
    stated = {"X-Purpose": "emergency"}
    for areas, shown in ((["441900001"], True), (["441900002"], False), ([], False)):
        token = made(issuer, key, roles=["bureau-desk"], areas=areas)
        for _ in range(2):
            found = page.get(CARD, headers=bearer(token) | stated).json()["residents"]
            assert found["shown"] is shown and bool(found["people"]) is shown


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "http://127.0.0.1:1"},
        {"iss": None},
        {"aud": "cimtwin"},
        {"aud": ["https://other.example"]},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
    ],
)
def test_a_token_for_another_place_or_time_is_refused(
    page: TestClient, issuer: str, key: RSAKey, claims: dict[str, Any]
) -> None:
    answer = page.get("/session", headers=bearer(made(issuer, key, **claims)))
    assert answer.status_code == 401, claims


def word(header: dict[str, str]) -> str:
    return urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()


def test_a_token_that_is_signed_otherwise_is_refused(
    page: TestClient, issuer: str, key: RSAKey
) -> None:
    good = made(issuer, key)
    assert page.get("/session", headers=bearer(good)).status_code == 200
    head, body, signature = good.split(".")
    bare, shared = word({"alg": "none"}), word({"alg": "HS256", "kid": "first"})
    public = hmac.digest(key.as_pem(private=False), f"{shared}.{body}".encode(), "sha256")
    for wrong in (
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{head}.{made(issuer, key, sub='else').split('.')[1]}.{signature}",
        f"{bare}.{body}.",
        made(issuer, new_key("first")),
        made(issuer, new_key("other"), {"kid": "other"}),
        f"{shared}.{body}.{urlsafe_b64encode(public).rstrip(b'=').decode()}",
        "a.b.c",
        "..",
    ):
        assert page.get("/session", headers=bearer(wrong)).status_code == 401, wrong


def test_tokens_are_not_taken_where_no_audience_is_set(
    federated: Settings, issuer: str, key: RSAKey
) -> None:
    app = create_app(federated.model_copy(update={"oidc_audience": ""}))
    with TestClient(app) as page:
        assert page.get("/session", headers=bearer(made(issuer, key))).status_code == 401


def test_a_new_key_of_the_provider_is_fetched_but_not_at_every_stranger(
    federated: Settings, key: RSAKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "PAUSE", 0.5)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    issuer, renewed = f"http://127.0.0.1:{port}", new_key("second")
    app = create_app(federated.model_copy(update={"oidc_issuer": issuer}))
    with TestClient(app) as page:
        unknown = page.get("/session", headers=bearer(made(issuer, key)))
        assert unknown.status_code == 503  # nobody is there yet
        with running(port, key):
            assert page.get("/session", headers=bearer(made(issuer, key))).status_code == 200
        with running(port, renewed):
            fresh = bearer(made(issuer, renewed, {"kid": "second"}))
            time.sleep(0.6)
            assert page.get("/session", headers=fresh).status_code == 200
            assert page.get("/session", headers=bearer(made(issuer, key))).status_code == 401
        # With the provider gone what is known is enough, and a stranger's key is refused.
        assert page.get("/session", headers=fresh).status_code == 200
        kept = page.app.state.gate.provider._keys
        stranger = bearer(made(issuer, new_key("third"), {"kid": "third"}))
        monkeypatch.setattr(providers, "PAUSE", 3600)
        assert page.get("/session", headers=stranger).status_code == 401
        assert page.app.state.gate.provider._keys is kept


def test_a_provider_that_anybody_could_play_is_refused(city: Settings) -> None:
    far = city.model_copy(update={"oidc_issuer": "http://id.example"})
    with pytest.raises(BadSetting, match="https"), TestClient(create_app(far)):
        pass


def test_without_a_provider_there_is_no_such_place(city: Settings) -> None:
    with TestClient(create_app(city), follow_redirects=False) as page:
        assert page.get("/session/elsewhere").status_code == 404
        assert page.get("/session").json()["ways"] == {"password": True, "elsewhere": None}
