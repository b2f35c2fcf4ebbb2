//! S-9: where records lie in time, and checkpoints that go back.

use super::sample::{self, number};
use crate::{Commit, Error, LogMinute, Mark, Progress, Rewind, Statement, Store, offset_of};
use pistats_core::{Offset, PartitionId};

const ONE: PartitionId = PartitionId(1);

fn mark(offset: u64) -> Mark {
    // Both halves of the numbers there are.
    Mark { offset: Offset(offset), digest: u64::MAX - offset * (u64::MAX / 1_000) }
}

fn minute(minute: i64, first: u64, last: u64) -> LogMinute {
    LogMinute { partition: ONE, minute, first: mark(first), last: mark(last) }
}

fn folded(from: u64, to: u64, minutes: Vec<LogMinute>) -> Commit {
    let progress = vec![Progress { partition: ONE, from: Offset(from), to: Offset(to) }];
    Commit { progress, minutes, ..Commit::default() }
}

/// By partition, newest first; the first record of a minute stays, a refused commit leaves all alone.
pub(super) async fn minutes_are_stored_with_the_commit_or_not_at_all(store: &impl Store) -> Result<(), Error> {
    assert_eq!(store.minutes(ONE, i64::MAX, 10).await?, []);
    store.commit(folded(0, 3, vec![minute(-5, 0, 1), minute(7, 2, 2)])).await?;
    assert_eq!(store.minutes(ONE, i64::MAX, 10).await?, [minute(7, 2, 2), minute(-5, 0, 1)]);

    store.commit(folded(3, 9, vec![minute(7, 3, 6), minute(8, 7, 8)])).await?;
    assert_eq!(store.minutes(ONE, i64::MAX, 2).await?, [minute(8, 7, 8), minute(7, 2, 6)]);
    assert_eq!(store.minutes(ONE, 7, 1).await?, [minute(7, 2, 6)]);
    assert_eq!(store.minutes(ONE, 6, 5).await?, [minute(-5, 0, 1)]);
    assert_eq!((store.minutes(ONE, -6, 5).await?, store.minutes(PartitionId(2), i64::MAX, 5).await?), (vec![], vec![]));

    let replayed = store.commit(folded(3, 9, vec![minute(8, 7, 30)])).await;
    assert!(matches!(replayed, Err(Error::OutOfStep { .. })), "S-9: {replayed:?}");
    assert_eq!(store.minutes(ONE, i64::MAX, 1).await?, [minute(8, 7, 8)]);
    Ok(())
}

pub(super) async fn a_rewind_moves_a_checkpoint_back_and_keeps_the_rows(store: &impl Store) -> Result<(), Error> {
    let minutes = vec![minute(1, 0, 1), minute(2, 2, 5), minute(3, 6, 8)];
    store.commit(Commit { minutes: minutes.clone(), ..sample::commit(ONE, 0, 9, 4) }).await?;
    store.commit(sample::commit(PartitionId(2), 0, 5, 1)).await?;
    let back = |from, to| Commit {
        rewinds: vec![Rewind { partition: ONE, from: Offset(from), to: Offset(to) }],
        ..Commit::default()
    };
    for refused in [back(8, 4), back(10, 4), back(9, 10)] {
        let answer = store.commit(refused).await;
        assert!(matches!(answer, Err(Error::OutOfStep { stored: Offset(9), .. })), "S-9: {answer:?}");
    }
    assert_eq!(store.minutes(ONE, i64::MAX, 1).await?, minutes[2..]);

    store.commit(back(9, 4)).await?;
    let checkpoints = store.checkpoints().await?;
    assert_eq!((checkpoints[1].next, checkpoints[1].high_water), (Offset(4), Offset(4)));
    assert_eq!((checkpoints[2].next, checkpoints[2].high_water), (Offset(5), Offset(5)));
    assert_eq!(store.minutes(ONE, i64::MAX, 9).await?, [minute(2, 2, 2), minute(1, 0, 1)]);
    assert_eq!(number(store, "SELECT count(*) FROM event").await?, 5, "S-9: no row goes");
    let again = store.commit(back(9, 4)).await;
    assert!(matches!(again, Err(Error::OutOfStep { stored: Offset(4), .. })), "S-9: {again:?}");

    store.commit(folded(4, 6, vec![minute(3, 4, 5)])).await?;
    assert_eq!(store.minutes(ONE, i64::MAX, 1).await?, [minute(3, 4, 5)]);
    Ok(())
}

/// Where a log gives its offsets a second time, the stored ones still tell what was folded when.
pub(super) async fn what_was_folded_before_a_rewind_is_stored_below_what_comes_after(
    store: &impl Store,
) -> Result<(), Error> {
    store.commit(sample::commit(ONE, 0, 9, 1)).await?;
    let rewind = Rewind { partition: ONE, from: Offset(9), to: Offset(4) };
    store.commit(Commit { rewinds: vec![rewind], ..Commit::default() }).await?;
    let next = number(store, "SELECT next_offset FROM checkpoint WHERE log_partition = 1").await?;
    assert_eq!(offset_of(next), 4);
    let below = format!("SELECT count(*) FROM event WHERE log_partition = 1 AND log_offset < {next}");
    assert_eq!(number(store, &below).await?, 1, "S-9: folded before, though its offset was 8");

    store.commit(sample::commit(ONE, 4, 6, 1)).await?;
    assert_eq!(number(store, &below).await?, 1, "S-9: folded after");
    let read = store.read(vec![Statement::new("SELECT log_offset FROM event ORDER BY log_offset", vec![])]).await?;
    let stored: Vec<i64> = read.results[0].rows.iter().map(|row| row[0].int()).collect();
    assert_eq!((stored.len(), offset_of(stored[1])), (2, 5), "the offset that the log knows");
    let checkpoint = store.checkpoints().await?[1];
    assert_eq!((checkpoint.next, checkpoint.high_water, read.as_of.next_offsets[1]), (Offset(6), Offset(6), Offset(6)));
    Ok(())
}
