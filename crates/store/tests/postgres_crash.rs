//! S-6 and S-7 on PostgreSQL: a server that is killed while it commits keeps every commit that returned and none in part, and
//! an open warehouse goes on by itself once the server is back.

use pistats_core::ids::PARTITIONS;
use pistats_core::{EventId, Micros, PartitionId, VisitorNo};
use pistats_store::contract::{self, sample};
use pistats_store::{
    Cell, Commit, Error, EventColumns, Fence, Held, Leases, Owner, PgConfig, PgStore, Refresh, Statement, Store,
};
use pistats_testkit::postgres::{self, Server};
use sqlx::Connection;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PARTITION: PartitionId = PartitionId(3);
/// Longer than any test waits for something that happens.
const PATIENCE: Duration = Duration::from_secs(120);

fn size(record: u64) -> u64 {
    [1, 70, 3_000][(record % 3) as usize]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_keeps_every_commit_that_returned_and_none_in_part() {
    let Some(server) = Server::start() else { return };
    let server = Arc::new(server);
    let database = server.database();
    let config = PgConfig { connect_timeout: Duration::from_secs(2), ..PgConfig::new(&database.url) };
    let store = PgStore::open(config).await.expect("the warehouse");
    let mut record = 0;
    for round in 0..4u64 {
        let (killed, before) = (server.clone(), record);
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(700 + 400 * round));
            killed.kill();
        });
        let failure = loop {
            match store.commit(sample::commit(PARTITION, record, record + 1, size(record))).await {
                Ok(()) => record += 1,
                Err(error) => break error,
            }
            if record % 5 == 0
                && let Err(error) = store.refresh(Refresh::EVERYTHING).await
            {
                break error;
            }
        };
        killer.join().expect("a kill");
        assert!(failure.is_retryable(), "{failure:?}");
        assert!(record > before, "nothing was committed before the kill");

        let down = store.checkpoints().await.expect_err("no server");
        assert!(matches!(down, Error::Unavailable(_)) && down.is_retryable(), "{down:?}");
        let down = store.lookup().next_ordinal(sample::SITE, PARTITION).expect_err("no server");
        assert!(down.is_retryable(), "{down:?}");

        server.restart();
        let since = Instant::now();
        let stored = loop {
            match store.checkpoints().await {
                Ok(checkpoints) => break checkpoints[PARTITION.index()].next.0,
                Err(error) => assert!(error.is_retryable() && since.elapsed() < PATIENCE, "{error:?}"),
            }
        };
        // The last one may have been stored without an answer.
        assert!(stored == record || stored == record + 1, "S-6: {record} commits returned, {stored} are there");
        record = stored;
        let expected = (0..stored).map(size).sum::<u64>() as i64;
        for table in ["event", "session", "visitor"] {
            let rows = sample::number(&store, &format!("SELECT count(*) FROM {table}")).await.expect("a count");
            assert_eq!(rows, expected, "S-6: {table} after {stored} commits");
        }
        assert_eq!(sample::number(&store, "SELECT commits FROM generation").await.expect("a count"), stored as i64);
        contract::assert_sheets_equal_raw(&store).await.expect("no error of the engine");
    }
    while store.refresh(Refresh::EVERYTHING).await.expect("a refresh").hours_left > 0 {}
    let rolled = sample::number(&store, "SELECT sum(events) FROM traffic_15m").await.expect("a sum");
    assert_eq!(rolled, (0..record).map(size).sum::<u64>() as i64, "S-5 after crashes");
    assert!(contract::assert_sheets_equal_raw(&store).await.expect("no error of the engine") > 0);
}

/// P-2: two processes are two stores. Both fold the same id, with visitors of their own, and neither has seen the other's.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_two_owners_commit_counts_once_and_the_second_one_is_told() {
    let Some(database) = postgres::plain() else { return };
    let open = async || PgStore::open(PgConfig::new(&database.url)).await.expect("the warehouse");
    let (one, two) = tokio::join!(open(), open());
    let commit = |partition: u16, other: u128| {
        let mut commit = sample::commit(PartitionId(partition), 0, 1, 0);
        let mut events = EventColumns::default();
        for number in [7, other] {
            events.push(&sample::event(VisitorNo::new(PartitionId(partition), 0), sample::START, number));
        }
        commit.events = events;
        commit
    };
    let (first, second) = tokio::join!(one.commit(commit(1, 100)), two.commit(commit(5, 200)));
    let duplicates = [&first, &second].into_iter().filter(|done| matches!(done, Err(Error::Duplicate(_)))).count();
    assert_eq!((duplicates, [first, second].into_iter().filter(Result::is_ok).count()), (1, 1));
    assert_eq!(sample::number(&one, "SELECT count(*) FROM event").await.expect("a count"), 2);
    // Whoever starts again finds it.
    let ms = (sample::START.0 / 1_000) as u64;
    for store in [&one, &two] {
        let ids: Vec<EventId> = store.lookup().ids(sample::SITE, ms, ms + 1).expect("ids");
        assert!(ids.contains(&sample::id(sample::START, 7)), "{ids:?}");
    }
}

/// E-5: the owner is stopped in the middle of a commit (here by a lock that nobody gives back), so its heartbeats stop, too, and its
/// connection stays. Its lease runs out, and what it held goes to another, who need not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn who_takes_over_ends_the_commit_of_an_owner_that_is_stopped() {
    let Some(database) = postgres::plain() else { return };
    let open = async || PgStore::open(PgConfig::new(&database.url)).await.expect("the warehouse");
    let (one, two) = tokio::join!(open(), open());
    let owner = |id| Owner { id, name: format!("owner {id}") };
    let (hour, over) = (Duration::from_secs(3_600), Duration::ZERO);
    let all = usize::from(PARTITIONS);
    let fenced = |lease: Held| Commit {
        fence: Fence { leases: vec![lease], generation: None },
        ..sample::commit(PARTITION, 0, 1, 4)
    };
    let mine = one.acquire(&owner(1), all, hour).await.expect("leases");

    let mut stopper = sqlx::PgConnection::connect(&database.url).await.expect("a connection");
    let mut stop = stopper.begin().await.expect("a transaction");
    sqlx::query("SELECT 1 FROM generation FOR UPDATE").execute(&mut *stop).await.expect("a lock");
    let stopped = tokio::spawn({
        let commit = fenced(mine[PARTITION.index()]);
        async move { (one.commit(commit).await, one) }
    });
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let since = Instant::now();
    while sample::number(&two, waiting).await.expect("a count") == 0 {
        assert!(since.elapsed() < PATIENCE, "the commit does not wait");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    assert_eq!(two.acquire(&owner(2), all, hour).await.expect("leases"), [], "E-1: its time has not run out");
    assert!(!stopped.is_finished(), "the commit of an owner that is in time is left alone");
    assert_eq!(two.extend(&owner(1), &mine, over).await.expect("leases"), mine, "a heartbeat passes the commit");
    let taken = tokio::time::timeout(PATIENCE, two.acquire(&owner(2), all, hour)).await.expect("no wait");
    let taken = taken.expect("leases");
    assert_eq!(taken.len(), all, "with the partition whose commit was under way: {taken:?}");
    let (ended, one) = stopped.await.expect("a commit");
    assert!(ended.as_ref().is_err_and(Error::is_retryable), "{ended:?}");
    stop.rollback().await.expect("the lock is given back");

    two.commit(fenced(taken[PARTITION.index()])).await.expect("the new owner's commit");
    let again = one.commit(fenced(mine[PARTITION.index()])).await;
    assert!(matches!(again, Err(Error::Fenced { .. })), "S-8: {again:?}");
    assert_eq!(sample::number(&two, "SELECT count(*) FROM event").await.expect("a count"), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_share_one_schema() {
    let Some(database) = postgres::plain() else { return };
    let open = || PgStore::open(PgConfig::new(&database.url));
    let (one, two, three, four) = tokio::join!(open(), open(), open(), open());
    for store in [one, two, three, four] {
        let store = store.expect("a warehouse");
        assert_eq!(sample::number(&store, "SELECT count(*) FROM checkpoint").await.expect("a count"), 8);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_of_a_newer_program_is_refused() {
    let Some(database) = postgres::plain() else { return };
    drop(PgStore::open(PgConfig::new(&database.url)).await.expect("a warehouse"));
    database.run("INSERT INTO _sqlx_migrations VALUES (999, 'later', now(), true, '', 0)");
    let refused = PgStore::open(PgConfig::new(&database.url)).await.err().expect("a refusal");
    assert!(matches!(&refused, Error::Open(why) if why.contains("999")), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_unavailable_and_a_wrong_address_is_not() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number").port();
    let gone = PgConfig::new(format!("postgres://nobody@127.0.0.1:{closed}/none"));
    let refused = PgStore::open(gone).await.err().expect("a refusal");
    assert!(matches!(refused, Error::Unavailable(_)), "{refused:?}");
    let wrong = PgStore::open(PgConfig::new("http://example.com")).await.err().expect("a refusal");
    assert!(matches!(wrong, Error::Open(_)), "{wrong:?}");
}

/// With a single reader, a read that went on after its caller left would block every later one.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_read_ends_on_the_server_too() {
    let Some(database) = postgres::plain() else { return };
    let store = PgStore::open(PgConfig { readers: 1, ..PgConfig::new(&database.url) }).await.expect("a warehouse");
    for _ in 0..3 {
        let endless = Statement::new("SELECT pg_sleep(600)::text", vec![]);
        let dropped = tokio::time::timeout(Duration::from_millis(500), store.read(vec![endless])).await;
        assert!(dropped.is_err(), "the statement must still run when it is dropped");
        let one = tokio::time::timeout(PATIENCE, sample::number(&store, "SELECT 1")).await;
        assert_eq!(one.expect("a free connection").expect("an answer"), 1);
        let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()";
        let since = Instant::now();
        while sample::number(&store, running).await.expect("a count") > 0 {
            assert!(since.elapsed() < PATIENCE, "the server still runs it");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Pairs go; what was taken back and added again stays; no sum changes.
#[tokio::test(flavor = "multi_thread")]
async fn folding_deletes_pairs_and_changes_no_sum() {
    const SUMS: &str = "SELECT site, visitor, day, sum(sign), sum(sign * events), sum(sign * (last_us - first_us)) FROM session \
                        GROUP BY 1, 2, 3 HAVING sum(sign) <> 0 ORDER BY 1, 2, 3";
    use pistats_store::Sign::{Add, Retract};
    let Some(database) = postgres::plain() else { return };
    let store = PgStore::open(PgConfig::new(&database.url)).await.expect("a warehouse");
    let mut commit = Commit::default();
    let start = sample::START;
    for ordinal in 0..300 {
        let no = VisitorNo::new(PARTITION, ordinal);
        let version =
            |events, sign| sample::session(no, start, start.plus(events as i64 * Micros::SECOND), events, sign);
        commit.sessions.extend([version(1, Add), version(1, Retract), version(2, Add)]);
        if ordinal % 3 == 0 {
            commit.sessions.extend([version(2, Retract), version(2, Add)]);
        }
    }
    // One that waits for its addition.
    commit.sessions.push(sample::session(VisitorNo::new(PARTITION, 999), start, start, 1, Retract));
    store.commit(commit).await.expect("a commit");
    let before = sample::ask(&store, SUMS, vec![]).await.expect("sums");
    assert_eq!(store.fold_all().await.expect("a fold"), 600 + 200);
    assert_eq!(sample::ask(&store, SUMS, vec![]).await.expect("sums"), before);
    let rows = sample::ask(&store, "SELECT count(*), sum(sign) FROM session", vec![]).await.expect("sums");
    assert_eq!(rows, [[Cell::Int(301), Cell::Int(299)]]);
    assert_eq!(store.fold_all().await.expect("a fold"), 0);
}
