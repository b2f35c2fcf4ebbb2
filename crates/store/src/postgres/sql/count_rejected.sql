-- $1, $2, $3: sites, reasons, and how many more.
INSERT INTO rejected_count AS c
SELECT site, reason, count FROM unnest($1::integer[], $2::smallint[], $3::bigint[]) AS more (site, reason, count)
ORDER BY site, reason
ON CONFLICT (site, reason) DO UPDATE SET count = c.count + excluded.count
