-- Plain PostgreSQL: rollups are tables that a refresh writes, indexes are trees.

-- Counted once, for ever (P-2): a second owner's commit of the same event fails as a whole, and is folded again.
CREATE UNIQUE INDEX event_by_id ON event (site, id);
CREATE INDEX event_by_time ON event (site, time_us);
CREATE INDEX event_by_visitor ON event (site, visitor, time_us);

CREATE INDEX session_by_visitor ON session (site, visitor, last_us);
CREATE INDEX session_by_start ON session (site, first_us);
CREATE INDEX session_retracted ON session (site, visitor) WHERE sign = -1;

-- Rollups of 15 minutes. bucket = time_us / 900,000,000.
CREATE TABLE traffic_15m (
  site integer NOT NULL, bucket bigint NOT NULL, day integer NOT NULL, bot boolean NOT NULL,
  events bigint NOT NULL, page_views bigint NOT NULL,
  value_count bigint NOT NULL, value_sum numeric NOT NULL, value_min bigint, value_max bigint);
CREATE INDEX traffic_15m_by_bucket ON traffic_15m (site, bucket);
CREATE INDEX traffic_15m_by_day ON traffic_15m (site, day);

-- By the session's start. kind: 0 no bot events, 1 only bot events, 2 both.
CREATE TABLE session_15m (
  site integer NOT NULL, bucket bigint NOT NULL, day integer NOT NULL, kind smallint NOT NULL,
  sessions bigint NOT NULL, bounces bigint NOT NULL, session_us numeric NOT NULL, page_views bigint NOT NULL);
CREATE INDEX session_15m_by_bucket ON session_15m (site, bucket);
CREATE INDEX session_15m_by_day ON session_15m (site, day);
