"""The compiler: a filter's tree in, a condition out, with every value a parameter.

A comparison over links holds where it holds for some of what they lead to; those to one thing and
those to many are asked alike.
"""

from cim.store.queries.sensorthings.asked import Call, Node, Order, Path, Value, refused, said
from cim.store.queries.sensorthings.entities import ENTITIES
from cim.store.queries.sensorthings.functions import (
    FUNCTIONS,
    NEAR,
    NUMBERS,
    PERIODS,
    reckoned,
)
from cim.store.queries.sensorthings.shape import Asking, Entity, Link, Property, geojson, part_of
from cim.store.queries.sensorthings.terms import (
    SIGNS,
    TYPES,
    Term,
    as_kind,
    compared,
    kinds,
    literal,
)

IDS = ("id", "@iot.id")
MOST_LINKS, FURTHEST = 40, 8
"""Links that one filter may follow in all, and one path: all that it leads to are joined."""


class Leaf:
    """One comparison on its way into SQL, with the relations it reaches."""

    def __init__(self) -> None:
        """None is reached yet."""
        self.tables: list[str] = []
        self.where: list[str] = []
        self.known: dict[tuple[str, str], str] = {}
        self.many = False

    def closed(self, sql: str) -> str:
        """The comparison by itself, or of some of what is reached."""
        if not self.tables:
            return sql
        return f"EXISTS (SELECT FROM {' CROSS JOIN '.join(self.tables)} WHERE {self._all(sql)})"

    def value(self, sql: str, type_: str, *, descending: bool) -> str:
        """A value to sort by: the only one, or of many the greatest or the least."""
        if not self.tables:
            return sql
        chosen, limit = sql, " LIMIT 1"
        if self.many and type_ in ("jsonb", "bool"):  # these have an order, and no greatest
            way = "DESC" if descending else "ASC"
            chosen, limit = f"(array_agg({sql} ORDER BY {sql} {way} NULLS LAST))[1]", ""
        elif self.many:
            chosen, limit = f"{'max' if descending else 'min'}({sql})", ""
        return (
            f"(SELECT {chosen} FROM {' CROSS JOIN '.join(self.tables)} WHERE {self._all()}{limit})"
        )

    def _all(self, *more: str) -> str:
        return " AND ".join([*self.where, *more])


class Compiler:
    """Conditions on one entity, which has an alias."""

    def __init__(self, asking: Asking, entity: Entity, alias: str) -> None:
        """For a caller, with the values of one statement."""
        self.asking, self.entity, self.alias = asking, entity, alias
        self._links = 0

    def condition(self, node: Node) -> str:
        """A piece of a filter that is true or false."""
        if isinstance(node, Call) and node.name in ("and", "or"):
            left, right = map(self.condition, node.arguments)
            return f"({left} {node.name.upper()} {right})"
        if isinstance(node, Call) and node.name == "not" and isinstance(node.arguments[0], Path):
            return f"(NOT {self.condition(node.arguments[0])})"  # nothing is neither true nor false
        if isinstance(node, Call) and node.name == "not":
            return f"(NOT coalesce({self.condition(node.arguments[0])}, false))"
        leaf = Leaf()
        return leaf.closed(self._truth(node, leaf))

    def near(self, node: Node) -> bytes | None:
        """A geometry, as WKB, that every match must meet."""
        if not isinstance(node, Call):
            return None
        if node.name == "and":
            first, second = (self.near(each) for each in node.arguments)
            return first or second
        if node.name not in NEAR or len(node.arguments) < 2:
            return None
        here = [each for each in node.arguments[:2] if isinstance(each, Path)]
        there = [each.value for each in node.arguments[:2] if isinstance(each, Value)]
        own = (
            len(here) == 1
            and len(here[0].steps) == 1
            and here[0].steps[0] in ("location", "feature")
        )
        return there[0] if own and len(there) == 1 and isinstance(there[0], bytes) else None

    def sorting(self, order: Order) -> list[tuple[str, str]]:
        """What is sorted by, as SQL with its type."""
        leaf = Leaf()
        term = self.term(order.by, leaf)
        if term.kind == "id":
            types = [type_ for _, type_ in (term.made.columns if term.made else ())]
            found = list(zip(term.key, types or ["int8"] * len(term.key), strict=False))
        elif term.kind == "any":
            found = [(term.sql, "float8"), (term.other, "text")]
        elif term.kind == "json":
            found = [(f"({term.sql})", "jsonb")]
        elif term.kind in TYPES:
            found = [(term.sql, TYPES[term.kind])]
        else:
            raise refused("$orderby", f"{term.kind} has no order", f"{term.kind} 不能排序")
        down = order.descending
        return [(leaf.value(sql, type_, descending=down), type_) for sql, type_ in found]

    def term(self, node: Node, leaf: Leaf) -> Term:
        """A piece of a filter that has a value."""
        if isinstance(node, Value):
            return literal(node, self.asking.values)
        if isinstance(node, Path):
            return self._path(node.steps, leaf)
        if node.name in NUMBERS:
            left, right = (self._reckonable(each, leaf) for each in node.arguments)
            return reckoned(node.name, left, right)
        if node.name in ("and", "or", "not", "in", "list") or node.name in SIGNS:
            return Term("boolean", self.condition(node))
        return self._function(node, leaf)

    def _truth(self, node: Node, leaf: Leaf) -> str:
        if isinstance(node, Call) and node.name in SIGNS:
            left, right = (self.term(each, leaf) for each in node.arguments)
            return compared(node.name, left, right, self.asking.values)
        if isinstance(node, Call) and node.name == "in":
            return self._in(node, leaf)
        term = self.term(node, leaf)
        found = as_kind(term, "boolean", self.asking.values)
        if found is None:
            raise refused("$filter", "a condition must be true or false", "条件必须为真或假")
        return found.sql

    def _in(self, node: Call, leaf: Leaf) -> str:
        left, listed = self.term(node.arguments[0], leaf), node.arguments[1]
        every = listed.arguments if isinstance(listed, Call) else ()
        if not every:
            raise refused("$filter", "'in' needs a list", "in 需要列表")
        found = (compared("eq", left, self.term(each, leaf), self.asking.values) for each in every)
        return f"({' OR '.join(found)})"

    def _reckonable(self, node: Node, leaf: Leaf) -> Term:
        term = self.term(node, leaf)
        if term.kind in ("any", "json"):
            return as_kind(term, "number", self.asking.values) or term
        if term.kind == "id" and term.made is not None and term.made.number:
            return Term("number", f"{self._number(term)}::float8")
        return term

    def _number(self, term: Term) -> str:
        return term.key[0] if len(term.key) == 1 else f"({term.key[0]} * 8 + {term.key[1]})"

    def _function(self, node: Call, leaf: Leaf) -> Term:
        name, count = node.name, len(node.arguments)
        if name in PERIODS and count == 2:
            return self._period(node, leaf)
        function = FUNCTIONS.get(f"{name}/{count}") or FUNCTIONS.get(name)
        if function is None:
            known = ", ".join(each for each in FUNCTIONS if "/" not in each)
            raise refused(
                "$filter",
                f"there is no function {said(name)}; those known are {known}",
                f"不支持函数 {said(name)}；可用函数：{known}",
            )
        if count != len(function.takes):
            raise refused(
                "$filter",
                f"{name} takes {len(function.takes)} arguments",
                f"{name} 需要 {len(function.takes)} 个参数",
            )
        found = []
        for argument, kind in zip(node.arguments, function.takes, strict=True):
            term = self.term(argument, leaf)
            taken = as_kind(term, kind, self.asking.values)
            if taken is None:
                raise kinds(name, term)
            found.append(taken.sql)
        return Term(function.gives, function.sql.format(*found))

    def _period(self, node: Call, leaf: Leaf) -> Term:
        edges = []
        for each in node.arguments:
            term = self.term(each, leaf)
            taken = as_kind(term, "time", self.asking.values)
            if taken is None:
                raise kinds(node.name, term)
            edges += [taken.sql, taken.end or taken.sql]
        return Term("boolean", PERIODS[node.name].format(*edges))

    def _path(self, steps: tuple[str, ...], leaf: Leaf) -> Term:
        entity, alias = self.entity, self.alias
        for at, step in enumerate(steps):
            if step in IDS and at == len(steps) - 1:
                key = tuple(column.format(a=alias) for column, _ in entity.key.columns)
                return Term("id", key[0], key=key, made=entity.key)
            if step in entity.properties:
                return self._property(entity.properties[step], alias, steps[at + 1 :])
            link = entity.links.get(step)
            if link is None:
                known = ", ".join(["id", *entity.properties, *entity.links])
                raise refused(
                    "$filter or $orderby",
                    f"a {entity.name} has no {said(step)}; it has {known}",
                    f"{entity.name} 没有 {said(step)}；可用：{known}",
                )
            entity_there = ENTITIES[link.to]
            if at == FURTHEST:
                raise refused(
                    "$filter or $orderby", f"a path follows more than {FURTHEST} links", "路径过长"
                )
            if link.keys and steps[at + 1 :] in (("id",), ("@iot.id",)):
                key = tuple(each.format(a=alias) for each in link.keys)
                return Term("id", key[0], key=key, made=entity_there.key)
            alias = self._follow(entity_there, link, alias, leaf)
            entity = entity_there
        raise refused(
            "$filter or $orderby", f"{said(steps[-1])} is no value", f"{said(steps[-1])} 不是属性"
        )

    def _property(self, found: Property, alias: str, rest: tuple[str, ...]) -> Term:
        sql = found.sql.format(a=alias)
        if not rest:
            kind = found.kind
            return Term(kind, sql, end=found.end.format(a=alias), other=found.other.format(a=alias))
        place = self.asking.values.add(list(rest), "text[]")
        if found.kind == "json":
            return Term("json", f"({sql} #> {place})")
        if found.name == "observedArea":
            return Term("json", f"({geojson(sql)}::jsonb #> {place})")
        if found.kind == "geometry":
            given, own = f"{alias}.given", part_of(sql, rest, place)
            told = f"CASE WHEN {given} IS NULL THEN {own} ELSE {given} #> {place} END"
            return Term("json", f"({told})")
        if found.kind == "any":
            return Term("json", f"({alias}.rich #> {place})")
        raise refused("$filter", f"{found.name} has no parts", f"{found.name} 没有下级属性")

    def _follow(self, there: Entity, link: Link, alias: str, leaf: Leaf) -> str:
        known = leaf.known.get((alias, link.name))
        if known:
            return known
        self._links += 1
        if self._links > MOST_LINKS:
            raise refused("$filter", f"it follows more than {MOST_LINKS} links", "关联过多")
        tables, where, b = joined(self.asking, there, link, alias)
        leaf.tables += tables
        leaf.where += where
        leaf.many = leaf.many or link.many
        leaf.known[alias, link.name] = b
        return b


def joined(
    asking: Asking, there: Entity, link: Link, alias: str
) -> tuple[list[str], list[str], str]:
    """Tables and conditions that lead along a link, and the alias of what it leads to."""
    b, v = asking.values.alias(), asking.values.alias()
    tables = [f"LATERAL ({link.via.format(a=alias)}) {v}"] if link.via else []
    tables.append(f"{there.relation(asking)} {b}")
    where = [link.on.format(a=alias, b=b, v=v), there.present(asking, b)]
    if link.open is not None:
        where.append(link.open(asking, alias))
    return tables, where, b
