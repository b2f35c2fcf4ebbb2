//! A PostgreSQL server of its own, with TimescaleDB where its files are there. It syncs, and is set up as compose.yaml does.

use super::process::{Ground, Process, free_ports, listens, run};
use crate::Failure;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The variable that names the folder of PostgreSQL's programs.
pub(crate) const PROGRAMS: &str = "PISTATS_TEST_POSTGRES_BIN";
/// The variable that chooses plain PostgreSQL where TimescaleDB is there, too.
pub(crate) const PLAIN: &str = "PISTATS_TEST_PLAIN";
/// After a kill -9 the server before may still hold its memory.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

pub(crate) struct Postgres {
    bin: PathBuf,
    port: u16,
    password: String,
    process: Process,
}

impl Postgres {
    pub(crate) async fn start(ground: &Ground) -> Result<Postgres, Failure> {
        use std::os::unix::process::CommandExt as _;
        let bin = programs()?;
        let folder = ground.path().join("postgres");
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let password = format!("{:032x}", rand::random::<u128>());
        let secret = folder.join("password");
        std::fs::write(&secret, &password).map_err(failed)?;
        let user = user();
        if let Some((uid, gid)) = user {
            for path in [&folder, &secret] {
                std::os::unix::fs::chown(path, Some(uid), Some(gid)).map_err(failed)?;
            }
        }
        let mut initdb = Command::new(bin.join("initdb"));
        initdb.arg("-D").arg(folder.join("data")).arg("--pwfile").arg(&secret).current_dir(&folder);
        initdb.args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
        ]);
        if let Some((uid, gid)) = user {
            initdb.uid(uid).gid(gid);
        }
        run(initdb)?;
        let [port] = free_ports()?;
        let mut args: Vec<String> =
            vec!["-D".into(), folder.join("data").display().to_string(), "-p".into(), port.to_string()];
        let mut settings = vec![
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=on",
            "synchronous_commit=on",
            "max_connections=100",
            "shared_buffers=1GB",
            "max_wal_size=4GB",
            "max_locks_per_transaction=512",
        ];
        if has_timescale(&bin) && std::env::var_os(PLAIN).is_none() {
            settings.extend(["shared_preload_libraries=timescaledb", "timescaledb.telemetry_level=off"]);
            settings.extend(["timescaledb.max_background_workers=16", "max_worker_processes=27"]);
        }
        args.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting.to_owned()]));
        let process = Process::new("postgres", &bin.join("postgres"), args, folder.join("server.log")).run_by(user);
        let mut postgres = Postgres { bin, port, password, process };
        postgres.start_again().await?;
        postgres.sql("postgres", "CREATE DATABASE pistats TEMPLATE template0")?;
        Ok(postgres)
    }

    /// What the mesh calls it.
    pub(crate) fn url(&self) -> String {
        self.address("pistats")
    }

    /// Where databases may be made.
    pub(crate) fn administration(&self) -> String {
        self.address("postgres")
    }

    fn address(&self, database: &str) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// `kill -9` of the server's first process; the others notice and end.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it on the files that are there, and waits until it answers.
    pub(crate) async fn start_again(&mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            self.process.spawn()?;
            if listens(&mut self.process, self.port).await.is_ok() {
                while self.process.runs() && begun.elapsed() < ANSWERS_WITHIN {
                    if self.sql("postgres", "SELECT 1").is_ok() {
                        return Ok(());
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            if begun.elapsed() > ANSWERS_WITHIN {
                return Err(format!(
                    "PostgreSQL does not answer; it said:\n{}",
                    super::process::tail(&self.process.said())
                ));
            }
            self.process.kill();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub(super) async fn ensure(&mut self) -> Result<(), Failure> {
        if self.process.runs() { Ok(()) } else { self.start_again().await }
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// Runs SQL with the server's own client; what it answered, without heads.
    pub(crate) fn ask(&self, text: &str) -> Result<String, Failure> {
        self.sql("pistats", text)
    }

    fn sql(&self, database: &str, text: &str) -> Result<String, Failure> {
        let client = if self.bin.join("psql").exists() { self.bin.join("psql") } else { PathBuf::from("psql") };
        let mut command = Command::new(client);
        command.args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set=ON_ERROR_STOP=1",
            "--command",
            text,
        ]);
        command.arg(self.address(database));
        Ok(run(command)?.trim().to_owned())
    }

    pub(crate) async fn version(&self) -> Result<String, Failure> {
        let server = self.ask("SHOW server_version")?;
        let timescale = self.ask("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")?;
        let timescale = if timescale.is_empty() { "plain".to_owned() } else { format!("TimescaleDB {timescale}") };
        Ok(format!("PostgreSQL {server}, {timescale}"))
    }
}

fn programs() -> Result<PathBuf, Failure> {
    if let Some(named) = std::env::var_os(PROGRAMS) {
        return Ok(PathBuf::from(named));
    }
    let found = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let versions =
        found.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))));
    let newest = versions.filter(|(version, bin)| *version >= 15 && bin.join("initdb").exists()).max();
    newest
        .map(|(_, bin)| bin)
        .ok_or_else(|| format!("no PostgreSQL of version 15 or later; {PROGRAMS} names its folder of programs"))
}

fn has_timescale(bin: &Path) -> bool {
    let mut command = Command::new(bin.join("pg_config"));
    command.arg("--sharedir");
    let share = run(command).map(|said| PathBuf::from(said.trim()));
    // Where pg_config is not installed, beside the programs as Debian lays it out.
    let debian = bin.parent().and_then(Path::file_name).map(|version| Path::new("/usr/share/postgresql").join(version));
    share.ok().into_iter().chain(debian).any(|share| share.join("extension/timescaledb.control").exists())
}

/// Whom the server runs as where this process is root, which it refuses: `postgres`, which the package makes, or `nobody`.
fn user() -> Option<(u32, u32)> {
    if std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() != 0) {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = |name: &str| {
        let mut fields = users.lines().find(|line| line.split(':').next() == Some(name))?.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    ids("postgres").or_else(|| ids("nobody"))
}
