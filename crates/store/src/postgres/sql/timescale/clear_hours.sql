-- $1 sites, $2 hours, pair by pair; $3: the number of the last commit that their rollups hold for certain.
DELETE FROM rollup_dirty AS d
USING unnest(CAST($1 AS integer[]), CAST($2 AS bigint[])) AS done (site, hour)
WHERE d.site = done.site AND d.hour = done.hour AND d.commit_no <= $3
