-- The end of a commit, in one statement: it takes the next number, sets marks and moves checkpoints. From here to the end of
-- the transaction no other commit takes a number, so numbers are in the order in which commits become visible.
-- $1, $2: sites and hours. $3, $4: sites and days. $5, $6, $7: partitions, their next offsets (NULL: stays), and how far they
-- are folded at least.
WITH numbered AS (
  UPDATE generation SET commits = commits + 1 RETURNING generation, commits),
hours AS (
  INSERT INTO rollup_dirty SELECT m.site, m.hour, n.commits
  FROM unnest($1::integer[], $2::bigint[]) AS m (site, hour), numbered AS n),
days AS (
  INSERT INTO sheet_dirty SELECT m.site, m.day, n.commits
  FROM unnest($3::integer[], $4::integer[]) AS m (site, day), numbered AS n),
moved AS (
  UPDATE checkpoint AS c
  SET next_offset = coalesce(t.next_offset, c.next_offset), folded_to = greatest(c.folded_to, t.folded_to)
  FROM unnest($5::smallint[], $6::bigint[], $7::bigint[]) AS t (log_partition, next_offset, folded_to)
  WHERE c.log_partition = t.log_partition AND (t.next_offset IS NOT NULL OR t.folded_to > c.folded_to))
-- What this transaction changed is in the server's counts as soon as it is visible: statistics are kept up by them.
SELECT generation FROM numbered, pg_stat_force_next_flush()
