-- Every day that a sheet could be built of, as if the last commit had touched it.
INSERT INTO sheet_dirty
SELECT site, day, (SELECT commits FROM generation)
FROM (SELECT site, day FROM event UNION SELECT site, day FROM session UNION SELECT site, first_day FROM visitor)
