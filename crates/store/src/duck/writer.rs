//! The commit: rows, marks, refusals and progress in one transaction.

use super::failure::engine;
use super::worker::transaction;
use super::{append, places, registry};
use crate::{Checkpoint, Commit, Error, Progress, WriterSequence, hour_of};
use duckdb::{Connection, params, params_from_iter};
use pistats_core::ids::PARTITIONS;
use pistats_core::report::AsOf;
use pistats_core::{Generation, Micros, Offset, PartitionId};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Stores a commit (S-1, S-2, S-5, S-8 but for leases), and whatever `also` does in the same transaction.
pub(super) fn commit(
    conn: &Connection,
    commit: Commit,
    also: impl FnOnce(&Connection) -> Result<(), Error>,
) -> Result<(), Error> {
    transaction(conn, |conn| {
        if let Some(given) = commit.fence.generation {
            let stored = generation(conn)?;
            if stored != given {
                return Err(Error::OtherGeneration { stored, given });
            }
        }
        let mut next = advanced(next_offsets(conn)?, &commit.progress)?;
        let commit_no = count_commit(conn)?;

        let marks = marks(&commit)?;
        append::marks(&marks, commit_no).append_to(conn, None, "rollup_dirty", marks.len())?;
        let days = day_marks(&commit)?;
        append::day_marks(&days, commit_no).append_to(conn, None, "sheet_dirty", days.len())?;
        let rows = commit.events.len();
        if rows > 0 {
            append::events(commit.events)?.append_to(conn, None, "event", rows)?;
        }
        if !commit.sessions.is_empty() {
            append::sessions(&commit.sessions)?.append_to(conn, None, "session", commit.sessions.len())?;
        }
        if !commit.visitors.is_empty() {
            append::visitors(&commit.visitors)?.append_to(conn, None, "visitor", commit.visitors.len())?;
        }
        registry::keep_rejected(conn, &commit.rejected)?;
        keep_sequences(conn, &commit.sequences)?;
        if !commit.progress.is_empty() {
            move_checkpoints(conn, &next)?;
        }
        places::keep(conn, &commit.minutes)?;
        places::rewind(conn, &mut next, &commit.rewinds)?;
        also(conn)
    })
}

/// The stored checkpoints after this progress, or why it does not start there.
fn advanced(mut next: [u64; PARTITIONS as usize], progress: &[Progress]) -> Result<[u64; PARTITIONS as usize], Error> {
    for step in progress {
        let stored = next
            .get_mut(step.partition.index())
            .ok_or_else(|| Error::Engine(format!("there is no partition {}", step.partition.0)))?;
        if *stored != step.from.0 || step.to < step.from {
            return Err(Error::OutOfStep { partition: step.partition, stored: Offset(*stored), given: step.from });
        }
        *stored = step.to.0;
    }
    Ok(next)
}

/// The (site, hour) ranges whose rollups fall behind: of the events, and of the sessions' starts.
fn marks(commit: &Commit) -> Result<Vec<(i32, i64)>, Error> {
    let mut marks = BTreeSet::new();
    let mut last = None;
    for (site, time) in commit.events.site.iter().zip(&commit.events.time) {
        let mark = (*site, hour_of(Micros(*time)));
        // Neighbours mostly share their hour.
        if last != Some(mark) {
            marks.insert(mark);
            last = Some(mark);
        }
    }
    marks.extend(commit.sessions.iter().map(|version| (version.site.0, hour_of(version.session.first.0))));
    let sites: Vec<i32> = append::narrow(&marks.iter().map(|mark| mark.0).collect::<Vec<u32>>(), "site")?;
    Ok(sites.into_iter().zip(marks.into_iter().map(|mark| mark.1)).collect())
}

/// The (site, local day) pairs whose sheets fall behind: of the events, of the sessions' starts and of first-seen days.
fn day_marks(commit: &Commit) -> Result<Vec<(i32, i32)>, Error> {
    let mut marks = BTreeSet::new();
    let mut last = None;
    for mark in commit.events.site.iter().copied().zip(commit.events.day.iter().copied()) {
        if last != Some(mark) {
            marks.insert(mark);
            last = Some(mark);
        }
    }
    marks.extend(commit.sessions.iter().map(|version| (version.site.0, version.day.0)));
    marks.extend(commit.visitors.iter().map(|version| (version.site.0, version.first_day.0)));
    let sites: Vec<i32> = append::narrow(&marks.iter().map(|mark| mark.0).collect::<Vec<u32>>(), "site")?;
    Ok(sites.into_iter().zip(marks.into_iter().map(|mark| mark.1)).collect())
}

/// The number of the last commit in the running transaction's snapshot.
pub(super) fn last_commit(conn: &Connection) -> Result<i64, Error> {
    conn.prepare_cached("SELECT commits FROM generation")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(engine)
}

fn count_commit(conn: &Connection) -> Result<i64, Error> {
    conn.prepare_cached("UPDATE generation SET commits = commits + 1 RETURNING commits")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(engine)
}

fn next_offsets(conn: &Connection) -> Result<[u64; PARTITIONS as usize], Error> {
    let mut next = [0; PARTITIONS as usize];
    let mut statement = conn.prepare_cached("SELECT log_partition, next_offset FROM checkpoint").map_err(engine)?;
    let mut rows = statement.query([]).map_err(engine)?;
    while let Some(row) = rows.next().map_err(engine)? {
        let partition: u16 = row.get(0).map_err(engine)?;
        if let Some(slot) = next.get_mut(usize::from(partition)) {
            *slot = row.get(1).map_err(engine)?;
        }
    }
    Ok(next)
}

/// One statement for all partitions: eight small updates would cost more than the commit's rows.
static MOVE: LazyLock<String> = LazyLock::new(|| {
    let cases: Vec<String> = (0..PARTITIONS).map(|p| format!("WHEN {p} THEN ${}", p + 1)).collect();
    let next = format!("CASE log_partition {} END", cases.join(" "));
    format!("UPDATE checkpoint SET next_offset = {next}, folded_to = greatest(folded_to, {next})")
});

fn move_checkpoints(conn: &Connection, next: &[u64; PARTITIONS as usize]) -> Result<(), Error> {
    let next: Vec<i64> = append::narrow(next, "offset")?;
    conn.prepare_cached(&MOVE).and_then(|mut statement| statement.execute(params_from_iter(next))).map_err(engine)?;
    Ok(())
}

/// One statement a writer: there are as many as collectors that forward.
fn keep_sequences(conn: &Connection, sequences: &[WriterSequence]) -> Result<(), Error> {
    for WriterSequence { partition, writer, sequence } in sequences {
        let sequence: i64 = append::narrow(&[*sequence], "sequence")?.into_iter().next().unwrap_or_default();
        conn.prepare_cached(
            "INSERT INTO writer_sequence VALUES ($1, $2, $3) \
             ON CONFLICT (log_partition, writer) DO UPDATE SET sequence = excluded.sequence",
        )
        .and_then(|mut statement| statement.execute(params![partition.0, writer.cast_signed(), sequence]))
        .map_err(engine)?;
    }
    Ok(())
}

/// How far the log is folded, in the running transaction's snapshot.
pub(super) fn as_of(conn: &Connection) -> Result<AsOf, Error> {
    let next_offsets = next_offsets(conn)?.into_iter().map(Offset).collect();
    Ok(AsOf { generation: generation(conn)?, next_offsets })
}

fn generation(conn: &Connection) -> Result<Generation, Error> {
    conn.prepare_cached("SELECT generation FROM generation")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map(Generation)
        .map_err(engine)
}

/// The checkpoints of all partitions, and where stored events reach past them.
pub(super) fn checkpoints(conn: &Connection) -> Result<Vec<Checkpoint>, Error> {
    transaction(conn, |conn| {
        let generation = generation(conn)?;
        let next = next_offsets(conn)?;
        let mut high_water = [0u64; PARTITIONS as usize];
        let mut statement = conn
            .prepare(
                "SELECT log_partition, greatest(folded_to, coalesce(stored_to, 0)) FROM checkpoint LEFT JOIN \
                 (SELECT log_partition, max(log_offset) + 1 AS stored_to FROM event GROUP BY log_partition) AS stored \
                 USING (log_partition)",
            )
            .map_err(engine)?;
        let mut rows = statement.query([]).map_err(engine)?;
        while let Some(row) = rows.next().map_err(engine)? {
            let partition: u16 = row.get(0).map_err(engine)?;
            if let Some(slot) = high_water.get_mut(usize::from(partition)) {
                *slot = row.get(1).map_err(engine)?;
            }
        }
        let checkpoint = |partition: PartitionId| Checkpoint {
            partition,
            next: Offset(next[partition.index()]),
            high_water: Offset(high_water[partition.index()]),
            generation,
        };
        Ok(PartitionId::all().map(checkpoint).collect())
    })
}
