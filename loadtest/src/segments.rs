//! `bench-segments`: segments of three clauses over ten million events, as quickly as they are read and by one statement of SQL,
//! on DuckDB and on PostgreSQL.
//!
//! ```text
//!   generate ─▶ of each engine: serve ─▶ import --wait ─▶ days built ─▶ previews, n times each, both ways ─▶ equal counts, or it fails
//! ```
//!
//! PostgreSQL is a private server, of the programs that `PISTATS_TEST_POSTGRES_BIN` names or the newest that is installed. What is
//! measured is what `Preview` says that reading the members took, in the server. Counts must be equal both ways and on both
//! engines. A time beyond what is promised fails the scenario after its table was printed and written.

use crate::Failure;
use crate::client::{self, Authorized};
use crate::figures::{Figures, mebibytes, thousands};
use crate::import::{self, Sent};
use crate::mesh::postgres::Postgres;
use crate::mesh::process::Ground;
use crate::people::{FIRST_DAY, Waits, built, made};
use crate::program::Workplace;
use pistats_core::{Day, Micros};
use pistats_proto::query::v1::Dimension;
use pistats_proto::segment::v1::segment_service_client::SegmentServiceClient;
use pistats_proto::segment::v1::*;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

/// Flags of `bench-segments`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The program to measure
    program: PathBuf,
    /// Events to make and import
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
    /// Visitors they come from
    #[arg(long, default_value_t = 1_000_000)]
    visitors: u64,
    /// Days they are spread over
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(60..=400))]
    days: u32,
    /// How often each segment is counted
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=1_000))]
    times: u32,
    /// One engine alone
    #[arg(long)]
    engine: Option<Engine>,
    /// Folder for the server's data while it runs, and for made sets [default: loadtest beside the program's folder]
    #[arg(long)]
    work: Option<PathBuf>,
    /// Gives up after so many seconds
    #[arg(long, default_value_t = 3_600)]
    max_seconds: u64,
    /// Puts the figures into loadtest/baselines (run it from the project's root)
    #[arg(long)]
    write: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    Duckdb,
    Postgres,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Engine::Duckdb => "DuckDB",
            Engine::Postgres => "PostgreSQL",
        }
    }
}

/// Days at the end of the made events that windows reach over.
const WINDOW: u32 = 30;
/// What is promised of the median: where bitmaps suffice, and elsewhere (DESIGN section 12).
const FROM_BITMAPS: Duration = Duration::from_millis(50);
const FROM_ROWS: Duration = Duration::from_secs(1);

pub(crate) async fn run(args: &Args) -> Result<(), Failure> {
    let bounded = tokio::time::timeout(Duration::from_secs(args.max_seconds), measure(args));
    let (figures, late) = tokio::select! {
        done = bounded => done.map_err(|_| format!("not done after {} s (--max-seconds)", args.max_seconds))??,
        // What was begun is dropped, and with it the server and its folder.
        _ = tokio::signal::ctrl_c() => return Err("interrupted".to_owned()),
    };
    print!("{}", figures.table());
    if args.write {
        let Args { events, visitors, days, times, .. } = args;
        let command = format!(
            "make bench BENCH=\"bench-segments target/release/pistats --events {events} --visitors {visitors} \
             --days {days} --times {times}\""
        );
        figures.write(Path::new(import::BASELINES), "segments", &command)?;
    }
    if late.is_empty() { Ok(()) } else { Err(format!("slower than promised: {}", late.join("; "))) }
}

/// The figures, and what is slower than promised.
async fn measure(args: &Args) -> Result<(Figures, Vec<String>), Failure> {
    let work = match &args.work {
        Some(work) => work.clone(),
        None => import::beside(&args.program)?,
    };
    let file = made(args.events, args.visitors, args.days, &work)?;
    let (mut figures, mut late, mut counts) = (Figures::default(), Vec::new(), Vec::new());
    figures.add("segments", format!("{} events, {} days", thousands(args.events), args.days));
    for engine in
        [Engine::Duckdb, Engine::Postgres].into_iter().filter(|one| args.engine.is_none_or(|only| only == *one))
    {
        let counted = on(engine, args, &work, &file, &mut figures, &mut late).await?;
        if !counts.is_empty() && counts != counted {
            return Err(format!("the engines count {counts:?} and {counted:?}"));
        }
        counts = counted;
    }
    Ok((figures, late))
}

/// Measures one engine; the members of each segment.
async fn on(
    engine: Engine,
    args: &Args,
    work: &Path,
    file: &Path,
    figures: &mut Figures,
    late: &mut Vec<String>,
) -> Result<Vec<u64>, Failure> {
    // In the order in which they go down: server, its folder, the engine, its folder.
    let ground;
    let mut postgres = None;
    let mut workplace = Workplace::new(&args.program, work)?;
    if engine == Engine::Postgres {
        // Started by root, it runs as somebody who need not be let into the target folder.
        ground = Ground::new(&args.work.clone().unwrap_or_else(std::env::temp_dir))?;
        let server = Postgres::start(&ground).await?;
        workplace = workplace.with("PISTATS_STORE__URL", &server.url());
        postgres = Some(server);
    }
    let name = engine.name();
    let server = workplace.serve().await?;
    if let Some(postgres) = &postgres {
        // Now that the server has chosen: TimescaleDB where its files are installed.
        figures.add("PostgreSQL: version", postgres.version().await?);
    }
    let site = import::create_site(&workplace, &server).await?;
    let key = site.pointer("/keys/read").and_then(serde_json::Value::as_str).ok_or("the new site has no read key")?;
    let begun = Instant::now();
    let sent = Sent::read(&import::import(&workplace, &server, (4, 1_000), file).await?)?;
    if sent.accepted != args.events {
        return Err(format!("{name}: {} events of {} were accepted", sent.accepted, args.events));
    }
    figures.add(format!("{name}: seconds, sent to queryable"), format!("{:.0}", begun.elapsed().as_secs_f64()));
    let built = built(&workplace, &server).await?;
    figures.add(format!("{name}: seconds until all days were built"), format!("{:.0}", begun.elapsed().as_secs_f64()));

    let mut client = SegmentServiceClient::new(client::connect(&server.url, key).await?);
    let mut counts = Vec::new();
    for (segment, root) in segments(args.days)? {
        let quick = count(&mut client, &root, Reader::Unspecified, args.times).await?;
        let by_sql = count(&mut client, &root, Reader::Sql, args.times.div_ceil(2)).await?;
        if quick.count != by_sql.count {
            return Err(format!("{name}, {segment}: {} visitors, and {} by SQL", quick.count, by_sql.count));
        }
        let reader = quick.reader.as_str_name().trim_start_matches("READER_").to_lowercase();
        let promised = if quick.reader == Reader::Bitmaps { FROM_BITMAPS } else { FROM_ROWS };
        if quick.waits.p50() > promised {
            late.push(format!("{name}, {segment}: {} ms", quick.waits.told()));
        }
        let (members, all) = (thousands(quick.count), thousands(quick.visitors));
        figures.add(format!("{name}: {segment}: members, of visitors"), format!("{members}, {all}"));
        figures.add(format!("{name}: from {reader}: first, p50, most (ms)"), quick.waits.told());
        figures.add(format!("{name}: by SQL alone: first, p50, most (ms)"), by_sql.waits.told());
        counts.push(quick.count);
    }
    figures.add(format!("{name}: bitmaps"), thousands(built.bitmaps));
    figures.add(format!("{name}: server's peak memory"), mebibytes(server.peak_bytes()?));
    drop((server, workplace, postgres));
    Ok(counts)
}

struct Counted {
    count: u64,
    visitors: u64,
    reader: Reader,
    waits: Waits,
}

async fn count(
    client: &mut SegmentServiceClient<InterceptedService<Channel, Authorized>>,
    root: &Node,
    reader: Reader,
    times: u32,
) -> Result<Counted, Failure> {
    let (mut found, mut took) = (PreviewResponse::default(), Vec::new());
    for number in 0..times {
        let what = Some(preview_request::What::Root(root.clone()));
        let request = PreviewRequest { what, sample: 0, reader: reader.into() };
        let told = client.preview(request).await.map_err(|status| status.to_string())?.into_inner();
        took.push(Duration::from_micros(told.took_us.unsigned_abs()));
        if number > 0 && told.count != found.count {
            return Err("the same segment had another count".to_owned());
        }
        found = told;
    }
    let first = took.remove(0);
    Ok(Counted { count: found.count, visitors: found.visitors, reader: found.reader(), waits: Waits::new(first, took) })
}

/// The segments, by what they are read from.
fn segments(days: u32) -> Result<[(&'static str, Node); 4], Failure> {
    let first = Day::parse(FIRST_DAY).ok_or("the first day is no day")?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
    let today = Day((since.as_micros() as i64 / Micros::DAY) as i32);
    // Windows end today: they reach back to the last days of the made events.
    let last = |so_many: u32| (today.0 - first.0 + 1).unsigned_abs() - days + so_many;
    let event = |name: &str| is(Dimension::EventName, name);
    let did = |conditions, amount, last_days| {
        leaf(node::Node::Did(Did { conditions, amount: Some(amount), last_days, ..Did::default() }))
    };
    let (least, most) = (did::Amount::AtLeast, did::Amount::AtMost);
    let on_days = leaf(node::Node::Did(Did {
        amount: Some(least(3)),
        distinct_days: true,
        last_days: last(WINDOW),
        ..Did::default()
    }));
    let seen = |end: End, when| leaf(node::Node::Seen(Seen { end: end.into(), when: Some(when) }));
    let bought = did(vec![event("purchase")], least(1), last(WINDOW));
    let bitmaps = vec![bought.clone(), on_days, not(seen(End::First, seen::When::LastDays(last(7))))];
    let counts = vec![
        did(vec![event("purchase")], least(2), 0),
        did(vec![is(Dimension::Country, "DE")], least(1), last(WINDOW)),
        seen(End::Last, seen::When::LongerAgoDays(last(7))),
    ];
    let latest = vec![
        bought.clone(),
        leaf(node::Node::Latest(is(Dimension::Country, "DE"))),
        did(vec![is(Dimension::Path, "/page/1")], most(0), last(WINDOW)),
    ];
    let steps =
        [is(Dimension::Path, "/page/0"), event("purchase")].map(|step| Step { conditions: vec![step] }).to_vec();
    let within_us = Micros::HOUR;
    let sequence = vec![
        leaf(node::Node::Sequence(Sequence { steps, within_us, last_days: last(WINDOW), ..Sequence::default() })),
        did(vec![is(Dimension::Country, "DE")], least(1), last(WINDOW)),
        not(seen(End::First, seen::When::LastDays(last(7)))),
    ];
    Ok([
        ("bought, on three days, not new", all(bitmaps)),
        ("bought twice, in Germany, asleep", all(counts)),
        ("bought, latest in Germany, never on a page", all(latest)),
        ("page then purchase within an hour, in Germany, not new", all(sequence)),
    ])
}

fn leaf(node: node::Node) -> Node {
    Node { node: Some(node) }
}

fn all(nodes: Vec<Node>) -> Node {
    leaf(node::Node::All(NodeList { nodes }))
}

fn not(node: Node) -> Node {
    leaf(node::Node::Not(Box::new(node)))
}

fn is(dimension: Dimension, value: &str) -> Condition {
    let operator = Operator::Is.into();
    Condition { dimension: dimension.into(), operator, values: vec![value.to_owned()], ..Condition::default() }
}
