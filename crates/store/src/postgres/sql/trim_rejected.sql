-- $1: the site. $2: how many are kept.
DELETE FROM rejected_event AS r
USING (SELECT received_us, id FROM rejected_event WHERE site = $1 ORDER BY received_us DESC, id DESC OFFSET $2 LIMIT 1) AS last
WHERE r.site = $1 AND (r.received_us, r.id) <= (last.received_us, last.id)
