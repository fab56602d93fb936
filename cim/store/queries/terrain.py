"""Statements about terrain: the rasters there are, and the ground under buildings."""

from sqlalchemy import ColumnElement, TextClause, case, func, text

from cim.model.buildings import building

SKIRT = 2.0
"""Metres that walls reach below the lowest ground under a building, where there is terrain: the
drawn ground may lie lower than the measured one by what its triangles leave out."""


def foot() -> ColumnElement[float]:
    """Where the walls of a building begin: its ground, or below the terrain's lowest place there.

    Nothing then floats on a slope, and where there is no terrain nothing changes.
    """
    lowest = func.least(building.c.ground_elev, building.c.ground_low) - SKIRT
    return case((building.c.ground_low.is_not(None), lowest), else_=building.c.ground_elev)


LAYERS = text("""
    SELECT file, crs, heights, ST_XMin(extent) AS west, ST_YMin(extent) AS south,
           ST_XMax(extent) AS east, ST_YMax(extent) AS north
      FROM city.terrain WHERE ended_at IS NULL ORDER BY rank DESC""")
"""The rasters from the topmost down."""

KNOWN = text("""
    SELECT id, digest, survey_date, ended_at IS NOT NULL AS ended FROM city.terrain
     WHERE source_id = :source_id AND ext_id = :ext_id""")
"""The raster that goes by this key."""

ENTER = text("""
    INSERT INTO city.terrain (source_id, ext_id, rank, file, digest, extent, crs, heights,
           "columns", "rows", cell, holes, least, most, survey_date)
    VALUES (:source_id, :ext_id, (SELECT coalesce(max(rank), 0) + 1 FROM city.terrain), :file,
            :digest, ST_GeomFromWKB(:extent, 4490), :crs, :heights, :columns, :rows, :cell,
            :holes, :least, :most, :survey_date)
    ON CONFLICT (source_id, ext_id) DO UPDATE SET
        rank = excluded.rank, file = excluded.file, digest = excluded.digest,
        extent = excluded.extent, crs = excluded.crs, heights = excluded.heights,
        "columns" = excluded."columns", "rows" = excluded."rows", cell = excluded.cell,
        holes = excluded.holes, least = excluded.least, most = excluded.most,
        survey_date = excluded.survey_date, updated_at = now(), ended_at = NULL""")
"""A raster, new or in the place of the one before; it lies on top."""

FILES = text("SELECT file FROM city.terrain WHERE ended_at IS NULL")
"""The files that are named."""

END_OTHERS = text("""
    UPDATE city.terrain SET ended_at = now(), updated_at = now()
     WHERE ended_at IS NULL AND file <> ALL (:files)""")
"""Rasters that are in none of these files are the city's no more."""

END = text("""
    UPDATE city.terrain t SET ended_at = now(), updated_at = now()
     WHERE t.ended_at IS NULL AND t.ext_id = :name
       AND (CAST(:source AS text) IS NULL OR :source =
            (SELECT s.name FROM city.source_system s WHERE s.id = t.source_id))
    RETURNING source_id, crs, (SELECT s.name FROM city.source_system s WHERE s.id = t.source_id)
              AS source""")
"""The raster of a name, of whatever source or of one, is the city's no more."""

BENEATH = text("""
    SELECT o.ext_id FROM city.terrain t JOIN city.terrain o ON ST_Intersects(t.extent, o.extent)
     WHERE t.file = :file AND t.ended_at IS NULL AND o.ended_at IS NULL AND o.rank < t.rank
     ORDER BY o.rank DESC""")
"""The rasters that one lies upon, the topmost first."""

LISTED = text("""
    SELECT t.ext_id AS name, s.name AS source, t.file, t.crs, t.heights, t."columns", t."rows",
           t.cell, t.holes, t.least, t.most, t.survey_date, t.digest
      FROM city.terrain t LEFT JOIN city.source_system s ON s.id = t.source_id
     WHERE t.ended_at IS NULL ORDER BY t.rank DESC""")
"""The rasters as people see them, the topmost first."""

_COLUMNS = """id, ST_AsBinary(footprint) AS outline, ground_elev, ground_method,
              ground_low, ground_high"""

_WITHIN = "footprint && ST_MakeEnvelope(:west, :south, :east, :north, 4490)"


def grounds(*, chosen: bool) -> TextClause:
    """Standing buildings with their outline and ground: of `ids`, or that meet a box."""
    which = "id = ANY(:ids)" if chosen else _WITHIN
    return text(f"SELECT {_COLUMNS} FROM city.building WHERE ended_at IS NULL AND {which}")


CHANGED = {
    "id": "int8",
    "ground_elev": "float8",
    "ground_method": "text",
    "ground_low": "float4",
    "ground_high": "float4",
}
"""The temporary table of grounds that are not as they were."""

STAGE = text("""
    CREATE TEMPORARY TABLE IF NOT EXISTS stage_ground (id int8, ground_elev float8,
        ground_method text, ground_low float4, ground_high float4) ON COMMIT DROP""")

EMPTY = text("TRUNCATE stage_ground")

WRITE = text("""
    UPDATE city.building b
       SET ground_elev = s.ground_elev, ground_method = s.ground_method,
           ground_low = s.ground_low, ground_high = s.ground_high, updated_at = now()
      FROM stage_ground s WHERE s.id = b.id""")
"""The grounds into the buildings."""

UNGROUNDED = text("""
    SELECT id FROM city.building WHERE ended_at IS NULL AND ground_method = 'default'
     ORDER BY id LIMIT :most""")
"""The first standing buildings of which nothing tells where they stand."""

OUTSIDE = text("""
    SELECT count(*), count(*) FILTER (WHERE ground_low IS NULL)
      FROM city.building WHERE ended_at IS NULL""")
"""Standing buildings, and those that no terrain tells the ground of."""
