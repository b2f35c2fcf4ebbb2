-- $1 site, $2 day: the day's events, with the dimensions in the order of SheetDimension::OF_EVENTS.
SELECT visitor, time_us, CAST(bot AS TINYINT), value, country, device, browser, os, channel, name, host || path
FROM event
WHERE site = $1 AND day = $2
