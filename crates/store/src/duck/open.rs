//! Opening: settings, schema, and plain words when it does not work.

use super::failure::engine;
use super::worker::transaction;
use super::{DuckConfig, SCHEMA_VERSION};
use crate::Error;
use duckdb::{Config, Connection, params};
use parking_lot::Mutex;
use pistats_core::PartitionId;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The files that this process has open. DuckDB's own lock is the system's record lock, which a process always gets from
/// itself: a second open here would tear the file.
static OPEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// The schema version that can be brought up to date in place.
const WITHOUT_SHEETS: i32 = 1;

/// Relations that came after version 2.
const ADDED: &str = "CREATE TABLE IF NOT EXISTS fact (name VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);
                     CREATE TABLE IF NOT EXISTS writer_sequence (
                       log_partition SMALLINT NOT NULL, writer BIGINT NOT NULL, sequence BIGINT NOT NULL,
                       PRIMARY KEY (log_partition, writer));
                     CREATE TABLE IF NOT EXISTS segment (
                       site INTEGER NOT NULL, id UUID NOT NULL, name VARCHAR NOT NULL, description VARCHAR NOT NULL,
                       version INTEGER NOT NULL, tree BLOB NOT NULL, created_us BIGINT NOT NULL, updated_us BIGINT NOT NULL);
                     CREATE TABLE IF NOT EXISTS segment_version (
                       site INTEGER NOT NULL, id UUID NOT NULL, version INTEGER NOT NULL, tree BLOB NOT NULL,
                       updated_us BIGINT NOT NULL);
                     CREATE TABLE IF NOT EXISTS site_collecting (
                       site INTEGER PRIMARY KEY, origins VARCHAR NOT NULL, cookieless BOOLEAN NOT NULL, cookieless_until_us BIGINT);
                     CREATE TABLE IF NOT EXISTS day_salt (
                       zone VARCHAR NOT NULL, day INTEGER NOT NULL, until_us BIGINT NOT NULL, secret BLOB NOT NULL,
                       PRIMARY KEY (zone, day));
                     CREATE TABLE IF NOT EXISTS log_minute (
                       log_partition SMALLINT NOT NULL, minute BIGINT NOT NULL, first_offset BIGINT NOT NULL,
                       first_digest BIGINT NOT NULL, last_offset BIGINT NOT NULL, last_digest BIGINT NOT NULL,
                       PRIMARY KEY (log_partition, minute));
                     CREATE TABLE IF NOT EXISTS push_key (
                       site INTEGER PRIMARY KEY, private BLOB NOT NULL, created_us BIGINT NOT NULL);
                     CREATE TABLE IF NOT EXISTS push_subscription (
                       site INTEGER NOT NULL, endpoint VARCHAR NOT NULL, p256dh BLOB NOT NULL, auth BLOB NOT NULL,
                       visitor UUID NOT NULL, time_zone VARCHAR NOT NULL, created_us BIGINT NOT NULL,
                       updated_us BIGINT NOT NULL, PRIMARY KEY (site, endpoint));
                     CREATE TABLE IF NOT EXISTS campaign (
                       site INTEGER NOT NULL, id UUID NOT NULL, state SMALLINT NOT NULL, version INTEGER NOT NULL,
                       content BLOB NOT NULL, segment UUID, created_us BIGINT NOT NULL, updated_us BIGINT NOT NULL,
                       started_us BIGINT, ended_us BIGINT, planned_us BIGINT, closes_us BIGINT);
                     CREATE TABLE IF NOT EXISTS push_message (
                       site INTEGER NOT NULL, campaign UUID NOT NULL, visitor UUID NOT NULL, state SMALLINT NOT NULL,
                       reason SMALLINT, due_us BIGINT NOT NULL, attempts INTEGER NOT NULL, endpoint VARCHAR NOT NULL,
                       sent_us BIGINT, ended_us BIGINT, removed INTEGER NOT NULL, unsubscribed_us BIGINT,
                       PRIMARY KEY (site, campaign, visitor))";

/// Keeps the file to one store of this process.
pub(super) struct Claim(Option<PathBuf>);

impl Claim {
    fn take(path: &Path) -> Result<Claim, Error> {
        let absolute = std::path::absolute(path).map_err(|error| unopened(path, &error.to_string()))?;
        if !OPEN.lock().insert(absolute.clone()) {
            return Err(unopened(path, "this process has it open already"));
        }
        Ok(Claim(Some(absolute)))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            OPEN.lock().remove(&path);
        }
    }
}

/// Opens the database and brings the relations into being.
pub(super) fn open(config: &DuckConfig) -> Result<(Claim, Connection), Error> {
    let (claim, conn) = match &config.path {
        Some(path) => {
            let claim = Claim::take(path)?;
            let conn = Connection::open_with_flags(path, settings(config)?);
            (claim, conn.map_err(|error| explained(path, &error))?)
        }
        None => (Claim(None), Connection::open_in_memory_with_flags(settings(config)?).map_err(refused)?),
    };
    prepare(&conn)?;
    prepare_schema(&conn)?;
    Ok((claim, conn))
}

/// Another connection to the same database.
pub(super) fn another(first: &Connection) -> Result<Connection, Error> {
    let conn = first.try_clone().map_err(refused)?;
    prepare(&conn)?;
    Ok(conn)
}

fn settings(config: &DuckConfig) -> Result<Config, Error> {
    let settings = [
        ("memory_limit", format!("{}MB", config.memory_limit_mb)),
        ("threads", config.threads().to_string()),
        ("checkpoint_threshold", format!("{}MB", config.checkpoint_threshold_mb)),
        // The newest format of the pinned version: by default new files are written for readers of version 1.0.
        ("storage_compatibility_version", "v1.5.0".to_owned()),
        // Nothing is fetched from the net, and SQL reaches no file but the database.
        ("autoinstall_known_extensions", "false".to_owned()),
        ("autoload_known_extensions", "false".to_owned()),
        ("enable_external_access", "false".to_owned()),
    ];
    settings.into_iter().try_fold(Config::default(), |config, (key, value)| config.with(key, value)).map_err(refused)
}

/// What each connection needs: UUID and HUGEINT cross as 16 bytes instead of as text and decimals.
fn prepare(conn: &Connection) -> Result<(), Error> {
    conn.set_prepared_statement_cache_capacity(64);
    conn.execute_batch("SET arrow_lossless_conversion = true").map_err(engine)
}

fn prepare_schema(conn: &Connection) -> Result<(), Error> {
    let tables: i64 = conn
        .query_row("SELECT count(*) FROM information_schema.tables WHERE table_name = 'generation'", [], |row| {
            row.get(0)
        })
        .map_err(engine)?;
    if tables > 0 {
        let version: i32 =
            conn.query_row("SELECT schema_version FROM generation", [], |row| row.get(0)).map_err(engine)?;
        if version == WITHOUT_SHEETS {
            return add_sheets(conn);
        }
        if version != SCHEMA_VERSION {
            return Err(Error::Open(format!(
                "it has schema version {version}, this program reads version {SCHEMA_VERSION}; \
                 use the program that made it, or fold the log again into a new data directory"
            )));
        }
        // A relation of its own needs no new version: a file that lacks it gets it, a program that does not know it lets it be.
        return conn.execute_batch(ADDED).map_err(engine);
    }
    transaction(conn, |conn| {
        conn.execute_batch(include_str!("schema.sql")).map_err(engine)?;
        conn.execute("INSERT INTO generation VALUES (1, 0, $1)", params![SCHEMA_VERSION]).map_err(engine)?;
        for partition in PartitionId::all() {
            conn.execute("INSERT INTO checkpoint VALUES ($1, 0, 0)", params![partition.0]).map_err(engine)?;
        }
        Ok(())
    })
}

/// Version 2 is version 1 and the relations of day sheets: every day is dirty in the beginning, and read raw.
fn add_sheets(conn: &Connection) -> Result<(), Error> {
    transaction(conn, |conn| {
        conn.execute_batch(include_str!("schema.sql")).map_err(engine)?;
        conn.execute_batch(include_str!("sql/mark_all_days.sql")).map_err(engine)?;
        conn.execute("UPDATE generation SET schema_version = $1", params![SCHEMA_VERSION]).map_err(engine)?;
        Ok(())
    })?;
    tracing::info!(from = WITHOUT_SHEETS, to = SCHEMA_VERSION, "the warehouse has a new schema version");
    Ok(())
}

fn refused(error: duckdb::Error) -> Error {
    Error::Open(error.to_string())
}

fn unopened(path: &Path, why: &str) -> Error {
    Error::Open(format!("{}: {why}", path.display()))
}

fn explained(path: &Path, error: &duckdb::Error) -> Error {
    let text = error.to_string();
    if text.contains("Could not set lock") {
        return unopened(
            path,
            &format!("another process has it open; stop that one, or use another data directory ({text})"),
        );
    }
    unopened(path, &text)
}
