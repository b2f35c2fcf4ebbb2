//! Random faults of the stream, random crashes of the forwarder, stale checkpoints: each record once, in order.

use crate::house::{PARTITION, all, append, drained, seen, settings, spool, start};
use pistats_core::PartitionId;
use pistats_eventlog::faulty::{Fault, FaultyLog};
use pistats_eventlog::{EventLog, MemoryLog};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    /// So many records come in.
    Append(u8),
    /// The forwarder's process goes, and with it, perhaps, the last places it had noted.
    Crash {
        stale: bool,
    },
    Stop,
    Wait(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..20_u8).prop_map(Step::Append),
        2 => any::<bool>().prop_map(|stale| Step::Crash { stale }),
        1 => Just(Step::Stop),
        3 => (0..20_u8).prop_map(Step::Wait),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::Refuse),
        1 => Just(Fault::Hang),
        2 => Just(Fault::LoseAnswer),
        1 => Just(Fault::Twice),
        1 => (1..80_u64).prop_map(|ms| Fault::Late(Duration::from_millis(ms))),
    ]
}

async fn run(steps: Vec<Step>, faults: Vec<Fault>) {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path()).checkpoint;
    let stream = FaultyLog::default();
    let mut faults = faults.into_iter().cycle();
    stream.throw(move || faults.next().unwrap_or(Fault::None));
    let spool = spool(Arc::new(MemoryLog::default())).await;
    let mut forwarding = start(&spool, &stream, settings(folder.path())).await;
    let (mut sent, mut sent_elsewhere) = (0, 0);
    // The checkpoint as it was a while ago: what a crash may leave behind.
    let mut stale = std::fs::read(&file).unwrap();
    for step in steps {
        match step {
            Step::Append(records) => {
                for _ in 0..records {
                    spool.append(vec![append(PARTITION, sent), append(PartitionId(0), sent_elsewhere)]).await.unwrap();
                    (sent, sent_elsewhere) = (sent + 1, sent_elsewhere + 1);
                }
            }
            Step::Crash { stale: with } => {
                drop(forwarding);
                // Its tasks end at their next wait.
                tokio::time::sleep(Duration::from_millis(2)).await;
                if with {
                    std::fs::write(&file, &stale).unwrap();
                }
                stale = std::fs::read(&file).unwrap();
                forwarding = start(&spool, &stream, settings(folder.path())).await;
            }
            Step::Stop => {
                forwarding.stop().await;
                forwarding = start(&spool, &stream, settings(folder.path())).await;
            }
            Step::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms.into())).await,
        }
    }
    stream.always(Fault::None);
    drained(&forwarding).await;
    // What was given up and still comes, comes too late.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(seen(&all(&stream, PARTITION).await), (0..sent).collect::<Vec<_>>());
    assert_eq!(seen(&all(&stream, PartitionId(0)).await), (0..sent_elsewhere).collect::<Vec<_>>());
    assert_eq!(forwarding.backlog().rewinds, 0);
    forwarding.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_stream_does_a_consumer_sees_each_record_once_and_in_order(
        steps in proptest::collection::vec(step(), 1..25),
        faults in proptest::collection::vec(fault(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        // A stream that only ever hangs or refuses takes nothing until it is healed at the end: that is a case as well.
        runtime.block_on(run(steps, faults));
    }
}
