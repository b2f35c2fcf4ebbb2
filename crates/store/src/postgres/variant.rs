//! Which PostgreSQL this is: plain, or with TimescaleDB under its own licence.
//!
//! Both serve the same relations. A warehouse stays what it was made as: the migrations that it has had say so.

use super::failure::opening;
use crate::{Engine, Error};
use sqlx::PgConnection;
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Rollups are tables. An Apache-only TimescaleDB counts as plain.
    Plain,
    /// Events and sessions are hypertables, rollups continuous aggregates, calm days columns.
    Timescale,
}

/// What every variant has: version, name, text.
const CORE: [(i64, &str, &str); 5] = [
    (1, "core", include_str!("migrations/core/0001_core.sql")),
    (2, "segment", include_str!("migrations/core/0002_segment.sql")),
    (3, "collecting", include_str!("migrations/core/0003_collecting.sql")),
    (4, "log_minute", include_str!("migrations/core/0004_log_minute.sql")),
    (5, "push", include_str!("migrations/core/0005_push.sql")),
];
/// Versions from here on belong to a variant.
const PLAIN: [(i64, &str, &str); 2] = [
    (1_001, "plain", include_str!("migrations/plain/1001_plain.sql")),
    (1_002, "instants", include_str!("migrations/plain/1002_instants.sql")),
];
const TIMESCALE: [(i64, &str, &str); 2] = [
    (2_001, "timescale", include_str!("migrations/timescale/2001_timescale.sql")),
    (2_002, "instants", include_str!("migrations/timescale/2002_instants.sql")),
];

/// The oldest TimescaleDB that is known to work: 2.28 makes what the migrations ask for.
const OLDEST_TIMESCALE: (u32, u32) = (2, 28);

impl Variant {
    /// What the warehouse is, or what a new one is to be on this server: on TimescaleDB where the server has loaded it and
    /// its licence is its makers' own. The extension is created if need be.
    pub(super) async fn choose(conn: &mut PgConnection) -> Result<Variant, Error> {
        for (variant, version) in [(Variant::Plain, PLAIN[0].0), (Variant::Timescale, TIMESCALE[0].0)] {
            if has_had(conn, version).await? {
                return Ok(variant);
            }
        }
        let loaded: bool = sqlx::query_scalar(
            "SELECT current_setting('shared_preload_libraries') LIKE '%timescaledb%' \
             AND EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb')",
        )
        .fetch_one(&mut *conn)
        .await
        .map_err(opening)?;
        if !loaded {
            return Ok(Variant::Plain);
        }
        let created = sqlx::query("CREATE EXTENSION IF NOT EXISTS timescaledb").execute(&mut *conn).await;
        let installed: Option<(Option<String>, String)> = sqlx::query_as(
            "SELECT current_setting('timescaledb.license', true), extversion FROM pg_extension WHERE extname = 'timescaledb'",
        )
        .fetch_optional(conn)
        .await
        .map_err(opening)?;
        // Another process may have been the one that created it.
        let Some((license, version)) = installed else {
            let why = created.err().map(|error| error.to_string()).unwrap_or_default();
            let hint = "let an administrator run CREATE EXTENSION timescaledb in this database";
            return Err(Error::Open(format!("TimescaleDB is loaded but cannot be created: {why}; {hint}")));
        };
        match license.as_deref() {
            Some("timescale") if is_old(&version) => {
                let (major, minor) = OLDEST_TIMESCALE;
                Err(Error::Open(format!("TimescaleDB {version} is too old; use {major}.{minor} or later")))
            }
            Some("timescale") => Ok(Variant::Timescale),
            _ => Ok(Variant::Plain),
        }
    }

    /// Whose SQL statements of reads are written in.
    pub(super) fn engine(self) -> Engine {
        match self {
            Variant::Plain => Engine::Postgres,
            Variant::Timescale => Engine::Timescale,
        }
    }

    /// The ids of a site's events, made from $2 to before $3.
    pub(super) fn ids(self) -> &'static str {
        match self {
            Variant::Plain => "SELECT id FROM event WHERE site = $1 AND id >= $2 AND id < $3",
            Variant::Timescale => "SELECT id FROM event_id WHERE site = $1 AND id >= $2 AND id < $3",
        }
    }

    /// Whether a column of an event or a session is one of a bound list.
    pub(super) fn is_one_of(self, column: &str, list: &str) -> String {
        match self {
            // The list is searched for in an index.
            Variant::Plain => format!("{column} = ANY({list})"),
            // A list that the planner sees is planned into every chunk of columns: 8,000 ids take 12 seconds that way, 30,000
            // gigabytes of memory. A join reads all columns once, in less than one (ADR 0021).
            Variant::Timescale => format!("{column} IN (SELECT unnest({list}))"),
        }
    }

    /// How a transaction begins that reads several statements in one snapshot.
    pub(super) fn snapshot(self) -> &'static str {
        match self {
            Variant::Plain => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            // Not a query: the snapshot is taken after the lock (timescale/columns.rs).
            Variant::Timescale => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE columns_gate IN ACCESS SHARE MODE"
            }
        }
    }

    /// All migrations of a warehouse of this kind.
    pub(super) fn migrations(self) -> Vec<Migration> {
        let own = match self {
            Variant::Plain => &PLAIN[..],
            Variant::Timescale => &TIMESCALE[..],
        };
        CORE.iter()
            .chain(own)
            .map(|(version, name, sql)| {
                Migration::new(*version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
            })
            .collect()
    }
}

/// Whether a version such as `2.28.3` is below the oldest one; what cannot be read is taken as it is.
fn is_old(version: &str) -> bool {
    let mut numbers = version.split(['.', '-']).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < OLDEST_TIMESCALE,
        _ => false,
    }
}

/// The variant migration that a warehouse has had, if it is one already.
async fn has_had(conn: &mut PgConnection, version: i64) -> Result<bool, Error> {
    let table: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *conn)
        .await
        .map_err(opening)?;
    if !table {
        return Ok(false);
    }
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM _sqlx_migrations WHERE version = $1 AND success)")
        .bind(version)
        .fetch_one(conn)
        .await
        .map_err(opening)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let old = ["2.28.3", "2.28.0-dev", "2.30.0-dev", "10.0.0", "3.1", "2.27.9", "2.9.3", "1.99.0", "?"].map(is_old);
        assert_eq!(old, [false, false, false, false, false, true, true, true, false]);
    }
}
