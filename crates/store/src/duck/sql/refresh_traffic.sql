-- $1, $2: from and to (exclusive) of all chosen hours, microseconds.
INSERT INTO traffic_15m
SELECT e.site, e.bucket, e.day, e.bot, count(*), count(*) FILTER (WHERE e.page_view),
       count(e.value), coalesce(sum(e.value), 0), min(e.value), max(e.value)
FROM (SELECT site, day, bot, value, name = 'page_view' AS page_view,
             -- Rounded down before 1970 too: // rounds towards zero.
             time_us // 900000000 - CASE WHEN time_us % 900000000 < 0 THEN 1 ELSE 0 END AS bucket
      FROM event WHERE time_us >= $1 AND time_us < $2) e
JOIN temp.refreshing r ON e.site = r.site AND e.bucket >> 2 = r.hour
GROUP BY e.site, e.bucket, e.day, e.bot
