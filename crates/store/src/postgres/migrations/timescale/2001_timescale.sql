-- TimescaleDB under its own licence: event and session are cut into a chunk a day (UTC), rollups are continuous aggregates.
--
-- A continuous aggregate cannot be written to and is never read beyond what a refresh put there (materialized_only): which
-- hours are behind is told by rollup_dirty, as everywhere. No policy is added: background jobs of the server do nothing here.

SELECT create_hypertable('event', by_range('time_us', 86400000000), create_default_indexes => false);
SELECT create_hypertable('session', by_range('first_us', 86400000000), create_default_indexes => false);

-- The server's clock. A continuous aggregate over whole numbers is not made without it.
CREATE FUNCTION now_us() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT CAST(extract(epoch FROM now()) * 1000000 AS bigint)';
SELECT set_integer_now_func('event', 'now_us');
SELECT set_integer_now_func('session', 'now_us');

-- Counted once, for ever (P-2): a second owner's commit of the same event fails as a whole, and is folded again. An index of a
-- hypertable is unique only together with the time, and a client may resend an id with another one: so ids have their own table.
CREATE TABLE event_id (site integer NOT NULL, id uuid NOT NULL, PRIMARY KEY (site, id));

CREATE INDEX event_by_time ON event (site, time_us);
CREATE INDEX event_by_day ON event (site, day);
CREATE INDEX event_by_visitor ON event (site, visitor, time_us);

CREATE INDEX session_by_visitor ON session (site, visitor, last_us);
CREATE INDEX session_by_start ON session (site, first_us);
CREATE INDEX session_by_day ON session (site, day);
CREATE INDEX session_retracted ON session (site, visitor) WHERE sign = -1;

-- Calm chunks are turned into columns (timescale/columns.rs). Least and greatest values let a reader pass over a thousand rows.
ALTER TABLE event SET (
  timescaledb.enable_columnstore, timescaledb.segmentby = 'site', timescaledb.orderby = 'visitor, time_us',
  timescaledb.sparse_index = 'minmax(id), minmax(day), minmax(log_offset)');

-- Held (ACCESS SHARE) by whoever reads several statements in one snapshot; see timescale/columns.rs.
CREATE TABLE columns_gate ();

-- Rollups of 15 minutes. bucket = time_us / 900,000,000, bucket_us the same as an instant: what chunks are cut by.
CREATE MATERIALIZED VIEW traffic_15m WITH (
  timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) AS
SELECT site, time_bucket(CAST(900000000 AS bigint), time_us) AS bucket_us,
       time_bucket(CAST(900000000 AS bigint), time_us) / 900000000 AS bucket, day, bot,
       count(*) AS events, count(*) FILTER (WHERE name = 'page_view') AS page_views,
       count(value) AS value_count, coalesce(sum(value), 0) AS value_sum, min(value) AS value_min, max(value) AS value_max
FROM event
GROUP BY site, time_bucket(CAST(900000000 AS bigint), time_us), day, bot
WITH NO DATA;

-- By the session's start. kind: 0 no bot events, 1 only bot events, 2 both. Sums over signs.
CREATE MATERIALIZED VIEW session_15m WITH (
  timescaledb.continuous, timescaledb.materialized_only = true, timescaledb.create_group_indexes = false) AS
SELECT site, time_bucket(CAST(900000000 AS bigint), first_us) AS bucket_us,
       time_bucket(CAST(900000000 AS bigint), first_us) / 900000000 AS bucket, day,
       CAST(CASE WHEN bot_events = 0 THEN 0 WHEN bot_events = events THEN 1 ELSE 2 END AS smallint) AS kind,
       sum(sign) AS sessions, coalesce(sum(sign) FILTER (WHERE events = 1), 0) AS bounces,
       sum(sign * (last_us - first_us)) AS session_us, CAST(sum(sign * page_views) AS bigint) AS page_views
FROM session
GROUP BY site, time_bucket(CAST(900000000 AS bigint), first_us), day,
         CAST(CASE WHEN bot_events = 0 THEN 0 WHEN bot_events = events THEN 1 ELSE 2 END AS smallint)
HAVING sum(sign) <> 0
WITH NO DATA;

CREATE INDEX traffic_15m_by_bucket ON traffic_15m (site, bucket);
CREATE INDEX traffic_15m_by_day ON traffic_15m (site, day);
CREATE INDEX session_15m_by_bucket ON session_15m (site, bucket);
CREATE INDEX session_15m_by_day ON session_15m (site, day);
