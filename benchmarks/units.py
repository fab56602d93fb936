"""Units: from footprints and floor counts to entrances, storeys and units in the store."""

from benchmarks.measures import Measure, Watch, city, footprints, growth

AIM = 60_000
"""Units a second, generated and stored."""

_UNITS = "SELECT count(*) FROM city.unit WHERE ended_at IS NULL"
_STOREYS = "SELECT count(*) FROM city.storey WHERE ended_at IS NULL"


def measure(size: int) -> list[Measure]:
    """Generate the units of SIZE buildings, the same again, and of a quarter of them."""
    quarter = _quarter(max(size // 4, 1))
    with city() as here:
        here.run("load", "buildings", str(footprints(here.folder, size)), "--no-units")
        first = here.run("units", "build")
        units, storeys = here.one(_UNITS), here.one(_STOREYS)
        again = here.run("units", "build")
        doubled = here.one(_UNITS) - units
    return [
        Measure("units generated and stored, whole command", units / first.seconds, "units/s",
                AIM, "higher"),
        Measure("units", units, "units", None, "higher"),
        Measure("storeys", storeys, "storeys", None, "higher"),
        Measure("buildings", size / first.seconds, "1/s", None, "higher"),
        Measure("seconds", first.seconds, "s"),
        Measure("seconds when nothing changed", again.seconds, "s"),
        Measure("units doubled by running again", doubled, "units", 0),
        *first.measures(),
        *quarter.measures(f"at {max(size // 4, 1)}"),
        growth(first, quarter),
    ]  # fmt: skip


def _quarter(size: int) -> Watch:
    with city() as here:
        here.run("load", "buildings", str(footprints(here.folder, size)), "--no-units")
        return here.run("units", "build")
