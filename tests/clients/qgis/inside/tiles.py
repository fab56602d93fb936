"""What QGIS draws of our vector tiles: in colours of its own, and by the address of our style.

Run inside `debian`: tiles.py ADDRESS BOX (JSON: west, south, east, north in EPSG:3857).
"""

import json
import sys
from typing import Any

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsMapLayer,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsRectangle,
    QgsVectorTileLayer,
    QgsVectorTileUtils,
)
from qgis.PyQt.QtCore import QBuffer, QSize
from qgis.PyQt.QtGui import QColor
from session import run

WIDTH = 512


def drawn(layer: QgsMapLayer, box: list[float]) -> dict[str, Any]:
    """A picture of the layer, and how many pixels of it are no background."""
    view = QgsMapSettings()
    view.setLayers([layer])
    view.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
    view.setExtent(QgsRectangle(*box))
    view.setOutputSize(QSize(WIDTH, WIDTH))
    view.setBackgroundColor(QColor("magenta"))
    job = QgsMapRendererSequentialJob(view)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    blank = QColor("magenta").rgb()
    colours = {}
    for x in range(0, WIDTH, 4):
        for y in range(0, WIDTH, 4):
            colour = image.pixel(x, y)
            colours[colour] = colours.get(colour, 0) + 1
    kept = QBuffer()
    image.save(kept, "png")
    covered = sum(count for colour, count in colours.items() if colour != blank)
    return {
        "covered": covered / sum(colours.values()),
        "colours": len(colours),
        "errors": [each.message for each in job.errors()],
        "picture": bytes(kept.data().toBase64()).decode(),
    }


def plain(root: str, box: list[float]) -> dict[str, Any]:
    """Vector tiles by the address of one, in QGIS's own colours."""
    at = f"{root}/ogc/tiles/WebMercatorQuad/{{z}}/{{y}}/{{x}}"
    layer = QgsVectorTileLayer(f"type=xyz&url={at}&zmin=0&zmax=16", "city")
    assert layer.isValid(), layer.error().message()
    return drawn(layer, box)


def styled(root: str, box: list[float]) -> dict[str, Any]:
    """Vector tiles by the address of the style alone, as its dialog has it."""
    uri = QgsVectorTileUtils.updateUriSources(f"type=xyz&styleUrl={root}/ogc/styles/city")
    layer = QgsVectorTileLayer(f"{uri}&zmin=0&zmax=18", "city")
    assert layer.isValid(), uri
    error, done = layer.loadDefaultStyle()
    told = {"done": done, "error": error}
    return drawn(layer, box) | told | {"source": layer.source()}


STEPS = {each.__name__: each for each in (plain, styled)}

if __name__ == "__main__":
    run(STEPS, sys.argv[1], json.loads(sys.argv[2]))
