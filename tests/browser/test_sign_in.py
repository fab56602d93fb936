"""People sign in to the viewer: one role is shown masked residents, another none.

viewer/tests/browser/sign-in.mjs does it by keyboard and reports what was shown; each test judges
one part of it.
"""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cim.security import accounts
from sample_data.make import make
from tests.accounts import PASSWORD, add_person, administrators, stand
from tests.browser.conftest import walked


@pytest.fixture(scope="module")
def seen(
    cim: Callable[..., str],
    engine: Engine,
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("city")
    make(folder, 60)
    cim("load", "city", str(folder), "--quiet")
    administrators(engine)
    add_person(engine, "wang", "residents")
    add_person(engine, "chen", "statistics")
    with engine.begin() as connection:
        stand(connection, "system")
        accounts.add(connection, "zhao")
        link = accounts.make_link(connection, "zhao")
        home = connection.execute(
            text("""SELECT r.unit_id, u.building_id FROM pii.residency r
                JOIN pii.person p ON p.id = r.person_id JOIN city.unit u ON u.id = r.unit_id
                WHERE NOT p.is_minor14 AND p.birth_year < 1990 AND r.to_date IS NULL
                  AND r.role IS DISTINCT FROM '业主不住' AND r.purpose_scope IS NULL
                ORDER BY 1 LIMIT 1""")
        ).one()
    words = (f"#b={home.building_id}&u={home.unit_id}", PASSWORD, link.token, "wang", "chen")
    return walked(environment, "sign-in.mjs", *words, serve=("--no-worker", "--no-feeds"))


def test_one_role_is_shown_masked_residents(seen: dict[str, Any]) -> None:
    wang = seen["people"]["wang"]
    assert wang["before"] == wang["after"] == {"people": [], "purposes": 0}
    assert wang["signedIn"]["people"] == [] and wang["signedIn"]["purposes"] == 4
    names = wang["shown"]["people"]
    assert names and all(name.endswith("*") and len(name) >= 2 for name in names)


def test_another_role_is_shown_none(seen: dict[str, Any]) -> None:
    chen = seen["people"]["chen"]
    assert chen["signedIn"] == {"people": [], "purposes": 0} and "shown" not in chen


def test_a_wrong_password_is_told_in_place_and_the_form_can_be_read_aloud(
    seen: dict[str, Any],
) -> None:
    for report in seen["people"].values():
        assert "账户名、密码或验证码错误" in report["refused"]
        assert report["axe"] == []


def test_a_link_sets_a_password_and_is_gone_from_the_address(seen: dict[str, Any]) -> None:
    assert seen["welcome"]["name"] == "zhao"
    assert "link" not in seen["welcome"]["address"]


def test_nothing_secret_is_in_an_address_or_within_reach_of_a_script(seen: dict[str, Any]) -> None:
    assert all(report["scripts"] == "" for report in seen["people"].values())
    assert seen["outside"] == []
    assert not any(PASSWORD in url or "token" in url for url in seen["urls"])
