-- $1 site, $2 day: the living sessions that start on the day.
SELECT visitor, first_us, last_us, events, page_views FROM session
WHERE site = $1 AND day = $2
GROUP BY visitor, first_us, last_us, events, page_views
HAVING sum(sign) > 0
