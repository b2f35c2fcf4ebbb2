//! `bench-import`: a file of events through a server of its own, and whether they are all there after a kill.
//!
//! ```text
//!   serve ─▶ site create ─▶ import --wait ─▶ memory, disk ─▶ kill -9 ─▶ serve ─▶ query traffic: exactly as many
//! ```
//!
//! A figure without that count is none, so the scenario fails when it differs, and writes nothing. The client takes part in
//! the machine: it reads, hashes and parses the file on the same cores.

use crate::Failure;
use crate::figures::{Figures, mebibytes, thousands};
use crate::program::{Server, Workplace};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Flags of `bench-import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The program to measure
    program: PathBuf,
    /// Events to import, NDJSON or a combined log, also gzipped [default: the msnbc set, made once from ../shared/data]
    #[arg(long)]
    file: Option<PathBuf>,
    /// Connections of the importer
    #[arg(long, default_value_t = 4)]
    connections: u16,
    /// Events a call
    #[arg(long, default_value_t = 1_000)]
    batch: u32,
    /// Folder for the server's data while it runs, and for made sets [default: loadtest beside the program's folder]
    #[arg(long)]
    work: Option<PathBuf>,
    /// Gives up after so many seconds
    #[arg(long, default_value_t = 900)]
    max_seconds: u64,
    /// Puts the figures into loadtest/baselines (run it from the project's root)
    #[arg(long)]
    write: bool,
}

pub(crate) const BASELINES: &str = "loadtest/baselines";
const SETS: &str = "../shared/data/to_events.py";

pub(crate) async fn run(args: &Args) -> Result<(), Failure> {
    let bounded = tokio::time::timeout(Duration::from_secs(args.max_seconds), measure(args));
    let (name, figures) = tokio::select! {
        done = bounded => done.map_err(|_| format!("not done after {} s (--max-seconds)", args.max_seconds))??,
        // What was begun is dropped, and with it the server and its folder.
        _ = tokio::signal::ctrl_c() => return Err("interrupted".to_owned()),
    };
    print!("{}", figures.table());
    if args.write {
        let command = format!("make bench BENCH=\"bench-import target/release/pistats{}\"", flags(args));
        figures.write(Path::new(BASELINES), &format!("import-{name}"), &command)?;
    }
    Ok(())
}

/// What differs from the defaults, for a reader who wants the same.
fn flags(args: &Args) -> String {
    let file = args.file.as_ref().map(|path| format!(" --file {}", path.display())).unwrap_or_default();
    format!("{file} --connections {} --batch {}", args.connections, args.batch)
}

async fn measure(args: &Args) -> Result<(String, Figures), Failure> {
    let work = match &args.work {
        Some(work) => work.clone(),
        None => beside(&args.program)?,
    };
    let file = match &args.file {
        Some(file) => file.clone(),
        None => msnbc(&work).await?,
    };
    let file = file.canonicalize().map_err(|error| format!("{}: {error}", file.display()))?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.split('.').next().unwrap_or_default().to_owned();

    let workplace = Workplace::new(&args.program, &work)?;
    let server = workplace.serve().await?;
    create_site(&workplace, &server).await?;
    let begun = Instant::now();
    let report = import(&workplace, &server, (args.connections, args.batch), &file).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let sent = Sent::read(&report)?;
    let peak = server.peak_bytes()?;
    let disk = Disk::read(&workplace.data())?;

    server.kill().await?;
    let begun = Instant::now();
    let server = workplace.serve().await?;
    let back = begun.elapsed().as_secs_f64();
    let counted = count(&workplace, &server).await?;
    if counted != sent.accepted {
        return Err(format!("{} events were acknowledged, {counted} are there after kill -9", sent.accepted));
    }

    let mut figures = Figures::default();
    figures.add("import", name.clone());
    figures.add("events", thousands(sent.accepted));
    figures.add("refused lines", thousands(sent.refused));
    figures.add("seconds, sent to acknowledged", format!("{:.1}", sent.seconds));
    figures.add("events/s, sent to acknowledged", rate(sent.accepted, sent.seconds));
    figures.add("seconds, sent to queryable", format!("{seconds:.1}"));
    figures.add("events/s, sent to queryable", rate(sent.accepted, seconds));
    figures.add("server's peak memory", mebibytes(peak));
    figures.add("log on disk", mebibytes(disk.log));
    figures.add("log, bytes an event", each(disk.log, sent.accepted));
    figures.add("warehouse on disk", mebibytes(disk.warehouse));
    figures.add("warehouse, bytes an event", each(disk.warehouse, sent.accepted));
    figures.add("healthy again after kill -9, seconds", format!("{back:.2}"));
    figures.add("events counted after kill -9", thousands(counted));
    Ok((name, figures))
}

/// Makes the site that everything goes into; what the command tells of it.
pub(crate) async fn create_site(workplace: &Workplace, server: &Server) -> Result<Value, Failure> {
    let data = workplace.data();
    let place = ["--json", "--server", &server.url, "--data", &data.to_string_lossy()];
    workplace.ask(&[&["site", "create", "bench"], &place[..]].concat()).await
}

/// Imports a file on so many connections, in batches of so many events, until everything can be queried.
pub(crate) async fn import(
    workplace: &Workplace,
    server: &Server,
    (connections, batch): (u16, u32),
    file: &Path,
) -> Result<Value, Failure> {
    let data = workplace.data();
    let (data, file) = (data.to_string_lossy(), file.to_string_lossy());
    let (connections, batch) = (connections.to_string(), batch.to_string());
    let flags = ["--site", "bench", "--connections", &connections, "--batch", &batch, "--wait", "--json"];
    let place = ["--server", &server.url, "--data", &data];
    workplace.ask(&[&["import"], &flags[..], &place[..], &[&file]].concat()).await
}

/// Every event of the site, bots too, whenever it happened.
pub(crate) async fn count(workplace: &Workplace, server: &Server) -> Result<u64, Failure> {
    let range = ["--from", "1970-01-01", "--to", "2199-12-31", "--bots", "include", "--json"];
    let asked = [&["query", "traffic", "--site", "bench", "--server", &server.url], &range[..]].concat();
    number(&workplace.ask(&asked).await?, "/total/events")
}

/// What the importer said.
pub(crate) struct Sent {
    pub(crate) accepted: u64,
    refused: u64,
    seconds: f64,
}

impl Sent {
    /// From the first byte read to the last answer, by the importer's clock.
    pub(crate) fn seconds(&self) -> f64 {
        self.seconds
    }

    pub(crate) fn read(report: &Value) -> Result<Sent, Failure> {
        let seconds = report.pointer("/seconds").and_then(Value::as_f64).ok_or("the report has no seconds")?;
        let sent = Sent { accepted: number(report, "/accepted")?, refused: number(report, "/refused")?, seconds };
        let lines = number(report, "/lines")?;
        if sent.accepted + sent.refused != lines || sent.accepted == 0 {
            return Err(format!("of {lines} lines {} were accepted and {} refused", sent.accepted, sent.refused));
        }
        Ok(sent)
    }
}

pub(crate) fn number(of: &Value, at: &str) -> Result<u64, Failure> {
    of.pointer(at).and_then(Value::as_u64).ok_or_else(|| format!("no number at {at} in {of}"))
}

/// Bytes of files, as their lengths say.
#[derive(Debug, PartialEq)]
pub(crate) struct Disk {
    pub(crate) log: u64,
    pub(crate) warehouse: u64,
}

impl Disk {
    /// Of a data folder: the log is a folder of that name, the warehouse is all files whose names begin so.
    pub(crate) fn read(data: &Path) -> Result<Disk, Failure> {
        let failed = |error: std::io::Error| format!("{}: {error}", data.display());
        let mut disk = Disk { log: 0, warehouse: 0 };
        for entry in std::fs::read_dir(data).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if name == "log" {
                disk.log += bytes(&entry.path()).map_err(failed)?;
            } else if name.to_string_lossy().starts_with("warehouse") {
                disk.warehouse += bytes(&entry.path()).map_err(failed)?;
            }
        }
        Ok(disk)
    }
}

fn bytes(path: &Path) -> std::io::Result<u64> {
    let about = std::fs::symlink_metadata(path)?;
    if !about.is_dir() {
        return Ok(about.len());
    }
    std::fs::read_dir(path)?.try_fold(0, |sum, entry| Ok(sum + bytes(&entry?.path())?))
}

fn rate(events: u64, seconds: f64) -> String {
    thousands((events as f64 / seconds.max(0.001)) as u64)
}

fn each(bytes: u64, events: u64) -> String {
    format!("{:.1}", bytes as f64 / events as f64)
}

/// `target/release/pistats` → `target/loadtest`: on the disk where the program was built, and ignored by git.
pub(crate) fn beside(program: &Path) -> Result<PathBuf, Failure> {
    let program = program.canonicalize().map_err(|error| format!("{}: {error}", program.display()))?;
    let target = program.parent().and_then(Path::parent).ok_or("no folder beside the program; use --work DIR")?;
    Ok(target.join("loadtest"))
}

/// The msnbc set as canonical events, made once.
async fn msnbc(work: &Path) -> Result<PathBuf, Failure> {
    let path = work.join("msnbc.ndjson");
    if path.exists() {
        return Ok(path);
    }
    eprintln!("making {} once", path.display());
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    std::fs::create_dir_all(work).map_err(failed)?;
    // Under another name until it is whole.
    let new = path.with_extension("new");
    let out = std::fs::File::create(&new).map_err(failed)?;
    let made =
        tokio::process::Command::new("python3").args([SETS, "msnbc"]).stdout(out).kill_on_drop(true).status().await;
    if !made.map_err(|error| format!("python3: {error}"))?.success() {
        _ = std::fs::remove_file(&new);
        return Err(format!("python3 {SETS} msnbc failed; run this from the project's root, or give --file"));
    }
    std::fs::rename(&new, &path).map_err(failed)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_that_does_not_add_up_is_no_figure() {
        let report = |accepted, refused| json!({"lines": 10, "accepted": accepted, "refused": refused, "seconds": 2.5});
        assert_eq!(Sent::read(&report(8, 2)).map(|sent| (sent.accepted, sent.refused)), Ok((8, 2)));
        assert!(Sent::read(&report(8, 1)).is_err(), "a line is missing");
        assert!(Sent::read(&report(0, 10)).is_err(), "nothing was imported");
        assert!(Sent::read(&json!({})).is_err());
    }

    #[test]
    fn log_and_warehouse_are_told_apart() {
        let data = std::env::temp_dir().join(format!("pistats-loadtest-disk-{}", std::process::id()));
        std::fs::create_dir_all(data.join("log/0")).unwrap();
        for (name, length) in
            [("log/0/a", 5), ("log/b", 7), ("warehouse.duckdb", 11), ("warehouse.duckdb.wal", 13), ("x", 17)]
        {
            std::fs::write(data.join(name), vec![0; length]).unwrap();
        }
        let disk = Disk::read(&data);
        std::fs::remove_dir_all(&data).unwrap();
        assert_eq!(disk, Ok(Disk { log: 12, warehouse: 24 }));
    }

    /// Measures a program that acknowledges ten events and counts `counted` after its restart.
    async fn measured(counted: u64) -> Result<(String, Figures), Failure> {
        let folder = std::env::temp_dir().join(format!("pistats-loadtest-count-{}-{counted}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let script = format!(
            r#"#!/bin/sh
case $1 in
serve) [ -d "$3/log" ] || mkdir -p "$3/log"; exec sleep 60 ;;
health) test -d data/log ;;
site) echo '{{}}' ;;
import) echo '{{"lines": 10, "accepted": 10, "refused": 0, "seconds": 1.5}}' ;;
query) echo '{{"total": {{"events": {counted}}}}}' ;;
esac
"#
        );
        std::fs::write(folder.join("script"), script).unwrap();
        // Another process writes the program: a file that this one has open for writing, if only in a fork of a test beside,
        // cannot be executed.
        let program = folder.join("program");
        let install =
            std::process::Command::new("install").arg("-m755").arg(folder.join("script")).arg(&program).status();
        assert!(install.unwrap().success());
        let args = Args {
            file: Some(folder.join("script")),
            work: Some(folder.clone()),
            program,
            connections: 1,
            batch: 1,
            max_seconds: 60,
            write: false,
        };
        let measured = measure(&args).await;
        let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "only the program and its script are left of {left:?}");
        std::fs::remove_dir_all(&folder).unwrap();
        measured
    }

    #[tokio::test]
    async fn a_count_that_differs_after_the_kill_is_a_failure() {
        let (name, figures) = measured(10).await.unwrap();
        assert!(name == "script" && figures.table().contains("| events counted after kill -9         |     10 |"));
        for counted in [9, 11] {
            let failure = measured(counted).await.map(|_| ()).unwrap_err();
            assert!(
                failure.contains("10 events were acknowledged") && failure.contains(&counted.to_string()),
                "{failure}"
            );
        }
    }
}
