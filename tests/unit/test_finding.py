"""Finding routes by the first word finds what asking all of them finds."""

from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from api.app import create_app
from api.serving.finding import find_by_first_word
from cim.settings import Settings


def made(*, quick: bool) -> TestClient:
    """The service's routes, each answering with its own pattern."""
    app = FastAPI()
    for router in create_app(Settings(_env_file=None)).router.routes:
        app.router.routes.append(router)
        if not quick:
            vars(router).pop("matches", None)
    if quick:
        find_by_first_word(app)
    return TestClient(app)


QUICK, PLAIN = made(quick=True), made(quick=False)
WORDS = ["units", "ogc", "tiles", "3d", "1", "card", "session", "collections", "items", "x", ""]


@given(
    words=st.lists(st.sampled_from(WORDS), max_size=6),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]),
)
def test_the_same_route_is_found(words: list[str], method: str) -> None:
    def found(client: TestClient) -> object:
        app = client.app
        scope = {"type": "http", "method": method, "path": "/" + "/".join(words), "headers": []}
        matches = [route.matches(dict(scope)) for route in app.router.routes]
        return [(match, child.get("endpoint")) for match, child in matches if match.value]

    assert found(QUICK) == found(PLAIN)
