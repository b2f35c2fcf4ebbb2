//! S-3 and the form of values.

use super::sample::{self, ask};
use crate::{Cell, Commit, Error, EventColumns, EventRow, Rows, Statement, Store};
use pistats_core::{PartitionId, VisitorNo};

fn statement(sql: &str) -> Statement {
    Statement::new(sql, vec![])
}

/// S-3: each commit is one record with 50 events, so in every snapshot the counts and `as_of` tell the same story.
pub(super) async fn every_read_sees_one_snapshot_while_commits_go_on(store: &impl Store) -> Result<(), Error> {
    let partition = PartitionId(1);
    let commits = async {
        for record in 0..30 {
            store.commit(sample::commit(partition, record, record + 1, 50)).await?;
        }
        Ok::<(), Error>(())
    };
    let reads = async {
        let mut seen = Vec::new();
        loop {
            let counts = ["event", "session", "visitor", "event"]
                .map(|table| statement(&format!("SELECT count(*) FROM {table}")));
            let answer = store.read(counts.to_vec()).await?;
            let folded = answer.as_of.next_offsets[1].0 as i64;
            for rows in &answer.results {
                assert_eq!(rows.rows[0][0], Cell::Int(folded * 50), "S-3: at record {folded}");
            }
            seen.push(folded);
            if folded == 30 {
                return Ok::<_, Error>(seen);
            }
        }
    };
    let (committed, seen) = tokio::join!(commits, reads);
    committed?;
    assert!(seen?.is_sorted(), "S-3: snapshots only go forward");
    Ok(())
}

/// S-3: what is read later is of the moment at which the snapshot began, and a failed statement ends it.
pub(super) async fn a_snapshot_stands_still_however_often_it_is_read(store: &impl Store) -> Result<(), Error> {
    let partition = PartitionId(0);
    let count = || vec![statement("SELECT count(*) FROM event"), statement("SELECT count(*) FROM visitor")];
    store.commit(sample::commit(partition, 0, 1, 3)).await?;
    let mut snapshot = store.snapshot().await?;
    let first = snapshot.read(count()).await?;
    store.commit(sample::commit(partition, 1, 2, 3)).await?;
    assert_eq!(snapshot.read(count()).await?, first, "S-3");
    assert_eq!(snapshot.as_of().next_offsets[0].0, 1, "S-3");
    drop(snapshot);
    let later = store.read(count()).await?;
    assert_eq!((later.results[0].rows[0][0].int(), later.as_of.next_offsets[0].0), (6, 2));

    let mut snapshot = store.snapshot().await?;
    let wrong = snapshot.read(vec![statement("SELECT nothing FROM nowhere")]).await;
    assert!(matches!(wrong, Err(Error::Statement(_))), "{wrong:?}");
    let over = snapshot.read(count()).await;
    assert!(matches!(over, Err(Error::Interrupted)), "{over:?}");
    // More than there are connections: each that is dropped is given back.
    for _ in 0..100 {
        drop(store.snapshot().await?);
    }
    assert_eq!(store.read(count()).await?.results, later.results);
    Ok(())
}

pub(super) async fn values_are_bound_and_cells_keep_their_kinds(store: &impl Store) -> Result<(), Error> {
    let quote = "'; DROP TABLE event; --";
    let values = vec![Cell::from(quote), Cell::from(i64::MIN), Cell::Bool(true), Cell::Null, Cell::Wide(u128::MAX - 1)];
    let sql = "SELECT $1::VARCHAR, $2::BIGINT, $3::BOOLEAN, $4::BIGINT, $5::UUID, $1::VARCHAR, '$1'";
    let rows = ask(store, sql, values.clone()).await?;
    let mut expected = values;
    expected.extend([Cell::from(quote), Cell::from("$1")]);
    assert_eq!(rows, [expected]);

    let list = Cell::List(vec!["a".to_owned(), "it's".to_owned()]);
    let sql = "SELECT $2 = ANY($1), 'b' = ANY($1), $1, 'c' = ANY($3)";
    let rows = ask(store, sql, vec![list.clone(), Cell::from("it's"), Cell::List(vec![])]).await?;
    assert_eq!(rows, [vec![Cell::Bool(true), Cell::Bool(false), list, Cell::Bool(false)]]);

    let few = vec![Cell::Numbers(vec![i64::MIN, 7, i64::MAX]), Cell::Numbers(vec![]), Cell::Int(i64::MAX)];
    let sql = "SELECT count(*), min(n), (SELECT count(*) FROM unnest($2) AS nobody (m)) FROM unnest($1) AS few (n) WHERE n < $3";
    assert_eq!(ask(store, sql, few).await?, [[Cell::Int(2), Cell::Int(i64::MIN), Cell::Int(0)]]);

    let bytes = Cell::Bytes(vec![0, 255, 7]);
    assert_eq!(ask(store, "SELECT $1", vec![bytes.clone()]).await?, [[bytes]]);
    let sql =
        "SELECT n, CAST(n AS smallint), n > 1, CASE WHEN n = 2 THEN NULL ELSE n END FROM (VALUES (1), (2)) AS v (n)";
    let answer = store.read(vec![Statement::new(sql, vec![]).as_numbers()]).await?;
    let expected = [vec![1, 2], vec![1, 2], vec![0, 1], vec![1, Rows::NULL]];
    assert_eq!((answer.results[0].numbers.as_slice(), answer.results[0].rows.len()), (expected.as_slice(), 0));
    let text = Statement::new("SELECT 'one'", vec![]).as_numbers();
    assert!(store.read(vec![text]).await.is_err(), "a text is no number");

    store.commit(sample::commit(PartitionId(0), 0, 1, 3)).await?;
    let wanted = Cell::Wide(sample::key(VisitorNo::new(PartitionId(0), 1)).0);
    let rows = ask(store, "SELECT visitor FROM visitor WHERE key = $1", vec![wanted]).await?;
    assert_eq!(rows, [[Cell::Int(8)]]);
    Ok(())
}

pub(super) async fn a_sum_past_64_bits_is_an_overflow_and_not_a_wrong_number(store: &impl Store) -> Result<(), Error> {
    let mut events = EventColumns::default();
    for (number, value) in [(0, i64::MAX), (1, 1), (2, -1)] {
        let row = sample::event(VisitorNo(number), sample::START, number.into());
        events.push(&EventRow { value: Some(value), ..row });
    }
    store.commit(Commit { events, ..Commit::default() }).await?;
    let exact = ask(store, "SELECT sum(value) FROM event", vec![]).await?;
    assert_eq!(exact, [[Cell::Int(i64::MAX)]], "what fits in the end is exact, whatever came between");
    let past = ask(store, "SELECT sum(value) FROM event WHERE value > $1", vec![Cell::Int(0)]).await;
    assert!(matches!(past, Err(Error::Overflow)), "{past:?}");
    Ok(())
}

pub(super) async fn a_wrong_statement_is_refused_and_the_next_one_works(store: &impl Store) -> Result<(), Error> {
    for wrong in ["SELECT nothing FROM nowhere", "SELEC 1", "SELECT 1.5::DOUBLE"] {
        let refused = ask(store, wrong, vec![]).await;
        assert!(matches!(refused, Err(Error::Statement(_))), "{wrong}: {refused:?}");
    }
    assert_eq!(ask(store, "SELECT 1", vec![]).await?, [[Cell::Int(1)]]);
    Ok(())
}
