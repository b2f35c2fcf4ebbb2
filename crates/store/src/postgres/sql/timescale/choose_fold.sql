-- $1 least retractions, $2 least part of the rows that are (one in $2): the chunks of session that are worth folding, by the
-- server's estimates. The partial index holds the retractions.
SELECT format('%I.%I', n.nspname, t.relname)
FROM show_chunks('session') AS chunk (oid)
JOIN pg_class AS t ON t.oid = chunk.oid
JOIN pg_namespace AS n ON n.oid = t.relnamespace
JOIN pg_index AS x ON x.indrelid = t.oid AND x.indpred IS NOT NULL
JOIN pg_class AS i ON i.oid = x.indexrelid
WHERE greatest(i.reltuples, 0) >= greatest($1, t.reltuples / $2)
