"""The functions and operators of `$filter`: each with what it takes, what it gives, and its SQL."""

from dataclasses import dataclass

from cim.store.queries.sensorthings.terms import Kind, Term, kinds


@dataclass(frozen=True)
class Function:
    """Takes terms of these kinds, in this order; `{0}` and so on stand for them."""

    takes: tuple[Kind, ...]
    gives: Kind
    sql: str


_UTC = "({0} AT TIME ZONE 'UTC')"


def _part(field: str) -> Function:
    return Function(("time",), "number", f"extract({field} FROM {_UTC})::float8")


def _string(sql: str, gives: Kind = "string", count: int = 1) -> Function:
    takes: tuple[Kind, ...] = ("string", "string")
    return Function(takes[:count], gives, sql)


def _rounds(name: str) -> Function:
    return Function(("number",), "number", f"{name}({{0}})")


def _spatial(name: str) -> Function:
    # PostGIS asks these of no mixed collection of geometries, which a client's place may be.
    return Function(
        ("geometry", "geometry"),
        "boolean",
        f"(CASE WHEN 'ST_GeometryCollection' IN (ST_GeometryType({{0}}), ST_GeometryType({{1}}))"
        f" THEN false ELSE {name}({{0}}, {{1}}) END)",
    )


_INTERSECTS = Function(("geometry", "geometry"), "boolean", "ST_Intersects({0}, {1})")

FUNCTIONS: dict[str, Function] = {
    "substringof": _string("(strpos({1}, {0}) > 0)", "boolean", 2),
    "contains": _string("(strpos({0}, {1}) > 0)", "boolean", 2),
    "startswith": _string("starts_with({0}, {1})", "boolean", 2),
    "endswith": _string("(right({0}, length({1})) = {1})", "boolean", 2),
    "length": _string("length({0})::float8", "number"),
    "indexof": _string("strpos({0}, {1})::float8", "number", 2),
    "tolower": _string("lower({0})"),
    "toupper": _string("upper({0})"),
    "trim": _string("btrim({0})"),
    "concat": _string("({0} || {1})", count=2),
    "substring": Function(("string", "number"), "string", "substr({0}, {1}::int4 + 1)"),
    "substring/3": Function(
        ("string", "number", "number"), "string", "substr({0}, {1}::int4 + 1, {2}::int4)"
    ),
    **{name: _part(name) for name in ("year", "month", "day", "hour", "minute")},
    "second": Function(("time",), "number", f"floor(extract(second FROM {_UTC}))::float8"),
    "fractionalseconds": Function(
        ("time",), "number", f"(extract(microseconds FROM {_UTC})::int8 % 1000000 / 1e6)::float8"
    ),
    "date": Function(("time",), "date", f"{_UTC}::date"),
    "time": Function(("time",), "clock", f"{_UTC}::time"),
    "totaloffsetminutes": Function(
        ("time",), "number", "(CASE WHEN {0} IS NOT NULL THEN 0::float8 END)"
    ),
    "now": Function((), "time", "now()"),
    "mindatetime": Function((), "time", "'-infinity'::timestamptz"),
    "maxdatetime": Function((), "time", "'infinity'::timestamptz"),
    "round": _rounds("round"),
    "floor": _rounds("floor"),
    "ceiling": _rounds("ceil"),
    "geo.distance": Function(("geometry", "geometry"), "number", "ST_Distance({0}, {1})"),
    "geo.length": Function(("geometry",), "number", "ST_Length({0})"),
    "geo.intersects": _INTERSECTS,
    "st_intersects": _INTERSECTS,
    "st_disjoint": Function(("geometry", "geometry"), "boolean", "ST_Disjoint({0}, {1})"),
    "st_equals": _spatial("ST_Equals"),
    "st_touches": _spatial("ST_Touches"),
    "st_within": _spatial("ST_Within"),
    "st_overlaps": _spatial("ST_Overlaps"),
    "st_crosses": _spatial("ST_Crosses"),
    "st_contains": _spatial("ST_Contains"),
    "st_relate": Function(
        ("geometry", "geometry", "string"),
        "boolean",
        _spatial("ST_Relate").sql.replace("{1}) END)", "{1}, {2}) END)"),
    ),
}
"""By name; one of another number of arguments has it behind a stroke."""

NEAR = (
    "geo.intersects", "st_intersects", "st_equals", "st_touches", "st_within", "st_overlaps",
    "st_crosses", "st_contains",
)  # fmt: skip
"""Those that hold of nothing whose box does not meet that of the other."""

PERIODS = {
    "before": "({1} < {2})",
    "after": "({0} > {3})",
    "meets": "({1} = {2} OR {0} = {3})",
    "during": "({0} >= {2} AND {1} <= {3})",
    "overlaps": "({0} < {3} AND {1} > {2})",
    "starts": "({0} = {2})",
    "finishes": "({1} = {3})",
}
"""How two periods lie to one another: begin and end of one, and of the other."""

NUMBERS = {
    "add": "({0} + {1})",
    "sub": "({0} - {1})",
    "mul": "({0} * {1})",
    "div": "({0} / nullif({1}, 0))",
    "mod": "({0} - {1} * trunc({0} / nullif({1}, 0)))",
}
"""Arithmetic; what is divided by zero has no value."""

TIMES: dict[tuple[str, str, str], Kind] = {
    ("time", "add", "duration"): "time",
    ("time", "sub", "duration"): "time",
    ("time", "sub", "time"): "duration",
    ("date", "add", "duration"): "time",
    ("date", "sub", "duration"): "time",
    ("duration", "add", "time"): "time",
    ("duration", "add", "duration"): "duration",
    ("duration", "sub", "duration"): "duration",
}
"""What times and durations give together."""


def reckoned(op: str, left: Term, right: Term) -> Term:
    """The value of an operator of arithmetic; BadParameter where the terms have none."""
    pair = (left.kind, right.kind)
    sql = NUMBERS[op].format(left.sql, right.sql)
    if pair == ("number", "number"):
        return Term("number", sql)
    if (left.kind, op, right.kind) in TIMES:
        return Term(TIMES[left.kind, op, right.kind], sql)
    raise kinds(op, left, right)
