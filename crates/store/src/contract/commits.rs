//! S-1, S-2: commits take effect whole, once, and bring back what they were given.

use super::sample::{self, SITE, START, everything, number};
use crate::{Cell, Commit, Error, EventColumns, EventRow, Progress, Store, WriterSequence};
use pistats_core::{EventId, Micros, Offset, PartitionId, VisitorNo};

/// S-2
pub(super) async fn a_replayed_commit_is_out_of_step_and_changes_nothing(store: &impl Store) -> Result<(), Error> {
    let partition = PartitionId(3);
    let commit = sample::commit(partition, 0, 5, 10);
    store.commit(commit.clone()).await?;
    let before = everything(store).await?;
    assert_eq!(before.as_of.next_offsets[3], Offset(5));

    match store.commit(commit).await {
        Err(Error::OutOfStep { partition: told, stored, given }) => {
            assert_eq!((told, stored, given), (partition, Offset(5), Offset(0)));
        }
        other => panic!("S-2: a replayed commit gave {other:?}"),
    }
    let gap = store.commit(sample::commit(partition, 6, 7, 1)).await;
    assert!(matches!(gap, Err(Error::OutOfStep { .. })), "S-2: a gap gave {gap:?}");
    let backwards = Progress { partition, from: Offset(5), to: Offset(4) };
    let backwards = store.commit(Commit { progress: vec![backwards], ..Commit::default() }).await;
    assert!(matches!(backwards, Err(Error::OutOfStep { .. })), "S-2: a step back gave {backwards:?}");
    assert_eq!(everything(store).await?, before);

    store.commit(sample::commit(partition, 5, 6, 1)).await?;
    assert_eq!(number(store, "SELECT count(*) FROM event").await?, 11);
    Ok(())
}

/// S-1: the second partition is out of step, so the first one's rows must not stay either.
pub(super) async fn a_commit_that_fails_late_leaves_nothing_behind(store: &impl Store) -> Result<(), Error> {
    let before = everything(store).await?;
    let mut commit = sample::commit(PartitionId(0), 0, 1, 20);
    commit.progress.push(Progress { partition: PartitionId(1), from: Offset(9), to: Offset(10) });
    assert!(store.commit(commit).await.is_err());

    // A visitor number that no column holds fails while rows are appended.
    let mut unfit = sample::commit(PartitionId(0), 0, 1, 3);
    unfit.visitors[2].visitor = VisitorNo(u64::MAX);
    assert!(store.commit(unfit).await.is_err());
    assert_eq!(everything(store).await?, before);

    store.commit(sample::commit(PartitionId(0), 0, 1, 3)).await?;
    assert_eq!(number(store, "SELECT count(*) FROM event").await?, 3);
    Ok(())
}

pub(super) async fn a_repair_moves_no_checkpoint(store: &impl Store) -> Result<(), Error> {
    let mut repair = sample::commit(PartitionId(4), 0, 1, 2);
    repair.progress.clear();
    store.commit(repair).await?;
    let next: Vec<u64> = store.checkpoints().await?.iter().map(|checkpoint| checkpoint.next.0).collect();
    assert_eq!(next, [0; 8]);
    assert_eq!(number(store, "SELECT count(*) FROM event").await?, 2);
    Ok(())
}

pub(super) async fn high_water_tells_of_events_past_a_checkpoint(store: &impl Store) -> Result<(), Error> {
    let fresh = store.checkpoints().await?;
    assert_eq!(fresh.len(), 8);
    assert!(fresh.iter().all(|checkpoint| checkpoint.next == Offset(0) && checkpoint.high_water == Offset(0)));

    let mut repair = sample::commit(PartitionId(1), 0, 42, 1);
    repair.progress.clear();
    store.commit(repair).await?;
    store.commit(sample::commit(PartitionId(6), 0, 9, 1)).await?;
    let checkpoints = store.checkpoints().await?;
    assert_eq!((checkpoints[1].next, checkpoints[1].high_water), (Offset(0), Offset(42)));
    assert_eq!((checkpoints[6].next, checkpoints[6].high_water), (Offset(9), Offset(9)));
    Ok(())
}

/// S-1, S-2, S-4: by partition and writer, the whole range of numbers; a refused commit leaves them alone.
pub(super) async fn sequences_of_writers_are_stored_with_the_commit_or_not_at_all(
    store: &impl Store,
) -> Result<(), Error> {
    let (one, other) = (PartitionId(1), PartitionId(2));
    let of = |partition, writer, sequence| WriterSequence { partition, writer, sequence };
    let highest = i64::MAX.cast_unsigned();
    let folded = |from: u64, sequences: Vec<WriterSequence>| {
        let progress = vec![Progress { partition: one, from: Offset(from), to: Offset(from + 1) }];
        Commit { progress, sequences, ..Commit::default() }
    };
    let stored = |partition| {
        let mut found = store.lookup().sequences(partition)?;
        found.sort_unstable_by_key(|of| of.writer);
        Ok::<_, Error>(found)
    };
    assert_eq!(stored(one)?, []);
    let first = vec![of(one, 0, 0), of(one, u64::MAX, highest), of(other, 0, 7)];
    store.commit(folded(0, first.clone())).await?;
    assert_eq!((stored(one)?, stored(other)?), (first[..2].to_vec(), first[2..].to_vec()));

    let replayed = store.commit(folded(0, vec![of(one, 0, 5)])).await;
    assert!(matches!(replayed, Err(Error::OutOfStep { .. })), "{replayed:?}");
    assert_eq!(stored(one)?, first[..2]);

    store.commit(folded(1, vec![of(one, 0, 5), of(one, 1, 2)])).await?;
    assert_eq!(stored(one)?, [of(one, 0, 5), of(one, 1, 2), first[1]]);
    assert_eq!(stored(other)?, [first[2]]);
    Ok(())
}

/// S-1: what was committed is what is read, at the ends of every type.
pub(super) async fn columns_come_back_as_they_went_in(store: &impl Store) -> Result<(), Error> {
    let mut events = EventColumns::default();
    let plain = |ordinal, time, number| sample::event(VisitorNo::new(PartitionId(5), ordinal), time, number);
    events.push(&EventRow {
        client_time: Some(Micros(-1)),
        value: Some(i64::MIN),
        topics: &["", "größe", "𝄞"],
        properties: &[("a", ""), ("b", "x\"'\n\\")],
        title: "ñandú 中文 🙂\u{7f}",
        ..plain(0, Micros(0), u128::MAX)
    });
    events.push(&EventRow { value: Some(i64::MAX), bot: true, ..plain(1, START, 0) });
    events.push(&EventRow {
        path: &"/long".repeat(1_600),
        topics: &["last"],
        ..plain((1 << 40) - 1, START, u128::MAX)
    });
    // The latest id there is has its highest bit set; the order stays bytewise.
    events.push(&EventRow { id: EventId::from_parts((1 << 48) - 1, u128::MAX), ..plain(2, START, 0) });
    store.commit(Commit { events: events.clone(), ..Commit::default() }).await?;

    let list = |items: &[&str]| Cell::List(items.iter().map(|item| (*item).to_owned()).collect());
    let rows = sample::ask(store, "SELECT * FROM event ORDER BY id", vec![]).await?;
    assert_eq!(rows.len(), 4);
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(row[0], Cell::Int(SITE.0.into()));
        assert_eq!(row[1], Cell::Int(events.visitor[at] as i64));
        assert_eq!(row[2], Cell::Wide(events.id[at]), "ids are ordered bytewise");
        assert_eq!(row[3], Cell::Int(events.time[at]));
        assert_eq!(row[4], Cell::Int(events.day[at].into()));
        assert_eq!(row[5], Cell::Int(5));
        assert_eq!(row[8], events.client_time[at].map_or(Cell::Null, Cell::Int));
        assert_eq!(row[9], Cell::Bool(events.bot[at]));
        assert_eq!(row[10], events.value[at].map_or(Cell::Null, Cell::Int));
        assert_eq!(row[11], list(&events.topics.get(at).collect::<Vec<_>>()));
        assert_eq!(row[12], list(&events.property_keys.get(at).collect::<Vec<_>>()));
        assert_eq!(row[13], list(&events.property_values.get(at).collect::<Vec<_>>()));
        for (cell, (name, column)) in row[14..].iter().zip(events.texts()) {
            assert_eq!(cell, &Cell::Text(column.get(at).to_owned()), "{name}");
        }
    }
    Ok(())
}

/// Engines take rows in pieces (2,048 in DuckDB); lists must not slip at the seams.
pub(super) async fn commits_larger_than_a_vector_keep_their_lists(store: &impl Store) -> Result<(), Error> {
    let mut events = EventColumns::default();
    let topics = ["t0", "t1", "t2", "t3"];
    for number in 0..5_000u64 {
        let row = sample::event(VisitorNo::new(PartitionId(0), number), START.plus(number as i64), number.into());
        events.push(&EventRow { topics: &topics[..(number % 5) as usize], ..row });
    }
    store.commit(Commit { events: events.clone(), ..Commit::default() }).await?;
    let rows = sample::ask(store, "SELECT topics FROM event ORDER BY time_us", vec![]).await?;
    assert_eq!(rows.len(), 5_000);
    for (number, row) in rows.iter().enumerate() {
        let expected: Vec<String> = topics[..number % 5].iter().map(|topic| (*topic).to_owned()).collect();
        assert_eq!(row[0], Cell::List(expected), "row {number}");
    }
    Ok(())
}
