//! One process of the mesh: `pistats serve` with some of the roles.

use super::process::{Ground, Process, free_ports, tail};
use crate::Failure;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A process that is not healthy by then is not coming.
const HEALTHY_WITHIN: Duration = Duration::from_secs(90);
/// The page of metrics is made of numbers that are there.
const PAGE_WITHIN: Duration = Duration::from_secs(5);

/// What all of them share.
pub(super) struct Shared {
    pub(super) program: PathBuf,
    /// Parts of the configuration.
    pub(super) secrets: String,
    pub(super) log: String,
    pub(super) store: String,
}

pub(crate) struct Service {
    pub(crate) name: String,
    program: PathBuf,
    port: u16,
    /// Where its page of metrics is.
    metrics: u16,
    process: Process,
}

impl Service {
    pub(super) fn new(
        ground: &Ground,
        shared: &Shared,
        name: &str,
        roles: &[&str],
        more: &str,
    ) -> Result<Service, Failure> {
        let [port, metrics] = free_ports()?;
        let folder = ground.path().join(name);
        let config = ground.path().join(format!("{name}.toml"));
        let Shared { program, secrets, log, store } = shared;
        let text = format!(
            "data = \"{}\"\nroles = {roles:?}\n[server]\nlisten = \"127.0.0.1:{port}\"\n\
             [telemetry]\nprometheus = \"127.0.0.1:{metrics}\"\n{more}{secrets}{log}{store}",
            folder.display()
        );
        std::fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;
        let args = vec![
            "serve".to_owned(),
            "--config".to_owned(),
            config.display().to_string(),
            "--data".to_owned(),
            folder.display().to_string(),
        ];
        let said = ground.path().join(format!("{name}.log"));
        Ok(Service {
            name: name.to_owned(),
            program: program.clone(),
            port,
            metrics,
            process: Process::new(name, program, args, said),
        })
    }

    pub(super) fn program(&self) -> &std::path::Path {
        &self.program
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts it and waits until it is healthy.
    pub(crate) async fn start(&mut self) -> Result<(), Failure> {
        self.process.spawn()?;
        let begun = Instant::now();
        while !self.is_healthy().await {
            if !self.process.runs() || begun.elapsed() > HEALTHY_WITHIN {
                return Err(format!("{} did not become healthy; it said:\n{}", self.name, tail(&self.process.said())));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Starts it if it does not run, and lets it go on if it was held.
    pub(crate) async fn ensure(&mut self) -> Result<(), Failure> {
        if self.process.runs() {
            return self.process.release();
        }
        self.start().await
    }

    async fn is_healthy(&self) -> bool {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(["health", "--server", &self.url()]).kill_on_drop(true);
        let done = tokio::time::timeout(Duration::from_secs(5), command.output()).await;
        matches!(done, Ok(Ok(done)) if done.status.success())
    }

    /// Its page of metrics, as Prometheus reads it.
    pub(super) async fn page(&self) -> Result<String, Failure> {
        let failed = |what: &dyn std::fmt::Display| format!("{}'s page of metrics: {what}", self.name);
        let asked = async {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.metrics)).await?;
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
            let mut page = String::new();
            stream.read_to_string(&mut page).await?;
            Ok::<_, std::io::Error>(page)
        };
        let page = tokio::time::timeout(PAGE_WITHIN, asked).await.map_err(|late| failed(&late))?;
        page.map_err(|error| failed(&error))
    }

    pub(super) async fn version(&self) -> Result<String, Failure> {
        let mut command = Command::new(&self.program);
        command.arg("--version");
        Ok(super::process::run(command)?.trim().to_owned())
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// Lines of its log, from byte `from` on, that hold one of these texts; the times in front are left out.
    pub(crate) fn told(&self, from: usize, texts: &[&str]) -> Vec<String> {
        let said = self.process.said();
        let new = said.get(from.min(said.len())..).unwrap_or_default();
        let plain = new
            .lines()
            .map(|line| without_colors(line.split_once(' ').map_or(line, |(_, rest)| rest)).trim().to_owned());
        plain.filter(|line| texts.iter().any(|text| line.contains(text))).collect()
    }

    /// How much it has said so far.
    pub(crate) fn said_bytes(&self) -> usize {
        self.process.said().len()
    }
}

/// A line without the sequences that color it (ECMA-48, SGR).
fn without_colors(line: &str) -> String {
    let mut plain = String::new();
    let mut parts = line.split('\u{1b}');
    plain.extend(parts.next());
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    #[test]
    fn colors_are_taken_out_of_a_line() {
        assert_eq!(super::without_colors("\u{1b}[33m WARN\u{1b}[0m it \u{1b}[3mwaits\u{1b}[0m"), " WARN it waits");
    }
}
