-- The relations of the warehouse (DESIGN section 8) on PostgreSQL: the names, columns and meanings of duck/schema.sql.
--
-- Times are microseconds since 1970 (bigint), days are civil days of the site's zone since 1970 (integer): SQL never does
-- zone arithmetic, and an hour is a whole number on every engine. Absent text is ''. Texts are in bytewise order.
--
-- What differs between plain PostgreSQL and TimescaleDB is in the migrations of the variant: the rollups traffic_15m and
-- session_15m, and all indexes of event and session.

CREATE TABLE event (
  site integer NOT NULL, visitor bigint NOT NULL, id uuid NOT NULL, time_us bigint NOT NULL, day integer NOT NULL,
  log_partition smallint NOT NULL, log_offset bigint NOT NULL, received_us bigint NOT NULL, client_time_us bigint,
  bot boolean NOT NULL, value bigint,
  topics text[] COLLATE "C" NOT NULL, property_keys text[] COLLATE "C" NOT NULL, property_values text[] COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL, url text COLLATE "C" NOT NULL, host text COLLATE "C" NOT NULL,
  path text COLLATE "C" NOT NULL, referrer text COLLATE "C" NOT NULL, source text COLLATE "C" NOT NULL,
  channel text COLLATE "C" NOT NULL, utm_source text COLLATE "C" NOT NULL, utm_medium text COLLATE "C" NOT NULL,
  utm_campaign text COLLATE "C" NOT NULL, utm_term text COLLATE "C" NOT NULL, utm_content text COLLATE "C" NOT NULL,
  title text COLLATE "C" NOT NULL, country text COLLATE "C" NOT NULL, language text COLLATE "C" NOT NULL,
  device text COLLATE "C" NOT NULL, screen text COLLATE "C" NOT NULL, browser text COLLATE "C" NOT NULL,
  os text COLLATE "C" NOT NULL, user_id text COLLATE "C" NOT NULL);

-- +1 adds a session as it stands, -1 takes an older version back.
CREATE TABLE session (
  site integer NOT NULL, visitor bigint NOT NULL, day integer NOT NULL,
  first_us bigint NOT NULL, first_id uuid NOT NULL, last_us bigint NOT NULL, last_id uuid NOT NULL,
  events bigint NOT NULL, page_views bigint NOT NULL, bot_events bigint NOT NULL,
  entry_page text COLLATE "C" NOT NULL, exit_page text COLLATE "C" NOT NULL, sign smallint NOT NULL);

CREATE TABLE visitor (
  site integer NOT NULL, visitor bigint NOT NULL, key uuid NOT NULL,
  first_us bigint NOT NULL, first_day integer NOT NULL, sign smallint NOT NULL);
CREATE INDEX visitor_by_key ON visitor (site, key);
CREATE INDEX visitor_by_number ON visitor (site, visitor);
CREATE INDEX visitor_by_day ON visitor (site, first_day);
CREATE INDEX visitor_retracted ON visitor (site, visitor) WHERE sign = -1;

-- Hours (time_us / 3,600,000,000, UTC) whose rollups are behind the raw rows: read raw there.
CREATE TABLE rollup_dirty (site integer NOT NULL, hour bigint NOT NULL, commit_no bigint NOT NULL);
CREATE INDEX rollup_dirty_by_hour ON rollup_dirty (site, hour);

-- Day sheets (docs/adr/0009). version: the number of the last commit in the snapshot that the day was built from.
CREATE TABLE sheet (
  site integer NOT NULL, day integer NOT NULL, version bigint NOT NULL, bitmaps bigint NOT NULL, bitmap_bytes bigint NOT NULL,
  PRIMARY KEY (site, day));

CREATE TABLE sheet_dirty (site integer NOT NULL, day integer NOT NULL, commit_no bigint NOT NULL);
CREATE INDEX sheet_dirty_by_day ON sheet_dirty (site, day);

-- Portable Roaring of visitor numbers (32 bits), all partitions in one. dimension: 0 all and 1 first seen (value ''), 2 country,
-- 3 device, 4 browser, 5 os, 6 channel, 7 event name, 8 page. bot: of events by bots, or of the others.
CREATE TABLE visitor_bitmap (
  site integer NOT NULL, day integer NOT NULL, dimension smallint NOT NULL, value text COLLATE "C" NOT NULL, bot boolean NOT NULL,
  version bigint NOT NULL, visitors bigint NOT NULL, bitmap bytea NOT NULL);
-- Bitmaps are dense already: compressing them again costs and saves nothing.
ALTER TABLE visitor_bitmap ALTER COLUMN bitmap SET STORAGE EXTERNAL;
CREATE INDEX visitor_bitmap_by_day ON visitor_bitmap (site, day, dimension);
-- A value may be longer than a page of a tree holds, a hash of it never is.
CREATE INDEX visitor_bitmap_by_value ON visitor_bitmap USING hash (value);

-- kind 0: events not by bots, and the day's sessions that hold only such events of the value (on any day); 1: the same by bots;
-- 2: no events; sessions that hold both. visitors: of these events, as many as their bitmap holds.
CREATE TABLE breakdown_1d (
  site integer NOT NULL, day integer NOT NULL, dimension smallint NOT NULL, value text COLLATE "C" NOT NULL, kind smallint NOT NULL,
  events bigint NOT NULL, page_views bigint NOT NULL,
  value_count bigint NOT NULL, value_sum numeric NOT NULL, value_min bigint, value_max bigint,
  visitors bigint NOT NULL, sessions bigint NOT NULL, bounces bigint NOT NULL, session_us numeric NOT NULL,
  session_page_views bigint NOT NULL);
CREATE INDEX breakdown_1d_by_day ON breakdown_1d (site, dimension, day);
CREATE INDEX breakdown_1d_of_day ON breakdown_1d (site, day);

-- One row. commits: every commit takes the next number, and keeps the row until it ends: numbers are in the order in which
-- commits become visible.
CREATE TABLE generation (generation bigint NOT NULL, commits bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO generation VALUES (1, 0);

-- folded_to: the highest next_offset there ever was. It stays when somebody sets next_offset back for a repair.
CREATE TABLE checkpoint (
  log_partition smallint PRIMARY KEY, next_offset bigint NOT NULL, folded_to bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO checkpoint SELECT number, 0, 0 FROM generate_series(0, 7) AS number;

-- The last folded record of each writer: what tells a resend from a record. writer: 64 bits, read as signed.
CREATE TABLE writer_sequence (
  log_partition smallint NOT NULL, writer bigint NOT NULL, sequence bigint NOT NULL, PRIMARY KEY (log_partition, writer))
  WITH (fillfactor = 50);

-- Who folds a partition, until when by the server's clock. epoch counts its owners: a commit under an older one is refused.
CREATE TABLE lease (
  log_partition smallint PRIMARY KEY, epoch bigint NOT NULL, owner uuid, owner_name text, held_until timestamptz)
  WITH (fillfactor = 50);
INSERT INTO lease SELECT number, 0, NULL, NULL, NULL FROM generate_series(0, 7) AS number;
-- All who fold or would, also those without a partition.
CREATE TABLE lease_owner (id uuid PRIMARY KEY, name text NOT NULL, known_until timestamptz NOT NULL) WITH (fillfactor = 50);

-- What is true of the instance as a whole, such as a hash of its visitor secret.
CREATE TABLE fact (name text PRIMARY KEY, value text NOT NULL);

CREATE TABLE site (
  id integer PRIMARY KEY, name text NOT NULL, time_zone text NOT NULL, created_us bigint NOT NULL);
CREATE TABLE api_key (
  id text PRIMARY KEY, hash bytea NOT NULL, scope text NOT NULL, site integer, name text NOT NULL,
  created_us bigint NOT NULL, revoked boolean NOT NULL);
CREATE TABLE rejected_event (
  id uuid NOT NULL, site integer NOT NULL, received_us bigint NOT NULL, reason smallint NOT NULL, field text NOT NULL,
  message text NOT NULL, payload bytea NOT NULL, payload_bytes bigint NOT NULL, user_agent text NOT NULL);
CREATE INDEX rejected_event_by_age ON rejected_event (site, received_us, id);
CREATE TABLE rejected_count (site integer NOT NULL, reason smallint NOT NULL, count bigint NOT NULL, PRIMARY KEY (site, reason));
