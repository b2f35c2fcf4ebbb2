-- What is asked of all sites at once, when a process begins to fold: the last half hour by time, the last minute by receipt.
-- Rows come in nearly in both orders, so that the least and the greatest of some pages in a row say enough: 60 KB for 77 MB of
-- events. The upkeep of statistics summarizes new pages (statistics.rs); until then they are read.
CREATE INDEX event_by_instant ON event USING brin (time_us int8_minmax_multi_ops, received_us int8_minmax_multi_ops);
