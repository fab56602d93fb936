"""What a person may ask for: all that is kept of them, as a page they can read; and to be erased.

The page is HTML without anything from elsewhere, in Chinese and English, with the same data as JSON
in it, so that another system can read them too.
"""

import html
from typing import Any

import orjson
from sqlalchemy import Connection

from cim.load.kind import SEALED
from cim.privacy import Vault, plain_id
from cim.store.queries import people_keeping as statements
from cim.store.queries.incoming.load import bound
from cim.store.queries.security.callers import record

Json = dict[str, Any]

BATCH = 1000

NUMBER = "person.id_no"
"""What the keyed hash of a document's number is made for."""

TITLES: dict[str, tuple[str, str]] = {
    "records": ("基本信息", "about you"),
    "homes": ("居住记录", "where you live or lived"),
    "rights": ("房屋权利", "your rights in units"),
    "readers": ("查阅记录", "when your data were opened, and what for"),
}
"""Parts of the page."""

WORDS: dict[str, tuple[str, str]] = {
    "person": ("记录编号", "record"),
    "name": ("姓名", "name"),
    "id_type": ("证件类型", "kind of document"),
    "id_no": ("证件号码", "number of the document"),
    "phone": ("联系电话", "phone"),
    "sex": ("性别（1 男 2 女）", "sex (1 male, 2 female)"),
    "birth_year": ("出生年份", "year of birth"),
    "source": ("数据来源", "where it came from"),
    "updated_at": ("更新时间", "last changed"),
    "ended_at": ("失效时间", "no longer in its source since"),
    "restricted_at": ("限制处理时间", "kept for the law alone since"),
    "unit": ("房屋单元编号", "unit"),
    "building": ("楼栋编号", "building"),
    "place": ("地点", "place"),
    "role": ("居住关系", "as what"),
    "kind": ("类别", "kind"),
    "from": ("起始日期", "since"),
    "to": ("截止日期", "until"),
    "legal_basis": ("法律依据", "legal basis"),
    "purposes": ("可用用途", "purposes it may be used for"),
    "share": ("份额", "share"),
    "document": ("凭证", "document"),
    "at": ("时间", "when"),
    "event": ("操作", "what was done"),
    "purpose": ("用途", "what for"),
    "roles": ("查阅角色", "in which role"),
}
"""What each field is called."""

STYLE = (
    "body{font:16px sans-serif;margin:2em}table{border-collapse:collapse}"
    "td,th{border:1px solid #999;padding:.3em .6em;text-align:left}"
)


def page(found: Json) -> str:
    """All that is kept of a person, for that person."""
    parts = "".join(_part(name, found[name]) for name in TITLES)
    data = orjson.dumps({name: found[name] for name in TITLES}).decode().replace("</", "<\\/")
    return (
        '<!doctype html><html lang="zh"><meta charset="utf-8">'
        f"<title>个人信息副本 · copy of personal data</title><style>{STYLE}</style>"
        "<h1>个人信息副本 · Copy of personal data</h1>"
        "<p>依据《个人信息保护法》第四十五条。未列出的内容即未保存。<br>"
        "What is not listed is not kept.</p>"
        f'{parts}<script type="application/json" id="data">{data}</script></html>\n'
    )


def _part(name: str, rows: list[Json]) -> str:
    zh, en = TITLES[name]
    head = f"<h2>{zh} · {en}</h2>"
    if not rows:
        return f"{head}<p>无 · none</p>"
    shown = [key for key in rows[0] if key in WORDS]
    titles = "".join(f"<th>{WORDS[key][0]}<br>{WORDS[key][1]}</th>" for key in shown)
    lines = "".join(
        "<tr>" + "".join(f"<td>{_cell(row[key])}</td>" for key in shown) + "</tr>" for row in rows
    )
    return f"{head}<table><tr>{titles}</tr>{lines}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return "" if value is None else html.escape(str(value))


def tell(connection: Connection, vault: Vault, number: str, reference: str) -> Json:
    """All that is kept of who has that document, and the line in the log; as the owner.

    The transaction sees no other rows of people afterwards.
    """
    asked = {"numbers": vault.hashes(plain_id(number), NUMBER)}
    ids = connection.execute(bound(statements.OPEN), asked).one().ids
    connection.execute(
        record(
            "people.export",
            object_type="person",
            object_id=ids[0] if ids else None,
            persons=len(ids),
            detail={"reference": reference},
        )
    )
    connection.execute(bound("SET LOCAL ROLE cim_resident_reader"))
    found: Json = orjson.loads(connection.execute(bound(statements.TOLD)).scalar_one())
    for one in found["records"]:
        for name in ("name", "id_no", "phone"):
            sealed = None if one[name] is None else bytes.fromhex(one[name])
            one[name] = vault.decrypt([sealed], f"person.{name}")[0]
    return found


def erase(connection: Connection, vault: Vault, number: str, reference: str) -> Json:
    """Take out who has that document, and rows set aside with it; how many, and the line."""
    asked = {"numbers": vault.hashes(plain_id(number), NUMBER)}
    ids = list(connection.execute(bound(statements.NUMBERED), asked).scalars())
    gone: Json = connection.execute(bound(statements.FORGET), {"ids": ids}).scalar_one()
    rows = aside_of(connection, vault, number)
    gone |= connection.execute(bound(statements.FORGET_ASIDE), {"ids": rows}).scalar_one()
    connection.execute(
        record(
            "people.erase",
            object_type="person",
            persons=len(ids),
            detail=gone | {"reference": reference},
        )
    )
    return gone


def aside_of(connection: Connection, vault: Vault, number: str) -> list[int]:
    """Rows set aside in which somewhere stands that document's number; opens every one of them."""
    found: list[int] = []
    wanted, last = plain_id(number), -1
    while True:
        rows = connection.execute(bound(statements.ASIDE), {"last": last, "most": BATCH}).all()
        if not rows:
            return found
        records = vault.decrypt([row.record_enc for row in rows], SEALED)
        for row, clear in zip(rows, records, strict=True):
            values = orjson.loads(clear or "{}").values()
            if any(plain_id(str(value)) == wanted for value in values if value is not None):
                found.append(row.id)
        last = rows[-1].id
