-- $1, $2: from and to (exclusive) of all chosen hours, microseconds. Sums over signs.
INSERT INTO session_15m
SELECT s.site, s.bucket, s.day, s.kind, sum(s.sign), coalesce(sum(s.sign) FILTER (WHERE s.events = 1), 0),
       sum(s.sign * s.length_us), sum(s.sign * s.page_views)
FROM (SELECT site, day, sign, events, page_views, last_us - first_us AS length_us,
             CASE WHEN bot_events = 0 THEN 0 WHEN bot_events = events THEN 1 ELSE 2 END AS kind,
             first_us // 900000000 - CASE WHEN first_us % 900000000 < 0 THEN 1 ELSE 0 END AS bucket
      FROM session WHERE first_us >= $1 AND first_us < $2) s
JOIN temp.refreshing r ON s.site = r.site AND s.bucket >> 2 = r.hour
GROUP BY s.site, s.bucket, s.day, s.kind
HAVING sum(s.sign) <> 0
