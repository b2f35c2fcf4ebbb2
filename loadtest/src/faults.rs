//! `faults`: the mesh on real engines, broken in every way that it must survive, while a writer keeps a list of what was
//! acknowledged.
//!
//! ```text
//!   for each case:   a site of its own ─▶ writer ─▶ something breaks, comes back ─▶ writer ends ─▶ all is folded
//!                    acknowledged ids ═ exported ids ═ events in the report, or the case has failed
//! ```
//!
//! Every wait is bounded. Only processes that this one started are ever killed. What a case measures beside the two sets (how long
//! a take-over took, what the processes said) is told with it, and asserted where a bar is set.

mod cases;
mod commands;
mod suites;

use crate::Failure;
use crate::figures::machine;
use crate::mesh::{Between, Mesh};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Flags of `faults`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The program to try
    program: PathBuf,
    /// Only these cases, by name [default: all]
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How long Fluvio is stopped in `outage`, seconds
    #[arg(long, default_value_t = 300)]
    outage_seconds: u64,
    /// How many records of the stream `behind` lets the consumer fall back
    #[arg(long, default_value_t = 200_000)]
    behind_records: u64,
    /// Without Fluvio: Aggregates read the collector's log (ingest://), and cases that break Fluvio are left out
    #[arg(long)]
    without_fluvio: bool,
    /// Leaves out the contract suites (which need cargo and the sources)
    #[arg(long)]
    no_suites: bool,
    /// Folder for everything while it runs [default: that of temporary files]
    #[arg(long)]
    work: Option<PathBuf>,
    /// Keeps the folder and the processes' output when a case failed
    #[arg(long)]
    keep: bool,
    /// Gives up after so many seconds
    #[arg(long, default_value_t = 3_600)]
    max_seconds: u64,
    /// Writes loadtest/baselines/faults.md (run it from the project's root)
    #[arg(long)]
    write: bool,
}

/// What a case came to: lines for a reader, or why it failed.
type Case = Result<Vec<String>, Failure>;

/// Name, and what it must show.
const CASES: [(&str, &str); 12] = [
    ("behind", "a consumer far behind gets every record"),
    ("spu", "kill -9 of the SPU, three times"),
    ("sc", "kill -9 of the SC"),
    ("postgres", "kill -9 of PostgreSQL, three times"),
    ("aggregate", "kill -9 of one of two Aggregates: the other commits its partitions within 15 s"),
    ("ingest", "kill -9 of Ingest, three times"),
    ("metadata", "an emptied file in the SC's metadata: named, nothing is lost, all is there once it is restored"),
    ("went-back", "the SPU comes back with older data: noticed, sent again, folded again"),
    ("stale-owner", "an Aggregate held past its lease commits nothing when it goes on"),
    ("outage", "Fluvio stopped under load: no collect call fails"),
    ("commands", "status, log bounds, log state, log read from four positions and replay"),
    ("suites", "the contract suites and fault tests of log and store on the real servers"),
];

/// What there is no trying without Fluvio.
const OF_FLUVIO: [&str; 7] = ["behind", "spu", "sc", "metadata", "went-back", "outage", "suites"];

pub(crate) async fn run(args: &Args) -> Result<(), Failure> {
    if let Some(unknown) = args.only.iter().find(|name| !CASES.iter().any(|(known, _)| known == name)) {
        let known: Vec<&str> = CASES.iter().map(|(name, _)| *name).collect();
        return Err(format!("no case is named {unknown:?}; there are {}", known.join(", ")));
    }
    let bounded = tokio::time::timeout(Duration::from_secs(args.max_seconds), all(args));
    let (text, failed) = tokio::select! {
        done = bounded => done.map_err(|_| format!("not done after {} s (--max-seconds)", args.max_seconds))??,
        // What was begun is dropped, and with it all processes and their folder.
        _ = tokio::signal::ctrl_c() => return Err("interrupted".to_owned()),
    };
    if args.write {
        let path = Path::new(crate::import::BASELINES).join("faults.md");
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

async fn all(args: &Args) -> Result<(String, Vec<&'static str>), Failure> {
    let work = args.work.clone().unwrap_or_else(std::env::temp_dir);
    let between = if args.without_fluvio { Between::Nothing } else { Between::Fluvio };
    let mut mesh = Mesh::start(&args.program, &work, between).await?;
    let mut text = format!("# faults\n\n`{}`\n\n{}.\n\n", command(args), machine());
    for version in mesh.versions().await? {
        text += &format!("- {version}\n");
    }
    text += "\nFor each case the ids that the writer was answered for, beside the ids that Export gives afterwards.\n";
    print!("{text}");
    let mut failed = Vec::new();
    for (name, shows) in CASES {
        let is_left_out = name == "suites" && args.no_suites || args.without_fluvio && OF_FLUVIO.contains(&name);
        let is_asked = args.only.is_empty() && !is_left_out || args.only.iter().any(|only| only == name);
        if !is_asked {
            continue;
        }
        let begun = Instant::now();
        let outcome = case(name, args, &mut mesh).await;
        let (verdict, lines) = match outcome {
            Ok(lines) => ("held", lines),
            Err(failure) => {
                failed.push(name);
                ("FAILED", failure.lines().map(str::to_owned).collect())
            }
        };
        let mut told = format!("\n## {name}: {shows}\n\n**{verdict}** in {:.0} s.\n\n", begun.elapsed().as_secs_f64());
        for line in lines {
            told += &format!("- {line}\n");
        }
        print!("{told}");
        text += &told;
        if failed.last() == Some(&name) {
            if args.keep {
                let kept = work.join("pistats-mesh-failed");
                crate::mesh::process::copy(mesh.folder(), &kept)?;
                eprintln!("the folder is kept as {}", kept.display());
            }
            mesh.heal().await?;
        }
    }
    Ok((text, failed))
}

async fn case(name: &str, args: &Args, mesh: &mut Mesh) -> Case {
    match name {
        "behind" => cases::behind(mesh, args.behind_records).await,
        "spu" => cases::spu(mesh).await,
        "sc" => cases::sc(mesh).await,
        "postgres" => cases::postgres(mesh).await,
        "aggregate" => cases::aggregate(mesh).await,
        "ingest" => cases::ingest(mesh).await,
        "metadata" => cases::metadata(mesh).await,
        "went-back" => cases::went_back(mesh).await,
        "stale-owner" => cases::stale_owner(mesh).await,
        "outage" => cases::outage(mesh, Duration::from_secs(args.outage_seconds)).await,
        "commands" => commands::run(mesh).await,
        "suites" => suites::run(mesh).await,
        other => Err(format!("no case is named {other:?}")),
    }
}

/// The command for a reader who wants the same.
fn command(args: &Args) -> String {
    let only = if args.only.is_empty() { String::new() } else { format!(" --only {}", args.only.join(",")) };
    if args.without_fluvio {
        return format!("pistats-loadtest faults target/release/pistats --without-fluvio{only}");
    }
    format!(
        "PISTATS_TEST_FLUVIO_RUN=…/fluvio-run pistats-loadtest faults target/release/pistats --outage-seconds {} --behind-records {}{only}",
        args.outage_seconds, args.behind_records
    )
}
