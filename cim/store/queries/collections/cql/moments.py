"""How two moments or intervals may lie to one another: Allen's relations as conditions."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from cim.store.queries.collections.cql.terms import TEMPORAL, Term, kinds, moment

Edge = ColumnElement[Any]
Relation = Callable[[Edge, Edge, Edge, Edge], ColumnElement[bool]]

FUNCTIONS: dict[str, Relation] = {
    "t_after": lambda a, b, c, d: a > d,
    "t_before": lambda a, b, c, d: b < c,
    "t_contains": lambda a, b, c, d: and_(a < c, b > d),
    "t_disjoint": lambda a, b, c, d: or_(b < c, a > d),
    "t_during": lambda a, b, c, d: and_(a > c, b < d),
    "t_equals": lambda a, b, c, d: and_(a == c, b == d),
    "t_finishedby": lambda a, b, c, d: and_(a < c, b == d),
    "t_finishes": lambda a, b, c, d: and_(a > c, b == d),
    "t_intersects": lambda a, b, c, d: and_(a <= d, b >= c),
    "t_meets": lambda a, b, c, d: b == c,
    "t_metby": lambda a, b, c, d: a == d,
    "t_overlappedby": lambda a, b, c, d: and_(a > c, a < d, b > d),
    "t_overlaps": lambda a, b, c, d: and_(a < c, b > c, b < d),
    "t_startedby": lambda a, b, c, d: and_(a == c, b > d),
    "t_starts": lambda a, b, c, d: and_(a == c, b < d),
}
"""From the first and last moment of one, and of the other."""


def ends(op: str, term: Term) -> tuple[Edge, Edge]:
    """The first and last moment of a term; those of a moment are one."""
    if term.ends is not None:
        return term.ends
    if term.kind not in TEMPORAL:
        raise kinds(op, term)
    return moment(term), moment(term)


def relation(op: str, left: Term, right: Term) -> ColumnElement[bool]:
    """The condition that one lies to the other as the operator says."""
    return FUNCTIONS[op](*ends(op, left), *ends(op, right))
