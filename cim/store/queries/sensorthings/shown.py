"""Entities as JSON, made by the database as text: properties, links, and what is expanded.

What is expanded is a statement within the statement, asked of the entities of the page alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from cim.store.queries.sensorthings.asked import Options, Order, Path, refused, said
from cim.store.queries.sensorthings.compiling import Compiler, joined
from cim.store.queries.sensorthings.entities import ENTITIES, ROLLED
from cim.store.queries.sensorthings.shape import Asking, Entity, Link, Property
from cim.store.queries.sensorthings.streams import LATEST

USUAL, MOST = 100, 10_000
"""Entities of a page that says nothing of its length, and of the longest."""

WITHIN = 60_000
"""Entities that are shown within one, all links together; what is left is behind a nextLink."""

SELF = ("@iot.selfLink", "selfLink")
IDS = ("id", "@iot.id")


@dataclass(frozen=True)
class Ration:
    """How many entities a set may hold that is expanded within one entity."""

    least: int
    sql: str = ""
    """Where it depends on how many sets there are: SQL of a number that is not less."""


def ration(options: Options) -> Ration:
    """The ration of each set of links, whatever they are nested in."""
    return Ration(min(MOST, WITHIN // max(1, links(options))))


def links(options: Options) -> int:
    """How many links are expanded.

    >>> links(Options(expand={"Thing": Options(expand={"Locations": Options()})}))
    2
    """
    return sum(1 + links(each) for each in options.expand.values())


def alone(entity: Entity, options: Options) -> bool:
    """Whether no set is expanded, so that an entity is not much longer than another."""
    return all(
        name not in entity.links
        or latest_alone(entity, entity.links[name], inner)
        or (not entity.links[name].many and alone(ENTITIES[entity.links[name].to], inner))
        for name, inner in options.expand.items()
    )


def shown(
    asking: Asking, entity: Entity, a: str, options: Options, most: Ration | None = None
) -> str:
    """SQL of an entity's JSON as text; `most` is for each set within it."""
    most = most or ration(options)
    names = chosen(entity, options)
    if names is None and entity.nameless:
        names = set(entity.properties)
    parts = []
    if names is None or any(each in names for each in IDS):
        parts.append(f"""'"@iot.id":' || {entity.key.json.format(a=a)}""")
    if names is None or any(each in names for each in SELF):
        parts.append(f"""'"@iot.selfLink":"' || {_address(asking, entity, a)} || '"'""")
    for each in entity.properties.values():
        if names is None or each.name in names:
            parts.append(f"""'"{each.name}":' || {value(each, a)}""")
    for link in entity.links.values():
        if link.name in options.expand:
            parts.append(_expanded(asking, entity, a, link, options.expand[link.name], most))
        elif names is None or link.name in names:
            here = _address(asking, entity, a)
            parts.append(f"""'"{link.name}@iot.navigationLink":"' || {here} || '/{link.name}"'""")
    unknown = set(options.expand) - set(entity.links)
    if unknown:
        raise no_such("$expand", entity, min(unknown), entity.links)
    # What is NULL is left out with its comma, and no text is read through to cut one off.
    return f"'{{' || concat_ws(',', {', '.join(parts) or repr('')}) || '}}'"


def _address(asking: Asking, entity: Entity, a: str) -> str:
    """SQL of an entity's address."""
    return f"{asking.rooted()} || '{entity.many}(' || {entity.key.text.format(a=a)} || ')'"


def chosen(entity: Entity, options: Options) -> set[str] | None:
    """The properties and links that are shown; None for all."""
    if options.select is None:
        return None
    found = {name.partition("/")[0] for name in options.select}
    known = {*IDS, *SELF, *entity.properties, *entity.links}
    for name in options.select:
        if name.partition("/")[0] not in known:
            raise no_such("$select", entity, name, [*entity.properties, *entity.links])
    return found


def no_such(option: str, entity: Entity, name: str, known: Iterable[str]) -> Exception:
    """What is said of a property or link that an entity has not."""
    words = ", ".join(known)
    return refused(
        option,
        f"a {entity.name} has no {said(name)}; it has {words}",
        f"{entity.name} 没有 {said(name)}；可用：{words}",
    )


def value(each: Property, a: str) -> str:
    """SQL of a property's JSON as text; NULL where there is none."""
    sql = each.sql.format(a=a)
    if each.json:
        return each.json.format(a=a)
    if each.kind == "string":
        return f"to_json({sql})::text"
    return f"({sql})::text"


def rolled(entity: Entity, options: Options) -> Entity:
    """The entity, or its readings summed up; BadParameter where it has none."""
    if options.rollup is None:
        return entity
    if entity.name != "Observation":
        raise refused("rollup", "only Observations are summed up", "仅 Observations 支持汇总")
    return ROLLED[options.rollup]


def length(options: Options) -> int:
    """How many entities a page holds."""
    return USUAL if options.top is None else min(options.top, MOST)


def _expanded(
    asking: Asking, entity: Entity, a: str, link: Link, options: Options, most: Ration
) -> str:
    there = rolled(ENTITIES[link.to], options)
    if latest_alone(entity, link, options):
        b = asking.values.alias()
        found = f"{LATEST.format(a=a)} {b} WHERE {b}.at IS NOT NULL"
        shown_one = shown(asking, there, b, options)
        return f"""'"{link.name}":[' || coalesce((SELECT {shown_one} FROM {found}), '') || ']'"""
    rows, compiler = _rows(asking, there, link, a, options)
    if not link.many:
        one = shown(asking, there, compiler.alias, options, most)
        return f"""'"{link.name}":' || (SELECT {one} {rows} LIMIT 1)"""
    top = length(options)
    most_here = top if most.sql else min(top, most.least)
    inner = _shared(asking, there, link, a, options, Ration(most.least), most_here)
    one = shown(asking, there, compiler.alias, options, inner)
    by = sorts(compiler, options.order, link, a)
    keys = ", ".join(f"({sql})::text" for sql, _, _ in by)
    sql = f"""(SELECT {one} AS j, to_json(ARRAY[{keys}])::text AS k {rows} ORDER BY {ordered(by)}
        LIMIT {most_here + 1} OFFSET {asking.values.add(options.skip, "int8")})"""
    found, n = f"{sql} q", str(most_here)
    if most.sql:  # the inner limit is for the planner, the outer one holds
        n = "max(s.n)"
        found = f"""(SELECT least({top}, {most.sql})::int4 AS n OFFSET 0) s
            CROSS JOIN LATERAL (SELECT * FROM {sql} i LIMIT s.n + 1) q"""
    following = asking.values.add(f"/{link.name}?{_following(options, top)}", "text")
    counted = ""
    if options.count:
        counted = f"""'"{link.name}@iot.count":' || (SELECT count(*) {rows}) || ',' || """
    return f"""{counted}(SELECT '"{link.name}":['
        || coalesce(array_to_string((array_agg(q.j))[1:{n}], ','), '') || ']'
        || CASE WHEN count(*) > {n} THEN ',"{link.name}@iot.nextLink":"'
            || {_address(asking, entity, a)} || {following}
            || {TOKEN.format(k=f"(array_agg(q.k))[{n}]")} || '"' ELSE '' END FROM {found})"""


TOKEN = r"""translate(encode(convert_to({k}, 'UTF8'), 'base64'), E'+/=\n', '-_')"""
"""SQL of a `$skiptoken`: the place of an entity, as JSON, in letters that an address may hold."""


def _rows(
    asking: Asking, there: Entity, link: Link, a: str, options: Options
) -> tuple[str, Compiler]:
    """Where a link's entities come from, in SQL, and what compiles on them."""
    tables, where, b = joined(asking, there, link, a)
    compiler = Compiler(asking, there, b)
    if options.filter is not None:
        where.append(compiler.condition(options.filter))
    return f"FROM {' CROSS JOIN '.join(tables)} WHERE {' AND '.join(where)}", compiler


def _shared(
    asking: Asking, there: Entity, link: Link, a: str, options: Options, most: Ration, sets: int
) -> Ration:
    """The ration of the sets within each of a set's entities, of which there are at most `sets`.

    Where a few are there of the many that might be, each gets more: they are counted.
    """
    least = Ration(max(1, most.least // max(1, sets)))
    if alone(there, options) or sets > USUAL:
        return least
    rows, _ = _rows(asking, there, link, a, options)
    there_are = f"(SELECT count(*) FROM (SELECT {rows} LIMIT {sets}) {asking.values.alias()})"
    return replace(least, sql=f"({most.least} / greatest(1, {there_are}))")


def _following(options: Options, top: int) -> str:
    """The query of the link to what comes after the first of an expanded set, but for the place."""
    given = [(name, text) for name, text in options.given if name not in ("$skip", "$top")]
    return query([*given, ("$top", str(top)), ("$skiptoken", "")])


def query(given: Iterable[tuple[str, str]]) -> str:
    """Options as they stand in a link; quotes that JSON would have to escape are not left."""
    return urlencode(list(given), quote_via=quote, safe="$(),/:;'@")


def latest_alone(entity: Entity, link: Link, options: Options) -> bool:
    """Whether of a stream's readings the latest alone is wanted, which the stream itself knows."""
    newest = (Order(Path(("phenomenonTime",)), True),)
    return (
        entity.name in ("Datastream", "MultiDatastream")
        and link.to == "Observation"
        and options.top == 1
        and options.skip == 0
        and not options.count
        and options.filter is None
        and options.rollup is None
        and options.order[:1] == newest
        and options.expand.keys() <= set()
    )


def ordered(by: list[tuple[str, str, bool]]) -> str:
    """What a set is sorted by, in SQL."""
    return ", ".join(f"{sql}{' DESC' if descending else ''}" for sql, _, descending in by)


def sorts(
    compiler: Compiler, order: tuple[Order, ...], link: Link | None = None, parent: str = ""
) -> list[tuple[str, str, bool]]:
    """SQL, type and direction of all that a set is sorted by; no two entities are alike in it.

    Where nothing is said, by the order that the link from the alias `parent` has.
    """
    found = [
        (sql, type_, each.descending) for each in order for sql, type_ in compiler.sorting(each)
    ]
    if link is not None and link.order and not order:
        found = [(link.order.format(a=parent, b=compiler.alias), "int4", False)]
    keys = [
        (column.format(a=compiler.alias), type_) for column, type_ in compiler.entity.key.columns
    ]
    known = {sql for sql, _, _ in found}
    down = bool(order) and order[-1].descending and not found[-1][0].startswith("(")
    last = [(sql, type_, down and len(order) == 1) for sql, type_ in keys if sql not in known]
    return [*found, *last]
