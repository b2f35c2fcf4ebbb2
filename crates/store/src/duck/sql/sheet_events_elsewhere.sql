-- $1 site, $2 day, $3 and $4 times: the events of other days from $3 to $4, of the visitors whose sessions reach there.
SELECT visitor, time_us, CAST(bot AS TINYINT), value, country, device, browser, os, channel, name, host || path
FROM event
WHERE site = $1 AND day <> $2 AND time_us BETWEEN $3 AND $4 AND visitor IN (SELECT visitor FROM temp.reaching)
