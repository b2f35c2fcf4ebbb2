-- $1, $2: sites and hours.
INSERT INTO traffic_15m
SELECT e.site, e.bucket, e.day, e.bot, count(*), count(*) FILTER (WHERE e.page_view),
       count(e.value), coalesce(sum(e.value), 0), min(e.value), max(e.value)
FROM (SELECT e.site, e.day, e.bot, e.value, e.name = 'page_view' AS page_view,
             -- Rounded down before 1970 too: / rounds towards zero.
             e.time_us / 900000000 - CASE WHEN e.time_us % 900000000 < 0 THEN 1 ELSE 0 END AS bucket
      FROM unnest($1::integer[], $2::bigint[]) AS r (site, hour)
      -- OFFSET keeps it a search of the index for each hour: joined by the site alone, every row would be compared with every hour.
      CROSS JOIN LATERAL (
        SELECT site, day, bot, value, name, time_us FROM event e
        WHERE e.site = r.site AND e.time_us >= r.hour * 3600000000 AND e.time_us < (r.hour + 1) * 3600000000 OFFSET 0) e) e
GROUP BY e.site, e.bucket, e.day, e.bot
