-- $1: the site (integer). $2: the number of the commit (bigint).
INSERT INTO sheet_dirty
SELECT $1, day, $2
FROM (SELECT day FROM event WHERE site = $1 UNION SELECT day FROM session WHERE site = $1
      UNION SELECT first_day FROM visitor WHERE site = $1) AS d
