"""Organisations on their way in: the organisation, and the places where it is."""

from cim.store.incoming import links, merge
from cim.store.incoming.stage import Counts, Stage
from cim.store.queries.incoming import organisations as statements
from cim.store.queries.incoming.load import ONE_ROW_A_KEY


def settle(stage: Stage) -> None:
    """Find the unit, building or address of each; an organisation may also have none."""
    links.resolve(stage)


def repeated(stage: Stage) -> None:
    """An organisation in several rows is in several places; the same place twice is set aside."""
    stage.set_aside(statements.SAME_PLACE, "ext_id", "duplicate", value="s.ext_id")
    stage.run(statements.places(stage.types))
    stage.run(ONE_ROW_A_KEY)


def enter(stage: Stage) -> Counts:
    """Organisations by key, then where each is."""
    counts = merge.by_source(stage)
    key = {"source_id": stage.source_id}
    stage.run(statements.WHERE, **key)
    stage.run(statements.LEFT, **key)
    stage.run(statements.STAYED)
    stage.run(statements.CAME)
    return counts
