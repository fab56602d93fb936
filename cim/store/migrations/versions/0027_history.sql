CREATE TABLE city.rollup_5min (
	datastream_id BIGINT NOT NULL,
	at TIMESTAMP WITH TIME ZONE NOT NULL,
	n INTEGER NOT NULL,
	texts INTEGER NOT NULL,
	sum FLOAT,
	min FLOAT,
	max FLOAT,
	first FLOAT,
	last FLOAT,
	first_at TIMESTAMP WITH TIME ZONE NOT NULL,
	last_at TIMESTAMP WITH TIME ZONE NOT NULL,
	min_at TIMESTAMP WITH TIME ZONE,
	max_at TIMESTAMP WITH TIME ZONE,
	area FLOAT,
	increase FLOAT,
	resets INTEGER,
	last_text TEXT,
	CONSTRAINT pk_rollup_5min PRIMARY KEY (datastream_id, at)
)
 PARTITION BY RANGE (at);
CREATE INDEX ix_rollup_5min_at ON city.rollup_5min USING brin (at);
COMMENT ON TABLE city.rollup_5min IS 'good readings by five minutes, of hours with more than 24; a partition a month';
COMMENT ON COLUMN city.rollup_5min.datastream_id IS 'the stream';
COMMENT ON COLUMN city.rollup_5min.at IS 'when its time begins';
COMMENT ON COLUMN city.rollup_5min.n IS 'numbers read';
COMMENT ON COLUMN city.rollup_5min.texts IS 'texts read';
COMMENT ON COLUMN city.rollup_5min.sum IS 'sum of the numbers';
COMMENT ON COLUMN city.rollup_5min.min IS 'least number';
COMMENT ON COLUMN city.rollup_5min.max IS 'greatest number';
COMMENT ON COLUMN city.rollup_5min.first IS 'first number';
COMMENT ON COLUMN city.rollup_5min.last IS 'last number';
COMMENT ON COLUMN city.rollup_5min.first_at IS 'time of the first; of a text, if all are';
COMMENT ON COLUMN city.rollup_5min.last_at IS 'time of the last; of a text, if all are';
COMMENT ON COLUMN city.rollup_5min.min_at IS 'time of the least, the first of several';
COMMENT ON COLUMN city.rollup_5min.max_at IS 'time of the greatest, the first of several';
COMMENT ON COLUMN city.rollup_5min.area IS 'number times seconds from the first to the last, each holding until the next';
COMMENT ON COLUMN city.rollup_5min.increase IS 'of a counter: what it grew by from the first to the last';
COMMENT ON COLUMN city.rollup_5min.resets IS 'of a counter: how often it began anew in that time';
COMMENT ON COLUMN city.rollup_5min.last_text IS 'last text';
CREATE TABLE city.rollup_day (
	datastream_id BIGINT NOT NULL,
	at TIMESTAMP WITH TIME ZONE NOT NULL,
	n INTEGER NOT NULL,
	texts INTEGER NOT NULL,
	sum FLOAT,
	min FLOAT,
	max FLOAT,
	first FLOAT,
	last FLOAT,
	first_at TIMESTAMP WITH TIME ZONE NOT NULL,
	last_at TIMESTAMP WITH TIME ZONE NOT NULL,
	min_at TIMESTAMP WITH TIME ZONE,
	max_at TIMESTAMP WITH TIME ZONE,
	area FLOAT,
	increase FLOAT,
	resets INTEGER,
	last_text TEXT,
	hours SMALLINT NOT NULL,
	CONSTRAINT pk_rollup_day PRIMARY KEY (datastream_id, at)
)
 PARTITION BY RANGE (at);
CREATE INDEX ix_rollup_day_at ON city.rollup_day USING brin (at);
COMMENT ON TABLE city.rollup_day IS 'good readings by the day of China Standard Time, one partition a year';
COMMENT ON COLUMN city.rollup_day.datastream_id IS 'the stream';
COMMENT ON COLUMN city.rollup_day.at IS 'when its time begins';
COMMENT ON COLUMN city.rollup_day.n IS 'numbers read';
COMMENT ON COLUMN city.rollup_day.texts IS 'texts read';
COMMENT ON COLUMN city.rollup_day.sum IS 'sum of the numbers';
COMMENT ON COLUMN city.rollup_day.min IS 'least number';
COMMENT ON COLUMN city.rollup_day.max IS 'greatest number';
COMMENT ON COLUMN city.rollup_day.first IS 'first number';
COMMENT ON COLUMN city.rollup_day.last IS 'last number';
COMMENT ON COLUMN city.rollup_day.first_at IS 'time of the first; of a text, if all are';
COMMENT ON COLUMN city.rollup_day.last_at IS 'time of the last; of a text, if all are';
COMMENT ON COLUMN city.rollup_day.min_at IS 'time of the least, the first of several';
COMMENT ON COLUMN city.rollup_day.max_at IS 'time of the greatest, the first of several';
COMMENT ON COLUMN city.rollup_day.area IS 'number times seconds from the first to the last, each holding until the next';
COMMENT ON COLUMN city.rollup_day.increase IS 'of a counter: what it grew by from the first to the last';
COMMENT ON COLUMN city.rollup_day.resets IS 'of a counter: how often it began anew in that time';
COMMENT ON COLUMN city.rollup_day.last_text IS 'last text';
COMMENT ON COLUMN city.rollup_day.hours IS 'hours of the day that have readings';
CREATE TABLE city.rollup_hour (
	datastream_id BIGINT NOT NULL,
	at TIMESTAMP WITH TIME ZONE NOT NULL,
	n INTEGER NOT NULL,
	texts INTEGER NOT NULL,
	sum FLOAT,
	min FLOAT,
	max FLOAT,
	first FLOAT,
	last FLOAT,
	first_at TIMESTAMP WITH TIME ZONE NOT NULL,
	last_at TIMESTAMP WITH TIME ZONE NOT NULL,
	min_at TIMESTAMP WITH TIME ZONE,
	max_at TIMESTAMP WITH TIME ZONE,
	area FLOAT,
	increase FLOAT,
	resets INTEGER,
	last_text TEXT,
	CONSTRAINT pk_rollup_hour PRIMARY KEY (datastream_id, at)
)
 PARTITION BY RANGE (at);
CREATE INDEX ix_rollup_hour_at ON city.rollup_hour USING brin (at);
COMMENT ON TABLE city.rollup_hour IS 'good readings by the hour, one partition a month';
COMMENT ON COLUMN city.rollup_hour.datastream_id IS 'the stream';
COMMENT ON COLUMN city.rollup_hour.at IS 'when its time begins';
COMMENT ON COLUMN city.rollup_hour.n IS 'numbers read';
COMMENT ON COLUMN city.rollup_hour.texts IS 'texts read';
COMMENT ON COLUMN city.rollup_hour.sum IS 'sum of the numbers';
COMMENT ON COLUMN city.rollup_hour.min IS 'least number';
COMMENT ON COLUMN city.rollup_hour.max IS 'greatest number';
COMMENT ON COLUMN city.rollup_hour.first IS 'first number';
COMMENT ON COLUMN city.rollup_hour.last IS 'last number';
COMMENT ON COLUMN city.rollup_hour.first_at IS 'time of the first; of a text, if all are';
COMMENT ON COLUMN city.rollup_hour.last_at IS 'time of the last; of a text, if all are';
COMMENT ON COLUMN city.rollup_hour.min_at IS 'time of the least, the first of several';
COMMENT ON COLUMN city.rollup_hour.max_at IS 'time of the greatest, the first of several';
COMMENT ON COLUMN city.rollup_hour.area IS 'number times seconds from the first to the last, each holding until the next';
COMMENT ON COLUMN city.rollup_hour.increase IS 'of a counter: what it grew by from the first to the last';
COMMENT ON COLUMN city.rollup_hour.resets IS 'of a counter: how often it began anew in that time';
COMMENT ON COLUMN city.rollup_hour.last_text IS 'last text';
CREATE TABLE city.rollup_level (
	level TEXT NOT NULL,
	days INTEGER,
	closed_until TIMESTAMP WITH TIME ZONE NOT NULL,
	rolled_until TIMESTAMP WITH TIME ZONE NOT NULL,
	dropped_before TIMESTAMP WITH TIME ZONE,
	CONSTRAINT pk_rollup_level PRIMARY KEY (level)
);
COMMENT ON TABLE city.rollup_level IS 'how far readings are summed up, and how long that is kept';
COMMENT ON COLUMN city.rollup_level.level IS '5min, hour, day';
COMMENT ON COLUMN city.rollup_level.days IS 'days that it is kept; NULL is for ever';
COMMENT ON COLUMN city.rollup_level.closed_until IS 'what comes in for a time before this leaves a mark';
COMMENT ON COLUMN city.rollup_level.rolled_until IS 'summed up until this';
COMMENT ON COLUMN city.rollup_level.dropped_before IS 'before this it has been taken away';
CREATE TABLE city.rollup_mark (
	id BIGINT GENERATED BY DEFAULT AS IDENTITY,
	datastream_id BIGINT NOT NULL,
	since TIMESTAMP WITH TIME ZONE NOT NULL,
	until TIMESTAMP WITH TIME ZONE NOT NULL,
	CONSTRAINT pk_rollup_mark PRIMARY KEY (id)
);
CREATE INDEX ix_rollup_mark_since ON city.rollup_mark (since);
COMMENT ON TABLE city.rollup_mark IS 'streams to be summed up again: readings came late, or were corrected';
COMMENT ON COLUMN city.rollup_mark.id IS 'in the order they were made';
COMMENT ON COLUMN city.rollup_mark.datastream_id IS 'the stream';
COMMENT ON COLUMN city.rollup_mark.since IS 'from this hour on';
COMMENT ON COLUMN city.rollup_mark.until IS 'until before this one';
