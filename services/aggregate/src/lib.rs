//! Aggregate: dedupe, enrich, sessions, fold, commit.
