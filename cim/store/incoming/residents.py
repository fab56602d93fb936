"""People on their way in: persons, where they live, and the sums per building."""

from cim.store.incoming import links, merge
from cim.store.incoming.stage import Counts, Stage
from cim.store.queries.incoming import residents as statements
from cim.store.queries.incoming.load import ONE_ROW_A_KEY


def settle(stage: Stage) -> None:
    """Find the home of each; who names none, or one that nobody knows, is set aside."""
    links.resolve(stage)
    stage.set_aside(
        "s.unit_id IS NULL AND s.building_id IS NULL AND s.address_id IS NULL", None, "no_home"
    )
    stage.run("UPDATE stage_faults SET value = NULL")


def repeated(stage: Stage) -> None:
    """One person in several rows has several homes; the same home twice is set aside."""
    stage.set_aside(statements.SAME_HOME, "ext_id", "duplicate")
    stage.run(statements.homes(stage.types))
    stage.run(ONE_ROW_A_KEY)


def enter(stage: Stage) -> Counts:
    """Persons by key; then their homes; then how many live in each building concerned."""
    key = {"source_id": stage.source_id}
    counts = merge.by_source(stage)
    stage.run(statements.FORGET_BEFORE, import_id=stage.import_id)
    stage.run(statements.WHO, **key)
    stage.run(statements.TOUCHED, **key)
    stage.run(statements.MOVED_OUT, **key)
    stage.run(statements.STILL_THERE)
    stage.run(statements.MOVED_IN)
    stage.run(statements.POPULATION)
    return counts
