"""Organisations and where they are: firms, shops, agencies, property companies.

Their rows may hold somebody's phone number, so one that is set aside is kept encrypted.
"""

import re
from typing import Final

import numpy as np

from cim.codes.identifiers import is_credit_code
from cim.load import references
from cim.load.fields import Field
from cim.load.kind import Context, Kind
from cim.load.references import ADDRESS, BUILDING, BY_ADDRESS, ENTRANCE, RESOLVED, ROOM, UNIT
from cim.load.rows import Rows
from cim.model.organisations import organisation
from cim.privacy import mask_phone
from cim.store.incoming import organisations

KINDS: Final = {
    "企业": "企业",
    "公司": "企业",
    "个体": "个体",
    "个体户": "个体",
    "个体工商户": "个体",
    "机关": "机关",
    "事业单位": "机关",
    "社会组织": "社会组织",
    "物业": "物业",
    "物业公司": "物业",
    "业委会": "业委会",
    "网格": "网格",
    "其他": "其他",
}
"""Words for the kind of an organisation."""

FIELDS = (
    Field("name", "text", "单位名称", "registered name", ("名称", "企业名称", "机构名称", "店名"),
          required=True),
    Field("uscc", "text", "统一社会信用代码", "credit code",
          ("信用代码", "社会信用代码", "credit_code")),
    Field("kind", "code", "单位类别", "企业, 个体, 机关 …", ("单位类型", "机构类型"), words=KINDS),
    Field("small_place", "text", "三小类型", "小商铺, 小作坊, 小娱乐; several with 、",
          ("三小", "三小场所", "标签", "tags")),
    Field("industry_code", "text", "行业代码", "industry code", ("行业",)),
    Field("status", "text", "状态", "active, closed …", ("经营状态",)),
    Field("contact", "text", "联系电话", "phone, kept masked", ("电话", "联系方式", "phone")),
    Field("place_role", "text", "地址类型", "注册地 or 经营地", ("场所类型",)),
    Field("from_date", "date", "入驻日期", "there since", ("成立日期", "开业日期")),
    BUILDING,
    ENTRANCE,
    UNIT,
    ROOM,
    ADDRESS,
)  # fmt: skip


def describe(rows: Rows, context: Context) -> None:
    """Tags as a list, credit codes by their shape, the contact masked."""
    codes = [value and value.upper().replace(" ", "") for value in rows.words("uscc").tolist()]
    rows.columns["uscc"] = np.array(codes or [], dtype=object)
    wrong = np.array([code is not None and not is_credit_code(code) for code in codes], bool)
    rows.set_aside(wrong, "uscc", "not_a_code")
    tags = np.empty(len(rows), dtype=object)
    tags[:] = [_tags(text) for text in rows.words("small_place").tolist()]
    rows.columns["tags"] = tags
    contacts = rows.words("contact").tolist()
    rows.columns["contact_mask"] = np.array(
        [value and mask_phone(value) for value in contacts] or [], dtype=object
    )
    rows.columns["contact"] = np.full(len(rows), None, dtype=object)


def _tags(text: str | None) -> list[str] | None:
    """The small places that a text names, each once.

    >>> _tags("小商铺、小作坊"), _tags("三小"), _tags(None)
    (['小商铺', '小作坊'], ['三小'], None)
    """
    words = [word for word in re.split(r"[,，、;；/\s]+", text or "") if word]
    return list(dict.fromkeys(words)) or None


KIND = Kind(
    name="organisations",
    zh="单位",
    en="organisations and where they are",
    table=organisation,
    object_type="organisation",
    fields=FIELDS,
    checks=(references.spell, describe),
    adds={"tags": "text[]", "contact_mask": "text", "address_id": "int8"} | RESOLVED | BY_ADDRESS,
    key=("uscc", "name"),
    key_names=("单位编号", "机构编号", "org_id", "organisation_id"),
    settle=organisations.settle,
    repeated=organisations.repeated,
    enter=organisations.enter,
    personal=True,
)
