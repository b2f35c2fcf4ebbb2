//! `bench-segments`: segments of three clauses over ten million events, as quickly as they are read and by one statement of SQL.
//!
//! ```text
//!   generate ─▶ serve ─▶ import --wait ─▶ days built ─▶ previews, n times each, both ways ─▶ equal counts, or it fails
//! ```
//!
//! The server keeps its rows in DuckDB, or where `--store-url` says (an empty PostgreSQL database of its own). What is measured
//! is what `Preview` says that reading and counting took.

use crate::Failure;
use crate::client::{self, Authorized};
use crate::figures::{Figures, mebibytes, thousands};
use crate::import::{self, Sent};
use crate::people::{FIRST_DAY, built, made, waits};
use crate::program::Workplace;
use pistats_core::{Day, Micros};
use pistats_proto::query::v1::Dimension;
use pistats_proto::segment::v1::segment_service_client::SegmentServiceClient;
use pistats_proto::segment::v1::*;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
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
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    times: u32,
    /// Where the server keeps its rows, an empty database [default: DuckDB in its data folder]
    #[arg(long)]
    store_url: Option<String>,
    /// Folder for the server's data while it runs, and for made sets [default: loadtest beside the program's folder]
    #[arg(long)]
    work: Option<PathBuf>,
    /// Gives up after so many seconds
    #[arg(long, default_value_t = 2_400)]
    max_seconds: u64,
    /// Puts the figures into loadtest/baselines (run it from the project's root)
    #[arg(long)]
    write: bool,
}

/// Days at the end of the made events that windows reach over.
const WINDOW: u32 = 30;

pub(crate) async fn run(args: &Args) -> Result<(), Failure> {
    let bounded = tokio::time::timeout(Duration::from_secs(args.max_seconds), measure(args));
    let figures = tokio::select! {
        done = bounded => done.map_err(|_| format!("not done after {} s (--max-seconds)", args.max_seconds))??,
        // What was begun is dropped, and with it the server and its folder.
        _ = tokio::signal::ctrl_c() => return Err("interrupted".to_owned()),
    };
    print!("{}", figures.table());
    if args.write {
        let Args { events, visitors, days, .. } = args;
        let (name, store) = match &args.store_url {
            Some(_) => ("segments-postgres", " --store-url postgres://…"),
            None => ("segments", ""),
        };
        let command = format!(
            "make bench BENCH=\"bench-segments target/release/pistats --events {events} --visitors {visitors} \
             --days {days}{store}\""
        );
        figures.write(Path::new(import::BASELINES), name, &command)?;
    }
    Ok(())
}

async fn measure(args: &Args) -> Result<Figures, Failure> {
    let work = match &args.work {
        Some(work) => work.clone(),
        None => import::beside(&args.program)?,
    };
    let file = made(args.events, args.visitors, args.days, &work)?;
    let mut workplace = Workplace::new(&args.program, &work)?;
    if let Some(url) = &args.store_url {
        workplace = workplace.with("PISTATS_STORE__URL", url);
    }
    let server = workplace.serve().await?;
    let site = import::create_site(&workplace, &server).await?;
    let key = site.pointer("/keys/read").and_then(serde_json::Value::as_str).ok_or("the new site has no read key")?;
    let sent = Sent::read(&import::import(&workplace, &server, (4, 1_000), &file).await?)?;
    let built = built(&workplace, &server).await?;

    let mut client = SegmentServiceClient::new(client::connect(&server.url, key).await?);
    let mut figures = Figures::default();
    figures.add("segments", format!("{} events, {} days", thousands(sent.accepted), args.days));
    for (name, root) in segments(args.days)? {
        let quick = count(&mut client, &root, Reader::Unspecified, args.times).await?;
        let by_sql = count(&mut client, &root, Reader::Sql, args.times.div_ceil(2)).await?;
        if quick.count != by_sql.count {
            return Err(format!("{name}: {} visitors, and {} by SQL", quick.count, by_sql.count));
        }
        let (members, all) = (thousands(quick.count), thousands(quick.visitors));
        figures.add(format!("{name}: members, of visitors"), format!("{members}, {all}"));
        let reader = quick.reader.as_str_name().trim_start_matches("READER_").to_lowercase();
        figures.add(format!("{name}, from {reader}: first, p50, most (ms)"), quick.waits);
        figures.add(format!("{name}, by SQL alone: first, p50, most (ms)"), by_sql.waits);
    }
    figures.add("bitmaps", thousands(built.bitmaps));
    figures.add("server's peak memory", mebibytes(server.peak_bytes()?));
    Ok(figures)
}

struct Counted {
    count: u64,
    visitors: u64,
    reader: Reader,
    waits: String,
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
    Ok(Counted { count: found.count, visitors: found.visitors, reader: found.reader(), waits: waits(first, took) })
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
        leaf(node::Node::Did(Did { conditions, amount: Some(amount), last_days, distinct_days: false }))
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
        leaf(node::Node::Sequence(Sequence { steps, within_us, last_days: last(WINDOW) })),
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
