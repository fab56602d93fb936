"""The rows that an import set aside, as a file to mend, and how the mended one is read."""

import io
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from typing import IO, Any

from sqlalchemy import Connection, Engine, Executable

from cim.errors import NotFound
from cim.load import setaside
from cim.load.setaside import Bundle
from cim.settings import Settings
from cim.store.queries.security import callers


def write(
    settings: Settings, engine: Engine, import_id: int, reader: Executable | None
) -> IO[bytes]:
    """The rows as CSV in a file without a name, to be read from its beginning.

    Personal data are in it for a `reader` alone, the statement that says who that is
    (`cim.security.identity`), and then a line in the audit log; for anybody else it says which
    rows, and what is wrong with them.  NotFound where none of the rows is set aside any more.
    """
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile(dir=settings.uploads_dir))
        out = io.TextIOWrapper(file, encoding="utf-8-sig", newline="", write_through=True)
        with engine.begin() as connection:
            bundle = _bundle(connection, import_id)
            if bundle.sealed and reader is not None:
                connection.execute(reader)
                connection.execute(opened(import_id, bundle))
            shown = replace(bundle, sealed=False) if reader is None else bundle
            layout = (
                setaside.Layout({name: name for name in setaside.TOLD}, {}, None)
                if bundle.sealed and reader is None
                else setaside.layout(connection, settings, bundle)
            )
            setaside.write(connection, settings, shown, layout, out)
        out.detach()
        stack.pop_all()
    return file


def opened(import_id: int | None, bundle: Bundle) -> Executable:
    """The line in the audit log that rows of people were opened that were set aside."""
    return callers.record(
        "people.aside", object_type="import", object_id=import_id, persons=bundle.rows
    )


def mending(settings: Settings, engine: Engine, import_id: int) -> dict[str, Any]:
    """How a file is read in which rows of that import are mended: source, crs, fields, mends."""
    with engine.connect() as connection:
        bundle = _bundle(connection, import_id)
        layout = setaside.layout(connection, settings, bundle)
        return setaside.mapping_of(bundle, layout)


def _bundle(connection: Connection, import_id: int) -> Bundle:
    found = setaside.bundles(connection, import_id=import_id)
    if not found:
        raise NotFound(
            "None of the rows of this import is set aside any more.",
            "该次导入已没有暂存的数据。",
        )
    return found[0]
