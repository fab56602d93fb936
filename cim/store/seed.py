"""The code lists and coding rules of `cim.codes`, written into their tables."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.schema import Table

from cim.codes import LISTS, SCHEMES
from cim.model.reference import code_item, code_list, code_scheme


def seed(connection: Connection) -> None:
    """Bring the lists to what this program knows; codes a city added itself stay as they are."""
    lists = [
        {"code": code, "title_zh": one["title_zh"], "title_en": one["title_en"]}
        for code, one in LISTS.items()
    ]
    items = [
        {
            "list_code": code,
            "code": item["code"],
            "parent_code": item.get("parent"),
            "name_zh": item["zh"],
            "name_en": item["en"],
            "sort": place,
        }
        for code, one in LISTS.items()
        for place, item in enumerate(one["items"])
    ]
    _upsert(connection, code_list, lists)
    _upsert(connection, code_item, items)
    _upsert(connection, code_scheme, [dict(scheme) for scheme in SCHEMES])


def _upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    keys = [column.name for column in table.primary_key]
    statement = insert(table)
    changes = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(
        statement.on_conflict_do_update(index_elements=keys, set_=changes),
        [dict(row) for row in rows],
    )
