-- $1: least changed rows. $2: such a part of the rows at the last ANALYZE. The tables that have changed so much since then.
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname = current_schema()
  AND pg_stat_get_mod_since_analyze(c.oid) >= greatest($1, $2 * greatest(c.reltuples, 0))
ORDER BY c.relname
