//! The whole collector as a process that is killed, kill -9, again and again, under load and with a backlog: every batch it
//! acknowledged is in the stream, and a consumer sees it once.

use crate::common::{Bench, bytes, of};
use crate::house::{all, drained, settings, spool};
use async_trait::async_trait;
use pistats_core::{Limits, Offset, PartitionId};
use pistats_eventlog::{Append, Bounds, Config, Error, EventLog, FileLog, Position, Records};
use pistats_ingest::Trust;
use pistats_ingest::forward::Forwarding;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the child works; absent in the test itself.
const FOLDER: &str = "PISTATS_TEST_COLLECTOR_FOLDER";
const ROUND: &str = "PISTATS_TEST_COLLECTOR_ROUND";
const EVENTS: usize = 25;

/// A stream that takes its time, so that there is always a backlog.
struct Slow(FileLog);

#[async_trait]
impl EventLog for Slow {
    async fn append(&self, records: Vec<Append>) -> Result<Vec<Offset>, Error> {
        tokio::time::sleep(Duration::from_millis(4)).await;
        self.0.append(records).await
    }
    async fn read(&self, partition: PartitionId, from: Position) -> Result<Records, Error> {
        self.0.read(partition, from).await
    }
    async fn bounds(&self, partition: PartitionId) -> Result<Bounds, Error> {
        self.0.bounds(partition).await
    }
    async fn trim(&self, partition: PartitionId, below: Offset) -> Result<(), Error> {
        self.0.trim(partition, below).await
    }
}

fn open(folder: &Path, name: &str) -> FileLog {
    let small = Config { segment_bytes: 4 << 20, group_bytes: 1 << 20, queue_bytes: 4 << 20, ..Config::default() };
    tokio::task::block_in_place(|| FileLog::open(folder.join(name), small)).unwrap()
}

/// Collects until it is killed, and says which batches it acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn as_a_process_of_its_own_it_collects_until_it_is_killed() {
    let (Some(folder), Ok(round)) = (std::env::var_os(FOLDER), std::env::var(ROUND)) else {
        assert!(std::env::var_os(ROUND).is_none(), "half a setting");
        println!("skipped: only the test of kill -9 starts it");
        return;
    };
    let folder = Path::new(&folder);
    let spool = spool(Arc::new(open(folder, "spool"))).await;
    let stream = Arc::new(Slow(open(folder, "stream")));
    // The settling time is long: nothing may be trimmed, so that the end can be compared with everything.
    let settings = pistats_ingest::forward::Settings { settle: Duration::from_secs(3_600), ..settings(folder) };
    let _forwarding = Forwarding::start(spool.clone(), stream, settings).await.unwrap();
    let bench = Bench::on(spool, Limits::default());
    for batch in 0_u64.. {
        let events: Vec<_> = (0..EVENTS).map(|n| bytes(&of(&format!("{round}-{batch}-{n}")))).collect();
        assert_eq!(bench.collect(Trust::Public, &events).await.accepted, EVENTS as u32);
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nacknowledged {round}-{batch}").unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_loses_nothing_and_a_consumer_sees_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    let mut backlogs = Vec::new();
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::as_a_process_of_its_own_it_collects_until_it_is_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut batches = 0;
        let mut until = None;
        // Read on after the kill: what was said before it counts.
        while let Some(Ok(line)) = lines.next() {
            let Some(batch) = line.strip_prefix("acknowledged ") else { continue };
            acknowledged.insert(batch.to_owned());
            batches += 1;
            let until = *until.get_or_insert_with(|| Instant::now() + Duration::from_millis(60 + 37 * round));
            if batches >= 10 && Instant::now() >= until {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let (spool, stream) = (open(folder.path(), "spool"), open(folder.path(), "stream"));
        let mut waits = 0;
        for partition in PartitionId::all() {
            let spooled = spool.bounds(partition).await.unwrap().next;
            let sequences = all(&stream, partition).await.into_iter().map(|record| record.forwarded.unwrap().sequence);
            let there = Offset(sequences.max().map_or(0, |last| last + 1));
            waits += spooled.0.saturating_sub(there.0);
        }
        backlogs.push(waits);
    }
    println!("{} batches acknowledged; records that waited at each kill: {backlogs:?}", acknowledged.len());
    assert!(backlogs.iter().filter(|waits| **waits > 0).count() >= 4, "hardly any kill met a backlog: {backlogs:?}");

    let spool = spool(Arc::new(open(folder.path(), "spool"))).await;
    let stream = Arc::new(open(folder.path(), "stream"));
    let calm = pistats_ingest::forward::Settings {
        settle: Duration::from_secs(3_600),
        answer_within: Duration::from_secs(10),
        ..settings(folder.path())
    };
    let forwarding = Forwarding::start(spool.clone(), stream.clone(), calm).await.unwrap();
    drained(&forwarding).await;
    assert_eq!(forwarding.backlog().rewinds, 0);
    forwarding.stop().await;

    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for partition in PartitionId::all() {
        let mut last: HashMap<u64, u64> = HashMap::new();
        for record in all(stream.as_ref(), partition).await {
            let forwarded = record.forwarded.unwrap();
            let before = last.get(&forwarded.writer).copied();
            if before.is_some_and(|before| forwarded.sequence <= before) {
                continue;
            }
            assert!(before.is_none_or(|before| forwarded.sequence == before + 1), "a record is missing");
            last.insert(forwarded.writer, forwarded.sequence);
            for event in record.events {
                *seen.entry(event.visitor_id).or_default() += 1;
            }
        }
        assert!(last.len() <= 1, "one spool is one writer, over all its restarts");
    }
    assert!(seen.values().all(|times| *times == 1), "an event is there twice");
    for batch in &acknowledged {
        for event in 0..EVENTS {
            assert!(seen.contains_key(&format!("{batch}-{event}")), "{batch}-{event} was acknowledged and is missing");
        }
    }
}
