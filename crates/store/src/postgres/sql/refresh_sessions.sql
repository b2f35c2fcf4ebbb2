-- $1, $2: sites and hours. Sums over signs.
INSERT INTO session_15m
SELECT s.site, s.bucket, s.day, s.kind, sum(s.sign), coalesce(sum(s.sign) FILTER (WHERE s.events = 1), 0),
       sum(s.sign * s.length_us), sum(s.sign * s.page_views)
FROM (SELECT s.site, s.day, s.sign, s.events, s.page_views, s.last_us - s.first_us AS length_us,
             CASE WHEN s.bot_events = 0 THEN 0 WHEN s.bot_events = s.events THEN 1 ELSE 2 END AS kind,
             s.first_us / 900000000 - CASE WHEN s.first_us % 900000000 < 0 THEN 1 ELSE 0 END AS bucket
      FROM unnest($1::integer[], $2::bigint[]) AS r (site, hour)
      -- OFFSET keeps it a search of the index for each hour: joined by the site alone, every row would be compared with every hour.
      CROSS JOIN LATERAL (
        SELECT * FROM session s
        WHERE s.site = r.site AND s.first_us >= r.hour * 3600000000 AND s.first_us < (r.hour + 1) * 3600000000 OFFSET 0) s) s
GROUP BY s.site, s.bucket, s.day, s.kind
HAVING sum(s.sign) <> 0
