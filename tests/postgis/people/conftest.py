"""The login that opens people, for the tests that stand where an injected statement would."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.folk import Session


@pytest.fixture
def service(database_url: str, url_of: Callable[..., str]) -> Iterator[Session]:
    """The login that opens people, in its role: what an injected statement has."""
    database = urlsplit(database_url).path.removeprefix("/")
    with psycopg.connect(url_of(database, "cim_service")) as connection:
        connection.execute("SET ROLE cim_resident_reader")
        connection.commit()
        yield connection
        connection.rollback()
