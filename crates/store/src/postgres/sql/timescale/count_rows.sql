-- $1: a hypertable. How many rows its chunks have, by the server's estimates.
SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::float8
FROM show_chunks(CAST($1 AS regclass)) AS chunk (oid) JOIN pg_class AS c ON c.oid = chunk.oid
