-- $1: least changed rows. $2: such a part of the rows at the last ANALYZE. The chunks of rows that have changed so much since
-- then, those of rollups too. Columns know their own.
SELECT format('%I.%I', k.schema_name, k.table_name)
FROM _timescaledb_catalog.hypertable AS h
JOIN _timescaledb_catalog.chunk AS k ON k.hypertable_id = h.id AND k.compressed_chunk_id IS NULL
JOIN pg_class AS c ON c.oid = to_regclass(format('%I.%I', k.schema_name, k.table_name))
WHERE h.compression_state <> 2
  AND pg_stat_get_mod_since_analyze(c.oid) >= greatest($1, $2 * greatest(c.reltuples, 0))
ORDER BY k.id
