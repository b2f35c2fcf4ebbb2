//! A `pistats` program to be measured: its commands, and a server of its own on loopback.
//!
//! Everything lies in one private folder (data, credentials, the server's output) that is removed when [`Workplace`] goes
//! out of scope; the server dies with [`Server`]. So a scenario that fails, is interrupted or runs out of time leaves nothing.

use crate::Failure;
use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// A server that is not healthy by then is not coming: a restart folds what the log holds only after it answers.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// A killed process that is not gone by then hangs in the kernel.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// A private folder, and the program that works in it.
pub(crate) struct Workplace {
    program: PathBuf,
    folder: PathBuf,
    /// The same after a restart: keys are kept by address.
    port: u16,
    /// Settings of the server, as variables.
    settings: Vec<(String, String)>,
}

impl Workplace {
    /// A new folder inside `parent`. Choose a disk there that the figures are meant for: memory syncs in no time.
    pub(crate) fn new(program: &Path, parent: &Path) -> Result<Workplace, Failure> {
        let program = program.canonicalize().map_err(|error| format!("{}: {error}", program.display()))?;
        let folder = parent.join(format!("run-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let folder = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        Ok(Workplace { program, folder, port, settings: Vec::new() })
    }

    /// The same with a setting, as the variable that the program reads.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Workplace {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The server's data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(&self.folder).kill_on_drop(true).stdin(Stdio::null());
        // What this user has set for daily work is not what is measured.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PISTATS_")) {
            command.env_remove(name);
        }
        command.env("PISTATS_CREDENTIALS", self.folder.join("credentials.toml"));
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command of the program to its end, which must be a good one, and returns what it printed.
    pub(crate) async fn run(&self, args: &[&str]) -> Result<String, Failure> {
        let named = || format!("pistats {}", args.join(" "));
        let done = self.command(args).output().await.map_err(|error| format!("{}: {error}", named()))?;
        if !done.status.success() {
            return Err(format!("{}: {}\n{}", named(), done.status, String::from_utf8_lossy(&done.stderr).trim()));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// As [`Workplace::run`], for an answer in JSON.
    pub(crate) async fn ask(&self, args: &[&str]) -> Result<Value, Failure> {
        let text = self.run(args).await?;
        serde_json::from_str(&text).map_err(|error| format!("pistats {}: no JSON: {error}", args.join(" ")))
    }

    /// Starts a server on the data folder and a port of loopback, and waits until it is healthy.
    pub(crate) async fn serve(&self) -> Result<Server, Failure> {
        let address = format!("127.0.0.1:{}", self.port);
        let log_path = self.folder.join("server.log");
        let failed = |error: std::io::Error| format!("pistats serve: {error}");
        let log = std::fs::File::options().create(true).append(true).open(&log_path).map_err(failed)?;
        let data = self.data();
        let child = self
            .command(&["serve", "--data", &data.to_string_lossy(), "--listen", &address])
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        let mut server = Server { child, url: format!("http://{address}") };
        let begun = Instant::now();
        while self.run(&["health", "--server", &server.url]).await.is_err() {
            let ended = server.child.try_wait().map_err(failed)?;
            if ended.is_some() || begun.elapsed() > STARTS_WITHIN {
                let said = std::fs::read_to_string(&log_path).unwrap_or_default();
                return Err(format!("the server did not become healthy ({ended:?}); it said:\n{}", tail(&said)));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(server)
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            eprintln!("{} is left over: {error}", self.folder.display());
        }
    }
}

/// A running server. Dropping it kills it, and waits until it is gone: a process that still makes files would leave some
/// in the folder that is removed next.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    /// `kill -9`, and the wait until the process is gone.
    pub(crate) async fn kill(mut self) -> Result<(), Failure> {
        self.child.kill().await.map_err(|error| format!("kill -9: {error}"))
    }

    /// The most memory the process has had, bytes.
    pub(crate) fn peak_bytes(&self) -> Result<u64, Failure> {
        self.memory("VmHWM:")
    }

    /// The memory that the process has now, bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64, Failure> {
        self.memory("VmRSS:")
    }

    fn memory(&self, name: &str) -> Result<u64, Failure> {
        let pid = self.child.id().ok_or("the server has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|error| error.to_string())?;
        memory(&status, name).ok_or_else(|| format!("no {name} in the process's status"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.start_kill();
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begun.elapsed() < GONE_WITHIN {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// A line of a `/proc/PID/status` (proc_pid_status(5): in kB, which are KiB).
fn memory(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// A port nobody listens on. Somebody may take it before the server does; then the server says so.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "VmPeak:\t  999 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n";
        assert_eq!((memory(status, "VmHWM:"), memory(status, "VmRSS:")), (Some(2 << 20), Some(1 << 10)));
        assert_eq!(memory(status, "VmSwap:"), None);
    }

    #[tokio::test]
    async fn a_failing_command_tells_what_it_said_and_the_folder_is_removed() {
        let parent = std::env::temp_dir().join(format!("pistats-loadtest-test-{}", std::process::id()));
        let workplace = Workplace::new(Path::new("/bin/ls"), &parent).unwrap();
        let folder = workplace.folder.clone();
        assert!(folder.is_dir());
        let failure = workplace.run(&["/no/such/place"]).await.unwrap_err();
        assert!(failure.starts_with("pistats /no/such/place: ") && failure.contains("No such file"), "{failure}");
        drop(workplace);
        assert!(!folder.exists());
        std::fs::remove_dir_all(&parent).unwrap();
    }
}
