"""What is standard is asked for and changed as it is where the service runs: each part of it logs
in as itself, and whoever changes features has what `cim_editor` has and no more."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from cim.settings import Settings


@pytest.fixture(scope="module")
def city(city: Settings, url_of: Callable[..., str]) -> Settings:
    """The small city, with logins."""
    database = urlsplit(str(city.database_url)).path.removeprefix("/")
    return city.model_copy(update={"service_database_url": url_of(database, "cim_service")})
