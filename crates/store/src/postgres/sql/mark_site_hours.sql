-- $1: the site (integer). $2: the number of the commit (bigint).
INSERT INTO rollup_dirty
SELECT $1, hour, $2 FROM (
  -- Rounded down before 1970 too: / rounds towards zero.
  SELECT DISTINCT time_us / 3600000000 - CASE WHEN time_us % 3600000000 < 0 THEN 1 ELSE 0 END AS hour
  FROM (SELECT time_us FROM event WHERE site = $1 UNION ALL SELECT first_us FROM session WHERE site = $1) AS t) AS h
