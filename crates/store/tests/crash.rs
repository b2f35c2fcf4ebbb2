//! S-6, S-5, S-7: a process that is killed while it commits leaves every commit that returned, and none in part.
//!
//! The test starts its own binary as the victim. The victim prints a line after each commit that returned; the test kills
//! it at a random moment, opens the file and compares.

use pistats_core::PartitionId;
use pistats_store::contract::{self, sample};
use pistats_store::{DuckConfig, DuckStore, Refresh, Store};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const FILE: &str = "PISTATS_TEST_VICTIM_FILE";
const PARTITION: PartitionId = PartitionId(3);
/// Commits of several sizes: the largest goes around the write-ahead log, straight into the file.
const SIZES: [u64; 4] = [1, 70, 3_000, 150_000];

fn open(path: &Path) -> DuckStore {
    // A small threshold, so that checkpoints of the file happen during the commits too.
    DuckStore::open(DuckConfig { checkpoint_threshold_mb: 2, ..DuckConfig::file(path) }).expect("the warehouse opens")
}

fn size(record: u64) -> u64 {
    if record % 40 == 39 { SIZES[3] } else { SIZES[(record % 3) as usize] }
}

#[tokio::test(flavor = "multi_thread")]
async fn victim() {
    let Ok(path) = std::env::var(FILE) else {
        // Run as a test of its own it has nothing to do but to be startable.
        assert!(std::env::current_exe().is_ok());
        return;
    };
    let store = open(Path::new(&path));
    let mut record = store.checkpoints().await.expect("checkpoints")[PARTITION.index()].next.0;
    loop {
        store.commit(sample::commit(PARTITION, record, record + 1, size(record))).await.expect("a commit");
        record += 1;
        if record % 5 == 0 {
            store.refresh(Refresh::EVERYTHING).await.expect("a refresh");
        }
        println!("\ncommitted {record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_leaves_every_commit_that_returned_and_none_in_part() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("w.duckdb");
    let mut lines_before_kill = 3;
    let mut stored = 0;
    for _ in 0..6 {
        let mut victim = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "victim", "--nocapture"])
            .env(FILE, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a victim");
        let mut lines = BufReader::new(victim.stdout.take().expect("its output")).lines();
        let mut returned = 0;
        let mut committed = lines
            .by_ref()
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("committed ")?.parse::<u64>().ok());
        for record in committed.by_ref().take(lines_before_kill) {
            returned = record;
        }
        victim.kill().expect("a kill");
        victim.wait().expect("its end");
        returned = committed.last().unwrap_or(returned);
        assert!(returned > stored, "the victim committed nothing");
        // Another moment each time, in the middle of commits of every size.
        lines_before_kill = lines_before_kill * 2 % 61 + 3;

        let store = open(&path);
        stored = store.checkpoints().await.expect("checkpoints")[PARTITION.index()].next.0;
        assert!(stored >= returned, "S-6: {returned} commits returned, {stored} are there");
        let expected: i64 = (0..stored).map(size).sum::<u64>() as i64;
        for table in ["event", "session", "visitor"] {
            let rows = sample::number(&store, &format!("SELECT count(*) FROM {table}")).await.expect("a count");
            assert_eq!(rows, expected, "S-6: {table} after {stored} commits");
        }
        assert_eq!(sample::number(&store, "SELECT commits FROM generation").await.expect("a count"), stored as i64);
        // A kill in the middle of a refresh leaves sheets whole or not at all.
        contract::assert_sheets_equal_raw(&store).await.expect("no error of the engine");
        while store.refresh(Refresh::hours(1_000)).await.expect("a refresh").hours_left > 0 {}
        let rolled = sample::number(&store, "SELECT sum(events) FROM traffic_15m").await.expect("a sum");
        assert_eq!(rolled, expected, "S-5 after a crash");
        if lines_before_kill % 2 == 0 {
            store.refresh(Refresh::EVERYTHING).await.expect("a refresh");
            let clean = contract::assert_sheets_equal_raw(&store).await.expect("no error of the engine");
            assert!(clean > 0, "S-7 after a crash");
        }
    }
}

#[test]
fn a_file_that_another_process_has_open_is_refused_in_plain_words() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("w.duckdb");
    let mut other = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "victim", "--nocapture"])
        .env(FILE, &path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("another process");
    let mut lines = BufReader::new(other.stdout.take().expect("its output")).lines();
    let started = lines.by_ref().map_while(Result::ok).any(|line| line.starts_with("committed"));
    let refused = DuckStore::open(DuckConfig::file(&path)).err();
    other.kill().expect("a kill");
    other.wait().expect("its end");
    assert!(started);
    let refused = refused.expect("a refusal").to_string();
    assert!(refused.contains("another process has it open"), "{refused}");
}
