//! The moment, from outside: who is there, what is talked about, whose events count, and all of it again after a restart.

use crate::harness::{Instance, Site};
use pistats_proto::ingest::v1::Event;
use pistats_proto::query::v1::{Bots, LiveRow, RealtimeRequest, RealtimeResponse};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const BOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

fn event(visitor: u64, time_us: i64, topic: &str) -> Event {
    Event {
        visitor_id: format!("visitor-{visitor}"),
        time_us: Some(time_us),
        url: format!("https://shop.example/{topic}"),
        referrer: "https://www.google.com/".to_owned(),
        topics: vec![topic.to_owned()],
        user_agent: BROWSER.to_owned(),
        country: "NO".to_owned(),
        ..Event::default()
    }
}

/// Current visitors, events of the half hour, pages.
type Told = (u64, u64, Vec<(String, u64)>);

async fn realtime(site: &Site, bots: Bots) -> RealtimeResponse {
    site.queries()
        .realtime(RealtimeRequest { bots: bots.into(), limit: 3, ..Default::default() })
        .await
        .unwrap()
        .into_inner()
}

fn first(state: &RealtimeResponse) -> Option<&str> {
    state.trending.first().map(|trend| trend.topic.as_str())
}

fn rows(rows: &[LiveRow]) -> Vec<(&str, u64)> {
    rows.iter().map(|row| (row.value.as_str(), row.visitors)).collect()
}

/// Asks until the state is as wanted.
async fn until(site: &Site, within: Duration, wanted: impl Fn(&RealtimeResponse) -> bool) -> RealtimeResponse {
    let deadline = Instant::now() + within;
    loop {
        let state = realtime(site, Bots::Exclude).await;
        if wanted(&state) {
            return state;
        }
        assert!(Instant::now() < deadline, "{state:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_burst_of_a_topic_ranks_first_within_a_minute() {
    let instance = Instance::start().await;
    let site = instance.site("ours", "UTC").await;
    // Tea is talked about ten times a minute, on all days before at about this hour.
    let begin = now();
    let week = (1..8).flat_map(|day| (0..1_200).map(move |step| begin - day * DAY + (step - 600) * 6_000_000));
    let week: Vec<Event> = week.enumerate().map(|(number, time)| event(number as u64 % 300, time, "tea")).collect();
    site.collect(week.chunks(1_000).map(<[Event]>::to_vec).collect(), 4).await;
    instance.settle().await;
    // As ever: much tea in the last minutes. And a burst of coffee: less, but new.
    let today = (0..150).map(|step| event(step % 40, begin - step as i64 * 6_000_000 * 10 / 50, "tea"));
    site.collect(vec![today.collect()], 1).await;
    site.collect(vec![(0..25).map(|visitor| event(1_000 + visitor, now(), "coffee")).collect()], 1).await;

    let is_known = |state: &RealtimeResponse| {
        first(state) == Some("coffee") && state.trending.iter().all(|trend| trend.topic != "tea" || trend.usual > 5.0)
    };
    let state = until(&site, Duration::from_secs(60), is_known).await;
    assert_eq!((state.trending[0].usual, state.is_cut), (0.0, false));
    assert_eq!(state.current_visitors, 65);
    assert_eq!(rows(&state.top_pages), [("shop.example/tea", 40), ("shop.example/coffee", 25)]);
    assert_eq!(rows(&state.top_sources), [("Google", 65)]);
    assert_eq!(rows(&state.top_countries), [("NO", 65)]);
    assert_eq!((state.minutes.len(), state.minutes.iter().sum::<u64>()), (30, 175));
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_is_told_by_bots_to_its_own_site_and_again_after_a_restart() {
    let instance = Instance::start().await;
    let (ours, theirs) = (instance.site("ours", "UTC").await, instance.site("theirs", "Europe/Berlin").await);
    let time = now();
    let person = event(1, time, "tea");
    let bot = Event { user_agent: BOT.to_owned(), ..event(2, time, "crawling") };
    // One that happened before is late, one to come is not there yet; who is both counts in each mode, once.
    let late = event(3, time - 6 * MINUTE, "tea");
    let both = [event(4, time, "tea"), Event { user_agent: BOT.to_owned(), ..event(4, time, "tea") }];
    ours.collect(vec![vec![person, bot, late], both.to_vec()], 1).await;
    theirs.collect(vec![vec![event(9, time, "milk")]], 1).await;
    instance.settle().await;

    let told = |state: &RealtimeResponse| -> Told {
        let pages = rows(&state.top_pages).into_iter().map(|(page, visitors)| (page.to_owned(), visitors)).collect();
        (state.current_visitors, state.minutes.iter().sum::<u64>(), pages)
    };
    let page = |name: &str, visitors| (format!("shop.example/{name}"), visitors);
    let expected: [(Bots, Told); 3] = [
        (Bots::Exclude, (2, 3, vec![page("tea", 2)])),
        (Bots::Include, (3, 5, vec![page("tea", 2), page("crawling", 1)])),
        (Bots::Only, (2, 2, vec![page("crawling", 1), page("tea", 1)])),
    ];
    for (bots, expected) in &expected {
        assert_eq!(told(&realtime(&ours, *bots).await), *expected, "{bots:?}");
    }
    assert_eq!(told(&realtime(&theirs, Bots::Include).await), (1, 1, vec![page("milk", 1)]));
    let before = realtime(&ours, Bots::Exclude).await.as_of.unwrap();
    assert!(before.next_offsets.iter().sum::<u64>() > 0);

    let instance = instance.restart(|_| {}).await;
    let ours = Site { server: instance.running.url(), ..ours };
    instance.settle().await;
    for (bots, expected) in &expected {
        assert_eq!(told(&realtime(&ours, *bots).await), *expected, "{bots:?}, after the restart");
    }
    assert_eq!(realtime(&ours, Bots::Exclude).await.as_of.unwrap(), before);
    instance.stop().await;
}
