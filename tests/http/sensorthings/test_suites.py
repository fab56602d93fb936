"""An independent suite of SensorThings 1.1 against the running service: that of istSOS4.

It is no part of this house: CIM_ISTSOS4 names a checkout of it, with the environment that its
tests/conformance/README.md tells to make. Without one nothing is tried.
What it says against us is listed here, with the reason; docs/howto/sensorthings.md tells of each.
"""

import os
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sqlalchemy import Engine, text

from cim.settings import Settings
from tests.accounts import add_key
from tests.served import serving

CHECKOUT = os.environ.get("CIM_ISTSOS4", "")
PYTHON = Path(CHECKOUT) / "tests/conformance/.venv/bin/python"
HERE = Path(__file__).parent

pytestmark = [
    pytest.mark.trial,
    pytest.mark.skipif(not CHECKOUT, reason="CIM_ISTSOS4 names no checkout of istSOS4"),
]

CORE = {
    "test_null_property_dollar_value_returns_200_null": "204 where there is none (OData 11.2.3)"
}
ARRAYS = {
    "test_create_observations_data_array": "its readings are of the year 2099, and not kept",
    "test_create_observations_missing_result_component": "201 with `error` for each of its rows",
    "test_create_observations_missing_datastream": "the same",
}


def failures(folder: str, settings: Settings, report: Path) -> tuple[int, set[str]]:
    """How many tests of a folder of the suite ran, and the names of those that failed."""
    with serving(settings, "--no-worker") as (_, address):
        subprocess.run(
            [str(PYTHON), "-m", "pytest", "-q", "-p", "keyed", "-p", "no:cacheprovider",
             "--junitxml", str(report), str(Path(CHECKOUT) / "tests" / folder)],
            env=os.environ | {
                "STA_BASE_URL": f"{address}/sta/v1.1", "CIM_KEY": "key-suite",
                "PYTHONPATH": str(HERE),
            },
            check=False,
        )  # fmt: skip
    cases = list(ElementTree.parse(report).iter("testcase"))
    bad = {str(case.get("name")) for case in cases if {"failure", "error"} & {e.tag for e in case}}
    return len(cases), bad


@pytest.fixture(scope="module")
def known(city: Settings, engine: Engine) -> Settings:
    with engine.begin() as connection:
        connection.execute(text("SELECT setval('city.datastream_id_seq', 1000)"))
    add_key(engine, "suite", "key-suite", ["devices", "residents"])
    return city


def test_all_that_it_asks_of_the_standard_holds_but_what_is_listed(
    known: Settings, tmp_path: Path
) -> None:
    ran, bad = failures("conformance", known, tmp_path / "report.xml")
    assert ran >= 400
    assert bad == set(CORE)


def test_data_arrays_differ_only_where_it_is_listed(known: Settings, tmp_path: Path) -> None:
    ran, bad = failures("extensions/data_array", known, tmp_path / "report.xml")
    assert ran >= 9
    assert bad == set(ARRAYS)
