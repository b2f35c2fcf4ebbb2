//! The DuckDB backend keeps the store's promises, in memory and in a file, and says in plain words when it cannot open.

use pistats_core::{Offset, PartitionId, VisitorNo};
use pistats_store::contract::{self, sample};
use pistats_store::{Cell, Commit, DuckConfig, DuckStore, Error, Progress, Refresh, Sign, Statement, Store};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_in_memory_keeps_the_promises() {
    let empty = async || DuckStore::open(DuckConfig::memory()).expect("an empty warehouse");
    contract::suite(empty).await.expect("no error of the engine");
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_in_a_file_keeps_the_promises() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = std::sync::atomic::AtomicU32::new(0);
    let empty = async || {
        let number = made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        DuckStore::open(DuckConfig::file(dir.path().join(format!("{number}.duckdb")))).expect("an empty warehouse")
    };
    contract::suite(empty).await.expect("no error of the engine");
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_keeps_the_promises_of_leases() {
    let empty = async || DuckStore::open(DuckConfig::memory()).expect("an empty warehouse");
    contract::leasing(empty).await.expect("no error of the engine");
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_keeps_the_promises_of_push() {
    let empty = async || DuckStore::open(DuckConfig::memory()).expect("an empty warehouse");
    contract::pushing(empty).await.expect("no error of the engine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_file_opens_with_everything_in_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let open = async || DuckStore::open(DuckConfig::file(dir.path().join("w.duckdb"))).expect("the warehouse");
    contract::reopening(open).await.expect("no error of the engine");
}

#[test]
fn a_second_open_of_the_same_file_is_refused_until_the_first_is_closed() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = DuckConfig::file(dir.path().join("w.duckdb"));
    let first = DuckStore::open(config.clone()).expect("the warehouse");
    let refused = DuckStore::open(config.clone()).err().expect("a refusal").to_string();
    assert!(refused.contains("w.duckdb") && refused.contains("open already"), "{refused}");
    drop(first);
    assert!(DuckStore::open(config).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_schema_version_is_refused_with_both_versions() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = DuckConfig::file(dir.path().join("w.duckdb"));
    let store = DuckStore::open(config.clone()).expect("the warehouse");
    let age = |conn: &duckdb::Connection| conn.execute_batch("UPDATE generation SET schema_version = 99");
    store.commit_with(Commit::default(), age).await.expect("a commit");
    drop(store);
    let refused = DuckStore::open(config).err().expect("a refusal");
    assert!(matches!(refused, Error::Open(_)), "{refused:?}");
    let text = refused.to_string();
    assert!(text.contains("version 99") && text.contains(&pistats_store::SCHEMA_VERSION.to_string()), "{text}");
}

/// A file as version 1 made it: without the relations of sheets.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_version_1_is_brought_up_to_date_and_every_day_is_dirty() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = DuckConfig::file(dir.path().join("w.duckdb"));
    let store = DuckStore::open(config.clone()).expect("the warehouse");
    store.commit(sample::commit(PartitionId(3), 0, 1, 5)).await.expect("a commit");
    // One day has nothing but a session, another nothing but a first-seen visitor.
    let days_later = |days| sample::START.plus(days * pistats_core::Micros::DAY);
    let mut commit = Commit::default();
    commit.sessions.push(sample::session(VisitorNo(1), days_later(1), days_later(1), 1, Sign::Add));
    commit.visitors.push(sample::visitor(VisitorNo(1), days_later(2), Sign::Add));
    let age = |conn: &duckdb::Connection| {
        conn.execute_batch(
            "DROP TABLE sheet; DROP TABLE sheet_dirty; DROP TABLE visitor_bitmap; DROP TABLE breakdown_1d; \
             UPDATE generation SET schema_version = 1",
        )
    };
    store.commit_with(commit, age).await.expect("a commit");
    drop(store);
    for _ in 0..2 {
        let store = DuckStore::open(config.clone()).expect("the upgraded warehouse");
        let marks = sample::ask(&store, "SELECT site, day, commit_no FROM sheet_dirty ORDER BY day", vec![]).await;
        let mark = |days| {
            let day = sample::day(days_later(days)).0;
            vec![Cell::Int(sample::SITE.0.into()), Cell::Int(day.into()), Cell::Int(2)]
        };
        assert_eq!(marks.expect("marks"), [0, 1, 2].map(mark));
        assert_eq!(sample::number(&store, "SELECT schema_version FROM generation").await.expect("a version"), 2);
    }
    let store = DuckStore::open(config).expect("the upgraded warehouse");
    let refreshed = store.refresh(Refresh::EVERYTHING).await.expect("a refresh");
    assert_eq!((refreshed.days, refreshed.days_left), (3, 0));
    assert_eq!(contract::assert_sheets_equal_raw(&store).await.expect("no error"), 3);
}

/// A busy day gets a mark a commit: choosing reads them all, so they are thinned, and the newest stays.
#[tokio::test(flavor = "multi_thread")]
async fn many_marks_of_a_day_are_thinned_to_the_newest() {
    let store = DuckStore::open(DuckConfig::memory()).expect("a warehouse");
    for (marks, left) in [(4_095, 4_096), (1, 1)] {
        let add = move |conn: &duckdb::Connection| {
            conn.execute(
                "INSERT INTO sheet_dirty SELECT $1, 19675, 0 FROM range($2)",
                [i64::from(sample::SITE.0), marks],
            )
            .map(drop)
        };
        let mut commit = sample::commit(PartitionId(1), 0, 1, 1);
        commit.progress.clear();
        store.commit_with(commit, add).await.expect("a commit");
        let refreshed = store.refresh(Refresh { days: 0, ..Refresh::EVERYTHING }).await.expect("a refresh");
        assert_eq!((refreshed.days, refreshed.days_left), (0, 1));
        assert_eq!(sample::number(&store, "SELECT count(*) FROM sheet_dirty").await.expect("a count"), left);
    }
    assert_eq!(sample::number(&store, "SELECT commit_no FROM sheet_dirty").await.expect("a mark"), 2);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("letter.duckdb");
    std::fs::write(&path, "dear diary".repeat(2_000)).expect("a file");
    let refused = DuckStore::open(DuckConfig::file(&path)).err().expect("a refusal");
    assert!(matches!(refused, Error::Open(_)), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "dear diary".repeat(2_000));
}

fn endless() -> Vec<Statement> {
    let sql = "SELECT count(*) FROM range(10000000) a JOIN range(10000000) b ON a.range + b.range = -1";
    vec![Statement::new(sql, vec![])]
}

/// With a single reader, a read that went on after its caller left would block every later one for hours.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_read_gives_its_connection_back() {
    let store = DuckStore::open(DuckConfig { readers: 1, ..DuckConfig::memory() }).expect("a warehouse");
    for _ in 0..3 {
        let dropped = tokio::time::timeout(Duration::from_millis(50), store.read(endless())).await;
        assert!(dropped.is_err(), "the statement must still run when it is dropped");
        let one = tokio::time::timeout(Duration::from_secs(60), sample::number(&store, "SELECT 1")).await;
        assert_eq!(one.expect("a free connection").expect("an answer"), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_dropped_in_the_queue_never_runs_and_harms_no_other() {
    let store = DuckStore::open(DuckConfig { readers: 1, ..DuckConfig::memory() }).expect("a warehouse");
    let slow = vec![Statement::new("SELECT sum(range) FROM range(30000000)", vec![])];
    let queued = async {
        let dropped = tokio::time::timeout(Duration::from_millis(1), store.read(endless())).await;
        assert!(dropped.is_err());
        sample::number(&store, "SELECT 2").await
    };
    let (first, second) = tokio::join!(store.read(slow), queued);
    assert_eq!(
        first.expect("not interrupted by the other's drop").results[0].rows[0][0],
        Cell::Int(449_999_985_000_000)
    );
    assert_eq!(second.expect("an answer"), 2);
}

/// 20 million groups do not fit; the engine must find a place beside its file, though no other file is open to SQL.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_larger_than_the_memory_limit_goes_to_disk_and_answers() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = DuckConfig { memory_limit_mb: 100, ..DuckConfig::file(dir.path().join("w.duckdb")) };
    let store = DuckStore::open(config).expect("a warehouse");
    let sql = "SELECT count(*) FROM (SELECT range AS n, count(*) FROM range(20000000) GROUP BY n HAVING count(*) = 1)";
    assert_eq!(sample::number(&store, sql).await.expect("an answer"), 20_000_000);
    let closed = sample::ask(&store, "SELECT * FROM read_csv('Cargo.toml')", vec![]).await;
    assert!(closed.is_err(), "SQL reaches no file but the database");
}

/// Sums over signs, by everything a report groups by.
const SUMS: &str = "SELECT site, visitor, day, entry_page, exit_page, sum(sign), sum(sign * events), sum(sign * page_views), \
                    sum(sign * (last_us - first_us)) FROM session GROUP BY ALL HAVING sum(sign) <> 0 ORDER BY ALL";

#[tokio::test(flavor = "multi_thread")]
async fn folding_deletes_pairs_and_changes_no_sum() {
    let store = DuckStore::open(DuckConfig::memory()).expect("a warehouse");
    let start = sample::START;
    let mut commit = Commit::default();
    for ordinal in 0..30_000 {
        let no = VisitorNo::new(PartitionId(1), ordinal);
        commit.visitors.push(sample::visitor(no, start, Sign::Add));
        commit.sessions.push(sample::session(no, start, start, 1, Sign::Add));
        commit.sessions.push(sample::session(no, start, start, 1, Sign::Retract));
        commit.sessions.push(sample::session(no, start, start.plus(1), 2, Sign::Add));
        if ordinal % 3 == 0 {
            // Taken back and added again: the pair goes, the truth stays.
            commit.sessions.push(sample::session(no, start, start.plus(1), 2, Sign::Retract));
            commit.sessions.push(sample::session(no, start, start.plus(1), 2, Sign::Add));
        }
    }
    store.commit(commit).await.expect("a commit");
    let before = sample::ask(&store, SUMS, vec![]).await.expect("sums");
    assert_eq!(before.len(), 30_000);

    let folded = store.fold().await.expect("a fold");
    assert_eq!((folded.session_rows, folded.visitor_rows), (60_000 + 20_000, 0));
    assert_eq!(sample::ask(&store, SUMS, vec![]).await.expect("sums"), before);
    assert_eq!(sample::number(&store, "SELECT count(*) FROM session").await.expect("a count"), 30_000);
    assert_eq!(sample::number(&store, "SELECT count(*) FROM session WHERE sign < 0").await.expect("a count"), 0);
    let idle = store.fold().await.expect("a fold");
    assert_eq!(idle.session_rows, 0);
}

/// Commits, folds, refreshes, reads and checkpoints of the file at the same time: none fails, and every snapshot sums up right.
#[tokio::test(flavor = "multi_thread")]
async fn folding_and_refreshing_beside_commits_fails_nothing_and_loses_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = DuckConfig { checkpoint_threshold_mb: 1, ..DuckConfig::file(dir.path().join("w.duckdb")) };
    let store = DuckStore::open(config).expect("a warehouse");
    let done = std::sync::atomic::AtomicBool::new(false);
    let (records, visitors) = (12u64, 5_000u64);
    let commits = async {
        for record in 0..records {
            // Every record makes each visitor's session one event longer.
            let progress = Progress { partition: PartitionId(1), from: Offset(record), to: Offset(record + 1) };
            let mut commit = Commit { progress: vec![progress], ..Commit::default() };
            for ordinal in 0..visitors {
                let no = VisitorNo::new(PartitionId(1), ordinal);
                let version = |events: u64, sign| {
                    sample::session(no, sample::START, sample::START.plus(events as i64), events, sign)
                };
                if record > 0 {
                    commit.sessions.push(version(record, Sign::Retract));
                }
                commit.sessions.push(version(record + 1, Sign::Add));
            }
            store.commit(commit).await.expect("a commit");
        }
        done.store(true, std::sync::atomic::Ordering::Release);
    };
    let upkeep = async {
        while !done.load(std::sync::atomic::Ordering::Acquire) {
            store.fold_all().await.expect("a fold");
            // It folds, too, where that is worth it.
            store.refresh(Refresh { hours: 100, ..Refresh::EVERYTHING }).await.expect("a refresh");
            let sums = "SELECT sum(sign), sum(sign * events) FROM session";
            let answer = store.read(vec![Statement::new(sums, vec![])]).await.expect("sums");
            let record = answer.as_of.next_offsets[1].0 as i64;
            let expected = if record == 0 { 0 } else { visitors as i64 };
            let row = &answer.results[0].rows[0];
            assert_eq!((row[0].int(), row[1].int()), (expected, expected * record), "at record {record}");
        }
    };
    tokio::join!(commits, upkeep);
    while store.refresh(Refresh::EVERYTHING).await.expect("a refresh").days_left > 0 {}
    store.fold_all().await.expect("a fold");
    let rows = "SELECT count(*), count(*) FILTER (WHERE sign = 1), sum(events) FROM session";
    let rows = sample::ask(&store, rows, vec![]).await.expect("rows");
    let (visitors, records) = (visitors as i64, records as i64);
    assert_eq!(rows, [[visitors, visitors, visitors * records].map(Cell::Int)], "the last versions alone are left");
    let rolled =
        sample::ask(&store, "SELECT sum(sessions), sum(bounces) FROM session_15m", vec![]).await.expect("sums");
    assert_eq!(rolled, [[Cell::Int(visitors), Cell::Int(0)]]);
}

/// A retraction can be stored without its addition while a repair is under way: it must wait, not vanish.
#[tokio::test(flavor = "multi_thread")]
async fn folding_keeps_retractions_that_have_no_partner() {
    let store = DuckStore::open(DuckConfig::memory()).expect("a warehouse");
    let mut commit = Commit::default();
    for ordinal in 0..25_000 {
        let no = VisitorNo::new(PartitionId(1), ordinal);
        commit.sessions.push(sample::session(no, sample::START, sample::START, 1, Sign::Retract));
    }
    store.commit(commit).await.expect("a commit");
    assert_eq!(store.fold().await.expect("a fold").session_rows, 0);
    assert_eq!(sample::number(&store, "SELECT sum(sign) FROM session").await.expect("a sum"), -25_000);
}
