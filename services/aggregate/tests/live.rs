//! The live state equals the oracle at every moment of the clock, in any order of arrival, in each mode, after a restart.

mod common;

use common::{SITE, World, caught_up, config};
use pistats_aggregate::{Clock, Handle};
use pistats_core::report::{Bots, LivePart, Realtime};
use pistats_core::{EventId, Micros, SiteId, Zone};
use pistats_testkit::histories::{History, Sent, moments, zones};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

const MODES: [Bots; 3] = [Bots::Exclude, Bots::Include, Bots::Only];

/// Rows of the lists: fewer than there are pages.
const LIMIT: usize = 7;

/// A clock that stands until it is set.
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn at(now: Micros) -> Hands {
        Hands(Arc::new(AtomicI64::new(now.0)))
    }

    fn set(&self, now: Micros) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let hands = self.0.clone();
        Arc::new(move || Micros(hands.load(Ordering::SeqCst)))
    }
}

/// Events around now: of the last minutes, of the last half hour and before, in the same hour of the days before, and
/// some still to come.
fn around(now: Micros, zone: &Zone, seed: u64, count: usize) -> History {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut history = History::random(seed, zone, count, 40);
    history.sent.truncate(count);
    for (number, event) in history.sent.iter_mut().enumerate() {
        let since = match rng.random_range(0..4) {
            0 => rng.random_range(-3 * Micros::MINUTE..6 * Micros::MINUTE),
            1 => rng.random_range(0..40 * Micros::MINUTE),
            _ => rng.random_range(1..9) * Micros::DAY + rng.random_range(-90..90) * Micros::MINUTE,
        };
        event.time = now.plus(-since);
        event.id = EventId::from_parts(now.0 as u64 / 1_000, number as u128);
        event.url = format!("https://shop.example/{}", rng.random_range(0..15));
        if number % 5 == 0 {
            // Once is enough to be talked about.
            event.topics.push("tea".into());
            event.topics.push("tea".into());
        }
    }
    // The edges: exactly five minutes ago is over, a microsecond later is not; now is, the next microsecond is not yet.
    let edges = [now.plus(-5 * Micros::MINUTE), now.plus(-5 * Micros::MINUTE + 1), now, now.plus(1)];
    for (number, (event, time)) in history.sent.iter_mut().zip(edges).enumerate() {
        event.time = time;
        event.visitor_id = format!("edge-{number}");
    }
    history
}

/// Compares all modes; what is usual is read beside folding, so it may take a moment.
async fn assert_live(handle: &Handle, history: &History, now: Micros, what: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    for bots in MODES {
        let expected = history.oracle().realtime(bots, LIMIT, now, &history.zone);
        loop {
            let found = handle.observer().realtime(SITE, bots, LIMIT);
            assert!(!found.is_cut && found.received == 0, "{what}");
            let found = plain(found);
            if found == expected {
                break;
            }
            assert!(Instant::now() < deadline, "{what}, {bots:?}\nfound    {found:?}\nexpected {expected:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// In the oracle's type.
fn plain(state: Realtime) -> pistats_testkit::oracle::Realtime {
    let rows = |rows: Vec<(Arc<str>, u64)>| rows.into_iter().map(|(value, count)| (value.to_string(), count)).collect();
    let trend = |trend: pistats_core::report::Trend| pistats_testkit::oracle::Trend {
        topic: trend.topic.to_string(),
        score: trend.score,
        rate: trend.rate,
        usual: trend.usual,
    };
    pistats_testkit::oracle::Realtime {
        current_visitors: state.current_visitors,
        minutes: state.minutes,
        top_pages: rows(state.top_pages),
        top_sources: rows(state.top_sources),
        top_countries: rows(state.top_countries),
        trending: state.trending.into_iter().map(trend).collect(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_state_equals_the_oracle_while_the_clock_goes_on() {
    for (number, zone) in zones().into_iter().enumerate() {
        // Two days after the zone's clocks or days did something special.
        let now = moments(&zone)[0].plus(2 * Micros::DAY + 25 * Micros::MINUTE);
        let history = around(now, &zone, 31 + number as u64, 600);
        let world = World::new(&zone);
        let hands = Hands::at(now);
        let handle = world.start_at(config(100), hands.clock());
        world.append(&history.sent, 5).await;
        // Resent events are shown once.
        world.append(&history.sent[..100], 5).await;
        caught_up(&handle).await;
        for later in [0, 1, 59, 61, 240, 301, 2_000, 2_400] {
            let now = now.plus(later * Micros::SECOND);
            hands.set(now);
            assert_live(&handle, &history, now, &format!("{}, {later} s later", zone.name())).await;
        }
        let nobody = handle.observer().part(SiteId(9), Bots::Include);
        assert_eq!((nobody.current_visitors, nobody.pages, nobody.minutes), (0, Vec::new(), vec![0; 30]));
        handle.shutdown().await;

        // Another process knows it all again.
        hands.set(now);
        let handle = world.start_at(config(100), hands.clock());
        caught_up(&handle).await;
        for later in [0, 61, 240, 2_400] {
            let now = now.plus(later * Micros::SECOND);
            hands.set(now);
            assert_live(&handle, &history, now, &format!("{}, started again, {later} s later", zone.name())).await;
        }
        handle.shutdown().await;
    }
}

/// All that a part tells, in an order of its own.
fn sorted(mut part: LivePart) -> LivePart {
    part.cut(usize::MAX);
    part.next_offsets.clear();
    part
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_of_arrival_and_size_of_records_never_matter() {
    let zone = Zone::utc();
    let now = Micros(1_717_243_230_000_000);
    let history = around(now, &zone, 77, 400);
    let mut states: Vec<Vec<LivePart>> = Vec::new();
    for seed in 0..5 {
        let world = World::new(&zone);
        let hands = Hands::at(now);
        let handle = world.start_at(config(50), hands.clock());
        world.append(&history.shuffle(seed).sent, 1 + seed as usize * 7).await;
        caught_up(&handle).await;
        let mut parts = Vec::new();
        for later in [0, 100] {
            let now = now.plus(later * Micros::SECOND);
            hands.set(now);
            assert_live(&handle, &history, now, &format!("shuffled by {seed}, {later} s later")).await;
            parts.extend(MODES.map(|bots| sorted(handle.observer().part(SITE, bots))));
        }
        states.push(parts);
        handle.shutdown().await;
    }
    assert!(states.iter().all(|parts| *parts == states[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_tells_how_far_the_log_is_folded_and_that_it_moved() {
    let zone = Zone::utc();
    let now = Micros(1_717_243_230_000_000);
    let history = around(now, &zone, 5, 60);
    let world = World::new(&zone);
    let hands = Hands::at(now);
    let handle = world.start_at(config(100), hands.clock());
    caught_up(&handle).await;
    let observer = handle.observer();
    let before = observer.moved(SITE);
    world.append(&history.sent, 4).await;
    caught_up(&handle).await;
    assert!(observer.moved(SITE) > before);
    let as_of = observer.realtime(SITE, Bots::Exclude, 1).as_of;
    let stored = pistats_store::Store::read(world.duck.as_ref(), Vec::new()).await.expect("read").as_of;
    assert_eq!(as_of, stored);
    assert!(as_of.next_offsets.iter().map(|next| next.0).sum::<u64>() > 0);
    // What was folded already moves the offsets and nothing else.
    let (moved, part) = (observer.moved(SITE), sorted(observer.part(SITE, Bots::Include)));
    world.append(&history.sent, 4).await;
    caught_up(&handle).await;
    assert_eq!((observer.moved(SITE), sorted(observer.part(SITE, Bots::Include))), (moved, part));
    assert_ne!(observer.realtime(SITE, Bots::Exclude, 1).as_of, as_of);
    handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_burst_ranks_first_within_a_minute() {
    let zone = Zone::named("Europe/Berlin").expect("Berlin");
    let now = Micros(1_717_243_230_000_000);
    // A week in which tea is talked about 20 times a minute, and today as ever.
    let mut steady: Vec<Sent> = Vec::new();
    let shape = History::random(3, &zone, 1, 1).sent.remove(0);
    let mut event = |time: Micros, topic: &str| {
        let number = steady.len() as u128;
        let id = EventId::from_parts(time.0 as u64 / 1_000, number);
        let visitor_id = format!("visitor-{}", number % 50);
        let user_agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0".into();
        steady.push(Sent { id, time, visitor_id, topics: vec![topic.into()], user_agent, ..shape.clone() });
    };
    for day in 1..8 {
        for second in (0..Micros::HOUR / Micros::SECOND).step_by(3) {
            event(Micros(now.0 - now.0 % Micros::HOUR).plus(second * Micros::SECOND - day * Micros::DAY), "tea");
        }
    }
    for second in (0..30 * 60).step_by(3) {
        event(now.plus(-second * Micros::SECOND), "tea");
    }
    let world = World::new(&zone);
    let hands = Hands::at(now);
    let handle = world.start_at(config(10_000), hands.clock());
    world.append(&steady, 500).await;
    caught_up(&handle).await;
    let observer = handle.observer();
    let first = || {
        let state = observer.realtime(SITE, Bots::Exclude, 10);
        state.trending.first().map(|trend| trend.topic.to_string())
    };
    while observer.part(SITE, Bots::Exclude).topics.iter().all(|topic| topic.usual < 7 * 1_200) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_ne!(first().as_deref(), Some("coffee"));

    // Somebody brings coffee: one event a second.
    for second in 1..60 {
        let at = now.plus(second * Micros::SECOND);
        hands.set(at);
        let number = 1_000_000 + second as u128;
        let id = EventId::from_parts(at.0 as u64 / 1_000, number);
        let burst = Sent { id, time: at, topics: vec!["coffee".into()], ..steady[steady.len() - 1].clone() };
        world.append(&[burst], 1).await;
        caught_up(&handle).await;
        if first().as_deref() == Some("coffee") {
            handle.shutdown().await;
            return;
        }
    }
    panic!("coffee did not rank first: {:?}", observer.realtime(SITE, Bots::Exclude, 10).trending);
}
