//! Leases of partitions, in the warehouse itself: rows of eight partitions and of all owners, by the server's clock.
//!
//! ```text
//!   lock of a lease's row     commit   heartbeat   take-over
//!   commit (KEY SHARE)          –         –          waits / is passed over
//!   heartbeat (UPDATE)          –         –          waits / is passed over
//! ```
//!
//! So a long commit neither delays its own owner's heartbeat nor is overtaken by another owner (E-3), and who takes over passes
//! over rows that somebody holds instead of waiting for them (E-5).
//!
//! An owner that is stopped in the middle of a commit (its process is frozen, its network is cut) would keep its rows for as
//! long as the server believes in the connection. So a commit also says in an advisory lock of each partition that it is under
//! way, and who finds one whose lease has run out ends that session: the server takes the commit back.

use super::PgStore;
use super::copy::narrow;
use super::failure::engine;
use crate::{Error, Held, Lease, LeaseEpoch, Leases, Leasing, Owner};
use async_trait::async_trait;
use pistats_core::PartitionId;
use sqlx::types::Uuid;
use sqlx::{Connection, PgConnection};
use std::time::Duration;

const KNOW: &str = "INSERT INTO lease_owner VALUES ($1, $2, clock_timestamp() + $3 * interval '1 microsecond') \
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, known_until = excluded.known_until";

const ACQUIRE: &str = "WITH free AS (\
      SELECT log_partition FROM lease WHERE owner IS NULL OR held_until <= clock_timestamp() \
      ORDER BY log_partition LIMIT $3 FOR UPDATE SKIP LOCKED) \
    UPDATE lease l SET epoch = l.epoch + 1, owner = $1, owner_name = $2, \
      held_until = clock_timestamp() + $4 * interval '1 microsecond' \
    FROM free WHERE l.log_partition = free.log_partition RETURNING l.log_partition, l.epoch";

/// First key of the advisory locks that commits hold, shared, while they are under way; the second one is the partition.
const COMMITTING: i32 = 0x7069_5374;

/// Ends the sessions whose commits are under way for partitions that another owner was to extend and did not, and waits
/// for their ends, a second at most each. The row lock of a lease is in no view of the server; the advisory lock is.
const END_LATE: &str = "SELECT partitions, pg_terminate_backend(pid, 1000) FROM (\
      SELECT k.pid, array_agg(l.log_partition ORDER BY l.log_partition) AS partitions \
      FROM lease l JOIN pg_locks k ON k.locktype = 'advisory' AND k.granted AND k.objsubid = 2 \
        AND k.classid = $2::oid AND k.objid = l.log_partition::int::oid \
        AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
      WHERE l.owner <> $1 AND l.held_until <= clock_timestamp() AND k.pid <> pg_backend_pid() GROUP BY k.pid) late";

const EXTEND: &str = "UPDATE lease l SET held_until = clock_timestamp() + $4 * interval '1 microsecond' \
    FROM unnest($2::smallint[], $3::bigint[]) AS h (log_partition, epoch) \
    WHERE l.owner = $1 AND l.log_partition = h.log_partition AND l.epoch = h.epoch RETURNING l.log_partition, l.epoch";

const RELEASE: &str = "UPDATE lease l SET owner = NULL, owner_name = NULL, held_until = NULL \
    FROM unnest($2::smallint[], $3::bigint[]) AS h (log_partition, epoch) \
    WHERE l.owner = $1 AND l.log_partition = h.log_partition AND l.epoch = h.epoch";

/// Owners that are long gone are forgotten by whoever comes next.
const FORGET: &str = "DELETE FROM lease_owner WHERE known_until < clock_timestamp() - interval '1 day'";

#[async_trait]
impl Leases for PgStore {
    async fn acquire(&self, owner: &Owner, most: usize, ttl: Duration) -> Result<Vec<Held>, Error> {
        let (owner, ttl, most) = (owner.clone(), micros(ttl), i64::try_from(most).unwrap_or(i64::MAX));
        self.run(move |conn| {
            Box::pin(async move {
                let mut tx = conn.begin().await.map_err(engine)?;
                sqlx::query(FORGET).execute(&mut *tx).await.map_err(engine)?;
                know(&mut tx, &owner, ttl).await?;
                let mut taken = take(&mut tx, &owner, most, ttl).await?;
                let left = most - i64::try_from(taken.len()).unwrap_or(i64::MAX);
                if left > 0 && end_late(&mut tx, &owner).await? {
                    taken.extend(take(&mut tx, &owner, left, ttl).await?);
                }
                tx.commit().await.map_err(engine)?;
                Ok(in_order(taken))
            })
        })
        .await
    }

    async fn extend(&self, owner: &Owner, held: &[Held], ttl: Duration) -> Result<Vec<Held>, Error> {
        let (owner, ttl, (partitions, epochs)) = (owner.clone(), micros(ttl), columns(held)?);
        self.run(move |conn| {
            Box::pin(async move {
                let mut tx = conn.begin().await.map_err(engine)?;
                know(&mut tx, &owner, ttl).await?;
                let still: Vec<(i16, i64)> = sqlx::query_as(EXTEND)
                    .bind(Uuid::from_u128(owner.id))
                    .bind(partitions)
                    .bind(epochs)
                    .bind(ttl)
                    .fetch_all(&mut *tx)
                    .await
                    .map_err(engine)?;
                tx.commit().await.map_err(engine)?;
                Ok(in_order(still))
            })
        })
        .await
    }

    async fn release(&self, owner: &Owner, held: &[Held]) -> Result<(), Error> {
        let (owner, (partitions, epochs)) = (Uuid::from_u128(owner.id), columns(held)?);
        self.run(move |conn| {
            Box::pin(async move {
                let release = sqlx::query(RELEASE).bind(owner).bind(partitions).bind(epochs);
                release.execute(conn).await.map_err(engine).map(drop)
            })
        })
        .await
    }

    async fn leave(&self, owner: &Owner) -> Result<(), Error> {
        let owner = Uuid::from_u128(owner.id);
        self.run(move |conn| {
            Box::pin(async move {
                let mut tx = conn.begin().await.map_err(engine)?;
                let free = "UPDATE lease SET owner = NULL, owner_name = NULL, held_until = NULL WHERE owner = $1";
                for statement in [free, "DELETE FROM lease_owner WHERE id = $1"] {
                    sqlx::query(statement).bind(owner).execute(&mut *tx).await.map_err(engine)?;
                }
                tx.commit().await.map_err(engine)
            })
        })
        .await
    }

    async fn list(&self) -> Result<Leasing, Error> {
        self.run(|conn| Box::pin(list(conn))).await
    }
}

async fn take(conn: &mut PgConnection, owner: &Owner, most: i64, ttl: i64) -> Result<Vec<(i16, i64)>, Error> {
    let take = sqlx::query_as(ACQUIRE).bind(Uuid::from_u128(owner.id)).bind(&owner.name).bind(most).bind(ttl);
    take.fetch_all(conn).await.map_err(engine)
}

/// Whether the session of a late owner was ended.
async fn end_late(conn: &mut PgConnection, owner: &Owner) -> Result<bool, Error> {
    let end = sqlx::query_as(END_LATE).bind(Uuid::from_u128(owner.id)).bind(COMMITTING);
    let ended: Vec<(Vec<i16>, bool)> = end.fetch_all(conn).await.map_err(engine)?;
    for (partitions, ended) in &ended {
        tracing::warn!(?partitions, ended, "the commit of an owner whose lease has run out is taken back");
    }
    Ok(ended.iter().any(|(_, ended)| *ended))
}

/// Says that a commit of these partitions is under way, until the end of the transaction.
pub(super) async fn committing(conn: &mut PgConnection, partitions: &[i16]) -> Result<(), Error> {
    let say = sqlx::query("SELECT pg_advisory_xact_lock_shared($1, p::int) FROM unnest($2::smallint[]) p");
    say.bind(COMMITTING).bind(partitions).execute(conn).await.map_err(engine).map(drop)
}

async fn list(conn: &mut PgConnection) -> Result<Leasing, Error> {
    let mut tx = conn.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(engine)?;
    let leases: Vec<(i16, i64, Option<Uuid>, Option<String>)> = sqlx::query_as(
        "SELECT log_partition, epoch, CASE WHEN held_until > clock_timestamp() THEN owner END, owner_name \
         FROM lease ORDER BY log_partition",
    )
    .fetch_all(&mut *tx)
    .await
    .map_err(engine)?;
    let owners: Vec<(Uuid, String)> =
        sqlx::query_as("SELECT id, name FROM lease_owner WHERE known_until > clock_timestamp() ORDER BY id")
            .fetch_all(&mut *tx)
            .await
            .map_err(engine)?;
    tx.commit().await.map_err(engine)?;
    let lease = |(partition, epoch, owner, name): (i16, i64, Option<Uuid>, Option<String>)| Lease {
        partition: PartitionId(partition.unsigned_abs()),
        epoch: LeaseEpoch(epoch.unsigned_abs()),
        owner: owner.map(|id| Owner { id: id.as_u128(), name: name.unwrap_or_default() }),
    };
    Ok(Leasing {
        leases: leases.into_iter().map(lease).collect(),
        owners: owners.into_iter().map(|(id, name)| Owner { id: id.as_u128(), name }).collect(),
    })
}

async fn know(conn: &mut PgConnection, owner: &Owner, ttl: i64) -> Result<(), Error> {
    let know = sqlx::query(KNOW).bind(Uuid::from_u128(owner.id)).bind(&owner.name).bind(ttl);
    know.execute(conn).await.map_err(engine).map(drop)
}

fn micros(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX)
}

fn columns(held: &[Held]) -> Result<(Vec<i16>, Vec<i64>), Error> {
    let partitions = held.iter().map(|held| narrow(held.partition.0, "partition")).collect::<Result<_, _>>()?;
    let epochs = held.iter().map(|held| narrow(held.epoch.0, "epoch")).collect::<Result<_, _>>()?;
    Ok((partitions, epochs))
}

fn in_order(mut rows: Vec<(i16, i64)>) -> Vec<Held> {
    rows.sort_unstable();
    let held = |(partition, epoch): (i16, i64)| Held {
        partition: PartitionId(partition.unsigned_abs()),
        epoch: LeaseEpoch(epoch.unsigned_abs()),
    };
    rows.into_iter().map(held).collect()
}
