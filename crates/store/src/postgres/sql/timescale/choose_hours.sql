-- $1: at most so many (site, hour) ranges, newest first. With each the number of the last commit in this snapshot.
SELECT d.site, d.hour, g.commits
FROM (SELECT DISTINCT site, hour FROM rollup_dirty) AS d CROSS JOIN generation AS g
ORDER BY d.hour DESC, d.site
LIMIT $1
