//! Visitors without cookies: derived, told apart by day, and nothing in the log that leads back to anybody.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bytes::Bytes;
use common::{BROWSER, NOW, SITE, batch_bytes, bytes, log_holds, of, records};
use pistats_core::cookieless::{DaySalt, LIFE};
use pistats_core::{Day, EventId, Limits, Micros, Reason, Salts, Zone};
use pistats_eventlog::MemoryLog;
use pistats_ingest::{Collected, Collector, Sender, Trust, Visitors};
use pistats_proto::ingest::v1::Event;
use pistats_rpc::resubmit::{Resubmission, Resubmit};
use std::net::IpAddr;
use std::sync::Arc;

const ADDRESS: &str = "192.0.2.7";

/// A collector of a cookieless site, at an instant.
struct House {
    log: Arc<MemoryLog>,
    collector: Collector,
    zone: Zone,
    salts: Salts,
}

impl House {
    fn at(now: Micros, limits: Limits) -> House {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let today = zone.day_of(now);
        let salts = Salts::new((-3..=1).map(|day| DaySalt::of(&zone, today.plus(day), [day as u8; 32])));
        let log = Arc::new(MemoryLog::new(u64::MAX, common::clock()));
        let collector = Collector::with_clock(log.clone(), limits, Arc::new(move || now)).unwrap();
        House { log, collector, zone, salts }
    }

    async fn collect_from(&self, trust: Trust, address: &str, user_agent: &str, events: &[Event]) -> Collected {
        let visitors =
            Visitors::Derived { zone: &self.zone, salts: &self.salts, address: Some(address.parse().unwrap()) };
        let sender = Sender { site: SITE, trust, user_agent, traceparent: "", visitors };
        let events: Vec<Bytes> = events.iter().map(bytes).collect();
        self.collector.collect(sender, &events, batch_bytes(&events)).await.unwrap()
    }

    async fn collect(&self, trust: Trust, events: &[Event]) -> Collected {
        self.collect_from(trust, ADDRESS, BROWSER, events).await
    }

    async fn visitors(&self) -> Vec<String> {
        let records = records(&*self.log).await;
        records.into_iter().flat_map(|(_, _, record)| record.events).map(|event| event.visitor_id).collect()
    }
}

fn at(time: Micros, visitor: &str) -> Event {
    Event { time_us: Some(time.0), ..of(visitor) }
}

#[tokio::test]
async fn a_public_keys_visitor_is_derived_and_the_sent_one_reaches_no_log() {
    let house = House::at(NOW, Limits::default());
    let sent = [
        Event { client_address: "198.51.100.1".into(), user_agent: "Event/1".into(), ..of("cookie-4711") },
        of(""),
        of(&"x".repeat(5_000)),
    ];
    assert_eq!(house.collect(Trust::Public, &sent).await.accepted, 3, "what is not believed is not judged");
    // The same field twice, the last one empty: both are taken out.
    let mut twice = bytes(&of("cookie-4712")).to_vec();
    twice.extend([0x22, 0x00]);
    let visitors =
        Visitors::Derived { zone: &house.zone, salts: &house.salts, address: Some(ADDRESS.parse().unwrap()) };
    let sender = Sender { site: SITE, trust: Trust::Public, user_agent: BROWSER, traceparent: "", visitors };
    assert_eq!(house.collector.collect(sender, &[twice.into()], 20).await.unwrap().accepted, 1);

    let address: IpAddr = ADDRESS.parse().unwrap();
    let expected = house.salts.at(&house.zone, house.zone.day_of(NOW), NOW).unwrap().visitor(SITE, address, BROWSER);
    let expected = String::from_utf8(expected.as_bytes().to_vec()).unwrap();
    assert_eq!(house.visitors().await, vec![expected; 4]);
    for secret in [ADDRESS, "198.51.100.1", "cookie-", "xxxx"] {
        assert!(!log_holds(&*house.log, secret).await, "{secret} reached the log");
    }
}

#[tokio::test]
async fn another_address_another_browser_and_another_day_are_other_visitors_and_midnight_is_the_sites() {
    let house = House::at(NOW, Limits::default());
    let midnight = house.zone.start_of(house.zone.day_of(NOW));
    house.collect(Trust::Public, &[at(midnight, ""), at(midnight.plus(-1), "")]).await;
    house.collect_from(Trust::Public, "2001:db8::1", BROWSER, &[at(midnight, "")]).await;
    house.collect_from(Trust::Public, ADDRESS, "Other/1", &[at(midnight, "")]).await;
    house.collect_from(Trust::Public, "::ffff:192.0.2.7", BROWSER, &[at(midnight, "")]).await;
    let mut visitors = house.visitors().await;
    visitors.sort();
    visitors.dedup();
    assert_eq!(visitors.len(), 4, "of five events two are of one visitor");
}

#[tokio::test]
async fn a_day_is_closed_48_hours_after_it_began_and_a_microsecond_before_that_it_is_open() {
    let day = Day::parse("2027-01-13").unwrap();
    let zone = Zone::named("Europe/Berlin").unwrap();
    let (first, end) = (zone.start_of(day), zone.start_of(day).plus(LIFE));
    let open = House::at(end.plus(-1), Limits::default());
    assert_eq!(open.collect(Trust::Public, &[at(first, "")]).await.accepted, 1);
    let closed = House::at(end, Limits::default());
    let collected = closed.collect(Trust::Public, &[at(first, ""), at(first.plus(Micros::DAY), "")]).await;
    assert_eq!(collected.accepted, 1, "the day after is open");
    let refusal = &collected.rejections[0].refusal;
    assert_eq!((refusal.reason, &*refusal.field), (Reason::DayClosed, "time_us"));
    assert!(refusal.message.contains("2027-01-13 (Europe/Berlin)") && refusal.message.contains("server key"));
    // A server's own visitors need no salt.
    assert_eq!(closed.collect(Trust::Server, &[at(first, "ada")]).await.accepted, 1);
}

#[tokio::test]
async fn a_day_whose_salt_is_not_made_yet_says_to_come_back() {
    let house = House::at(NOW, Limits { future_skew_seconds: 3 * 86_400, ..Limits::default() });
    let collected = house.collect(Trust::Public, &[at(NOW.plus(2 * Micros::DAY), "")]).await;
    let refusal = &collected.rejections[0].refusal;
    assert_eq!(refusal.reason, Reason::DayClosed);
    assert!(refusal.message.contains("again later"), "{}", refusal.message);
}

#[tokio::test]
async fn a_server_names_its_visitors_or_what_they_are_derived_from() {
    let house = House::at(NOW, Limits::default());
    let says = Event { client_address: ADDRESS.into(), user_agent: BROWSER.into(), ..of("") };
    let sent = [of("ada"), says, of(""), Event { client_address: "nobody".into(), ..of("") }];
    let collected = house.collect_from(Trust::Server, "198.51.100.9", "Server/1", &sent).await;
    let refused: Vec<_> = collected.rejections.iter().map(|one| (one.index, one.refusal.reason)).collect();
    assert_eq!(refused, [(2, Reason::MissingVisitor), (3, Reason::MissingVisitor)]);
    house.collect(Trust::Public, &[of("")]).await;
    let mut visitors = house.visitors().await;
    visitors.sort();
    visitors.dedup();
    assert_eq!(visitors.len(), 2, "ada, and the one that both ways lead to: {visitors:?}");
    assert!(visitors.contains(&"ada".to_owned()) && !log_holds(&*house.log, ADDRESS).await);
}

#[tokio::test]
async fn a_refused_event_is_judged_again_as_the_visitor_it_was() {
    let yesterday = NOW.plus(-Micros::DAY);
    let strict = House::at(NOW, Limits { name_bytes: 3, ..Limits::default() });
    let refused = Event { name: "signup".into(), ..at(yesterday, "cookie-4711") };
    let too_old = Event { name: "signup".into(), ..at(yesterday.plus(-3 * Micros::DAY), "cookie-4711") };
    assert_eq!(strict.collect(Trust::Public, &[refused, too_old]).await.rejections.len(), 2);
    assert!(!log_holds(&*strict.log, "cookie-").await);
    strict.collect(Trust::Public, &[at(yesterday, "")]).await;
    let expected = strict.visitors().await;

    let kept: Vec<_> = records(&*strict.log).await.into_iter().flat_map(|(_, _, record)| record.rejected).collect();
    let is_whole = |at: usize| kept[at].payload.len() == kept[at].payload_bytes as usize;
    assert!(is_whole(0) && !is_whole(1), "nobody can say whose the old one was: it is not sent again");
    let again = Resubmission {
        refusal: EventId::from_slice(&kept[0].id).unwrap(),
        received: NOW,
        payload: kept[0].payload.clone(),
        user_agent: kept[0].user_agent.clone(),
    };
    let house = House::at(NOW.plus(30 * Micros::DAY), Limits::default());
    assert_eq!(house.collector.resubmit(SITE, vec![again]).await.unwrap(), [Ok(())]);
    assert_eq!(house.visitors().await, expected);
}
