//! Load scenarios and benchmarks: a black box that sees only the contract and the programs.
//!
//! ```text
//!   generate   made-up events            program   a private server and its commands, gone afterwards
//!   import     sent → queryable → killed → counted        figures   the table, the baselines
//!   ingest     batches to any collector: events a second, waits, CPU
//!   watch      streams of reports while events come: commit → delta, bytes a stream
//!   million    a million events, in one process and on the mesh
//!   faults     what must survive on Fluvio and TimescaleDB, tried        mesh     all of it, as children of this process
//!   people     uniques, retention and top pages of ten million events, beside the same by SQL
//!   segments   who is in segments of three clauses over ten million events, from bitmaps and by SQL
//! ```
//!
//! A scenario is a module with `Args` (its flags) and `async fn run(Args)`: adding one takes a `mod`, a line in [`Scenario`]
//! and an arm in [`run`]. What each one measures stands in `loadtest/README.md`.

mod client;
mod faults;
mod figures;
mod generate;
mod import;
mod ingest;
mod mesh;
mod million;
mod people;
mod program;
mod segments;
mod watch;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// What a person reads when a scenario could not be run, or did not hold.
type Failure = String;

/// As the server's: what the client costs should not differ by its allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Load scenarios and benchmarks of piStats.
#[derive(Debug, Parser)]
#[command(name = "pistats-loadtest", version)]
struct Cli {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Writes made-up events as NDJSON, equal for equal flags
    Generate(generate::Args),
    /// Imports a file into a server of its own, kills it and counts
    BenchImport(import::Args),
    /// Imports made-up events and asks for uniques, retention and top pages, from bitmaps and by SQL
    BenchPeople(people::Args),
    /// Imports made-up events and counts segments of three clauses, as quickly as it goes and by SQL
    BenchSegments(segments::Args),
    /// Lets many watch reports while events come, and tells how late they hear of it and what they cost
    BenchWatch(watch::Args),
    /// Sends a million events to queryable in one process and on the mesh, side by side
    BenchMillion(million::Args),
    /// Breaks the mesh on real engines under load, in every way that it must survive
    Faults(faults::Args),
    /// Sends batches to a collector and tells events a second, waits and the server's CPU time
    Ingest(ingest::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().scenario).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("pistats-loadtest: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(scenario: Scenario) -> Result<(), Failure> {
    match scenario {
        Scenario::Generate(args) => generate::run(&args),
        Scenario::BenchImport(args) => import::run(&args).await,
        Scenario::BenchPeople(args) => people::run(&args).await,
        Scenario::BenchSegments(args) => segments::run(&args).await,
        Scenario::BenchWatch(args) => watch::run(&args).await,
        Scenario::BenchMillion(args) => million::run(&args).await,
        Scenario::Faults(args) => faults::run(&args).await,
        Scenario::Ingest(args) => ingest::run(&args).await,
    }
}
