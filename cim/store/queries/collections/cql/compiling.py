"""The compiler: a parsed filter in, conditions of a statement out."""

from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Float,
    Text,
    and_,
    bindparam,
    cast,
    false,
    func,
    literal_column,
    not_,
    or_,
    true,
)

from cim.store.queries.collections.cql import moments, shapes
from cim.store.queries.collections.cql.shapes import Places
from cim.store.queries.collections.cql.terms import (
    TEMPORAL,
    Node,
    Term,
    alike,
    date,
    double,
    instant,
    kinds,
    moment,
    number,
    open_end,
    refused,
    said,
    text,
)
from cim.store.queries.collections.items import bound
from cim.store.queries.collections.shape import Collection

DEEPEST, MOST_NODES = 40, 3000

Condition = ColumnElement[bool]

COMPARISONS: dict[str, Callable[[ColumnElement[object], ColumnElement[object]], Condition]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}

ARITHMETIC: dict[
    str, Callable[[ColumnElement[float], ColumnElement[float]], ColumnElement[float]]
] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / _not_zero(b),
    "div": lambda a, b: func.trunc(a / _not_zero(b), type_=Float),
    "%": lambda a, b: a - b * func.trunc(a / _not_zero(b), type_=Float),
    "^": lambda a, b: func.power(a, b, type_=Float),
}

ARRAYS = {"a_contains": "@>", "a_containedby": "<@", "a_overlaps": "&&"}


def _not_zero(value: ColumnElement[float]) -> ColumnElement[float]:
    """What is divided by zero has no value, and matches nothing."""
    return func.nullif(value, literal_column("0"), type_=Float)


def conditions(here: Collection, node: Node, places: Places) -> list[Condition]:
    """A filter in CQL2 JSON as conditions on a collection; BadParameter says what is not taken.

    A geometry that every match must meet comes first, as a condition that an index answers.
    """
    compiler = Compiler(here, places)
    made = compiler.condition(node)
    return [*compiler.narrow(node), made]


class Compiler:
    """One filter on its way into conditions."""

    def __init__(self, here: Collection, places: Places) -> None:
        """For a collection; `places` reads the filter's coordinates."""
        self.here, self.places = here, places
        self._depth = self._nodes = 0
        self._operators: dict[str, Callable[[str, list[Node]], Condition]] = {
            "and": self._joined,
            "or": self._joined,
            "not": self._not,
            "between": self._between,
            "like": self._like,
            "in": self._in,
            "isnull": self._is_null,
            "a_equals": self._array,
            **dict.fromkeys(COMPARISONS, self._compared),
            **dict.fromkeys(shapes.FUNCTIONS, self._spatial),
            **dict.fromkeys(moments.FUNCTIONS, self._temporal),
            **dict.fromkeys(ARRAYS, self._array),
        }

    def condition(self, node: Node) -> Condition:
        """A piece of a filter that is true or false."""
        self._enter()
        if isinstance(node, bool):
            made: Condition = true() if node else false()
        elif isinstance(node, dict) and "op" in node:
            op, arguments = self._call(node)
            if op not in self._operators:
                raise self._unknown(node["op"])
            made = self._operators[op](op, arguments)
        else:
            term = self.term(node)
            if term.kind != "boolean":
                raise refused("a condition must be true or false", "条件必须为真或假")
            made = term.sql
        self._depth -= 1
        return made

    def term(self, node: Node) -> Term:
        """A piece of a filter that has a value."""
        self._enter()
        if isinstance(node, bool):
            made = Term("boolean", bound(node, "boolean"), node)
        elif isinstance(node, int | float):
            made = number(node)
        elif isinstance(node, str):
            made = text(node)
        elif isinstance(node, list):
            made = self._strings(node)
        elif isinstance(node, dict):
            made = self._object(node)
        else:
            raise refused(f"{said(node)} is no value", f"{said(node)} 不是有效的值")
        self._depth -= 1
        return made

    def narrow(self, node: Node) -> list[Condition]:
        """Conditions an index answers, of what every match must meet."""
        if self.here.near is None or not isinstance(node, dict):
            return []
        self._nodes = 0
        op, arguments = self._call(node)
        if op == "and":
            return [found for each in arguments for found in self.narrow(each)]
        if op not in shapes.FUNCTIONS or op == "s_disjoint":
            return []
        written = [term for term in map(self.term, arguments) if term.written is not None]
        return [self.here.near(written[0].sql)] if len(written) == 1 else []

    def _enter(self) -> None:
        self._depth += 1
        self._nodes += 1
        if self._depth > DEEPEST:
            raise refused(f"it is nested deeper than {DEEPEST} levels", "嵌套层次过深")
        if self._nodes > MOST_NODES:
            raise refused(f"it has more than {MOST_NODES:,} parts", "条件过多")

    def _unknown(self, name: object) -> Exception:
        known = ", ".join(self._operators)
        return refused(
            f"there is no function {said(name)}; those known are {known}, casei",
            f"不支持函数 {said(name)}；可用函数：{known}, casei",
        )

    def _call(self, node: dict[str, Node]) -> tuple[str, list[Node]]:
        op, arguments = node.get("op"), node.get("args", [])
        if not isinstance(op, str) or not isinstance(arguments, list):
            return "", []
        return op.lower(), arguments

    def _count(self, op: str, arguments: Sequence[Node], wanted: int) -> None:
        if len(arguments) != wanted:
            raise refused(
                f"{said(op)} takes {wanted} arguments", f"{said(op)} 需要 {wanted} 个参数"
            )

    def _object(self, node: dict[str, Node]) -> Term:
        """A property, a function's value, or a literal that is an object."""
        if "op" in node:
            return self._worked_out(node)
        if node.get("type") in shapes.KINDS:
            return shapes.geometry(node, self.places)
        for name, read in (
            ("property", self._property),
            ("date", date),
            ("timestamp", instant),
            ("interval", self._interval),
            ("bbox", partial(shapes.box, places=self.places)),
        ):
            if name in node:
                return read(node[name])
        raise refused(f"an object of {said(next(iter(node), ''))} is no value", "对象不是有效的值")

    def _property(self, name: Node) -> Term:
        here = self.here
        if name == "id":
            return Term("number", here.key, whole=True)
        if name in ("geometry", "geom"):
            return Term("geometry", here.geometry)
        found = here.properties.get(name) if isinstance(name, str) else None
        if found is None:
            raise refused(
                f"there is no property {said(name)}; those known are id, geometry, "
                f"{', '.join(here.properties)}",
                f"没有字段 {said(name)}；可用字段：id、geometry、{'、'.join(here.properties)}",
            )
        if found.kind == "integer":
            return Term("number", found.expression, whole=True)
        return Term(found.kind, found.expression)

    def _worked_out(self, node: dict[str, Node]) -> Term:
        op, arguments = self._call(node)
        if op == "casei":
            self._count(op, arguments, 1)
            inner = self.term(arguments[0])
            if inner.kind != "string":
                raise kinds(op, inner)
            return Term("string", func.lower(inner.sql, type_=Text))
        if op not in ARITHMETIC:
            raise self._unknown(node["op"])
        self._count(op, arguments, 2)
        left, right = map(self.term, arguments)
        if left.kind != "number" or right.kind != "number":
            raise kinds(op, left, right)
        return Term("number", ARITHMETIC[op](double(left), double(right)))

    def _strings(self, nodes: list[Node]) -> Term:
        found = [self.term(node).written for node in nodes]
        if not all(isinstance(each, str) for each in found):
            raise refused("a list to compare with a list must hold texts", "数组元素必须为文本")
        return Term("strings", bindparam(None, found, ARRAY(Text)), found)

    def _interval(self, nodes: Node) -> Term:
        if not isinstance(nodes, list) or len(nodes) != 2:
            raise refused("an interval has two ends", "时间区间须有起止两端")
        first, last = (
            open_end(sign) if node == ".." else self._end(node)
            for node, sign in zip(nodes, ("-", ""), strict=True)
        )
        return Term("interval", first, ends=(first, last))

    def _end(self, node: Node) -> ColumnElement[object]:
        term = self.term(node)
        if isinstance(term.written, str):
            term = date(term.written) if len(term.written) == 10 else instant(term.written)
        if term.kind not in TEMPORAL:
            raise kinds("interval", term)
        return moment(term)

    def _joined(self, op: str, arguments: list[Node]) -> Condition:
        if not arguments:
            raise refused(f"{said(op)} has nothing to join", f"{said(op)} 缺少参数")
        return (and_ if op == "and" else or_)(*map(self.condition, arguments))

    def _not(self, op: str, arguments: list[Node]) -> Condition:
        self._count(op, arguments, 1)
        return not_(self.condition(arguments[0]))

    def _compared(self, op: str, arguments: list[Node]) -> Condition:
        self._count(op, arguments, 2)
        left, right = map(self.term, arguments)
        return self._pair(op, left, right)

    def _pair(self, op: str, left: Term, right: Term) -> Condition:
        for term in (left, right):
            if term.kind in ("geometry", "interval", "strings"):
                raise kinds(op, left, right)
        return COMPARISONS[op](*alike(op, left, right))

    def _between(self, op: str, arguments: list[Node]) -> Condition:
        self._count(op, arguments, 3)
        value, low, high = map(self.term, arguments)
        return and_(self._pair(">=", value, low), self._pair("<=", value, high))

    def _like(self, op: str, arguments: list[Node]) -> Condition:
        self._count(op, arguments, 2)
        value, pattern = map(self.term, arguments)
        if value.kind != "string" or pattern.kind != "string":
            raise kinds(op, value, pattern)
        node = arguments[1]
        inner = node["args"][0] if isinstance(node, dict) and node.get("args") else node
        if not isinstance(inner, str):
            raise refused("a pattern must be written out", "匹配模式必须为文本")
        if (len(inner) - len(inner.rstrip("\\"))) % 2:
            raise refused("a pattern ends in its escape character", "匹配模式不能以转义符结尾")
        return value.sql.like(pattern.sql)

    def _in(self, op: str, arguments: list[Node]) -> Condition:
        self._count(op, arguments, 2)
        if not isinstance(arguments[1], list) or not arguments[1]:
            raise refused("'in' needs a list", "in 需要列表")
        value = self.term(arguments[0])
        return or_(*(self._pair("=", value, self.term(each)) for each in arguments[1]))

    def _is_null(self, op: str, arguments: list[Node]) -> Condition:
        self._count(op, arguments, 1)
        return self.term(arguments[0]).sql.is_(None)

    def _spatial(self, op: str, arguments: list[Node]) -> Condition:
        self._count(op, arguments, 2)
        left, right = map(self.term, arguments)
        if left.kind != "geometry" or right.kind != "geometry":
            raise kinds(op, left, right)
        mixed = any(
            getattr(t.written, "geom_type", "") == "GeometryCollection" for t in (left, right)
        )
        if mixed and op not in shapes.COLLECTIONS:
            raise refused(
                f"{said(op)} does not take a GeometryCollection", f"{said(op)} 不支持几何集合"
            )
        made: Condition = getattr(func, shapes.FUNCTIONS[op])(left.sql, right.sql)
        return made

    def _temporal(self, op: str, arguments: list[Node]) -> Condition:
        self._count(op, arguments, 2)
        left, right = (self._timed(self.term(each)) for each in arguments)
        return moments.relation(op, left, right)

    def _timed(self, term: Term) -> Term:
        """A text where only a time can stand is read as one."""
        if not isinstance(term.written, str):
            return term
        return date(term.written) if len(term.written) == 10 else instant(term.written)

    def _array(self, op: str, arguments: list[Node]) -> Condition:
        self._count(op, arguments, 2)
        left, right = map(self.term, arguments)
        if left.kind != "strings" or right.kind != "strings":
            raise kinds(op, left, right)
        a, b = cast(left.sql, ARRAY(Text)), cast(right.sql, ARRAY(Text))
        if op == "a_equals":
            return and_(a.op("@>", is_comparison=True)(b), a.op("<@", is_comparison=True)(b))
        return a.op(ARRAYS[op], is_comparison=True)(b)
