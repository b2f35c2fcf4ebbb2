//! The program itself, as processes that can be killed: one that does everything, or one a role (`topology`).

use crate::front::{Front, Routes};
use crate::topology::{Ground, INSTANCE_KEY, shared};
use pistats::config::{Config, Overrides};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take until it answers health checks.
const PATIENCE: Duration = Duration::from_secs(60);

/// A `pistats serve`, or several that are one instance, on a ground of its own.
pub(crate) struct Server {
    pub(crate) ground: Ground,
    processes: Vec<Process>,
    /// What makes them one address.
    _front: Option<Front>,
    pub(crate) url: String,
    pub(crate) instance_key: String,
}

/// One process: how it is started, and the one that runs.
struct Process {
    address: SocketAddr,
    settings: Vec<(&'static str, String)>,
    arguments: Vec<String>,
    /// Where what it prints goes; nowhere otherwise.
    lines: Option<PathBuf>,
    child: Option<Child>,
}

impl Server {
    /// Starts the program and waits until it answers health checks.
    pub(crate) async fn start() -> Server {
        Server::start_in(Ground::new(), None, &[]).await
    }

    /// The same with settings of its own; what the processes print goes into files of the ground.
    pub(crate) async fn start_printing(settings: &[(&'static str, String)]) -> Server {
        let ground = Ground::new();
        let lines = ground.path().join("lines");
        Server::start_in(ground, Some(lines), settings).await
    }

    async fn start_in(ground: Ground, lines: Option<PathBuf>, settings: &[(&'static str, String)]) -> Server {
        let (mut processes, front) = match ground.database() {
            None => (vec![Process::new(&ground, "", &[], Vec::new())], None),
            Some(database) => {
                let processes = apart(&ground, &database.url);
                let front = Front::start(Routes::apart(processes[0].url(), processes[1].url())).await;
                (processes, Some(front))
            }
        };
        for (number, process) in processes.iter_mut().enumerate() {
            process.settings.extend_from_slice(settings);
            process.lines = lines.as_ref().map(|lines| lines.with_extension(number.to_string()));
            process.start();
        }
        for process in &processes {
            process.answers().await;
        }
        let url = front.as_ref().map_or_else(|| processes[0].url(), |front| format!("http://{}", front.address));
        let key = ground.data().join("instance.key");
        if front.is_some() {
            // Whoever runs several processes gives them one key; the commands look for it here.
            std::fs::write(&key, INSTANCE_KEY).unwrap();
        }
        let instance_key = std::fs::read_to_string(key).unwrap().trim().to_owned();
        Server { ground, processes, _front: front, url, instance_key }
    }

    /// How many processes there are.
    pub(crate) fn count(&self) -> usize {
        self.processes.len()
    }

    /// kill -9 of one of them.
    pub(crate) fn kill(&mut self, which: usize) {
        self.processes[which].kill();
    }

    /// kill -9 of all.
    pub(crate) fn kill_all(&mut self) {
        self.processes.iter_mut().for_each(Process::kill);
    }

    /// Starts again what was killed, on the same data and addresses.
    pub(crate) async fn resume(&mut self) {
        for process in &mut self.processes {
            if process.child.is_none() {
                process.start();
            }
        }
        for process in &self.processes {
            process.answers().await;
        }
    }

    /// Asks all processes to stop and waits until they have.
    pub(crate) fn terminate(mut self) -> Ground {
        for process in &mut self.processes {
            process.terminate();
        }
        let Server { ground, .. } = self;
        ground
    }
}

/// Ingest, then Query with Admin and Segment, then two Aggregates: the order in which they are stopped.
fn apart(ground: &Ground, database: &str) -> Vec<Process> {
    let mut config = Config::load(None, &Overrides::default()).unwrap();
    shared(&mut config);
    let settings = |more: &[(&'static str, String)]| {
        let mut all = vec![
            ("PISTATS_STORE__URL", database.to_owned()),
            ("PISTATS_SECRETS__INSTANCE_KEY", config.secrets.instance_key.clone()),
            ("PISTATS_SECRETS__VISITOR_SECRET", config.secrets.visitor_secret.clone()),
            ("PISTATS_AGGREGATE__LEASE_MS", config.aggregate.lease_ms.to_string()),
            ("PISTATS_AGGREGATE__HEARTBEAT_MS", config.aggregate.heartbeat_ms.to_string()),
        ];
        all.extend_from_slice(more);
        all
    };
    let ingest = Process::new(ground, "ingest", &["ingest"], settings(&[]));
    let log = [("PISTATS_LOG__URL", format!("ingest://{}", ingest.address))];
    let aggregates =
        ["aggregate-1", "aggregate-2"].map(|name| Process::new(ground, name, &["aggregate"], settings(&log)));
    let list =
        |urls: &[String]| format!("[{}]", urls.iter().map(|url| format!("\"{url}\"")).collect::<Vec<_>>().join(","));
    let mesh = [
        ("PISTATS_MESH__AGGREGATE", list(&aggregates.each_ref().map(Process::url))),
        ("PISTATS_MESH__INGEST", list(&[ingest.url()])),
    ];
    let query = Process::new(ground, "query", &["query", "admin", "segment"], settings(&mesh));
    let [first, second] = aggregates;
    vec![ingest, query, first, second]
}

impl Process {
    fn new(ground: &Ground, name: &str, roles: &[&str], settings: Vec<(&'static str, String)>) -> Process {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let data = if name.is_empty() { ground.data() } else { ground.data().join(name) };
        let mut arguments = vec!["serve".to_owned(), "--listen".to_owned(), address.to_string(), "--data".to_owned()];
        arguments.push(data.to_str().unwrap().to_owned());
        if !roles.is_empty() {
            arguments.extend(["--roles".to_owned(), roles.join(",")]);
        }
        Process { address, settings, arguments, lines: None, child: None }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn start(&mut self) {
        let printed = || match &self.lines {
            Some(lines) => std::fs::File::options().create(true).append(true).open(lines).unwrap().into(),
            None => Stdio::null(),
        };
        let errors = if self.lines.is_some() { printed() } else { Stdio::inherit() };
        let child = Command::new(env!("CARGO_BIN_EXE_pistats"))
            .args(&self.arguments)
            .env("PISTATS_LOG__SEGMENT_MIB", "16")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdout(printed())
            .stderr(errors)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    async fn answers(&self) {
        let since = Instant::now();
        while !healthy(&self.url()).await {
            assert!(since.elapsed() < PATIENCE, "{:?} did not answer within a minute", self.arguments);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn terminate(&mut self) {
        if let Some(mut child) = self.child.take() {
            assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
            assert!(child.wait().unwrap().success(), "an orderly stop is a success");
        }
    }
}

/// A test that failed leaves no process behind.
impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) async fn healthy(url: &str) -> bool {
    let server =
        pistats::cli::Server { server: url.to_owned(), key: None, data: Default::default(), tls: Default::default() };
    pistats::commands::operate::check(&server).await.is_ok()
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
