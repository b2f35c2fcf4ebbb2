//! Ingest: parse, refuse or accept; the answer comes after the event is on disk.
