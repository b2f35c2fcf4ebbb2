//! Where records lie in time, and checkpoints that go back (S-9).

use super::append::narrow;
use super::failure::engine;
use crate::{Error, KEPT_MINUTES, LogMinute, Mark, Rewind};
use duckdb::{Connection, params};
use pistats_core::ids::PARTITIONS;
use pistats_core::{Offset, PartitionId};

/// One statement a minute: a commit has one or two of them a partition.
pub(super) fn keep(conn: &Connection, minutes: &[LogMinute]) -> Result<(), Error> {
    for LogMinute { partition, minute, first, last } in minutes {
        let offsets: Vec<i64> = narrow(&[first.offset.0, last.offset.0], "offset")?;
        conn.prepare_cached(
            "INSERT INTO log_minute VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (log_partition, minute) DO UPDATE \
             SET last_offset = excluded.last_offset, last_digest = excluded.last_digest",
        )
        .and_then(|mut statement| {
            let (first, last) = (first.digest.cast_signed(), last.digest.cast_signed());
            statement.execute(params![partition.0, minute, offsets[0], first, offsets[1], last])
        })
        .map_err(engine)?;
        // In one minute of an hour: there are few to forget, and nobody is in a hurry.
        if minute % 60 == 0 {
            conn.prepare_cached("DELETE FROM log_minute WHERE log_partition = $1 AND minute < $2")
                .and_then(|mut statement| statement.execute(params![partition.0, minute - KEPT_MINUTES]))
                .map_err(engine)?;
        }
    }
    Ok(())
}

pub(super) fn minutes(
    conn: &Connection,
    partition: PartitionId,
    up_to: i64,
    most: usize,
) -> Result<Vec<LogMinute>, Error> {
    let mut statement = conn
        .prepare_cached(
            "SELECT minute, first_offset, first_digest, last_offset, last_digest FROM log_minute \
             WHERE log_partition = $1 AND minute <= $2 ORDER BY minute DESC LIMIT $3",
        )
        .map_err(engine)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![partition.0, up_to, most]).map_err(engine)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(engine)? {
        let mark = |at: usize| {
            let (offset, digest): (i64, i64) = (row.get(at).map_err(engine)?, row.get(at + 1).map_err(engine)?);
            Ok::<_, Error>(Mark { offset: Offset(offset.unsigned_abs()), digest: digest.cast_unsigned() })
        };
        let minute = row.get(0).map_err(engine)?;
        found.push(LogMinute { partition, minute, first: mark(1)?, last: mark(3)? });
    }
    Ok(found)
}

/// Moves checkpoints back, from where they stand in `next`.
pub(super) fn rewind(
    conn: &Connection,
    next: &mut [u64; PARTITIONS as usize],
    rewinds: &[Rewind],
) -> Result<(), Error> {
    for Rewind { partition, from, to } in rewinds {
        let stored = next
            .get_mut(partition.index())
            .ok_or_else(|| Error::Engine(format!("there is no partition {}", partition.0)))?;
        if *stored != from.0 || to > from {
            return Err(Error::OutOfStep { partition: *partition, stored: Offset(*stored), given: *from });
        }
        *stored = to.0;
        let to: i64 = narrow(&[to.0], "offset")?.into_iter().next().unwrap_or_default();
        let statements = [
            "UPDATE checkpoint SET next_offset = $2, folded_to = $2 WHERE log_partition = $1",
            "DELETE FROM log_minute WHERE log_partition = $1 AND first_offset >= $2",
            "UPDATE log_minute SET last_offset = first_offset, last_digest = first_digest \
             WHERE log_partition = $1 AND last_offset >= $2",
            // Records that are no more: these events lie in none that has their number. High water looks at them.
            "UPDATE event SET log_offset = greatest($2 - 1, 0) WHERE log_partition = $1 AND log_offset >= $2",
        ];
        for statement in statements {
            conn.execute(statement, params![partition.0, to]).map_err(engine)?;
        }
    }
    Ok(())
}
