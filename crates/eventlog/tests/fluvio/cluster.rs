//! A cluster of a test's own: a controller (SC) and one SPU, in a temporary directory, that may be killed and restored.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pistats_eventlog::fluvio::{Config, Spu, register_spu};
use tokio::sync::{Mutex, MutexGuard};

use crate::require;

/// One cluster at a time: the machine has few cores, and the tests wait for each other's timeouts otherwise.
static ONE: Mutex<()> = Mutex::const_new(());

pub struct Cluster {
    program: PathBuf,
    dir: tempfile::TempDir,
    /// Public and private port of the SC, public and private port of the SPU.
    ports: [u16; 4],
    sc: Option<Child>,
    spu: Option<Child>,
    _one: MutexGuard<'static, ()>,
}

impl Cluster {
    /// A running cluster; none where no program is named.
    pub async fn start() -> Option<Cluster> {
        let program = std::env::var_os("PISTATS_TEST_FLUVIO_RUN").map(PathBuf::from);
        require::found("fluvio", || program.is_some(), "PISTATS_TEST_FLUVIO_RUN names no fluvio-run program");
        let program = program?;
        let one = ONE.lock().await;
        let listeners: Vec<TcpListener> = (0..4).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        drop(listeners);
        let ports = ports.try_into().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut cluster = Cluster { program, dir, ports, sc: None, spu: None, _one: one };
        cluster.start_sc().await;
        let [_, _, public, private] = cluster.ports;
        let spu = Spu { id: 5001, public: format!("127.0.0.1:{public}"), private: format!("127.0.0.1:{private}") };
        assert!(register_spu(&cluster.address(), &spu).await.unwrap(), "a new SPU");
        assert!(!register_spu(&cluster.address(), &spu).await.unwrap(), "known by now");
        cluster.start_spu().await;
        cluster.written().await;
        Some(cluster)
    }

    /// Waits until the controller has written down its SPU. Killed in the middle of it, it would leave an empty file, and know of no SPU
    /// any more: what that comes to is seen in `damage`, on purpose.
    async fn written(&self) {
        let file = self.metadata().join("SPU/custom-spu-5001.yaml");
        let (begun, mut calm) = (Instant::now(), 0);
        let mut before = 0;
        while calm < 5 {
            assert!(begun.elapsed() < Duration::from_secs(30), "the controller did not write {}", file.display());
            tokio::time::sleep(Duration::from_millis(100)).await;
            let bytes = std::fs::metadata(&file).map_or(0, |file| file.len());
            calm = if bytes > 0 && bytes == before { calm + 1 } else { 0 };
            before = bytes;
        }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    pub fn config(&self) -> Config {
        Config { address: self.address(), ..Config::default() }
    }

    pub fn metadata(&self) -> PathBuf {
        self.dir.path().join("metadata")
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub async fn start_sc(&mut self) {
        let [public, private, ..] = self.ports;
        let mut command = self.command("sc");
        command.arg("--local").arg(self.metadata());
        command.args(["--bind-public", &format!("127.0.0.1:{public}")]);
        command.args(["--bind-private", &format!("127.0.0.1:{private}")]);
        self.sc = Some(command.spawn().unwrap());
        listens(public).await;
    }

    pub async fn start_spu(&mut self) {
        let [_, sc, public, private] = self.ports;
        let mut command = self.command("spu");
        command.args(["-i", "5001", "-p", &format!("127.0.0.1:{public}"), "-v", &format!("127.0.0.1:{private}")]);
        command.args(["--sc-addr", &format!("127.0.0.1:{sc}")]);
        command.arg("--log-base-dir").arg(self.data());
        self.spu = Some(command.spawn().unwrap());
        listens(public).await;
    }

    fn command(&self, role: &str) -> Command {
        std::fs::create_dir_all(self.metadata()).unwrap();
        std::fs::create_dir_all(self.data()).unwrap();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.path().join(role)).unwrap();
        let mut command = Command::new(&self.program);
        command.arg(role).env("RUST_LOG", "error").stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command
    }

    /// `kill -9`.
    pub fn kill_sc(&mut self) {
        kill(&mut self.sc);
    }

    /// `kill -9`.
    pub fn kill_spu(&mut self) {
        kill(&mut self.spu);
    }

    /// Copies a directory next to itself; what was copied before goes.
    pub fn copy(from: &Path, to: &Path) {
        let _ = std::fs::remove_dir_all(to);
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            if from.is_dir() {
                Cluster::copy(&from, &to);
            } else {
                std::fs::copy(from, to).unwrap();
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        kill(&mut self.spu);
        kill(&mut self.sc);
    }
}

fn kill(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

async fn listens(port: u16) {
    let since = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(since.elapsed() < Duration::from_secs(60), "nobody listens on port {port}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
