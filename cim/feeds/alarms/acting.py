"""What people do with an alarm: take it on, note, end it, find it false, open it again."""

import re
from typing import Final, Literal

from sqlalchemy import Connection, text

from cim.errors import Conflict, InvalidQuery, NotFound
from cim.store.queries.security.callers import record

Act = Literal["acknowledge", "note", "end", "false", "reopen"]

LONGEST: Final = 500
"""Characters of a note."""

_DO = text("SELECT city.act_on_alarm(:event, :act, :note)")

_WHY_NOT: Final = {
    ("acknowledge", "closed"): ("The alarm has ended already.", "该告警已结束。"),
    ("acknowledge", "again"): ("The alarm was acknowledged already.", "该告警已被确认。"),
    ("end", "closed"): ("The alarm has ended already.", "该告警已结束。"),
    ("false", "again"): ("The alarm was marked as false already.", "该告警已标记为误报。"),
    ("reopen", "open"): ("The alarm is open.", "该告警尚未结束。"),
    ("reopen", "again"): (
        "Another alarm of the same rule and stream is open.",
        "同一规则和数据流已有未结束的告警。",
    ),
}
"""Why something was not done."""


def noted(note: str | None, *, needed: bool = False) -> str | None:
    """A note as it is kept; InvalidQuery for one that is empty where it is needed, too long, or
    holds what may be a person's number.

    >>> noted("  维保\\t已到场 ")
    '维保 已到场'
    """
    kept = " ".join((note or "").split())
    if not kept:
        if needed:
            raise InvalidQuery("note must say something.", "备注不能为空。")
        return None
    if len(kept) > LONGEST or not kept.isprintable():
        raise InvalidQuery(
            f"note must have at most {LONGEST} characters, and no control characters.",
            f"备注最多 {LONGEST} 个字符，且不能含控制字符。",
        )
    if re.search(r"\d{11}", re.sub(r"[ -]", "", kept)):
        raise InvalidQuery(
            "note must not hold numbers of persons: the history cannot be changed afterwards.",
            "备注不能含身份证号、电话号码等个人信息：告警历史写入后不能修改。",
        )
    return kept


def act(connection: Connection, event: int, what: Act, note: str | None = None) -> None:
    """Do it, in the transaction of `connection`, which knows who acts, and log that it was done.

    NotFound where there is no such alarm, Conflict where its state stands against it.
    """
    kept = noted(note, needed=what == "note")
    done = connection.execute(_DO, {"event": event, "act": what, "note": kept}).scalar_one()
    if done == "none":
        raise NotFound(f"No alarm has the id {event}.", f"没有编号为 {event} 的告警。")
    if done != "done":
        raise Conflict(*_WHY_NOT[what, done])
    connection.execute(record(f"alarm.{what}", object_type="event", object_id=event))
