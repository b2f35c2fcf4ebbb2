-- $1: at most so many hours, newest first: neighbours in time lie together in the table.
INSERT INTO temp.refreshing
SELECT DISTINCT site, hour FROM rollup_dirty ORDER BY hour DESC, site LIMIT $1
