-- The relations of the warehouse (DESIGN section 8), in DuckDB. Other engines serve the same names.
--
-- Times are microseconds since 1970 (bigint), days are civil days of the site's zone since 1970 (integer): SQL never does
-- zone arithmetic. Absent text is ''. Append-only but for small tables; sessions and visitors are signed rows.

CREATE TABLE IF NOT EXISTS event (
  site INTEGER NOT NULL, visitor BIGINT NOT NULL, id UUID NOT NULL, time_us BIGINT NOT NULL, day INTEGER NOT NULL,
  log_partition SMALLINT NOT NULL, log_offset BIGINT NOT NULL, received_us BIGINT NOT NULL, client_time_us BIGINT,
  bot BOOLEAN NOT NULL, value BIGINT,
  topics VARCHAR[] NOT NULL, property_keys VARCHAR[] NOT NULL, property_values VARCHAR[] NOT NULL,
  name VARCHAR NOT NULL, url VARCHAR NOT NULL, host VARCHAR NOT NULL, path VARCHAR NOT NULL,
  referrer VARCHAR NOT NULL, source VARCHAR NOT NULL, channel VARCHAR NOT NULL,
  utm_source VARCHAR NOT NULL, utm_medium VARCHAR NOT NULL, utm_campaign VARCHAR NOT NULL, utm_term VARCHAR NOT NULL,
  utm_content VARCHAR NOT NULL, title VARCHAR NOT NULL, country VARCHAR NOT NULL, language VARCHAR NOT NULL,
  device VARCHAR NOT NULL, screen VARCHAR NOT NULL, browser VARCHAR NOT NULL, os VARCHAR NOT NULL, user_id VARCHAR NOT NULL);

-- +1 adds a session as it stands, -1 takes an older version back.
CREATE TABLE IF NOT EXISTS session (
  site INTEGER NOT NULL, visitor BIGINT NOT NULL, day INTEGER NOT NULL,
  first_us BIGINT NOT NULL, first_id UUID NOT NULL, last_us BIGINT NOT NULL, last_id UUID NOT NULL,
  events BIGINT NOT NULL, page_views BIGINT NOT NULL, bot_events BIGINT NOT NULL,
  entry_page VARCHAR NOT NULL, exit_page VARCHAR NOT NULL, sign TINYINT NOT NULL);

CREATE TABLE IF NOT EXISTS visitor (
  site INTEGER NOT NULL, visitor BIGINT NOT NULL, key UUID NOT NULL,
  first_us BIGINT NOT NULL, first_day INTEGER NOT NULL, sign TINYINT NOT NULL);

-- Rollups of 15 minutes. bucket = time_us / 900,000,000.
CREATE TABLE IF NOT EXISTS traffic_15m (
  site INTEGER NOT NULL, bucket BIGINT NOT NULL, day INTEGER NOT NULL, bot BOOLEAN NOT NULL,
  events BIGINT NOT NULL, page_views BIGINT NOT NULL,
  value_count BIGINT NOT NULL, value_sum HUGEINT NOT NULL, value_min BIGINT, value_max BIGINT);

-- By the session's start. kind: 0 no bot events, 1 only bot events, 2 both.
CREATE TABLE IF NOT EXISTS session_15m (
  site INTEGER NOT NULL, bucket BIGINT NOT NULL, day INTEGER NOT NULL, kind TINYINT NOT NULL,
  sessions BIGINT NOT NULL, bounces BIGINT NOT NULL, session_us HUGEINT NOT NULL, page_views BIGINT NOT NULL);

-- Hours (time_us / 3,600,000,000, UTC) whose rollups are behind the raw rows: read raw there.
CREATE TABLE IF NOT EXISTS rollup_dirty (site INTEGER NOT NULL, hour BIGINT NOT NULL, commit_no BIGINT NOT NULL);

-- Day sheets: what a day holds, made anew as a whole when it has calmed down (docs/adr/0009). A day with a mark is read raw;
-- of the others a day without a row in sheet holds nothing.
-- version: the number of the last commit in the snapshot that the day was built from; a version never changes its content.
CREATE TABLE IF NOT EXISTS sheet (
  site INTEGER NOT NULL, day INTEGER NOT NULL, version BIGINT NOT NULL, bitmaps BIGINT NOT NULL, bitmap_bytes BIGINT NOT NULL);

-- Local days of events, of session versions and of first-seen days of visitor versions, set by the commit that brings them.
CREATE TABLE IF NOT EXISTS sheet_dirty (site INTEGER NOT NULL, day INTEGER NOT NULL, commit_no BIGINT NOT NULL);

-- Portable Roaring of visitor numbers (32 bits), all partitions in one. dimension: 0 all and 1 first seen (value ''), 2 country,
-- 3 device, 4 browser, 5 os, 6 channel, 7 event name, 8 page. bot: of events by bots, or of the others.
CREATE TABLE IF NOT EXISTS visitor_bitmap (
  site INTEGER NOT NULL, day INTEGER NOT NULL, dimension SMALLINT NOT NULL, value VARCHAR NOT NULL, bot BOOLEAN NOT NULL,
  version BIGINT NOT NULL, visitors BIGINT NOT NULL, bitmap BLOB NOT NULL);

-- kind 0: events not by bots, and the day's sessions that hold only such events of the value (on any day); 1: the same by bots;
-- 2: no events; sessions that hold both. visitors: of these events, as many as their bitmap holds.
CREATE TABLE IF NOT EXISTS breakdown_1d (
  site INTEGER NOT NULL, day INTEGER NOT NULL, dimension SMALLINT NOT NULL, value VARCHAR NOT NULL, kind TINYINT NOT NULL,
  events BIGINT NOT NULL, page_views BIGINT NOT NULL,
  value_count BIGINT NOT NULL, value_sum HUGEINT NOT NULL, value_min BIGINT, value_max BIGINT,
  visitors BIGINT NOT NULL, sessions BIGINT NOT NULL, bounces BIGINT NOT NULL, session_us HUGEINT NOT NULL,
  session_page_views BIGINT NOT NULL);

CREATE TABLE IF NOT EXISTS generation (generation BIGINT NOT NULL, commits BIGINT NOT NULL, schema_version INTEGER NOT NULL);
-- folded_to: the highest next_offset there ever was. It stays when somebody sets next_offset back for a repair.
CREATE TABLE IF NOT EXISTS checkpoint (log_partition SMALLINT NOT NULL, next_offset BIGINT NOT NULL, folded_to BIGINT NOT NULL);

-- The last folded record of each writer: what tells a resend from a record. writer: 64 bits, read as signed.
CREATE TABLE IF NOT EXISTS writer_sequence (
  log_partition SMALLINT NOT NULL, writer BIGINT NOT NULL, sequence BIGINT NOT NULL, PRIMARY KEY (log_partition, writer));

-- Of the folded records that the log took in a minute (of its append time, since 1970), the first and the last: offsets, and
-- digests (64 bits, read as signed).
CREATE TABLE IF NOT EXISTS log_minute (
  log_partition SMALLINT NOT NULL, minute BIGINT NOT NULL, first_offset BIGINT NOT NULL, first_digest BIGINT NOT NULL,
  last_offset BIGINT NOT NULL, last_digest BIGINT NOT NULL, PRIMARY KEY (log_partition, minute));

CREATE TABLE IF NOT EXISTS site (id INTEGER NOT NULL, name VARCHAR NOT NULL, time_zone VARCHAR NOT NULL, created_us BIGINT NOT NULL);
-- How a site collects; a site without a row as one that was never told. origins: rules, separated by blanks.
CREATE TABLE IF NOT EXISTS site_collecting (
  site INTEGER PRIMARY KEY, origins VARCHAR NOT NULL, cookieless BOOLEAN NOT NULL, cookieless_until_us BIGINT);
-- Secrets of local days (docs/adr/0024). From until_us on a row must not be here.
CREATE TABLE IF NOT EXISTS day_salt (
  zone VARCHAR NOT NULL, day INTEGER NOT NULL, until_us BIGINT NOT NULL, secret BLOB NOT NULL, PRIMARY KEY (zone, day));
CREATE TABLE IF NOT EXISTS api_key (
  id VARCHAR NOT NULL, hash BLOB NOT NULL, scope VARCHAR NOT NULL, site INTEGER, name VARCHAR NOT NULL,
  created_us BIGINT NOT NULL, revoked BOOLEAN NOT NULL);
CREATE TABLE IF NOT EXISTS rejected_event (
  id UUID NOT NULL, site INTEGER NOT NULL, received_us BIGINT NOT NULL, reason SMALLINT NOT NULL, field VARCHAR NOT NULL,
  message VARCHAR NOT NULL, payload BLOB NOT NULL, payload_bytes BIGINT NOT NULL, user_agent VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS rejected_count (site INTEGER NOT NULL, reason SMALLINT NOT NULL, count BIGINT NOT NULL);

-- What is true of the instance as a whole, such as a hash of its visitor secret.
CREATE TABLE IF NOT EXISTS fact (name VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);

-- Segments: the newest version, and every version of the tree (an encoded message).
CREATE TABLE IF NOT EXISTS segment (
  site INTEGER NOT NULL, id UUID NOT NULL, name VARCHAR NOT NULL, description VARCHAR NOT NULL, version INTEGER NOT NULL,
  tree BLOB NOT NULL, created_us BIGINT NOT NULL, updated_us BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS segment_version (
  site INTEGER NOT NULL, id UUID NOT NULL, version INTEGER NOT NULL, tree BLOB NOT NULL, updated_us BIGINT NOT NULL);

-- Push (crates/store/src/campaigns.rs). The private key of a site, 32 bytes: who reads it can send in the site's name.
CREATE TABLE IF NOT EXISTS push_key (site INTEGER PRIMARY KEY, private BLOB NOT NULL, created_us BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS push_subscription (
  site INTEGER NOT NULL, endpoint VARCHAR NOT NULL, p256dh BLOB NOT NULL, auth BLOB NOT NULL, visitor UUID NOT NULL,
  time_zone VARCHAR NOT NULL, created_us BIGINT NOT NULL, updated_us BIGINT NOT NULL, PRIMARY KEY (site, endpoint));
-- state: 1 draft, 2 scheduled, 3 running, 4 paused, 5 done, 6 cancelled. content: an encoded message.
CREATE TABLE IF NOT EXISTS campaign (
  site INTEGER NOT NULL, id UUID NOT NULL, state SMALLINT NOT NULL, version INTEGER NOT NULL, content BLOB NOT NULL, segment UUID,
  created_us BIGINT NOT NULL, updated_us BIGINT NOT NULL, started_us BIGINT, ended_us BIGINT, planned_us BIGINT, closes_us BIGINT);
-- state: 0 waiting, 1 sending (the intent), 2 accepted, 3 failed, 4 uncertain, 5 not sent. reason: core::push. endpoint, sent_us: of
-- the last intent. removed: subscriptions that were gone.
CREATE TABLE IF NOT EXISTS push_message (
  site INTEGER NOT NULL, campaign UUID NOT NULL, visitor UUID NOT NULL, state SMALLINT NOT NULL, reason SMALLINT,
  due_us BIGINT NOT NULL, attempts INTEGER NOT NULL, endpoint VARCHAR NOT NULL, sent_us BIGINT, ended_us BIGINT,
  removed INTEGER NOT NULL, unsubscribed_us BIGINT, PRIMARY KEY (site, campaign, visitor));
