//! Any bytes at all: the collector answers for each event, never panics, and lets nothing into the log that cannot be read.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bytes::Bytes;
use common::{Bench, bytes, full};
use pistats_core::Limits;
use pistats_ingest::Trust;
use pistats_proto::ingest::v1::Event;
use pistats_proto::wire::decode_event;
use proptest::prelude::*;
use prost::Message;

/// Bytes of any kind, and events in which a few bytes were changed, cut out or put in.
fn any_event() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..3u8);
    let changed = prop::collection::vec(change, 0..4).prop_map(|changes| {
        let mut event = bytes(&full("ada")).to_vec();
        for (place, byte, what) in changes {
            let at = place.index(event.len());
            match what {
                0 => event[at] = byte,
                1 => event.insert(at, byte),
                _ => _ = event.remove(at),
            }
        }
        event
    });
    prop_oneof![prop::collection::vec(any::<u8>(), 0..64), changed]
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn trust() -> impl Strategy<Value = Trust> {
    prop_oneof![Just(Trust::Public), Just(Trust::Server)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_event_is_accepted_or_refused_and_the_log_can_be_read(
        events in prop::collection::vec(any_event(), 0..12),
        trust in trust(),
    ) {
        let batch: Vec<Bytes> = events.into_iter().map(Bytes::from).collect();
        run(async {
            let bench = Bench::new(Limits { topics: 3, ..Limits::default() });
            let collected = bench.collect(trust, &batch).await;
            let refused: Vec<usize> = collected.rejections.iter().map(|one| one.index as usize).collect();
            prop_assert!(refused.is_sorted_by(|a, b| a < b));
            prop_assert_eq!(collected.accepted as usize + refused.len(), batch.len());
            for (index, event) in batch.iter().enumerate().filter(|(index, _)| !refused.contains(index)) {
                // Neither prost nor our own decoder sees anything else in it.
                prop_assert!(Event::decode(event.clone()).is_ok(), "event {} does not decode", index);
                prop_assert!(decode_event(event).is_ok(), "event {} is not read", index);
            }
            let logged = bench.events().await;
            prop_assert_eq!(logged.len(), collected.accepted as usize);
            for event in logged {
                prop_assert!(!event.visitor_id.is_empty());
                prop_assert!(pistats_core::EventId::from_slice(&event.id).is_some());
                let bytes = event.encode_to_vec();
                prop_assert_eq!(decode_event(&bytes).unwrap().client_address, "");
            }
            prop_assert_eq!(bench.rejected().await.len(), refused.len());
            Ok(())
        })?;
    }

    #[test]
    fn no_client_address_of_an_event_lies_in_the_log(event in any_event(), trust in trust()) {
        let Ok(decoded) = Event::decode(&*event) else { return Ok(()) };
        if decoded.client_address.len() < 9 {
            return Ok(());
        }
        run(async {
            let bench = Bench::default();
            bench.collect(trust, &[event.into()]).await;
            prop_assert!(!common::log_holds(&*bench.log, &decoded.client_address).await);
            Ok(())
        })?;
    }
}
