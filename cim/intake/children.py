"""The processes in which files from elsewhere are opened, and what these may not do."""

import os

from cim.settings import Settings

UNSAFE = (
    "ADBC", "AmigoCloud", "Carto", "CSW", "EEDA", "Elasticsearch", "GDALG", "GML", "GPSBabel",
    "GTFS", "HTTP", "LVBAG", "MapML", "NGW", "OAPIF", "ODS", "OGCAPI", "OGR_PDS", "OGR_VRT", "OSM",
    "PCIDSK", "PDF", "PDS4", "PGDUMP", "PLSCENES", "PMTiles", "SQLite", "VICAR", "WFS", "XLSX",
)  # fmt: skip
"""Formats of GDAL that lead to other files or to the network, or that nobody hands in.

GDAL goes by what is in a file, not by its ending: a virtual layer that calls itself .geojson would
read any file of this machine.
"""


def environment(settings: Settings) -> dict[str, str]:
    """The environment of such a process: ours, and what makes it safe.

    Statements in the embedded database end when whoever began them is gone.
    """
    ours = "" if settings.database_url else "-c client_connection_check_interval=2000"
    options = f"{os.environ.get('PGOPTIONS', '')} {ours}".strip()
    return {**os.environ, "PGOPTIONS": options, "GDAL_SKIP": ",".join(UNSAFE)}
