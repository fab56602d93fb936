"""Every file of the collections of edges: read row by row, or refused with a sentence; no crash."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cim.errors import CimError
from cim.load import checks, coordinates, readers
from cim.load.rows import Rows

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
FOLDERS = ("geometry", "formats", "citymodels/cityjson-valid-invalid")

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="../shared/data is absent: real files cannot be tried"
)


def tried(path: Path, layer: str | None = None) -> Counter[str]:
    """How many rows of a file are fine, repaired or set aside and why, as outlines of buildings."""
    source = readers.read(path, layer=layer)
    counted: Counter[str] = Counter()
    system = None
    for batch in source.batches:
        assert batch.row_no.tolist() == sorted(set(batch.row_no.tolist()))
        if batch.geometry is None:
            counted["no geometry in the file"] += len(batch)
            continue
        system = system or coordinates.settle(path.name, source, batch, source.crs or "EPSG:4326")
        assert system is not None
        rows = Rows(batch, {}, None, np.ones(len(batch), bool))
        checks.read_geometry(rows, "polygon", system, needed=True)
        assert rows.repaired is not None
        counted["repaired"] += int((rows.repaired & rows.keep).sum())
        counted["fine"] += int((~rows.repaired & rows.keep).sum())
        counted.update(rows.faults.reason)
        assert rows.keep.sum() + len(rows.faults) == len(batch)
    return counted


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_is_read_or_refused_in_both_languages(folder: str) -> None:
    files = sorted(item for item in (DATA / folder).rglob("*") if item.is_file())
    assert len(files) > 50
    outcome: Counter[str] = Counter()
    for path in files:
        try:
            counted = tried(path)
        except CimError as error:
            assert error.zh != str(error), path
            assert path.name in str(error), path
            outcome["refused"] += 1
        else:
            outcome["read"] += 1
            outcome.update(counted)
    assert outcome["read"] + outcome["refused"] == len(files)
    assert outcome["refused"]
    if folder == FOLDERS[2]:
        assert outcome["read"] >= 15
    else:
        assert outcome["fine"] >= 30
        assert outcome["repaired"] >= 7


def test_city_models_in_xml_are_too() -> None:
    files = sorted((DATA / "citymodels").rglob("*.gml"))
    assert files
    for path in files:
        with pytest.raises(CimError, match="CityGML, which is not read yet"):
            readers.read(path)


@pytest.mark.parametrize(
    "name", ["point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"]
)
def test_the_encodings_of_geoparquet_say_the_same_as_its_text(name: str) -> None:
    folder = DATA / "formats/geoparquet/test_data"
    (there,) = readers.read(folder / f"data-{name}-encoding_wkb.parquet").batches
    (text,) = readers.read(folder / f"data-{name}-wkt.csv").batches
    assert there.geometry is not None
    assert text.geometry is not None
    assert len(there) == len(text)
    assert [item is None for item in there.geometry] == [item is None for item in text.geometry]
