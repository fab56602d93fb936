"""A file of rows, written and loaded as a user would."""

import csv
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from cim.load.kinds import KINDS
from cim.load.pipeline import Request, load
from cim.load.report import Report
from cim.settings import Settings


class Bring:
    """Writes rows to a file and loads it."""

    def __init__(self, connection: Connection, settings: Settings, folder: Path) -> None:
        self.connection, self.settings, self.folder = connection, settings, folder

    def __call__(self, kind: str, rows: list[dict[str, Any]], **ask: Any) -> Report:
        """Load the rows as that kind; what is asked goes to the request."""
        self.connection.execute(text("DISCARD TEMP"))
        path = self.folder / f"{kind}.csv"
        names = list(dict.fromkeys(name for row in rows for name in row))
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)
        return load(self.connection, self.settings, KINDS[kind], path, Request(**ask))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.connection.execute(text(sql))]


@pytest.fixture
def bring(connection: Connection, settings: Settings, tmp_path: Path) -> Bring:
    return Bring(connection, settings, tmp_path)
