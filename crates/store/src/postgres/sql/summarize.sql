-- $1: tables. Has their indexes of page ranges take in the pages that were written since.
SELECT coalesce(sum(brin_summarize_new_values(i.indexrelid)), 0)
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS a ON a.oid = c.relam
WHERE a.amname = 'brin' AND i.indrelid = ANY(CAST(CAST($1 AS text[]) AS regclass[]))
