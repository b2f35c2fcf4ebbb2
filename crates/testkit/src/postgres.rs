//! PostgreSQL for tests: a private server from the system's package, and a fresh database for each test.
//!
//! ```text
//!   test process ──stdin of──▶ sh ──child──▶ postgres (its own folder, a free loopback port, a random password)
//!        dies ───────────────▶ sees the end: stops postgres, removes the folder
//! ```
//!
//! The shell in between makes the server die with the test process, however that ends. As root the server runs as another
//! user, because it refuses to run as root. It syncs to disk as a real one does, and its databases sort text by the rules of a
//! language, so that a statement which forgets that order is bytewise shows.
//!
//! `PISTATS_TEST_TIMESCALE` names a server with TimescaleDB instead, on which tests may make databases.

use crate::require;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The variable that names a server with TimescaleDB: `postgres://user:password@host:port/database`.
pub const TIMESCALE: &str = "PISTATS_TEST_TIMESCALE";

/// How long a server may take to start, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the server until its own input ends, then stops it and removes its folder.
const WATCH: &str = r#"bin=$1 data=$2 folder=$3 port=$4
"$bin/postgres" -D "$data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=on \
    -c max_connections=200 -c shared_buffers=64MB </dev/null >>"$folder/log" 2>&1 &
server=$!
cat >/dev/null
kill -QUIT "$server" 2>/dev/null
wait "$server"
cd /
rm -rf "$folder"
"#;

/// A private server. Dropping it stops it and removes its files.
pub struct Server {
    bin: PathBuf,
    folder: PathBuf,
    port: u16,
    password: String,
    watch: Mutex<Option<Child>>,
}

/// A database of its own; dropped with this.
pub struct Database {
    /// `postgres://…`, with everything that is needed to connect.
    pub url: String,
    name: String,
    /// Where databases are made.
    server: String,
    bin: PathBuf,
}

/// A fresh database on plain PostgreSQL, on a server that this test process starts once. `None`: the package is missing, and
/// a skip was printed.
///
/// # Panics
/// When it is missing and `PISTATS_TEST_REQUIRE` lists `postgres`; when the server does not start.
pub fn plain() -> Option<Database> {
    static SHARED: OnceLock<Option<Server>> = OnceLock::new();
    SHARED.get_or_init(Server::start).as_ref().map(Server::database)
}

/// A fresh database on TimescaleDB. `None`: `PISTATS_TEST_TIMESCALE` names no server, and a skip was printed.
///
/// # Panics
/// When `PISTATS_TEST_REQUIRE` lists `timescale` and no server is named; when the server does not answer.
pub fn timescale() -> Option<Database> {
    let server = std::env::var(TIMESCALE).unwrap_or_default();
    if !require::found("timescale", || !server.is_empty(), "PISTATS_TEST_TIMESCALE names no server") {
        return None;
    }
    Some(Database::on(server, programs().unwrap_or_default()))
}

/// Where the newest server's programs are.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(version, bin)| *version >= 15 && bin.join("postgres").exists() && bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin)
}

impl Server {
    /// Starts a server with an empty cluster; `None` where the package is missing, after a printed skip.
    ///
    /// # Panics
    /// As [`plain`].
    pub fn start() -> Option<Server> {
        let bin = programs();
        if !require::found("postgres", || bin.is_some(), "no PostgreSQL of version 15 or later in /usr/lib/postgresql")
        {
            return None;
        }
        let bin = bin?;
        let folder = tempfile::Builder::new().prefix("pistats-postgres-").tempdir().expect("a folder").keep();
        let password = format!("{:032x}", rand::random::<u128>());
        std::fs::write(folder.join("password"), &password).expect("a password");
        let user = user();
        if let Some((uid, gid)) = user {
            for path in [&folder, &folder.join("password")] {
                std::os::unix::fs::chown(path, Some(uid), Some(gid)).expect("given to the server's user");
            }
        }
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).expect("permissions");
        let made = as_user(Command::new(bin.join("initdb")), user)
            .arg("-D")
            .arg(folder.join("data"))
            .arg("--pwfile")
            .arg(folder.join("password"))
            .args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"])
            .args(["--locale-provider=icu", "--icu-locale=en-US", "--no-sync", "--no-instructions"])
            .current_dir(&folder)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let server = Server { bin, folder, port: free_port(), password, watch: Mutex::default() };
        server.restart();
        Some(server)
    }

    /// Starts the server again after [`Server::kill`], on the same files and port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let owner = std::fs::metadata(&self.folder).expect("the server's folder");
            let user = user().map(|_| (owner.uid(), owner.gid()));
            let watch = as_user(Command::new("sh"), user)
                .args(["-c", WATCH, "sh"])
                .args([&self.bin, &self.folder.join("data"), &self.folder])
                .arg(self.port.to_string())
                .current_dir(&self.folder)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0)
                .spawn()
                .expect("a shell");
            *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = Some(watch);
            let attempt = Instant::now() + Duration::from_secs(15);
            while Instant::now() < attempt {
                if sql(&self.bin, &self.url("postgres"), "SELECT 1").is_ok() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "PostgreSQL does not start: {log}");
            // After a kill the server before may still be holding its memory.
            self.kill();
        }
    }

    /// Ends the server at once, as a power cut would: what it had not synced is not saved by anything that it does now.
    pub fn kill(&self) {
        let pid = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
        if let Some(mut watch) = self.watch.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // The shell goes first, so that it does not clean up.
            let _ = watch.kill();
            let _ = watch.wait();
        }
        if let Some(pid) = pid.lines().next().filter(|pid| pid.parse::<u32>().is_ok()) {
            let _ = Command::new("kill").args(["-9", pid]).stderr(Stdio::null()).status();
        }
    }

    /// A fresh database.
    pub fn database(&self) -> Database {
        Database::on(self.url("postgres"), self.bin.clone())
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut watch) = self.watch.lock().unwrap_or_else(PoisonError::into_inner).take() {
            drop(watch.stdin.take());
            let _ = watch.wait();
        } else {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

impl Database {
    fn on(server: String, bin: PathBuf) -> Database {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        sql(&bin, &server, &format!("CREATE DATABASE {name} TEMPLATE template0")).expect("a fresh database");
        let (address, query) = server.split_once('?').unwrap_or((&server, ""));
        let base = match address.rsplit_once('/') {
            Some((base, _)) if !base.ends_with('/') => base,
            _ => address,
        };
        let mut url = format!("{base}/{name}");
        if !query.is_empty() {
            url = format!("{url}?{query}");
        }
        Database { url, name, server, bin }
    }

    /// Runs SQL, as somebody behind the program's back would.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn run(&self, text: &str) {
        sql(&self.bin, &self.url, text).expect("SQL that runs");
    }

    /// The one number that a query gives, asked behind the program's back.
    ///
    /// # Panics
    /// When the server refuses it, or it gives something else.
    pub fn number(&self, query: &str) -> i64 {
        let told = sql(&self.bin, &self.url, query).expect("a query that runs");
        told.trim().parse().expect("one number")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A server that a test has killed has no database to drop.
        let _ = sql(&self.bin, &self.server, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// Runs SQL with the server's own client. Returns the rows, a line each.
fn sql(bin: &Path, url: &str, text: &str) -> Result<String, String> {
    let client = if bin.join("psql").exists() { bin.join("psql") } else { PathBuf::from("psql") };
    let mut running = Command::new(client)
        .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--no-align", "--tuples-only", "--file=-", url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("psql: {error}"))?;
    if let Some(mut input) = running.stdin.take() {
        // If it ended already, its errors say why.
        let _ = input.write_all(text.as_bytes());
    }
    let done = running.wait_with_output().map_err(|error| error.to_string())?;
    let text = if done.status.success() { &done.stdout } else { &done.stderr };
    let text = String::from_utf8_lossy(text).into_owned();
    if done.status.success() { Ok(text) } else { Err(text) }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Whom the server runs as where this process is root: `postgres`, which the package makes, or `nobody`.
fn user() -> Option<(u32, u32)> {
    if std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() != 0) {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    ids("postgres").or_else(|| ids("nobody"))
}

fn as_user(mut command: Command, user: Option<(u32, u32)>) -> Command {
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}
