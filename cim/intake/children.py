"""The processes in which files from elsewhere are opened, and what these may not do."""

import os
from contextlib import suppress
from pathlib import Path

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

CLOSED = frozenset({".gml"})
"""Endings of files that are read by such a format alone; `cim load` takes them on the server."""

OFFLINE = {
    "GDAL_HTTP_PROXY": "http://127.0.0.1:0", "no_proxy": "", "NO_PROXY": "",
    "PROJ_NETWORK": "OFF", "GDAL_HTTP_MAX_RETRY": "0",
}  # fmt: skip
"""What keeps GDAL from the network: a proxy that cannot be.  The coordinate system of a GeoJSON
file, or the schema of a GML file, may be an address, which it would fetch from here.
"""


def environment(settings: Settings) -> dict[str, str]:
    """The environment of such a process: ours, and what makes it safe.

    Statements in the embedded database end when whoever began them is gone.
    """
    ours = "" if settings.database_url else "-c client_connection_check_interval=2000"
    options = f"{os.environ.get('PGOPTIONS', '')} {ours}".strip()
    return {**os.environ, **OFFLINE, "PGOPTIONS": options, "GDAL_SKIP": ",".join(UNSAFE)}


def go_first() -> None:
    """Where memory runs out, the system ends this process, not the database or the service."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")


def took_too_long(file: str, settings: Settings) -> tuple[str, str]:
    """What is said of a load that was ended because it took longer than any may."""
    hours = f"{settings.load_hours:g}"
    return (
        f"{file} took longer than a load may (CIM_LOAD_HOURS, {hours} h) and was ended; nothing "
        "was loaded",
        f"{file} 的载入超过时限（CIM_LOAD_HOURS，{hours} 小时），已终止；未载入任何数据",
    )
