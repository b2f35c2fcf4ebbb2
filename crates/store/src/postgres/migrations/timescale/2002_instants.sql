-- What is asked of all sites at once, when a process begins to fold: the last half hour by time, the last minute by receipt. As on
-- plain PostgreSQL, and in columns by the least and the greatest of a thousand rows.
CREATE INDEX event_by_instant ON event USING brin (time_us int8_minmax_multi_ops, received_us int8_minmax_multi_ops);
ALTER TABLE event SET (
  timescaledb.sparse_index = 'minmax(id), minmax(day), minmax(log_offset), minmax(received_us)');
