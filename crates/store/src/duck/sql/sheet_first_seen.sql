-- $1 site, $2 day: whose first event ever lies on the day.
SELECT visitor FROM visitor
WHERE site = $1 AND first_day = $2
GROUP BY visitor, first_us, first_day
HAVING sum(sign) > 0
