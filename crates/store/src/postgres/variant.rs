//! Which PostgreSQL this is: plain, or with TimescaleDB under its own licence.
//!
//! Both serve the same relations. A warehouse stays what it was made as: the migrations that it has had say so.

use super::failure::opening;
use crate::Error;
use sqlx::PgConnection;
use sqlx::migrate::{Migration, MigrationType};
use sqlx::{AssertSqlSafe, SqlSafeStr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Rollups are tables. An Apache-only TimescaleDB counts as plain.
    Plain,
}

/// What every variant has: version, name, text.
const CORE: [(i64, &str, &str); 1] = [(1, "core", include_str!("migrations/core/0001_core.sql"))];
/// Versions from here on belong to a variant.
const PLAIN: [(i64, &str, &str); 1] = [(1_001, "plain", include_str!("migrations/plain/1001_plain.sql"))];

impl Variant {
    /// What the warehouse is, or what a new one is to be on this server.
    pub(super) async fn choose(_conn: &mut PgConnection) -> Result<Variant, Error> {
        Ok(Variant::Plain)
    }

    /// All migrations of a warehouse of this kind.
    pub(super) fn migrations(self) -> Vec<Migration> {
        let own = match self {
            Variant::Plain => &PLAIN[..],
        };
        CORE.iter()
            .chain(own)
            .map(|(version, name, sql)| {
                Migration::new(*version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
            })
            .collect()
    }
}

/// The variant migration that a warehouse has had, if it is one already.
#[expect(dead_code, reason = "asked by Variant::choose as soon as there is a choice")]
pub(super) async fn has_had(conn: &mut PgConnection, version: i64) -> Result<bool, Error> {
    let table: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *conn)
        .await
        .map_err(opening)?;
    if !table {
        return Ok(false);
    }
    sqlx::query_scalar(AssertSqlSafe("SELECT EXISTS (SELECT 1 FROM _sqlx_migrations WHERE version = $1)".to_owned()))
        .bind(version)
        .fetch_one(conn)
        .await
        .map_err(opening)
}
