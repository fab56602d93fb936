"""Statements that sum readings up: five minutes from readings, hours from those, days from hours.

All three are one merge. A reading is the sum of itself alone; sums of neighbouring times become the
sum of both, and what lies between the last of one and the first of the next is added there. Nothing
of a sum depends on what stands outside its own time, so that a late reading changes the sums it
lies in and no others. (The same idea: `rollup` of TimescaleDB Toolkit's time-weighted averages and
counter aggregates.)
"""

from typing import Final

GOOD: Final = "coalesce(o.quality, 0) IN (0, 2, 3)"
"""Good, estimated, entered by hand: what is summed up. Doubtful, out of range, faulty is not."""

FINE: Final = 24
"""Readings an hour up to which five minutes are not summed up: each would have two at most."""

CLOSING: Final = 1667853702
"""The lock of `city.mark_rollups`, shared by who writes readings."""

ROLLING: Final = 1667853704
"""The lock of who sums up: one at a time."""

_START: Final = "'2000-01-01 00:00+00'"
_DAY_START: Final = "'2000-01-01 00:00+08'"

_BINS: Final = {
    "5min": f"date_bin('5 minutes', s.at, {_START})",
    "hour": f"date_bin('1 hour', s.at, {_START})",
    "day": f"date_bin('1 day', s.at, {_DAY_START})",
}
"""When the time begins that a row lies in. A day is one of China Standard Time."""

_COLUMNS: Final = (
    "datastream_id, at, n, texts, sum, min, max, first, last, first_at, last_at, min_at, max_at, "
    "area, increase, resets, last_text"
)

_SINGLE: Final = """
    SELECT o.datastream_id, o.phenomenon_time AS at, (o.result IS NOT NULL)::int AS n,
        (o.result IS NULL)::int AS texts, o.result AS sum, o.result AS min, o.result AS max,
        o.result AS first, o.result AS last, o.phenomenon_time AS first_at,
        o.phenomenon_time AS last_at, o.phenomenon_time AS min_at, o.phenomenon_time AS max_at,
        0::float8 AS area, CASE WHEN k.kind = 'counter' THEN 0::float8 END AS increase,
        CASE WHEN k.kind = 'counter' THEN 0 END AS resets,
        CASE WHEN o.result IS NULL THEN o.result_text END AS last_text"""
"""A reading as the sum of itself alone."""

_READ: Final = f"AND {GOOD} AND (o.result IS NOT NULL OR o.result_text IS NOT NULL)"


def _merged(source: str, level: str, *more: str) -> str:
    """Sums of `source` by the time of a level; ordered within a stream by `at`."""
    return f"""
    SELECT datastream_id, bin AS at, sum(n)::int AS n, sum(texts)::int AS texts, sum(sum) AS sum,
        min(min) AS min, max(max) AS max,
        max(first) FILTER (WHERE earlier_at IS NULL) AS first,
        max(last) FILTER (WHERE later_at IS NULL) AS last,
        coalesce(min(first_at) FILTER (WHERE n > 0), min(first_at)) AS first_at,
        coalesce(max(last_at) FILTER (WHERE n > 0), max(last_at)) AS last_at,
        min(min_at) FILTER (WHERE min = least) AS min_at,
        min(max_at) FILTER (WHERE max = most) AS max_at,
        sum(area) FILTER (WHERE n > 0) + coalesce(
            sum(earlier * date_part('epoch', first_at - earlier_at)), 0) AS area,
        sum(increase + CASE WHEN earlier IS NULL THEN 0
            WHEN first < earlier THEN first ELSE first - earlier END)
            FILTER (WHERE n > 0) AS increase,
        sum(resets + CASE WHEN first < earlier THEN 1 ELSE 0 END)
            FILTER (WHERE n > 0)::int AS resets,
        max(last_text) FILTER (WHERE last_text_at = text_at) AS last_text
        {"".join(f", {each}" for each in more)}
    FROM (
        SELECT s.*, {_BINS[level]} AS bin,
            lag(s.last) OVER run AS earlier, lag(s.last_at) OVER run AS earlier_at,
            lead(s.first_at) OVER run AS later_at,
            min(s.min) OVER whole AS least, max(s.max) OVER whole AS most,
            CASE WHEN s.last_text IS NOT NULL THEN s.at END AS text_at,
            max(s.at) FILTER (WHERE s.last_text IS NOT NULL) OVER stretch AS last_text_at
        FROM ({source}) s
        WINDOW stretch AS (PARTITION BY s.datastream_id, {_BINS[level]}),
            whole AS (PARTITION BY s.datastream_id, {_BINS[level]}, s.n > 0),
            run AS (PARTITION BY s.datastream_id, {_BINS[level]}, s.n > 0 ORDER BY s.at)) w
    GROUP BY datastream_id, bin"""


def _put(table: str, source: str, columns: str = _COLUMNS) -> str:
    """Write what is not there; who writes a sum anew has taken the old one away."""
    return f"""INSERT INTO city.{table} ({columns}) SELECT {columns} FROM {source}
        ON CONFLICT (datastream_id, at) DO NOTHING"""


def _rolled(readings: str) -> str:
    """Sums of five minutes and hours of some readings, written; how many hours there were.

    Hours with few readings are made of these at once, the others of their five minutes.
    """
    hour = f"date_bin('1 hour', r.at, {_START})"
    of_busy = f"""SELECT FROM busy b WHERE b.datastream_id = r.datastream_id AND b.hour = {hour}"""
    many = f"SELECT r.* FROM ({readings}) r WHERE EXISTS ({of_busy})"
    few = f"SELECT r.* FROM ({readings}) r WHERE NOT EXISTS ({of_busy})"
    return f"""
    WITH busy AS MATERIALIZED (SELECT r.datastream_id, {hour} AS hour FROM ({readings}) r
        GROUP BY 1, 2 HAVING sum(r.n) > {FINE}),
    fine AS MATERIALIZED ({_merged(many, "5min")}),
    whole AS MATERIALIZED ({_merged("SELECT * FROM fine", "hour")}
        UNION ALL {_merged(few, "hour")}),
    hours AS ({_put("rollup_hour", "whole")} RETURNING 1),
    minutes AS ({_put("rollup_5min", "fine")} RETURNING 1)
    SELECT (SELECT count(*) FROM hours) AS hours, (SELECT count(*) FROM minutes) AS minutes,
        coalesce((SELECT sum(n + texts) FROM whole), 0)::bigint AS readings"""


HOUR: Final = _rolled(
    f"""{_SINGLE} FROM city.observation o JOIN city.datastream k ON k.id = o.datastream_id
    WHERE o.phenomenon_time >= $1 AND o.phenomenon_time < $2 {_READ}"""
)
"""The hour from $1 until before $2, of every stream.

Both are told: of a sum of a time and an interval the planner does not know which partitions it
needs, and goes through all.
"""

AGAIN: Final = _rolled(
    f"""{_SINGLE} FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[])
        AS m(id, since, until)
    JOIN city.datastream k ON k.id = m.id
    JOIN city.observation o ON o.datastream_id = m.id AND o.phenomenon_time >= m.since
        AND o.phenomenon_time < m.until
        AND o.phenomenon_time >= $4 AND o.phenomenon_time < $5
    WHERE true {_READ}"""
)
"""Some streams ($1) in some hours each, from $2 until before $3, all from $4 until before $5."""

_GONE: Final = """DELETE FROM city.{0} r USING unnest($1::bigint[], $2::timestamptz[],
        $3::timestamptz[]) AS m(id, since, until)
    WHERE r.datastream_id = m.id AND r.at >= m.since AND r.at < m.until
        AND r.at >= $4 AND r.at < $5"""

FORGET: Final = (_GONE.format("rollup_5min"), _GONE.format("rollup_hour"))
"""Take away what AGAIN writes."""

_DAY_COLUMNS: Final = f"{_COLUMNS}, hours"


def _day(streams: str) -> str:
    """The day that begins at $1, from its hours."""
    source = f"""SELECT r.* FROM city.rollup_hour r {streams}
        r.at >= $1::timestamptz AND r.at < $1::timestamptz + interval '1 day'"""
    return f"""
    WITH whole AS MATERIALIZED ({_merged(source, "day", "count(*)::smallint AS hours")})
    {_put("rollup_day", "whole", _DAY_COLUMNS)}"""


DAY: Final = _day("WHERE")
"""Of every stream."""

DAY_AGAIN: Final = _day("JOIN (SELECT DISTINCT unnest($2::bigint[]) AS id) m "
                        "ON m.id = r.datastream_id WHERE")  # fmt: skip
"""Of some streams ($2)."""

FORGET_DAY: Final = """DELETE FROM city.rollup_day
    WHERE at = $1 AND datastream_id = ANY ($2::bigint[])"""
"""Take away what DAY_AGAIN writes."""

LEVELS: Final = "SELECT level, closed_until, rolled_until, dropped_before FROM city.rollup_level"
"""How far things are."""

CLOSE: Final = """UPDATE city.rollup_level SET closed_until = $1
    WHERE level IN ('5min', 'hour') AND closed_until < $1"""
"""From now on, what comes in for a time before $1 leaves a mark."""

ROLLED: Final = """UPDATE city.rollup_level SET rolled_until = $2,
    closed_until = greatest(closed_until, $2) WHERE level = ANY ($1::text[])"""
"""Some levels ($1) are summed up until $2."""

NEXT_DAY: Final = f"""SELECT date_bin('1 day', min(since), {_START}) FROM city.rollup_mark
    WHERE since < $1"""
"""The first day of UTC with marks of hours that are closed: before $1."""

MARKED: Final = """
    SELECT m.datastream_id AS id, lower(r) AS since, upper(r) AS until,
        coalesce(lower(r) < c.dropped_before, false) AS kept
    FROM (SELECT datastream_id, range_agg(tstzrange(greatest(since, $1),
                least(until, $1::timestamptz + interval '1 day', $2))) AS hours
          FROM city.rollup_mark
          WHERE since < least($1::timestamptz + interval '1 day', $2) AND until > $1
          GROUP BY datastream_id ORDER BY datastream_id LIMIT $3) m
    LEFT JOIN city.datastream t ON t.id = m.datastream_id
    LEFT JOIN city.retention_class c ON c.code = t.retention
    CROSS JOIN LATERAL unnest(m.hours) AS r"""
"""Hours to be summed up again of the day of UTC from $1 on, as far as they are closed ($2), of so
many streams ($3). `kept` is whether readings of then have been taken away since they were summed
up: what stands stays, and only what is missing is added."""

_END: Final = "least($1::timestamptz + interval '1 day', $2)"

WORKED_OFF: Final = (
    f"""UPDATE city.rollup_mark SET since = {_END}
        WHERE since < {_END} AND until > {_END} AND datastream_id <= $3""",
    f"""DELETE FROM city.rollup_mark
        WHERE since < {_END} AND until <= {_END} AND datastream_id <= $3""",
)
"""Marks of these hours of streams up to $3: cut short where they go on behind them, else gone."""

MARK_SPAN: Final = """
    INSERT INTO city.rollup_mark (datastream_id, since, until)
    SELECT datastream_id, $1, $2 FROM (
        SELECT DISTINCT datastream_id FROM city.observation
        WHERE phenomenon_time >= $1 AND phenomenon_time < $2
        UNION SELECT DISTINCT datastream_id FROM city.rollup_hour WHERE at >= $1 AND at < $2) s"""
"""Everything from $1 until before $2 is to be summed up again."""

COUNT_SPAN: Final = """
    SELECT count(*) AS readings, count(DISTINCT datastream_id) AS streams FROM city.observation
    WHERE phenomenon_time >= $1 AND phenomenon_time < $2"""
"""How much that is."""

DUE: Final = f"""
    SELECT greatest(0, date_part('epoch', date_bin('1 hour', $1, {_START}) - rolled_until)
        / 3600)::bigint + (SELECT count(*) FROM city.rollup_mark)
    FROM city.rollup_level WHERE level = 'hour'"""
"""How many hours and marks there are to be summed up at $1."""
