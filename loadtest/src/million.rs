//! `bench-million`: a million events, sent to queryable, in one process on its embedded engines and on the mesh: Fluvio,
//! TimescaleDB, roles apart. Side by side, the same file.
//!
//! ```text
//!   import ─▶ acknowledged ─▶ every partition folded ─▶ the report counts all of them      sent to queryable
//!          ─▶ kill -9 of everything ─▶ started again ─▶ the report counts exactly as many, or there is no figure
//! ```
//!
//! Importer, services, engines and the question share the machine's cores. Processor time is told for each of them, so that it
//! shows where it goes.

use crate::Failure;
use crate::figures::{Figures, thousands};
use crate::import::{self, Sent, beside};
use crate::mesh::process::{Process, cpu_of_family};
use crate::mesh::{Between, Mesh, Site};
use crate::program::Workplace;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Flags of `bench-million`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The program to measure
    program: PathBuf,
    /// Events to make and import
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Visitors they come from
    #[arg(long, default_value_t = 100_000)]
    visitors: u64,
    /// Days they are spread over
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// Connections of the importer
    #[arg(long, default_value_t = 4)]
    connections: u16,
    /// Events a call
    #[arg(long, default_value_t = 1_000)]
    batch: u32,
    /// Leaves out the run in one process
    #[arg(long)]
    mesh_only: bool,
    /// Folder for everything while it runs [default: that of temporary files]
    #[arg(long)]
    work: Option<PathBuf>,
    /// Gives up after so many seconds
    #[arg(long, default_value_t = 900)]
    max_seconds: u64,
    /// Puts the figures into loadtest/baselines (run it from the project's root)
    #[arg(long)]
    write: bool,
}

/// Not queryable by then, the rest is lost.
const PATIENCE: Duration = Duration::from_secs(300);

/// One way of running, measured.
struct Measured {
    accepted: u64,
    acknowledged: f64,
    queryable: f64,
    counted_again: u64,
    back: f64,
}

pub(crate) async fn run(args: &Args) -> Result<(), Failure> {
    let bounded = tokio::time::timeout(Duration::from_secs(args.max_seconds), measure(args));
    let figures = tokio::select! {
        done = bounded => done.map_err(|_| format!("not done after {} s (--max-seconds)", args.max_seconds))??,
        // What was begun is dropped, and with it every process and folder.
        _ = tokio::signal::ctrl_c() => return Err("interrupted".to_owned()),
    };
    print!("{}", figures.table());
    if args.write {
        let command = format!(
            "PISTATS_TEST_FLUVIO_RUN=…/fluvio-run make bench BENCH=\"bench-million target/release/pistats --events {} --visitors {} --days {} --connections {} --batch {}\"",
            args.events, args.visitors, args.days, args.connections, args.batch
        );
        figures.write(Path::new(import::BASELINES), "million", &command)?;
    }
    Ok(())
}

async fn measure(args: &Args) -> Result<Figures, Failure> {
    let work = args.work.clone().unwrap_or_else(std::env::temp_dir);
    let file = made(args)?;
    let mut figures = Figures::default();
    figures.add(
        "a million, sent to queryable",
        format!("{} events, {} visitors, {} days", thousands(args.events), thousands(args.visitors), args.days),
    );
    let embedded = if args.mesh_only { None } else { Some(embedded(args, &work, &file).await?) };
    if let Some(embedded) = &embedded {
        add(
            &mut figures,
            [
                "one process: seconds until acknowledged",
                "one process: seconds until queryable",
                "one process: events/s until queryable",
                "one process: healthy and all folded again after kill -9, seconds",
                "one process: counted after kill -9",
            ],
            embedded,
        );
    }
    let apart = apart(args, &work, &file, &mut figures).await?;
    add(
        &mut figures,
        [
            "mesh: seconds until acknowledged",
            "mesh: seconds until queryable",
            "mesh: events/s until queryable",
            "mesh: healthy and all folded again after kill -9 of everything, seconds",
            "mesh: counted after kill -9 of everything",
        ],
        &apart,
    );
    if let Some(embedded) = &embedded {
        figures
            .add("mesh to one process, time until queryable", format!("{:.2}", apart.queryable / embedded.queryable));
    }
    Ok(figures)
}

fn add(figures: &mut Figures, names: [&'static str; 5], measured: &Measured) {
    let [acknowledged, queryable, rate, back, counted] = names;
    figures.add(acknowledged, format!("{:.1}", measured.acknowledged));
    figures.add(queryable, format!("{:.1}", measured.queryable));
    figures.add(rate, thousands((measured.accepted as f64 / measured.queryable.max(0.001)) as u64));
    figures.add(back, format!("{:.1}", measured.back));
    figures.add(counted, thousands(measured.counted_again));
}

/// The file, made once for these flags.
fn made(args: &Args) -> Result<PathBuf, Failure> {
    let folder = beside(&args.program)?;
    let path = folder.join(format!("million-{}-{}-{}.ndjson", args.events, args.visitors, args.days));
    if !path.exists() {
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        // Under another name until it is whole.
        let new = path.with_extension("new");
        crate::generate::run(&crate::generate::Args::of(
            args.events,
            args.visitors,
            args.days,
            "2024-01-01",
            new.clone(),
        )?)?;
        std::fs::rename(&new, &path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))
}

fn exact(acknowledged: u64, counted: u64, when: &str) -> Result<(), Failure> {
    if acknowledged == counted {
        Ok(())
    } else {
        Err(format!("{acknowledged} events were acknowledged, {counted} are counted {when}"))
    }
}

async fn embedded(args: &Args, work: &Path, file: &Path) -> Result<Measured, Failure> {
    let workplace = Workplace::new(&args.program, work)?;
    let server = workplace.serve().await?;
    import::create_site(&workplace, &server).await?;
    let begun = Instant::now();
    let report = import::import(&workplace, &server, (args.connections, args.batch), file).await?;
    let sent = Sent::read(&report)?;
    let counted = import::count(&workplace, &server).await?;
    let queryable = begun.elapsed().as_secs_f64();
    exact(sent.accepted, counted, "before the kill")?;
    server.kill().await?;
    let begun = Instant::now();
    let server = workplace.serve().await?;
    let counted_again = import::count(&workplace, &server).await?;
    let back = begun.elapsed().as_secs_f64();
    exact(sent.accepted, counted_again, "after kill -9")?;
    Ok(Measured { accepted: sent.accepted, acknowledged: sent.seconds(), queryable, counted_again, back })
}

async fn apart(args: &Args, work: &Path, file: &Path, figures: &mut Figures) -> Result<Measured, Failure> {
    let mut mesh = Mesh::start(&args.program, work, Between::Fluvio).await?;
    for version in mesh.versions().await? {
        figures.add("with", version);
    }
    let site = mesh.site("million").await?;
    // Ingest reads sites and keys of its own accord, every two seconds.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let before = cpu(&mesh);
    let begun = Instant::now();
    let report = sent(args, &mesh, &site, file).await?;
    let sent = Sent::read(&report)?;
    mesh.settle(PATIENCE).await?;
    let counted = mesh.count(&site).await?;
    let queryable = begun.elapsed().as_secs_f64();
    let after = cpu(&mesh);
    exact(sent.accepted, counted, "before the kill")?;
    for ((name, before), (_, after)) in before.into_iter().zip(after) {
        figures.add(name, format!("{:.1}", after - before));
    }

    mesh.kill_everything();
    let begun = Instant::now();
    mesh.heal().await?;
    mesh.settle(PATIENCE).await?;
    let counted_again = mesh.count(&site).await?;
    let back = begun.elapsed().as_secs_f64();
    exact(sent.accepted, counted_again, "after kill -9 of everything")?;
    Ok(Measured { accepted: sent.accepted, acknowledged: sent.seconds(), queryable, counted_again, back })
}

async fn sent(args: &Args, mesh: &Mesh, site: &Site, file: &Path) -> Result<serde_json::Value, Failure> {
    let mut command = tokio::process::Command::new(&args.program);
    command.args(["import", "--server", &mesh.ingest.url(), "--key", &site.server_key, "--json"]);
    command.args(["--connections", &args.connections.to_string(), "--batch", &args.batch.to_string()]);
    let done =
        command.arg(file).kill_on_drop(true).output().await.map_err(|error| format!("pistats import: {error}"))?;
    if !done.status.success() {
        return Err(format!("pistats import: {}\n{}", done.status, String::from_utf8_lossy(&done.stderr).trim()));
    }
    serde_json::from_slice(&done.stdout).map_err(|error| format!("pistats import: no JSON: {error}"))
}

/// Processor seconds of each process so far.
fn cpu(mesh: &Mesh) -> [(&'static str, f64); 5] {
    let aggregates = mesh.aggregates.iter().map(|aggregate| aggregate.process().cpu_seconds()).sum();
    [
        ("mesh: processor seconds of Ingest", mesh.ingest.process().cpu_seconds()),
        ("mesh: of both Aggregates", aggregates),
        ("mesh: of Query", mesh.front.process().cpu_seconds()),
        ("mesh: of Fluvio's SPU", mesh.spu().map_or(0.0, Process::cpu_seconds)),
        ("mesh: of PostgreSQL", mesh.postgres.process().pid().map(cpu_of_family).unwrap_or_default()),
    ]
}
