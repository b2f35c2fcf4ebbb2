//! What reports cost over a large warehouse in a file.
//!
//! `cargo bench --profile release -p pistats-query --bench reports [-- NAME] [-- --explain NAME]`
//!
//! `PISTATS_BENCH_EVENTS` events (3,000,000 unless told) over `PISTATS_BENCH_DAYS` days (90), three a visit, folded in commits of 50,000, rollups
//! fresh but for the last hours. `PISTATS_BENCH_FILE` names a file to keep and to use again; otherwise it is made anew and
//! deleted. Prints the processor's time a read, and the best and the median of nine reads: on a busy machine only
//! the first tells what the plan costs.

// A benchmark is what a clock is for; the crate itself has none.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use pistats_core::directory::Site;
use pistats_core::report::{Bots, Breakdown, Compare, Dimension, Filter, Metric, Operator, Selection, Traffic};
use pistats_core::time::{Interval, Range};
use pistats_core::{Day, EventId, Micros, Offset, PartitionId, Session, SiteId, VisitorKey, VisitorNo, Zone};
use pistats_query::lists::{self, BitmapCache, Sheets};
use pistats_query::{Tenant, plan};
use pistats_store::{
    Cell, Commit, DuckConfig, DuckStore, Engine, EventRow, Progress, Refresh, SessionVersion, Sign, Statement, Store,
    VisitorVersion,
};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

const SITE: SiteId = SiteId(1);
const FIRST_DAY: &str = "2024-01-01";
const COMMIT_EVENTS: usize = 50_000;
const ROUNDS: usize = 9;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let explain = arguments.iter().any(|argument| argument == "--explain");
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let events = std::env::var("PISTATS_BENCH_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(3_000_000);

    let folder = tempfile::tempdir().unwrap();
    let file = std::env::var_os("PISTATS_BENCH_FILE").map_or(folder.path().join("reports.duckdb"), PathBuf::from);
    let is_new = !file.exists();
    let store = DuckStore::open(DuckConfig::file(&file)).unwrap();
    let zone = Zone::named("Europe/Berlin").unwrap();
    if is_new {
        let started = Instant::now();
        fill(&store, &zone, events).await;
        println!("{events} events folded in {:.1} s", started.elapsed().as_secs_f64());
    }

    let tenant = Tenant::of(&Site::new(SITE, "bench", zone.clone(), Micros(0)), Engine::DuckDb);
    for (name, statements) in reports(&tenant) {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        if explain {
            print_plans(&store, name, &statements).await;
            continue;
        }
        let mut took = Vec::new();
        let worked = cpu_ms();
        for _ in 0..ROUNDS {
            let statements = statements.clone();
            let started = Instant::now();
            let answer = store.read(statements).await.unwrap();
            took.push(started.elapsed().as_secs_f64() * 1e3);
            assert!(!answer.results[0].rows.is_empty());
        }
        took.sort_by(f64::total_cmp);
        let worked = (cpu_ms() - worked) / ROUNDS as f64;
        println!("{name:<44} {worked:>6.0} CPU ms; best {:>7.1} ms, median {:>7.1} ms", took[0], took[ROUNDS / 2]);
    }
    if explain {
        return;
    }
    // All days have sheets; then the last one is dirty again, as today is.
    let started = Instant::now();
    let worked = cpu_ms();
    let built = store.refresh(Refresh::EVERYTHING).await.unwrap().days;
    println!("{built} sheets built in {:.1} s, {:.0} CPU ms", started.elapsed().as_secs_f64(), cpu_ms() - worked);
    for state in ["clean", "today dirty"] {
        if state != "clean" {
            let mark = "INSERT INTO sheet_dirty SELECT site, max(day), 0 FROM sheet GROUP BY site";
            store.commit_with(Commit::default(), move |conn| conn.execute_batch(mark)).await.unwrap();
        }
        for (name, question, compare) in lists() {
            let name = format!("{name}, {state}");
            if !wanted.is_empty() && !wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
                continue;
            }
            // As a cold one: nothing is kept.
            let cache = BitmapCache::of_bytes(0);
            let mut took = Vec::new();
            let worked = cpu_ms();
            for _ in 0..ROUNDS {
                let started = Instant::now();
                let list =
                    lists::breakdown(&store, &cache, &tenant, &question, compare, Sheets::WhereCheaper).await.unwrap();
                took.push(started.elapsed().as_secs_f64() * 1e3);
                assert_eq!(list.0.rows.len(), 10);
            }
            took.sort_by(f64::total_cmp);
            let worked = (cpu_ms() - worked) / ROUNDS as f64;
            println!("{name:<44} {worked:>6.0} CPU ms; best {:>7.1} ms, median {:>7.1} ms", took[0], took[ROUNDS / 2]);
        }
    }
}

/// Breakdowns that sheets answer.
fn lists() -> Vec<(&'static str, Breakdown, Option<Compare>)> {
    let first = Day::parse(FIRST_DAY).unwrap();
    let list = |count: i64, dimension, order_by| {
        let range = Range::Days { first: first.plus((days() - count) as i32), last: first.plus(days() as i32 - 1) };
        let selection = Selection { range, filters: vec![], bots: Bots::Exclude };
        Breakdown { selection, dimension, order_by, limit: 10, offset: 0 }
    };
    let before = Some(Compare::PreviousPeriod);
    vec![
        ("list: pages by visitors, 30 days", list(30, Dimension::Page, Metric::Visitors), None),
        ("list: pages by visitors, 30 days, compared", list(30, Dimension::Page, Metric::Visitors), before),
        ("list: pages by visitors, all days", list(days(), Dimension::Page, Metric::Visitors), None),
        ("list: pages by page views, all days", list(days(), Dimension::Page, Metric::PageViews), None),
        ("list: countries by visitors, all days", list(days(), Dimension::Country, Metric::Visitors), None),
    ]
}

/// How many days the events lie on.
fn days() -> i64 {
    std::env::var("PISTATS_BENCH_DAYS").ok().and_then(|n| n.parse().ok()).unwrap_or(90)
}

/// What all threads of this process have worked so far. Linux counts it in hundredths of a second: `/proc/self/stat`,
/// fields 14 and 15.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 10.0
}

async fn print_plans(store: &DuckStore, name: &str, statements: &[Statement]) {
    for statement in statements {
        println!("--- {name}\n{}\n{:?}", statement.sql, statement.values);
        let sql = format!("EXPLAIN ANALYZE {}", statement.sql);
        let plan = store.read(vec![Statement::new(sql, statement.values.clone())]).await.unwrap();
        for cell in plan.results[0].rows.iter().flatten() {
            if let Cell::Text(text) = cell {
                println!("{text}");
            }
        }
    }
}

fn reports(tenant: &Tenant) -> Vec<(&'static str, Vec<Statement>)> {
    let first = Day::parse(FIRST_DAY).unwrap();
    let last_30 = Range::Days { first: first.plus(days() as i32 - 30), last: first.plus(days() as i32 - 1) };
    let all = Range::Days { first, last: first.plus(days() as i32 - 1) };
    let is = |dimension, value: &str| Filter { dimension, operator: Operator::Is, values: vec![value.to_owned()] };
    let selection = |range, filters: &[Filter]| Selection { range, filters: filters.to_vec(), bots: Bots::Exclude };
    let traffic = |range, filters: &[Filter], interval, compare| {
        let question = Traffic { selection: selection(range, filters), interval };
        // Without the visitors of days: those come from day sets.
        plan::traffic(tenant, &question, compare).unwrap().statements
    };
    let list = |range, filters: &[Filter], dimension, compare| {
        let (order_by, limit, offset) = (Metric::Visitors, 10, 0);
        let question = Breakdown { selection: selection(range, filters), dimension, order_by, limit, offset };
        plan::breakdown(tenant, &question, compare).statements
    };
    let german = [is(Dimension::Country, "C3")];
    let several = [is(Dimension::Country, "C3"), is(Dimension::Page, "shop.example/page/7")];
    let entered = [is(Dimension::EntryPage, "shop.example/page/7")];
    let before = Some(Compare::PreviousPeriod);
    vec![
        ("traffic, 30 days, total", traffic(last_30, &[], None, None)),
        ("traffic, 30 days by day", traffic(last_30, &[], Some(Interval::Day), None)),
        ("traffic, 30 days by day, compared", traffic(last_30, &[], Some(Interval::Day), before)),
        ("traffic, 30 days by hour", traffic(last_30, &[], Some(Interval::Hour), None)),
        ("traffic, all days by day", traffic(all, &[], Some(Interval::Day), None)),
        ("traffic, 30 days by day, country", traffic(last_30, &german, Some(Interval::Day), None)),
        ("traffic, 30 days by day, country and page", traffic(last_30, &several, Some(Interval::Day), None)),
        ("traffic, 30 days by day, entry page", traffic(last_30, &entered, Some(Interval::Day), None)),
        ("top pages, 30 days", list(last_30, &[], Dimension::Page, None)),
        ("top pages, 30 days, compared", list(last_30, &[], Dimension::Page, before)),
        ("top pages, 30 days, country", list(last_30, &german, Dimension::Page, None)),
        ("top pages, all days", list(all, &[], Dimension::Page, None)),
        ("top entry pages, 30 days", list(last_30, &[], Dimension::EntryPage, None)),
        ("top entry pages, 30 days, country", list(last_30, &german, Dimension::EntryPage, None)),
        ("top countries, 30 days", list(last_30, &[], Dimension::Country, None)),
        ("top topics, 30 days", list(last_30, &[], Dimension::Topic, None)),
        ("export, 30 days, first 20,000", plan::export(tenant, &selection(last_30, &[]), None, 20_000).statements),
    ]
}

/// Numbers that look random and are the same every time (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Small numbers more often than great ones.
    fn skewed(&mut self, bound: u64) -> u64 {
        let bound = self.below(bound) + 1;
        self.below(bound)
    }
}

/// Visits one after the other, one to six events each; a visitor returns after hours at the earliest.
async fn fill(store: &DuckStore, zone: &Zone, events: usize) {
    let mut dice = Dice(1);
    let start = zone.start_of(Day::parse(FIRST_DAY).unwrap());
    let (visits, visitors) = (events as u64 * 2 / 7, (events as u64 / 12).max(1));
    let mut known = HashSet::new();
    let (mut commit, mut record, mut left) = (Commit::default(), 0, events);
    for visit in 0..visits.max(1) * 2 {
        if left == 0 {
            break;
        }
        let begin = start.plus(days() * Micros::DAY / visits.max(1) as i64 * visit as i64 % (days() * Micros::DAY));
        // Neighbouring visits are of different visitors: a visitor's turn comes again after a quarter of them.
        let visitor = (visit * 4 + dice.below(4)) % visitors;
        let count = (dice.below(6) + 1).min(left as u64);
        left -= count as usize;
        add_visit(&mut dice, zone, &mut commit, &mut known, visitor, begin, count);
        if commit.events.len() >= COMMIT_EVENTS || left == 0 {
            let step = |partition| Progress { partition, from: Offset(record), to: Offset(record + 1) };
            commit.progress = PartitionId::all().map(step).collect();
            record += 1;
            if left == 0 {
                // All but the last commit's hours.
                while store.refresh(Refresh::hours(10_000)).await.unwrap().hours_left > 0 {}
            }
            store.commit(std::mem::take(&mut commit)).await.unwrap();
        }
    }
    store.checkpoint_file().await.unwrap();
}

fn add_visit(
    dice: &mut Dice,
    zone: &Zone,
    commit: &mut Commit,
    known: &mut HashSet<u64>,
    visitor: u64,
    begin: Micros,
    count: u64,
) {
    let partition = PartitionId((visitor % 8) as u16);
    let no = VisitorNo::new(partition, visitor / 8);
    let bot = visitor.is_multiple_of(23);
    let (country, browser) = (format!("C{}", visitor % 40), format!("B{}", visitor % 9));
    let source = format!("source{}.example", dice.skewed(200));
    let mut runs: Vec<Session<Arc<str>>> = Vec::new();
    let mut time = begin;
    for _ in 0..count {
        let path = format!("/page/{}", dice.skewed(3_000));
        let url = format!("https://shop.example{path}?session={}", dice.below(1_000));
        let topic = format!("topic {}", dice.skewed(60));
        let id = EventId::from_parts((time.0 / 1_000) as u64, u128::from(dice.below(u64::MAX)));
        commit.events.push(&EventRow {
            site: SITE,
            visitor: no,
            id,
            time,
            day: zone.day_of(time),
            partition,
            offset: Offset(0),
            received: time.plus(1),
            client_time: None,
            name: if dice.below(8) == 0 { "signup" } else { "page_view" },
            url: &url,
            host: "shop.example",
            path: &path,
            referrer: "",
            source: &source,
            channel: "referral",
            utm_source: "",
            utm_medium: "",
            utm_campaign: "",
            utm_term: "",
            utm_content: "",
            title: &path,
            country: &country,
            language: "en",
            device: "desktop",
            screen: "1920x1080",
            browser: &browser,
            os: "Linux",
            user_id: "",
            bot,
            value: (dice.below(20) == 0).then(|| dice.below(100) as i64 * 10_000),
            topics: &[&topic],
            properties: &[("plan", "free")],
        });
        let page: Arc<str> = format!("shop.example{path}").into();
        pistats_core::session::insert(&mut runs, Session::of_event((time, id), page, true, bot));
        time = time.plus((5 + dice.below(240) as i64) * Micros::SECOND);
    }
    let version = |session: Session<Arc<str>>| SessionVersion {
        site: SITE,
        visitor: no,
        day: session.day(zone),
        session,
        sign: Sign::Add,
    };
    commit.sessions.extend(runs.into_iter().map(version));
    if known.insert(visitor) {
        let key = VisitorKey::derive(&[7; 32], SITE, &visitor.to_be_bytes());
        let (first_seen, first_day) = (begin, zone.day_of(begin));
        commit.visitors.push(VisitorVersion { site: SITE, visitor: no, key, first_seen, first_day, sign: Sign::Add });
    }
}
