-- Of the folded records that the log took in a minute (of its append time, since 1970), the first and the last: offsets, and
-- digests (64 bits, read as signed). The newest row of a partition is rewritten by each commit.
CREATE TABLE log_minute (
  log_partition smallint NOT NULL, minute bigint NOT NULL, first_offset bigint NOT NULL, first_digest bigint NOT NULL,
  last_offset bigint NOT NULL, last_digest bigint NOT NULL, PRIMARY KEY (log_partition, minute)) WITH (fillfactor = 50);
