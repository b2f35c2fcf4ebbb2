//! The event log: append, read from a position, bounds, trim.
