//! Where records lie in time, and checkpoints that go back (S-9).

use super::copy::narrow;
use super::failure::engine;
use super::lives;
use crate::{Error, KEPT_MINUTES, LogMinute, Mark, Rewind};
use pistats_core::{Offset, PartitionId};
use sqlx::PgConnection;

/// Notes the records of a commit by minute: one statement, whatever there is.
pub(super) async fn keep(conn: &mut PgConnection, minutes: &[LogMinute]) -> Result<(), Error> {
    if minutes.is_empty() {
        return Ok(());
    }
    let mut sorted = minutes.to_vec();
    // Always in one order, so that no two commits wait for each other.
    sorted.sort_unstable_by_key(|of| (of.partition, of.minute));
    let partitions: Vec<i16> = sorted.iter().map(|of| narrow(of.partition.0, "partition")).collect::<Result<_, _>>()?;
    let numbers: Vec<i64> = sorted.iter().map(|of| of.minute).collect();
    let offsets = |mark: fn(&LogMinute) -> Mark| {
        sorted.iter().map(|of| narrow(mark(of).offset.0, "offset")).collect::<Result<Vec<i64>, _>>()
    };
    let digests =
        |mark: fn(&LogMinute) -> Mark| sorted.iter().map(|of| mark(of).digest.cast_signed()).collect::<Vec<i64>>();
    sqlx::query(
        "WITH old AS (DELETE FROM log_minute m USING unnest($1, $2) AS n (log_partition, minute) \
                      WHERE m.log_partition = n.log_partition AND m.minute < n.minute - $7) \
         INSERT INTO log_minute SELECT * FROM unnest($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (log_partition, minute) DO UPDATE \
         SET last_offset = excluded.last_offset, last_digest = excluded.last_digest",
    )
    .bind(partitions)
    .bind(numbers)
    .bind(offsets(|of| of.first)?)
    .bind(digests(|of| of.first))
    .bind(offsets(|of| of.last)?)
    .bind(digests(|of| of.last))
    .bind(KEPT_MINUTES)
    .execute(conn)
    .await
    .map_err(engine)?;
    Ok(())
}

/// The newest minutes of a partition up to one.
pub(super) async fn minutes(
    conn: &mut PgConnection,
    partition: PartitionId,
    up_to: i64,
    most: usize,
) -> Result<Vec<LogMinute>, Error> {
    let rows: Vec<(i64, i64, i64, i64, i64)> = sqlx::query_as(
        "SELECT minute, first_offset, first_digest, last_offset, last_digest FROM log_minute \
         WHERE log_partition = $1 AND minute <= $2 ORDER BY minute DESC LIMIT $3",
    )
    .bind(narrow::<u16, i16>(partition.0, "partition")?)
    .bind(up_to)
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .fetch_all(conn)
    .await
    .map_err(engine)?;
    let mark =
        |offset: i64, digest: i64| Mark { offset: Offset(offset.unsigned_abs()), digest: digest.cast_unsigned() };
    let read = |(minute, first, first_digest, last, last_digest)| LogMinute {
        partition,
        minute,
        first: mark(first, first_digest),
        last: mark(last, last_digest),
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Moves checkpoints back, from where they stand.
pub(super) async fn rewind(conn: &mut PgConnection, rewinds: &[Rewind]) -> Result<(), Error> {
    for Rewind { partition, from, to } in rewinds {
        let number: i16 = narrow(partition.0, "partition")?;
        let stored: i64 = sqlx::query_scalar("SELECT next_offset FROM checkpoint WHERE log_partition = $1 FOR UPDATE")
            .bind(number)
            .fetch_one(&mut *conn)
            .await
            .map_err(engine)?;
        let next = lives::reborn(stored, to.0)?;
        let stored = lives::offset(stored);
        if stored != *from || to > from {
            return Err(Error::OutOfStep { partition: *partition, stored, given: *from });
        }
        sqlx::query("UPDATE checkpoint SET next_offset = $2, folded_to = $2 WHERE log_partition = $1")
            .bind(number)
            .bind(next)
            .execute(&mut *conn)
            .await
            .map_err(engine)?;
        let to: i64 = narrow(to.0, "offset")?;
        for statement in [
            "DELETE FROM log_minute WHERE log_partition = $1 AND first_offset >= $2",
            "UPDATE log_minute SET last_offset = first_offset, last_digest = first_digest \
             WHERE log_partition = $1 AND last_offset >= $2",
        ] {
            sqlx::query(statement).bind(number).bind(to).execute(&mut *conn).await.map_err(engine)?;
        }
    }
    Ok(())
}
