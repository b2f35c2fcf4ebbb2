//! `bench-watch`: how long a commit takes to reach those who watch reports, and what a stream costs the server.
//!
//! ```text
//!   serve, some events, one stream ─▶ memory ─▶ all others ─▶ memory ─▶ events at a rate ─▶ settle ─▶ every reader's last
//!                                                                 │ readers read         state counts what was sent
//!                                                                 └ some never read ─▶ now they do: the newest state
//!   ─▶ kill -9 ─▶ serve ─▶ exact count            beside it: the same events at the same rate, and nobody watches
//! ```
//!
//! The delay is from `changed_us` (when the first commit became durable that a message shows) to the reader's hand, by one
//! clock, for client and server share the machine. A report is evaluated at most once a second, so under steady load a
//! commit waits half a second on average before anyone looks; that is in the figure.

mod feed;
mod reader;

use crate::Failure;
use crate::figures::{Figures, mebibytes, thousands};
use crate::import::{BASELINES, beside, count, create_site};
use crate::program::{Server, Workplace};
use feed::Feed;
use reader::{Heard, Reader};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Flags of `bench-watch`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The program to measure
    program: PathBuf,
    /// Streams, each of five reports and on a connection of its own
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(2..=1_000))]
    watchers: u16,
    /// Of these, how many never read while events come
    #[arg(long, default_value_t = 20)]
    silent: u16,
    /// Events a second
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    rate: u32,
    /// How long events come
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Folder for the server's data while it runs [default: loadtest beside the program's folder]
    #[arg(long)]
    work: Option<PathBuf>,
    /// Gives up after so many seconds
    #[arg(long, default_value_t = 600)]
    max_seconds: u64,
    /// Puts the figures into loadtest/baselines (run it from the project's root)
    #[arg(long)]
    write: bool,
}

/// Events that are there before anyone watches.
const FIRST_EVENTS: u32 = 20_000;

/// The server's upkeep after events, and what it frees, are not a stream's.
const RESTS: Duration = Duration::from_secs(3);

/// What every reader has to have seen by then, after the last event was acknowledged.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);

pub(crate) async fn run(args: &Args) -> Result<(), Failure> {
    let bounded = tokio::time::timeout(Duration::from_secs(args.max_seconds), measure(args));
    let figures = tokio::select! {
        done = bounded => done.map_err(|_| format!("not done after {} s (--max-seconds)", args.max_seconds))??,
        // What was begun is dropped, and with it the server and its folder.
        _ = tokio::signal::ctrl_c() => return Err("interrupted".to_owned()),
    };
    print!("{}", figures.table());
    if args.write {
        let Args { watchers, silent, rate, seconds, .. } = args;
        let command = format!(
            "make bench BENCH=\"bench-watch target/release/pistats --watchers {watchers} --silent {silent} \
             --rate {rate} --seconds {seconds}\""
        );
        figures.write(Path::new(BASELINES), "watch", &command)?;
    }
    Ok(())
}

async fn measure(args: &Args) -> Result<Figures, Failure> {
    if args.silent >= args.watchers {
        return Err(format!("--silent {}: at least one of {} has to read", args.silent, args.watchers));
    }
    let work = match &args.work {
        Some(work) => work.clone(),
        None => beside(&args.program)?,
    };
    let alone = peak_alone(args, &work).await?;
    let workplace = Workplace::new(&args.program, &work)?;
    let server = workplace.serve().await?;
    let keys = Keys::read(&create_site(&workplace, &server).await?)?;
    let mut feed = Feed::connect(&server.url, &keys.server).await?;
    feed.send_at_once(FIRST_EVENTS).await?;

    // What the first stream costs once (caches, the reports' own states) is not the price of the others.
    let mut readers = open(1, 1, &server, &keys).await?;
    tokio::time::sleep(RESTS).await;
    let before = server.resident_bytes()?;
    let (more, reads) = (args.watchers - 1, args.watchers - args.silent - 1);
    readers.extend(open(more, reads, &server, &keys).await?);
    tokio::time::sleep(RESTS).await;
    let opened = server.resident_bytes()?;

    let (reading, silent) = readers.split_at(usize::from(args.watchers - args.silent));
    let begun = Instant::now();
    feed.send_at(args.rate, Duration::from_secs(args.seconds)).await?;
    let took = begun.elapsed().as_secs_f64();
    let sent = feed.accepted();
    let settles = Instant::now();
    for reader in reading {
        reader.until(sent, SETTLES_WITHIN.saturating_sub(settles.elapsed())).await?;
    }
    let settled = settles.elapsed().as_secs_f64();
    let loaded = server.peak_bytes()?;
    // Whoever did not read gets the newest state, whatever was missed, and nothing that is older.
    let mut late = Vec::new();
    for reader in silent {
        reader.begin();
        reader.until(sent, SETTLES_WITHIN).await?;
        late.push(reader.heard().messages());
    }
    let mut heard = Heard::default();
    reading.iter().for_each(|reader| heard.add(reader.heard()));
    drop(readers);

    server.kill().await?;
    let server = workplace.serve().await?;
    let counted = count(&workplace, &server).await?;
    if counted != sent {
        return Err(format!("{sent} events were acknowledged, {counted} are there after kill -9"));
    }
    Ok(figures(args, &Measured { sent, took, settled, before, opened, loaded, alone, late, counted }, heard))
}

/// The server's peak when the same events come and nobody watches.
async fn peak_alone(args: &Args, work: &Path) -> Result<u64, Failure> {
    let workplace = Workplace::new(&args.program, work)?;
    let server = workplace.serve().await?;
    let keys = Keys::read(&create_site(&workplace, &server).await?)?;
    let mut feed = Feed::connect(&server.url, &keys.server).await?;
    feed.send_at_once(FIRST_EVENTS).await?;
    feed.send_at(args.rate, Duration::from_secs(args.seconds)).await?;
    server.peak_bytes()
}

/// Opens streams; the first of them read, and are waited for until they have their first states.
async fn open(streams: u16, reads: u16, server: &Server, keys: &Keys) -> Result<Vec<Reader>, Failure> {
    let mut readers = Vec::new();
    for _ in 0..streams {
        readers.push(Reader::open(&server.url, &keys.read).await?);
    }
    for reader in &readers[..usize::from(reads)] {
        reader.begin();
    }
    for reader in &readers[..usize::from(reads)] {
        reader.until(u64::from(FIRST_EVENTS), SETTLES_WITHIN).await?;
    }
    Ok(readers)
}

struct Measured {
    sent: u64,
    took: f64,
    settled: f64,
    before: u64,
    opened: u64,
    loaded: u64,
    alone: u64,
    /// Messages that each silent stream was sent in all.
    late: Vec<u64>,
    counted: u64,
}

fn figures(args: &Args, measured: &Measured, mut heard: Heard) -> Figures {
    let Measured { sent, took, settled, before, opened, loaded, alone, late, counted } = measured;
    let streams = u64::from(args.watchers);
    let mut figures = Figures::default();
    figures.add("watch", format!("{streams} streams of 5 reports, {} of them silent", args.silent));
    figures.add("events", thousands(*sent));
    let came = (sent - u64::from(FIRST_EVENTS)) as f64 / took;
    figures.add(
        "events/s while watched (wanted)",
        format!("{} ({})", thousands(came as u64), thousands(args.rate.into())),
    );
    figures.add("messages to those who read", thousands(heard.messages()));
    figures.add("of these deltas", thousands(heard.deltas));
    figures.add("commit to delta, p50, p99, most (ms)", heard.delays.told());
    let read = f64::from(args.watchers - args.silent);
    figures.add(
        "Realtime's messages a second, a stream",
        format!("{:.1}", heard.live_delays.count() as f64 / took / read),
    );
    figures.add("Realtime, evaluated to read, p50, p99, most (ms)", heard.live_delays.told());
    figures.add("seconds from the last acknowledgement until all who read knew all", format!("{settled:.2}"));
    figures.add("messages to a silent stream in all, most", thousands(late.iter().copied().max().unwrap_or(0)));
    figures.add("memory with one stream open", mebibytes(*before));
    figures.add("memory with all streams open", mebibytes(*opened));
    figures.add("bytes a stream, open", thousands(opened.saturating_sub(*before) / (streams - 1)));
    figures.add("peak memory while watched", mebibytes(*loaded));
    figures.add("peak memory, the same events, nobody watching", mebibytes(*alone));
    figures.add("events counted after kill -9", thousands(*counted));
    figures
}

/// Keys of the site.
struct Keys {
    read: String,
    server: String,
}

impl Keys {
    fn read(site: &Value) -> Result<Keys, Failure> {
        let key = |scope: &str| {
            let found = site.pointer(&format!("/keys/{scope}")).and_then(Value::as_str);
            found.map(str::to_owned).ok_or_else(|| format!("the new site has no {scope} key: {site}"))
        };
        Ok(Keys { read: key("read")?, server: key("server")? })
    }
}
