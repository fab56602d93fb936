"""From the staging table into the table it is for: by key, as sets, in the caller's transaction."""

from cim.store.incoming import bulk, straight
from cim.store.incoming.stage import FAULTS, ROWS, Counts, Stage
from cim.store.queries.changes import TELLING
from cim.store.queries.incoming import load as statements

PIECES_WITHIN = 0.02
"""Degrees (about 2 km): pieces of one building lie closer together than this."""


SORTED = 150_000
"""Rows up to which neighbours are written side by side; more would be sorted on disk."""


def first_stays(stage: Stage) -> None:
    """Of several rows with one key the first comes in; the others are set aside."""
    if not stage.all_differ():
        stage.set_aside(statements.repeats_of(ROWS), "ext_id", "duplicate", value="s.ext_id")


def pieces_join(stage: Stage) -> None:
    """Rows with one key are pieces of one thing: outlines joined, values of the largest piece.

    Pieces too far apart are no pieces: all but the first are set aside.
    """
    if stage.all_differ():
        return
    pieces = stage.run(f"""
        CREATE TEMPORARY TABLE stage_pieces ON COMMIT DROP AS
        SELECT ext_id, min(row_no) AS first, ST_Extent({stage.geometry})::geometry AS extent
        FROM {ROWS} WHERE ext_id IN (
            SELECT ext_id FROM {ROWS} GROUP BY ext_id HAVING count(*) > 1)
        GROUP BY ext_id""")
    if not pieces:
        return
    far = f"""ST_XMax(p.extent) - ST_XMin(p.extent) > {PIECES_WITHIN}
              OR ST_YMax(p.extent) - ST_YMin(p.extent) > {PIECES_WITHIN}"""
    stage.set_aside(
        f"""EXISTS (SELECT FROM stage_pieces p WHERE p.ext_id = s.ext_id
                    AND s.row_no > p.first AND ({far}))""",
        "ext_id",
        "scattered",
        value="s.ext_id",
    )
    stage.run(f"DELETE FROM stage_pieces p WHERE {far}")
    low, put = ("", "") if not stage.has("ground_low") else _ground_of_all()
    stage.run(f"""
        CREATE TEMPORARY TABLE stage_joined ON COMMIT DROP AS
        SELECT (array_agg(s.row_no ORDER BY s.footprint_area DESC, s.row_no))[1] AS row_no,
               ST_Multi(ST_CollectionExtract(ST_Union(s.{stage.geometry}), 3)) AS shape
               {low}
        FROM {ROWS} s JOIN stage_pieces p USING (ext_id) GROUP BY s.ext_id""")
    joined = stage.run(f"""
        DELETE FROM {ROWS} s USING stage_pieces p WHERE p.ext_id = s.ext_id
        AND NOT EXISTS (SELECT FROM stage_joined j WHERE j.row_no = s.row_no)""")
    stage.run(f"""
        UPDATE {ROWS} s SET {stage.geometry} = ST_ForcePolygonCCW(j.shape),
               footprint_area = ST_Area(j.shape::geography){put}
        FROM stage_joined j WHERE j.row_no = s.row_no""")
    stage.tallies["merged"] = joined


def _ground_of_all() -> tuple[str, str]:
    """The ground under all pieces: what is asked of them, and what the joined one gets."""
    ask = """, min(s.ground_low) AS low, max(s.ground_high) AS high,
                 min(s.ground_elev) FILTER (WHERE s.ground_method = 'terrain') AS elev"""
    put = """, ground_low = j.low, ground_high = j.high, ground_elev =
                 CASE WHEN s.ground_method = 'terrain' THEN j.elev ELSE s.ground_elev END"""
    return ask, put


def by_source(stage: Stage) -> Counts:
    """New rows in, changed ones updated, unchanged ones left alone, by source and key."""
    if stage.straight is not None:
        return Counts(new=straight.finish(stage))
    names = stage.written
    key = {"source_id": stage.source_id}
    feed = {"object_type": stage.object_type, "import_id": stage.import_id}
    table = stage.table
    counts, total, met = Counts(), stage.rows, 0
    known = stage.number(statements.knows_source(table), **key)
    if known:
        total = stage.number(f"SELECT count(*) FROM {ROWS}")
        again = [name for name in names if name not in stage.insert_only]
        counts.changed = stage.run(statements.changed_rows(ROWS, table, again, stage.kept()), **key)
        stage.run(statements.update_changed(ROWS, table, again, stage.kept()))
        if table.fullname not in TELLING:
            stage.run(statements.RECORD_CHANGED, **feed)
        met, counts.missing = stage.connection.execute(
            statements.bound(statements.met_and_missing(ROWS, FAULTS, table)), key
        ).one()
        if stage.full:
            counts.ended = stage.run(statements.end_missing(ROWS, FAULTS, table), **key, **feed)
    near = f"s.{stage.geometry}" if stage.geometry else "s.row_no"
    order = near if total <= SORTED else None
    if total > met or not known:
        insert = statements.insert_new(ROWS, table, names, order, first=not known)
        with bulk.indexes_after(stage):
            counts.new = stage.run(insert, **key, **feed)
    if known:
        counts.unchanged = total - counts.new - counts.changed
    return counts
