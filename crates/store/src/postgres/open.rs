//! Opening: connections, and a schema that is brought up to date under a lock, whoever else starts at the same time.

use super::PgConfig;
use super::failure::{engine, opening};
use super::variant::Variant;
use crate::Error;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};
use std::str::FromStr;
use std::time::Duration;

/// The oldest server that is known to work.
const OLDEST: u32 = 150_000;

/// The connections of a warehouse.
pub(super) struct Pools {
    pub(super) readers: PgPool,
    pub(super) writers: PgPool,
    pub(super) variant: Variant,
}

pub(super) async fn open(config: &PgConfig) -> Result<Pools, Error> {
    let options = options(config)?;
    let variant = migrate(&options, config.connect_timeout).await?;
    let timeout = format!("{}ms", config.statement_timeout.as_millis());
    let reading = options.clone().application_name("pistats reads").options([
        ("statement_timeout", timeout.as_str()),
        ("default_transaction_read_only", "on"),
        // Every value of a report decides over its plan.
        ("plan_cache_mode", "force_custom_plan"),
        // Reports join sets that they have just made, whose sizes the planner can only guess. A hash is right for one row and
        // for a million; a nested loop over a set that was guessed to have one row takes minutes. Statements that look few
        // keys up give them as an array, which an index is searched by.
        ("enable_nestloop", "off"),
        // Compiling costs more than these statements take.
        ("jit", "off"),
        ("work_mem", "64MB"),
    ]);
    let writing = options.application_name("pistats writes").options([
        // A hung process keeps no row for itself.
        ("idle_in_transaction_session_timeout", "30s"),
        ("lock_timeout", "30s"),
        ("plan_cache_mode", "force_custom_plan"),
        ("jit", "off"),
        ("work_mem", "64MB"),
    ]);
    Ok(Pools {
        readers: pool(config, config.readers, reading),
        writers: pool(config, config.writers, writing),
        variant,
    })
}

fn pool(config: &PgConfig, most: u32, options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(most.max(1))
        .acquire_timeout(config.connect_timeout)
        .idle_timeout(Duration::from_secs(600))
        .connect_lazy_with(options)
}

fn options(config: &PgConfig) -> Result<PgConnectOptions, Error> {
    if !["postgres://", "postgresql://"].iter().any(|scheme| config.url.starts_with(scheme)) {
        return Err(Error::Open("store.url is no address of PostgreSQL: it begins with postgres://".to_owned()));
    }
    let options = PgConnectOptions::from_str(&config.url)
        .map_err(|error| Error::Open(format!("store.url is no address of PostgreSQL: {error}")))?;
    // Statements are the callers' to trace.
    Ok(options.disable_statement_logging().options([("TimeZone", "UTC")]))
}

/// Brings the schema up to date. Several processes may do so at once: the first one does it, the others wait.
async fn migrate(options: &PgConnectOptions, within: Duration) -> Result<Variant, Error> {
    let options = options.clone().application_name("pistats migrates");
    // A machine that is not there says nothing at all.
    let mut conn = match tokio::time::timeout(within, options.connect()).await {
        Ok(connected) => connected.map_err(opening)?,
        Err(_) => return Err(Error::Unavailable(format!("no answer within {} s", within.as_secs()))),
    };
    if let Some(version) = conn.server_version_num().filter(|version| *version < OLDEST) {
        return Err(Error::Open(format!("PostgreSQL {} is too old; use 15 or later", version / 10_000)));
    }
    let variant = Variant::choose(&mut conn).await?;
    let migrated = Migrator::with_migrations(variant.migrations()).run_direct(None, &mut conn, false).await;
    // The lock is of the session: closing it gives it back whatever happened.
    let closed = conn.close().await;
    migrated.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => opening(error),
        MigrateError::VersionMissing(version) => Error::Open(format!(
            "it has had migration {version}, which this program does not know; use the program that made it"
        )),
        other => Error::Open(other.to_string()),
    })?;
    closed.map_err(engine)?;
    Ok(variant)
}
