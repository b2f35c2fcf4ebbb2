-- $1 how long ago a chunk has to end, in microseconds by the server's clock; $2 least bytes of its rows.
-- The newest calm chunk of events whose rows are worth turning into columns, whether it has columns already, and how many more
-- there are. Calm: no refresh waits for it. Status 8: rows came after the columns.
SELECT format('%I.%I', i.chunk_schema, i.chunk_name), i.is_compressed, count(*) OVER () - 1
FROM timescaledb_information.chunks AS i
JOIN _timescaledb_catalog.chunk AS c ON c.schema_name = i.chunk_schema AND c.table_name = i.chunk_name
WHERE i.hypertable_schema = current_schema() AND i.hypertable_name = 'event' AND i.range_end_integer <= now_us() - $1
  AND (NOT i.is_compressed OR c.status & 8 <> 0)
  AND pg_relation_size(format('%I.%I', i.chunk_schema, i.chunk_name)) >= $2
  AND NOT EXISTS (SELECT 1 FROM rollup_dirty AS d
                  WHERE d.hour * 3600000000 >= i.range_start_integer AND d.hour * 3600000000 < i.range_end_integer)
  -- A local day is less than a day away from UTC.
  AND NOT EXISTS (SELECT 1 FROM sheet_dirty AS d
                  WHERE d.day BETWEEN i.range_start_integer / 86400000000 - 1 AND i.range_start_integer / 86400000000 + 1)
ORDER BY i.range_start_integer DESC
LIMIT 1
