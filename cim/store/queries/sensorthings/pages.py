"""The statements that answer an address: a page of a set, one entity, how many there are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cim.errors import NotFound
from cim.store.queries.ready import Asked
from cim.store.queries.sensorthings.addresses import NOWHERE
from cim.store.queries.sensorthings.asked import Address, Options, Step, refused
from cim.store.queries.sensorthings.compiling import Compiler, joined
from cim.store.queries.sensorthings.entities import ENTITIES, SETS
from cim.store.queries.sensorthings.shape import Asking, Entity, Link, Values
from cim.store.queries.sensorthings.shown import length, ordered, rolled, shown, sorts
from cim.store.queries.sensorthings.terms import Term, parts_of

ABSENT = NotFound("There is no entity of that id.", "没有该编号的实体。")


@dataclass(frozen=True)
class Target:
    """What an address leads to: entities, each reached by a link from the one before."""

    steps: tuple[tuple[Entity, Link | None, Step], ...]
    many: bool
    """Whether it is a set."""

    @property
    def entity(self) -> Entity:
        """The kind of what is answered."""
        return self.steps[-1][0]


def target(address: Address) -> Target:
    """What an address leads to; NotFound where there is no such set or link."""
    first = address.steps[0]
    if first.name not in SETS:
        raise NOWHERE
    found: list[tuple[Entity, Link | None, Step]] = [(SETS[first.name], None, first)]
    many = first.id is None
    for step in address.steps[1:]:
        link = found[-1][0].links.get(step.name)
        if many or link is None or (step.id is not None and not link.many):
            raise NOWHERE
        found.append((ENTITIES[link.to], link, step))
        many = link.many and step.id is None
    return Target(tuple(found), many)


def summed(where: Target, options: Options) -> Target:
    """The same, of readings summed up where that is asked; NotFound for one such by an id."""
    if options.rollup is None:
        return where
    entity, link, step = where.steps[-1]
    found = rolled(entity, options)
    if step.id is not None:
        raise NOWHERE
    return Target((*where.steps[:-1], (found, link, step)), where.many)


@dataclass(frozen=True)
class Page:
    """A page as it is asked for: the statement, and how many rows make it full."""

    asked: Asked
    limit: int


def page(asking: Asking, where: Target, options: Options, limit: int | None = None) -> Page:
    """A page of a set: rows of JSON `j` and of what they are sorted by, `k`, as texts.

    One row more than the page holds says that there are others.
    """
    asking = _near(asking.fresh(), where, options)
    tables, conditions, a, parent = reached(asking, where)
    compiler = Compiler(asking, where.entity, a)
    if options.filter is not None:
        conditions.append(compiler.condition(options.filter))
    by = sorts(compiler, options.order, where.steps[-1][1], parent)
    if options.after is not None:
        conditions.append(_after(by, options.after, asking.values))
    full = length(options) if limit is None else limit
    keys = ", ".join(f"({sql})::text" for sql, _, _ in by)
    sql = f"""SELECT {shown(asking, where.entity, a, options)} AS j, ARRAY[{keys}] AS k
        FROM {" CROSS JOIN ".join(tables)} WHERE {" AND ".join(conditions)} ORDER BY {ordered(by)}
        LIMIT {asking.values.add(full + 1, "int8")}
        OFFSET {asking.values.add(options.skip, "int8")}"""
    return Page(asking.values.asked(sql), full)


def place(asking: Asking, where: Target, options: Options) -> Asked:
    """What the last entity is sorted by that `$skip` leaves out, as texts `k`.

    The database makes all that an OFFSET leaves out: of these it is but what they are sorted by.
    """
    asking = _near(asking.fresh(), where, options)
    tables, conditions, a, parent = reached(asking, where)
    compiler = Compiler(asking, where.entity, a)
    if options.filter is not None:
        conditions.append(compiler.condition(options.filter))
    by = sorts(compiler, options.order, where.steps[-1][1], parent)
    keys = ", ".join(f"({sql})::text" for sql, _, _ in by)
    sql = f"""SELECT ARRAY[{keys}] AS k FROM {" CROSS JOIN ".join(tables)}
        WHERE {" AND ".join(conditions)} ORDER BY {ordered(by)}
        LIMIT 1 OFFSET {asking.values.add(options.skip - 1, "int8")}"""
    return asking.values.asked(sql)


def bound(asking: Asking, where: Target, after: int, most: int) -> Asked:
    """How far the next entities go behind a number of the key: the last of them, and how many.

    Of a whole set in the order of its ids, walked slice by slice.
    """
    asking = asking.fresh()
    conditions: list[str] = []
    if where.entity.walk:  # those that the caller does not see are counted along
        tables, a = [f"(SELECT id AS key FROM {where.entity.walk}) t"], "t"
    else:
        tables, conditions, a, _ = reached(asking, where)
    number, order = _walked(where.entity, a)
    conditions.append(_between(asking, where.entity, a, after, None))
    sql = f"""SELECT max(q.number) AS last, count(*) AS n FROM (SELECT {number} AS number
        FROM {" CROSS JOIN ".join(tables)} WHERE {" AND ".join(conditions)} ORDER BY {order}
        LIMIT {asking.values.add(most, "int8")}) q"""
    return asking.values.asked(sql)


def slice_(asking: Asking, where: Target, options: Options, after: int, last: int) -> Asked:
    """The entities behind one number and up to another, as one text."""
    asking = asking.fresh()
    tables, conditions, a, _ = reached(asking, where)
    _, order = _walked(where.entity, a)
    conditions.append(_between(asking, where.entity, a, after, last))
    sql = f"""SELECT string_agg(q.j, E',\\n') AS j FROM (
        SELECT {shown(asking, where.entity, a, options)} AS j
        FROM {" CROSS JOIN ".join(tables)} WHERE {" AND ".join(conditions)} ORDER BY {order}) q"""
    return asking.values.asked(sql)


def _walked(entity: Entity, a: str) -> tuple[str, str]:
    """The key as one number, and what sorts by it."""
    order = ", ".join(column.format(a=a) for column, _ in entity.key.columns)
    return entity.key.number.format(a=a), order


def _between(asking: Asking, entity: Entity, a: str, after: int, last: int | None) -> str:
    """The condition of a key behind one number and up to another."""
    paired = len(entity.key.columns) > 1
    number, values = entity.key.number.format(a=a), asking.values
    found = [f"{number} > {values.add(after, 'int8')}"]
    if paired:  # the key alone is what an index knows
        found.append(f"{a}.key >= {values.add(after >> 3, 'int8')}")
    if last is not None:
        found.append(f"{number} <= {values.add(last, 'int8')}")
        if paired:
            found.append(f"{a}.key <= {values.add(last >> 3, 'int8')}")
    return " AND ".join(found)


def one(asking: Asking, where: Target, options: Options) -> Asked:
    """The entity that an address leads to, as JSON."""
    asking = asking.fresh()
    tables, conditions, a, _ = reached(asking, where)
    sql = f"""SELECT {shown(asking, where.entity, a, options)} AS j
        FROM {" CROSS JOIN ".join(tables)} WHERE {" AND ".join(conditions)} LIMIT 1"""
    return asking.values.asked(sql)


def count(asking: Asking, where: Target, options: Options) -> Asked:
    """How many entities a set holds."""
    asking = _near(asking.fresh(), where, options)
    tables, conditions, a, _ = reached(asking, where)
    if options.filter is not None:
        conditions.append(Compiler(asking, where.entity, a).condition(options.filter))
    sql = f"SELECT count(*) FROM {' CROSS JOIN '.join(tables)} WHERE {' AND '.join(conditions)}"
    return asking.values.asked(sql)


def reached(asking: Asking, where: Target) -> tuple[list[str], list[str], str, str]:
    """Tables and conditions that lead to what is asked for; its alias, and that of the step before.

    NotFound for bad ids.
    """
    tables: list[str] = []
    conditions: list[str] = []
    alias = parent = ""
    before: tuple[Entity, Step] | None = None
    for entity, link, step in where.steps:
        parent = alias
        if link is None:
            alias = asking.values.alias()
            tables.append(f"{entity.relation(asking)} {alias}")
            conditions.append(entity.present(asking, alias))
        else:
            more, on, alias = joined(asking, entity, link, alias)
            tables += more
            conditions += on
            if link.open is not None and before is not None:
                conditions.append(_open(asking, *before, link.open))
        if step.id is not None:
            conditions.append(is_(entity, alias, step.id, asking.values))
        before = (entity, step)
    return tables, conditions, alias, parent


def _open(asking: Asking, entity: Entity, step: Step, open_: Callable[[Asking, str], str]) -> str:
    """Whether anything may be seen that a link leads to from an entity with an id.

    By itself, so that it is answered before any of that is looked at.
    """
    if step.id is None or asking.living is None:
        return "true"
    a = asking.values.alias()
    found = f"{is_(entity, a, step.id, asking.values)} AND {open_(asking, a)}"
    return f"EXISTS (SELECT FROM {entity.relation(asking)} {a} WHERE {found})"


def is_(entity: Entity, alias: str, id: object, values: Values) -> str:
    """The condition that an entity has that id; NotFound where none can have it."""
    columns = tuple(column.format(a=alias) for column, _ in entity.key.columns)
    parts = parts_of(Term("id", "", key=columns, made=entity.key), id)
    if parts is None:
        raise ABSENT
    return " AND ".join(
        f"{column} = {part if isinstance(part, str) else values.add(*part)}"
        for column, part in zip(columns, parts, strict=True)
    )


def _near(asking: Asking, where: Target, options: Options) -> Asking:
    """With the geometry that every match must meet, where the whole set is asked."""
    if options.filter is None or len(where.steps) > 1 or where.steps[0][2].id is not None:
        return asking
    found = Compiler(asking, where.entity, "").near(options.filter)
    if found is None or where.entity.name not in ("Location", "FeatureOfInterest"):
        return asking
    return replace(asking, near=f"ST_GeomFromWKB({asking.values.add(found, 'bytea')}, 4490)")


def _after(
    by: Sequence[tuple[str, str, bool]], after: tuple[str | None, ...], values: Values
) -> str:
    """The condition of what comes behind the values of the last entity of a page."""
    if len(after) != len(by):
        raise refused("$skiptoken", "it belongs to another question", "与当前查询不符")
    if all(each is not None for each in after) and len({down for _, _, down in by}) == 1:
        keys = _keys_alone(by, after, values)
        if keys:
            return keys
    found: list[str] = []
    equal: list[str] = []
    for (sql, type_, down), value in zip(by, after, strict=True):
        bound = "NULL" if value is None else f"{values.add(value, 'text')}::{type_}"
        if value is None:
            beyond = f"{sql} IS NOT NULL" if down else "false"
        else:
            beyond = f"{sql} < {bound}" if down else f"({sql} > {bound} OR {sql} IS NULL)"
        found.append(" AND ".join([*equal, beyond]))
        equal.append(f"{sql} IS NULL" if value is None else f"{sql} = {bound}")
    return f"({' OR '.join(f'({each})' for each in found)})"


def _keys_alone(
    by: Sequence[tuple[str, str, bool]], after: tuple[str | None, ...], values: Values
) -> str:
    """Of a set in the order of its ids: one comparison, which an index answers."""
    if any(sql.rpartition(".")[2] not in ("key", "kind", "stream", "at") for sql, _, _ in by):
        return ""
    sign = "<" if by[0][2] else ">"
    bounds = [
        f"{values.add(value, 'text')}::{type_}"
        for (_, type_, _), value in zip(by, after, strict=True)
    ]
    columns = ", ".join(sql for sql, _, _ in by)
    return f"(({columns}) {sign} ({', '.join(bounds)}) AND {by[0][0]} {sign}= {bounds[0]})"
