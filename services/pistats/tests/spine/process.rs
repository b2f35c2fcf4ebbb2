//! The program itself, as a process that can be killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A `pistats serve` on a data folder.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    /// Starts the program and waits until it answers health checks.
    pub(crate) async fn start(data: &Path, port: u16) -> Server {
        let child = Command::new(env!("CARGO_BIN_EXE_pistats"))
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(data)
            .env("PISTATS_LOG__SEGMENT_MIB", "16")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server { child, url: format!("http://127.0.0.1:{port}") };
        let since = Instant::now();
        while !healthy(&server.url).await {
            assert!(since.elapsed() < Duration::from_secs(60), "the server did not answer within a minute");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn terminate(mut self) {
        let status = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
        assert!(self.child.wait().unwrap().success(), "an orderly stop is a success");
    }
}

async fn healthy(url: &str) -> bool {
    let server = pistats::cli::Server { server: url.to_owned(), key: None, data: Default::default() };
    pistats::commands::operate::check(&server).await.is_ok()
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
