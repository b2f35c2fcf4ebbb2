//! Admin: sites, keys, rejected events.
