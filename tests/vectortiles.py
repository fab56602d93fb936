"""Vector tiles as tests ask for them and GDAL reads them."""

from pathlib import Path
from typing import Any

import pyogrio
import shapely
from fastapi.testclient import TestClient

from cim.store.queries.vector.matrices import MATRIX_SETS, WEB, MatrixSet

TOWER = (113.8802, 22.9201)
SETS = list(MATRIX_SETS)


def at(matrices: MatrixSet, zoom: int, place: tuple[float, float] = TOWER) -> tuple[int, int, int]:
    """Level, row and column of the tile of a place."""
    z = matrices.level(zoom)
    columns, rows = matrices.tiles(z, (*place, *place))
    return z, rows[0], columns[0]


def url(name: str | None, zoom: int, matrices: MatrixSet = WEB, place: Any = TOWER) -> str:
    above = f"/ogc/collections/{name}/tiles" if name else "/ogc/tiles"
    return f"{above}/{matrices.name}/" + "/".join(map(str, at(matrices, zoom, place)))


class Opened:
    """Tiles of the service as GDAL reads them."""

    def __init__(self, client: TestClient, folder: Path) -> None:
        self.client, self.folder = client, folder

    def __call__(self, address: str, **headers: str) -> dict[str, list[dict[str, Any]]]:
        """Features by layer; geometries are in steps of the tile from its south-west corner."""
        answer = self.client.get(address, headers=headers)
        if answer.status_code == 204:
            return {}
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
        path = self.folder / "tile.mvt"
        path.write_bytes(answer.content)
        found = {}
        for layer in pyogrio.list_layers(f"MVT:{path}")[:, 0]:
            meta, table = pyogrio.read_arrow(f"MVT:{path}", layer=layer, CLIP="NO")
            rows = table.to_pylist()
            for row in rows:
                row["shape"] = shapely.from_wkb(row.pop(meta["geometry_name"] or "wkb_geometry"))
            found[str(layer)] = rows
        return found
