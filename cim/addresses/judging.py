"""What is said of an address that was looked for: the one that is meant, or that nobody can tell.

A match is told only where one candidate is good and no other is nearly as good.  Everything else is
said as what it is, with the candidates beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cim.addresses.ladder import LADDER
from cim.addresses.parser import Address

GOOD: Final = 80
"""Score from which on a candidate may be the one."""

LIKELY: Final = 50
"""Score of an address from which on it keeps a wider place from being the answer."""

AHEAD: Final = 5
"""Points by which it must be better than the next."""

AHEAD_BY_TEXT: Final = 2
"""The same where the register has the very text: a door, and not the towers behind it."""

STATUSES: Final = {
    "matched": ("this is the address", "已匹配"),
    "partial": (
        "only a wider place is known; the rest is in remainder",
        "仅匹配到上级，其余见剩余部分",
    ),
    "ambiguous": ("several fit equally well; say more", "有多个同样匹配的结果，请补充信息"),
    "unsure": ("some resemble it, none well enough", "有相似地址，但均不足以确认"),
    "none": ("nothing like it is known", "没有找到相似地址"),
}
"""What can be said, in words."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An address or place that may be meant; ids are None where there is nothing of that kind.

    `level` is the deepest level of the ladder that was asked for and agrees; `remainder` is what of
    the text it leaves unanswered; `differs` are levels at which it says something else; `spelling`
    is its joined text.
    """

    id: int | None
    text: str
    level: int
    score: int
    object: tuple[str, int] | None = None
    building_id: int | None = None
    unit_id: int | None = None
    lon: float | None = None
    lat: float | None = None
    spelling: str | None = None
    differs: tuple[str, ...] = ()
    remainder: str = ""

    @property
    def target(self) -> tuple[str, int] | str | int | None:
        """What it leads to: two addresses of one building, or of one spelling, are one answer."""
        return self.object or self.spelling or self.id


@dataclass(frozen=True, slots=True)
class Verdict:
    """`status` of STATUSES; `match` for matched and partial alone; all others in `alternatives`."""

    status: str
    match: Candidate | None
    alternatives: tuple[Candidate, ...]
    remainder: str


def unanswered(asked: Address, missing: Sequence[str]) -> str:
    """What of an address is not answered: the words of these levels, and what fits no level.

    >>> from cim.addresses.parser import parse
    >>> unanswered(parse("丰泰花园3栋805室(近市场)"), ["room_no"])
    '805 近市场'
    """
    words = [asked.levels[level] for level in LADDER if level in missing and level in asked.levels]
    return " ".join(filter(None, ["".join(words), asked.remainder]))


def level_of(asked: Mapping[str, str], agreed: Sequence[str]) -> int:
    """The deepest of the levels asked that agree; 0 for none."""
    return max((LADDER[level] for level in agreed if level in asked), default=0)


def judge(asked: Address, candidates: Sequence[Candidate]) -> Verdict:
    """What is said, of candidates in any order.

    >>> from cim.addresses.parser import parse
    >>> one, other = (Candidate(n, "丰泰花园3栋", 11, 100, ("building", n)) for n in (1, 2))
    >>> judge(parse("丰泰花园3栋"), [one]).status, judge(parse("丰泰花园3栋"), [one, other]).status
    ('matched', 'ambiguous')
    >>> judge(parse("丰泰花园3栋805"), [one]).status, judge(parse("丰泰花园3栋"), []).status
    ('partial', 'none')
    """
    doubt = min(8, len(asked.remainder) // 2)
    found: dict[tuple[str, int] | str | int | None, Candidate] = {}
    for each in sorted(candidates, key=lambda item: (-item.score, -item.level)):
        less = replace(each, score=max(0, each.score - doubt)) if doubt else each
        found.setdefault(each.target, less)
    ranked = tuple(found.values())
    if not ranked:
        return Verdict("none", None, (), asked.norm_text + _more(asked))
    best = ranked[0]
    deeper = best.id is None and any(
        each.level > best.level and each.score >= LIKELY for each in ranked[1:]
    )
    if best.score < GOOD or deeper:
        ranked = tuple(sorted(ranked, key=lambda each: each.id is None))
        return Verdict("unsure", None, ranked, asked.norm_text + _more(asked))
    ahead = AHEAD_BY_TEXT if best.spelling == asked.norm_text else AHEAD
    if len(ranked) > 1 and ranked[1].score > best.score - ahead:
        return Verdict("ambiguous", None, ranked, best.remainder)
    wanted = max((LADDER[level] for level in asked.levels), default=0)
    status = "matched" if best.level >= wanted else "partial"
    return Verdict(status, best, ranked[1:], best.remainder)


def _more(asked: Address) -> str:
    return f" {asked.remainder}" if asked.remainder else ""
