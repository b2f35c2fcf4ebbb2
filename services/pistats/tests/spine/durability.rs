//! P-1 by system calls: strace watches a server, and every answer must follow an fdatasync of the log: that of a
//! call, and that of a page's beacon. Where the roles are apart the
//! server that is watched is Ingest; Admin runs in the test's process.
//!
//! The check is worth something because it can fail: on a disk whose sync does nothing, and on one whose sync comes after the
//! answer, it does.

use crate::harness::Site;
use crate::topology::{Ground, shared};
use pistats::config::{Config, Overrides};
use pistats::roles::Role;
use pistats::serve::{Backends, Running};
use pistats_eventlog::EventLog;
use pistats_eventlog::disk::{File, FileSystem, RealDisk};
use pistats_eventlog::file::{FileLog, wall_clock};
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::admin::v1::{CreateSiteRequest, Scope};
use pistats_proto::ingest::v1::{CollectRequest, Event};
use pistats_testkit::require;
use prost::Message as _;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Tells a test process that it is the server, and what its disk does.
const DISK: &str = "PISTATS_TEST_DISK";
const FOLDER: &str = "PISTATS_TEST_FOLDER";
/// Where the warehouse is, if roles are apart.
const DATABASE: &str = "PISTATS_TEST_DATABASE";

/// Calls one after another, one event each: each needs a sync of its own.
const CALLS: usize = 25;

#[derive(Clone, Copy, PartialEq)]
enum Syncs {
    Honest,
    Never,
    /// A while after it said it was done.
    Late,
}

impl Syncs {
    const ALL: [(&str, Syncs); 3] = [("honest", Syncs::Honest), ("never", Syncs::Never), ("late", Syncs::Late)];
}

struct Disk(RealDisk, Syncs);
struct Watched(Arc<dyn File>, Syncs);

impl FileSystem for Disk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir(dir)
    }
    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.0.lock(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(Watched(self.0.create(path)?, self.1)))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(Watched(self.0.open(path)?, self.1)))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }
    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.0.free_bytes(dir)
    }
}

impl File for Watched {
    fn write_at(&self, position: u64, parts: &mut [io::IoSlice<'_>]) -> io::Result<()> {
        self.0.write_at(position, parts)
    }
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(position, buffer)
    }
    fn sync_data(&self) -> io::Result<()> {
        match self.1 {
            Syncs::Honest => self.0.sync_data(),
            Syncs::Never => Ok(()),
            Syncs::Late => {
                let file = self.0.clone();
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(500));
                    file.sync_data().unwrap();
                });
                Ok(())
            }
        }
    }
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
}

/// Not a test of its own: the server of the other tests, in a process that strace can watch.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_that_is_watched() {
    let (Ok(disk), Ok(folder)) = (std::env::var(DISK), std::env::var(FOLDER)) else { return };
    let syncs = Syncs::ALL.into_iter().find(|(name, _)| *name == disk).unwrap().1;
    let mut config = Config::load(None, &Overrides::default()).unwrap();
    config.data = Path::new(&folder).join("data");
    config.server.listen = "127.0.0.1:0".parse().unwrap();
    if let Ok(database) = std::env::var(DATABASE) {
        apart(&mut config, &[Role::Ingest], &database);
    }
    let mut memory = config.clone();
    memory.log.url = "memory://".to_owned();
    let settings = pistats_eventlog::Config { segment_bytes: 16 << 20, ..Default::default() };
    let log =
        FileLog::open_on(Arc::new(Disk(RealDisk, syncs)), wall_clock(), config.data.join("log"), settings).unwrap();
    let log: Arc<dyn EventLog> = Arc::new(log);
    let backends = Backends { inlet: Some(log.clone()), log: Some(log), ..Backends::open(&memory).await.unwrap() };
    let running = Running::start_on(config, backends).await.unwrap();
    let told = format!("{}\n{}\n{}", running.url(), running.secrets.instance_key, std::process::id());
    std::fs::write(Path::new(&folder).join("told.new"), told).unwrap();
    std::fs::rename(Path::new(&folder).join("told.new"), Path::new(&folder).join("told")).unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
}

fn apart(config: &mut Config, roles: &[Role], database: &str) {
    shared(config);
    config.roles = roles.to_vec();
    config.store.url = database.to_owned();
}

/// How events are sent.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Calls,
    Beacons,
}

/// Sends beacons one after another on one connection, as HTTP/1.1; each is answered with nothing.
async fn send_beacons(url: &str, key: &str, event: Event) {
    let body = CollectRequest { events: vec![event] }.encode_to_vec();
    let mut socket = tokio::net::TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST /collect?key={key} HTTP/1.1\r\nHost: s\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    for _ in 0..CALLS {
        socket.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            assert!(socket.read_buf(&mut answer).await.unwrap() > 0, "{}", String::from_utf8_lossy(&answer));
        }
        assert!(answer.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&answer));
    }
}

/// Serves on a disk under strace, collects, and returns what strace saw.
async fn watched(disk: &str, way: Way) -> String {
    let ground = Ground::new();
    let folder = ground.path();
    let trace = folder.join("trace");
    let mut strace = Command::new("strace");
    if let Some(database) = ground.database() {
        strace.env(DATABASE, &database.url);
    }
    let mut server = strace
        .args(["-f", "-y", "-xx", "-s", "4096", "-e", "trace=fdatasync,pwritev,pwrite64,writev,sendto", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "durability::the_server_that_is_watched", "--nocapture"])
        .env(DISK, disk)
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let told = folder.join("told");
    for _ in 0..1_500 {
        if told.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let told = std::fs::read_to_string(told).unwrap();
    let told: Vec<&str> = told.lines().collect();
    let (url, key, server_pid) = (told[0], told[1], told[2]);
    let admin = match ground.database() {
        None => None,
        Some(database) => {
            let mut config = Config::load(None, &Overrides::default()).unwrap();
            apart(&mut config, &[Role::Admin], &database.url);
            config.data = folder.join("admin");
            config.server.listen = "127.0.0.1:0".parse().unwrap();
            config.mesh.ingest = vec![url.to_owned()];
            Some(Running::start(config).await.unwrap())
        }
    };
    let admin_url = admin.as_ref().map_or_else(|| url.to_owned(), Running::url);
    let mut client = AdminServiceClient::new(pistats::client::channel(&admin_url, key).unwrap());
    let made = client.create_site(CreateSiteRequest { name: "s".to_owned(), ..Default::default() }).await.unwrap();
    let keys = made.into_inner().keys;
    let secret = |scope| keys.iter().find(|new| new.key.as_ref().unwrap().scope() == scope).unwrap().secret.clone();
    let site = Site { server: url.to_owned(), read: secret(Scope::Read), server_key: secret(Scope::Server) };
    site.is_known().await;
    let event = Event { visitor_id: "ada".to_owned(), url: "/".to_owned(), ..Default::default() };
    match way {
        Way::Calls => site.collect(vec![vec![event]; CALLS], 1).await,
        Way::Beacons => send_beacons(url, &secret(Scope::Write), event).await,
    }
    // The server first: strace ends with what it watched.
    assert!(Command::new("kill").args(["-9", server_pid]).status().unwrap().success());
    server.wait().unwrap();
    if let Some(admin) = admin {
        admin.stop().await.unwrap();
    }
    std::fs::read_to_string(trace).unwrap()
}

/// What matters of a trace, in order.
#[derive(Debug, PartialEq)]
enum Seen {
    LogWritten,
    LogSynced,
    /// The first frame of an answer: connection and stream.
    Answered(String, u32),
}

fn read(trace: &str) -> Vec<Seen> {
    let mut seen = Vec::new();
    // A call that another thread interrupted on paper: its beginning, by thread.
    let mut begun: std::collections::HashMap<&str, &str> = std::collections::HashMap::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if call.ends_with("<unfinished ...>") {
            begun.insert(thread, call);
            continue;
        }
        let whole = match call.starts_with("<...") {
            true => begun.remove(thread).unwrap_or_default(),
            false => call,
        };
        let Some((name, arguments)) = whole.split_once('(') else { continue };
        let file = arguments.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(file, _)| file);
        let of_log = unescape(file).windows(5).any(|part| part == b"/log/");
        match name {
            "fdatasync" if of_log => seen.push(Seen::LogSynced),
            "pwritev" | "pwrite64" if of_log => seen.push(Seen::LogWritten),
            "writev" | "sendto" => {
                let data = unescape(arguments.split_once('>').map_or("", |(_, data)| data));
                let streams = match data.starts_with(b"HTTP/1.1 ") {
                    // Every answer is one of its own.
                    true => vec![seen.len() as u32],
                    false => answers(&data),
                };
                seen.extend(streams.into_iter().map(|stream| Seen::Answered(file.to_owned(), stream)));
            }
            _ => {}
        }
    }
    seen
}

/// The bytes of all `\x..` escapes in a text.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in text.split("\\x").skip(1) {
        if let Some(byte) = part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
        }
    }
    bytes
}

/// Streams of the HEADERS frames in what a server wrote (RFC 9113, section 4.1).
fn answers(mut bytes: &[u8]) -> Vec<u32> {
    let mut streams = Vec::new();
    while bytes.len() >= 9 {
        let length = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize;
        let stream = u32::from_be_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]);
        if bytes[3] == 1 {
            streams.push(stream);
        }
        bytes = bytes.get(9 + length..).unwrap_or_default();
    }
    streams
}

/// Whether each answer of the busiest connection follows a write and then a sync of the log that came after the answer before.
fn verdict(trace: &str) -> Result<usize, String> {
    let seen = read(trace);
    let mut by_connection: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
    for one in &seen {
        if let Seen::Answered(connection, _) = one {
            *by_connection.entry(connection).or_default() += 1;
        }
    }
    let busiest =
        by_connection.into_iter().max_by_key(|(_, answers)| *answers).ok_or("no answer was seen")?.0.to_owned();
    let (mut written, mut synced, mut syncs, mut last, mut answered) = (false, false, 0, 0, 0);
    for one in &seen {
        match one {
            Seen::LogWritten => (written, synced) = (true, false),
            Seen::LogSynced => {
                syncs += 1;
                synced = written;
            }
            // The trailers come on the stream of the answer: they are no new one.
            Seen::Answered(connection, stream) if *connection == busiest && *stream != last => {
                if !synced {
                    return Err(format!("answer {answered} (stream {stream}) came before its sync"));
                }
                (written, synced, last) = (false, false, *stream);
                answered += 1;
            }
            Seen::Answered(..) => {}
        }
    }
    if answered != CALLS {
        return Err(format!("{answered} answers instead of {CALLS}"));
    }
    Ok(syncs)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_follows_an_fdatasync_of_the_log() {
    if !require::have("strace") {
        return;
    }
    for (way, name) in [(Way::Calls, "calls"), (Way::Beacons, "beacons")] {
        let syncs = verdict(&watched("honest", way).await).unwrap();
        println!("{CALLS} answers of {name}, {syncs} syncs of the log");
        assert!(syncs >= CALLS, "{syncs}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_fails_when_the_fdatasync_is_removed() {
    if !require::have("strace") {
        return;
    }
    for way in [Way::Calls, Way::Beacons] {
        let why = verdict(&watched("never", way).await).unwrap_err();
        assert!(why.contains("before its sync"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_fails_when_the_fdatasync_is_moved_after_the_answer() {
    if !require::have("strace") {
        return;
    }
    for way in [Way::Calls, Way::Beacons] {
        let why = verdict(&watched("late", way).await).unwrap_err();
        assert!(why.contains("before its sync"), "{why}");
    }
}
