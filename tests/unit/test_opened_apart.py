"""Files from elsewhere, opened in a process of their own: they reach neither network nor files."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from cim.errors import SourceError
from cim.intake import inspecting
from cim.load.pipeline import Request
from cim.settings import Settings

RING = [[113.7, 23.0], [113.701, 23.0], [113.701, 23.001], [113.7, 23.0]]
FEATURE = {
    "type": "Feature",
    "properties": {"层数": 3},
    "geometry": {"type": "Polygon", "coordinates": [RING]},
}


@contextmanager
def listener() -> Iterator[tuple[str, list[str]]]:
    """An address on this machine, and what was asked of it."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.fixture
def look(tmp_path: Path) -> Callable[[str, str], dict[str, Any]]:
    def look(name: str, content: str) -> dict[str, Any]:
        path = tmp_path / name
        path.write_text(content, "utf-8")
        settings = Settings(_env_file=None, data_dir=tmp_path)
        return asyncio.run(inspecting.inspect(settings, path, None, Request()))

    return look


def test_a_coordinate_system_that_is_an_address_is_not_fetched(
    look: Callable[[str, str], dict[str, Any]],
) -> None:
    with listener() as (address, asked):
        link = {"type": "link", "properties": {"href": f"{address}/crs", "type": "proj4"}}
        city = {"type": "FeatureCollection", "crs": link, "features": [FEATURE]}
        assert look("a.geojson", json.dumps(city))["rows"] == 1
        assert asked == []


@pytest.mark.parametrize("name", ["a.geojson", "a.kml"])
def test_a_virtual_layer_reads_no_other_file(
    look: Callable[[str, str], dict[str, Any]], tmp_path: Path, name: str
) -> None:
    (tmp_path / "other.csv").write_text("name\nsecret\n", "utf-8")
    layer = f"<OGRVRTLayer name='x'><SrcDataSource>{tmp_path}/other.csv</SrcDataSource>"
    with pytest.raises(SourceError):
        look(name, f"<OGRVRTDataSource>{layer}</OGRVRTLayer></OGRVRTDataSource>")
