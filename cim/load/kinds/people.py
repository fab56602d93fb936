"""People and where they live: encrypted before anything is written, found again by keyed hash.

Names, numbers and phones enter the database from here alone, as ciphertext, mask and keyed hash;
the plain columns end with the batch, and no error repeats them.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from cim.codes.identifiers import birth_year
from cim.load import references
from cim.load.fields import Field
from cim.load.kind import Context, Kind
from cim.load.references import ADDRESS, BUILDING, BY_ADDRESS, ENTRANCE, RESOLVED, ROOM, UNIT
from cim.load.rows import Rows
from cim.model.people import person
from cim.privacy import mask_id, mask_name, mask_phone, plain_id, plain_phone
from cim.store.incoming import residents

GROWN: Final = 14
"""Years of age from which somebody's data are no longer those of a child (PIPL, Art. 28)."""

ROLES: Final = {
    "户主": "户主",
    "成员": "成员",
    "家庭成员": "成员",
    "家属": "成员",
    "租客": "租客",
    "承租人": "租客",
    "租户": "租客",
    "业主": "户主",
    "业主不住": "业主不住",
    "单位宿舍": "单位宿舍",
    "owner": "户主",
    "member": "成员",
    "tenant": "租客",
}
"""Words for what somebody is in a unit."""

KINDS: Final = {
    "户籍": "户籍",
    "户籍人口": "户籍",
    "常住": "常住",
    "常住人口": "常住",
    "流动": "流动",
    "流动人口": "流动",
    "暂住": "流动",
    "境外": "境外",
    "境外人员": "境外",
}
"""Words for the kind of residency."""

SEXES: Final = {"男": "1", "女": "2", "1": "1", "2": "2", "m": "1", "f": "2", "未知": "0", "0": "0"}
"""Words for sex."""

FIELDS = (
    Field("name", "text", "姓名", "name", ("名字",), required=True),
    Field("id_type", "text", "证件类型", "kind of identity document", ("证件种类",)),
    Field("id_no", "text", "证件号码", "number of the identity document",
          ("身份证号", "身份证号码", "公民身份号码", "证件号", "id_number")),
    Field("sex_code", "code", "性别", "sex", ("sex", "gender"), words=SEXES),
    Field("birth_year", "year", "出生年份", "year of birth",
          ("出生日期", "出生年月", "birth_date")),
    Field("phone", "text", "联系电话", "phone number",
          ("电话", "手机", "手机号", "手机号码", "mobile")),
    Field("role", "code", "居住关系", "户主, 成员, 租客 …", ("与户主关系", "居住角色"),
          words=ROLES),
    Field("residency_kind", "code", "居住类别", "户籍, 常住, 流动, 境外", ("人口类别", "人口类型"),
          words=KINDS),
    Field("from_date", "date", "入住日期", "lives there since", ("居住开始日期", "since")),
    BUILDING,
    ENTRANCE,
    UNIT,
    ROOM,
    ADDRESS,
)  # fmt: skip

PHONE_DIGITS: Final = 11
"""A key of as many digits may be a mobile phone number, or an identity number with a slip."""

SECRET: Final = ("name", "id_no", "phone", "address")
"""Fields that never leave the batch in the clear."""


def seal(rows: Rows, context: Context) -> None:
    """Ciphertexts, masks and hashes in the place of names, numbers and phones."""
    vault = context.vault
    if vault is None:
        raise TypeError("people come in with a vault only")
    names, phones = rows.words("name").tolist(), rows.words("phone").tolist()
    numbers = [value and plain_id(value) for value in rows.words("id_no").tolist()]
    _years(rows, numbers)
    keys = _keys(rows, context, numbers, names, phones)
    for field, values, plain, mask in (
        ("name", names, None, mask_name),
        ("id_no", numbers, numbers, mask_id),
        ("phone", phones, [value and plain_phone(value) for value in phones], mask_phone),
    ):
        purpose = f"person.{field}"
        rows.columns[f"{field}_enc"] = _column(vault.encrypt(values, purpose, keys))
        rows.columns[f"{field}_mask"] = _column([value and mask(value) for value in values])
        if plain is not None:
            rows.columns[f"{field}_hash"] = _column(vault.hash(plain, purpose))
    for field in SECRET:
        rows.columns[field] = np.full(len(rows), None, dtype=object)


def _column(values: Sequence[object]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _years(rows: Rows, numbers: list[str | None]) -> None:
    """Year of birth, from the number where no column says it; who may be under 14 is a child."""
    read = [np.nan if number is None else birth_year(number) or np.nan for number in numbers]
    given = rows.numbers("birth_year")
    years = np.where(np.isnan(given), np.array(read or [], np.float64), given)
    rows.columns["birth_year"] = years
    young = datetime.now(UTC).year - GROWN
    with np.errstate(invalid="ignore"):
        rows.columns["is_minor14"] = np.array(years >= young, dtype=object)


def _keys(
    rows: Rows,
    context: Context,
    numbers: list[str | None],
    names: list[str | None],
    phones: list[str | None],
) -> list[str | None]:
    """The key of each row: the file's own, but a keyed hash where that tells who it is.

    Without one, a keyed hash of the number, or of name and phone.
    """
    vault = context.vault
    assert vault is not None
    given = rows.words("ext_id").tolist()
    base: list[str | None] = [
        None if key is None or _is_telling(key, number, phone) else key
        for key, number, phone in zip(given, numbers, phones, strict=True)
    ]
    what = [
        plain_id(key) if key else number or f"{name}/{phone or ''}"
        for key, number, name, phone in zip(given, numbers, names, phones, strict=True)
    ]
    hashed = vault.hash(what, "person.key")
    keys = [key or f"#{(h or b'').hex()[:32]}" for key, h in zip(base, hashed, strict=True)]
    rows.columns["ext_id"] = rows.columns["person_key"] = _column(list(keys))
    return list(keys)


def _is_telling(key: str, number: str | None, phone: str | None) -> bool:
    """Whether a key is, or may be a misspelt, number of an identity document or a phone.

    >>> [_is_telling(key, "C1234567", None) for key in ("P000123", "C1234567", "9900001990O101001")]
    [False, True, True]
    """
    digits = sum(mark.isdigit() for mark in key)
    return digits >= PHONE_DIGITS or plain_id(key) == number or key == phone


KIND = Kind(
    name="people",
    zh="人口",
    en="people and where they live (encrypted)",
    table=person,
    object_type="person",
    fields=FIELDS,
    checks=(references.spell, seal),
    adds={
        "name_enc": "bytea",
        "name_mask": "text",
        "id_no_enc": "bytea",
        "id_no_mask": "text",
        "id_no_hash": "bytea",
        "phone_enc": "bytea",
        "phone_mask": "text",
        "phone_hash": "bytea",
        "birth_year": "int2",
        "is_minor14": "bool",
        "address_id": "int8",
    }
    | RESOLVED
    | BY_ADDRESS,
    key=("person_key",),
    key_names=("人员编号", "人口编号", "person_id"),
    settle=residents.settle,
    repeated=residents.repeated,
    enter=residents.enter,
    personal=True,
)
