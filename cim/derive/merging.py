"""Buildings derived before, or with floors that were given: staged, then merged set by set."""

import numpy as np
from sqlalchemy import Connection

from cim.derive.drawing import Drawing
from cim.derive.placing import Numbers, tables
from cim.store.copy import columns
from cim.store.incoming import bulk
from cim.store.queries.incoming import rederive


def merge(connection: Connection, drawing: Drawing) -> int:
    """Merge a drawing into what stands; how many units and storeys were ended.

    Ids of entrances, storeys and units that are still there are kept, and loaded units are only
    given their places.
    """
    _stage(connection, drawing)
    with bulk.trusted(connection):
        for step in (
            *rederive.merge_entrances(),
            *rederive.merge_plans(),
            *rederive.merge_storeys(),
        ):
            connection.execute(step)
        for step in rederive.match_units():
            connection.execute(step)
        ended = int(connection.execute(rederive.end_units()).scalar_one())
        for step in (*rederive.leave_places(), *rederive.merge_units()):
            connection.execute(step)
        ended += connection.execute(rederive.end_storeys()).rowcount
        for step in (*rederive.drop_plans(), *rederive.settle()):
            connection.execute(step)
    return ended


def _stage(connection: Connection, drawing: Drawing) -> None:
    for step in rederive.stage():
        connection.execute(step)
    twins = {
        "floor_plan": drawing.plans.drawn,
        "storey": drawing.storey_id,
        "unit": drawing.units.given,
    }
    for table, values, types in tables(drawing, Numbers(connection)):
        name = table.split(".")[1]
        if name in twins:
            values["twin_id"] = np.where(twins[name] > 0, twins[name].astype(float), np.nan)
            types["twin_id"] = "int8"
        columns.write(connection, f"staged_{name}", values, types)
    for step in rederive.analyse():
        connection.execute(step)
