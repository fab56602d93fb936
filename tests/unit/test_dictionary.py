"""The data dictionary says everything, and the committed page is the present one."""

from pathlib import Path

from cim.model import metadata
from cim.store.dictionary import render

PAGE = Path(__file__).parents[2] / "docs" / "data-dictionary.md"


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == render(), "cim db dictionary --write docs/data-dictionary.md"


def test_every_table_and_column_says_what_it_means() -> None:
    for table in metadata.tables.values():
        assert table.comment, table.fullname
        for column in table.columns:
            assert column.comment, f"{table.fullname}.{column.name}"
