//! The commit: rows, marks, refusals and progress in one transaction.
//!
//! ```text
//!   leases (shared lock) ─▶ checkpoints (lock) ─▶ COPY of rows ─▶ number, marks, progress (lock of all commits) ─▶ COMMIT
//! ```
//!
//! Commits of different partitions, of one process or of several, run beside each other up to their numbers. The lease's
//! lock lets the owner's heartbeat through and holds up who wants to take the partition over: when that one has it, no
//! commit of the owner before is under way (E-3).

use super::copy::narrow;
use super::failure::engine;
use super::variant::Variant;
use super::{leases, lives, places, rows};
use crate::{Checkpoint, Commit, Error, Fence, LeaseEpoch, REJECTED_KEPT, RejectedRow, WriterSequence, hour_of};
use pistats_core::ids::PARTITIONS;
use pistats_core::{Generation, Micros, Offset, PartitionId, Reason, SiteId};
use sqlx::{Connection, PgConnection};
use std::collections::{BTreeMap, BTreeSet};

/// Stores a commit (S-1, S-2, S-5, S-7, S-8). On an error the connection may be in the middle of a message: close it.
pub(super) async fn commit(conn: &mut PgConnection, variant: Variant, commit: &Commit) -> Result<(), Error> {
    let mut tx = conn.begin().await.map_err(engine)?;
    check_leases(&mut tx, &commit.fence).await?;
    if let Some(given) = commit.fence.generation {
        // Asked again at the end, under a lock: this one only spares the rows.
        let stored =
            sqlx::query_scalar("SELECT generation FROM generation").fetch_one(&mut *tx).await.map_err(engine)?;
        check_generation(stored, given)?;
    }
    let moves = moves(&mut tx, commit).await?;
    rows::events(&mut tx, &commit.events, |partition| moves.get(&partition).map_or(0, |of| of.stored)).await?;
    if variant == Variant::Timescale {
        rows::event_ids(&mut tx, &commit.events).await?;
    }
    rows::sessions(&mut tx, &commit.sessions).await?;
    rows::visitors(&mut tx, &commit.visitors).await?;
    keep_rejected(&mut tx, &commit.rejected).await?;
    keep_sequences(&mut tx, &commit.sequences).await?;
    places::keep(&mut tx, &commit.minutes).await?;
    places::rewind(&mut tx, &commit.rewinds).await?;
    let stored = finish(&mut tx, commit, moves).await?;
    if let Some(given) = commit.fence.generation {
        check_generation(stored, given)?;
    }
    tx.commit().await.map_err(engine)
}

/// Locks the leases that the rows were folded under, and compares their epochs (S-8).
async fn check_leases(conn: &mut PgConnection, fence: &Fence) -> Result<(), Error> {
    if fence.leases.is_empty() {
        return Ok(());
    }
    let partitions: Vec<i16> =
        fence.leases.iter().map(|held| narrow(held.partition.0, "partition")).collect::<Result<_, _>>()?;
    leases::committing(conn, &partitions).await?;
    let stored: Vec<(i16, i64)> = sqlx::query_as(
        "SELECT log_partition, epoch FROM lease WHERE log_partition = ANY($1) ORDER BY log_partition FOR KEY SHARE",
    )
    .bind(partitions)
    .fetch_all(conn)
    .await
    .map_err(engine)?;
    for held in &fence.leases {
        let epoch = stored.iter().find(|row| i32::from(row.0) == i32::from(held.partition.0));
        let epoch = LeaseEpoch(epoch.map_or(0, |row| row.1.unsigned_abs()));
        if epoch != held.epoch {
            return Err(Error::Fenced { partition: held.partition, stored: epoch, given: held.epoch });
        }
    }
    Ok(())
}

fn check_generation(stored: i64, given: Generation) -> Result<(), Error> {
    let stored = Generation(stored.unsigned_abs());
    if stored == given { Ok(()) } else { Err(Error::OtherGeneration { stored, given }) }
}

/// How far a partition goes.
struct Move {
    /// The next offset as it was stored, with the life that it is of.
    stored: i64,
    /// The next offset, where it moves.
    next: Option<u64>,
    /// One past the highest offset of the rows.
    folded: u64,
}

type Moves = BTreeMap<u16, Move>;

/// Locks the checkpoints of all partitions that the commit is about, and compares those that move (S-2).
async fn moves(conn: &mut PgConnection, commit: &Commit) -> Result<Moves, Error> {
    let partitions: BTreeSet<u16> =
        commit.progress.iter().map(|step| step.partition.0).chain(commit.events.partition.iter().copied()).collect();
    if partitions.is_empty() {
        return Ok(Moves::new());
    }
    let partitions: Vec<i16> =
        partitions.into_iter().map(|partition| narrow(partition, "partition")).collect::<Result<_, _>>()?;
    let stored: Vec<(i16, i64)> = sqlx::query_as(
        "SELECT log_partition, next_offset FROM checkpoint WHERE log_partition = ANY($1) ORDER BY log_partition FOR UPDATE",
    )
    .bind(partitions)
    .fetch_all(conn)
    .await
    .map_err(engine)?;
    let at = |(partition, stored): (i16, i64)| (partition.unsigned_abs(), Move { stored, next: None, folded: 0 });
    let mut moves: Moves = stored.into_iter().map(at).collect();
    for step in &commit.progress {
        let of = moves
            .get_mut(&step.partition.0)
            .ok_or_else(|| Error::Engine(format!("there is no partition {}", step.partition.0)))?;
        let stored = of.next.map_or(lives::offset(of.stored), Offset);
        if stored != step.from || step.to < step.from {
            return Err(Error::OutOfStep { partition: step.partition, stored, given: step.from });
        }
        of.next = Some(step.to.0);
        of.folded = of.folded.max(step.to.0);
    }
    for (partition, offset) in commit.events.partition.iter().zip(&commit.events.offset) {
        if let Some(of) = moves.get_mut(partition) {
            of.folded = of.folded.max(offset.saturating_add(1));
        }
    }
    Ok(moves)
}

/// Notes how far writers are folded: a row each, and there are as many as collectors that forward.
async fn keep_sequences(conn: &mut PgConnection, sequences: &[WriterSequence]) -> Result<(), Error> {
    if sequences.is_empty() {
        return Ok(());
    }
    let mut sequences = sequences.to_vec();
    // Always in one order, so that no two commits wait for each other.
    sequences.sort_unstable_by_key(|of| (of.partition, of.writer));
    let partitions: Vec<i16> =
        sequences.iter().map(|of| narrow(of.partition.0, "partition")).collect::<Result<_, _>>()?;
    let writers: Vec<i64> = sequences.iter().map(|of| of.writer.cast_signed()).collect();
    let numbers: Vec<i64> = sequences.iter().map(|of| narrow(of.sequence, "sequence")).collect::<Result<_, _>>()?;
    sqlx::query(
        "INSERT INTO writer_sequence SELECT * FROM unnest($1, $2, $3) \
         ON CONFLICT (log_partition, writer) DO UPDATE SET sequence = excluded.sequence",
    )
    .bind(partitions)
    .bind(writers)
    .bind(numbers)
    .execute(conn)
    .await
    .map_err(engine)?;
    Ok(())
}

/// Keeps refusals: counts for ever, rows the newest [`REJECTED_KEPT`] of a site.
async fn keep_rejected(conn: &mut PgConnection, rejected: &[RejectedRow]) -> Result<(), Error> {
    if rejected.is_empty() {
        return Ok(());
    }
    rows::rejected(conn, rejected).await?;
    let mut counts: BTreeMap<(SiteId, Reason), i64> = BTreeMap::new();
    for row in rejected {
        *counts.entry((row.site, row.reason)).or_default() += 1;
    }
    let sites: Vec<i32> = counts.keys().map(|(site, _)| narrow(site.0, "site")).collect::<Result<_, _>>()?;
    let reasons: Vec<i16> = counts.keys().map(|(_, reason)| *reason as i16).collect();
    let more: Vec<i64> = counts.into_values().collect();
    sqlx::query(include_str!("sql/count_rejected.sql"))
        .bind(&sites)
        .bind(reasons)
        .bind(more)
        .execute(&mut *conn)
        .await
        .map_err(engine)?;
    for site in sites.into_iter().collect::<BTreeSet<_>>() {
        sqlx::query(include_str!("sql/trim_rejected.sql"))
            .bind(site)
            .bind(REJECTED_KEPT as i64)
            .execute(&mut *conn)
            .await
            .map_err(engine)?;
    }
    Ok(())
}

/// Takes the number, sets the marks, moves the checkpoints. Returns the generation, which stays until the commit.
async fn finish(conn: &mut PgConnection, commit: &Commit, moves: Moves) -> Result<i64, Error> {
    let (hour_sites, hours) = hours(commit)?;
    let (day_sites, days) = days(commit)?;
    let mut partitions = Vec::new();
    let mut next: Vec<Option<i64>> = Vec::new();
    let mut folded: Vec<i64> = Vec::new();
    for (partition, of) in moves {
        partitions.push(narrow::<u16, i16>(partition, "partition")?);
        next.push(of.next.map(|next| lives::stored(of.stored, next)).transpose()?);
        folded.push(lives::stored(of.stored, of.folded)?);
    }
    sqlx::query_scalar(include_str!("sql/finish_commit.sql"))
        .bind(hour_sites)
        .bind(hours)
        .bind(day_sites)
        .bind(days)
        .bind(partitions)
        .bind(next)
        .bind(folded)
        .fetch_one(conn)
        .await
        .map_err(engine)
}

/// The (site, hour) ranges whose rollups fall behind: of the events, and of the sessions' starts.
fn hours(commit: &Commit) -> Result<(Vec<i32>, Vec<i64>), Error> {
    let of_events = commit.events.site.iter().zip(&commit.events.time).map(|(site, at)| (*site, hour_of(Micros(*at))));
    let of_sessions = commit.sessions.iter().map(|version| (version.site.0, hour_of(version.session.first.0)));
    marks(of_events.chain(of_sessions))
}

/// The (site, local day) pairs whose sheets fall behind: of the events, of the sessions' starts and of first-seen days.
fn days(commit: &Commit) -> Result<(Vec<i32>, Vec<i32>), Error> {
    let of_events = commit.events.site.iter().copied().zip(commit.events.day.iter().copied());
    let of_sessions = commit.sessions.iter().map(|version| (version.site.0, version.day.0));
    let of_visitors = commit.visitors.iter().map(|version| (version.site.0, version.first_day.0));
    marks(of_events.chain(of_sessions).chain(of_visitors))
}

fn marks<T: Ord + Copy>(all: impl Iterator<Item = (u32, T)>) -> Result<(Vec<i32>, Vec<T>), Error> {
    let mut marks = BTreeSet::new();
    let mut last = None;
    for mark in all {
        // Neighbours mostly share their hour and day.
        if last != Some(mark) {
            marks.insert(mark);
            last = Some(mark);
        }
    }
    let (sites, marks): (Vec<u32>, Vec<T>) = marks.into_iter().unzip();
    let sites = sites.into_iter().map(|site| narrow(site, "site")).collect::<Result<_, _>>()?;
    Ok((sites, marks))
}

/// The checkpoints of all partitions.
pub(super) async fn checkpoints(conn: &mut PgConnection) -> Result<Vec<Checkpoint>, Error> {
    let rows: Vec<(i16, i64, i64, i64)> = sqlx::query_as(
        "SELECT c.log_partition, c.next_offset, c.folded_to, g.generation FROM checkpoint c, generation g \
         ORDER BY c.log_partition",
    )
    .fetch_all(conn)
    .await
    .map_err(engine)?;
    if rows.len() != usize::from(PARTITIONS) {
        return Err(Error::Engine(format!("there are {} checkpoints", rows.len())));
    }
    let checkpoint = |(partition, next, folded, generation): (i16, i64, i64, i64)| Checkpoint {
        partition: PartitionId(partition.unsigned_abs()),
        next: lives::offset(next),
        high_water: lives::offset(folded),
        generation: Generation(generation.unsigned_abs()),
    };
    Ok(rows.into_iter().map(checkpoint).collect())
}
