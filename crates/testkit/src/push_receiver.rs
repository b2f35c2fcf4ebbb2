//! A push service and its browsers that nobody on this project wrote: `webpush/push_receiver.py` of the reference data.
//!
//! It hands out subscriptions, decrypts what comes (PyPI `http_ece`), checks the token (PyPI `cryptography`) and answers the
//! status that a subscription was made for. `tools/test-programs` brings both packages.

use crate::{data, require};
use serde_json::Value;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The running script; it ends with the value.
pub struct PushReceiver {
    python: Child,
    address: SocketAddr,
}

/// A browser that subscribed.
#[derive(Clone, Debug)]
pub struct Browser {
    pub endpoint: String,
    /// Base64url.
    pub p256dh: String,
    pub auth: String,
}

impl Browser {
    /// What the receiver calls it.
    pub fn id(&self) -> &str {
        self.endpoint.rsplit('/').next().unwrap_or_default()
    }
}

impl PushReceiver {
    /// Starts it for pages that subscribe with this key (base64url). None, and a printed skip: something that it needs is missing.
    ///
    /// # Panics
    /// When it does not listen within half a minute.
    pub fn start(vapid_public: &str) -> Option<PushReceiver> {
        let script = data::folder()?.join("webpush/push_receiver.py");
        let is_there = require::found("data", || script.is_file(), "no webpush/push_receiver.py in it");
        if !is_there || !require::have("python3") {
            return None;
        }
        let packages = || {
            let has = python().args(["-c", "import http_ece, cryptography"]).stderr(Stdio::null()).status();
            has.is_ok_and(|status| status.success())
        };
        if !require::found("http_ece", packages, "python3 has no http_ece or cryptography; run tools/test-programs") {
            return None;
        }
        // Free a moment ago; if somebody takes it meanwhile the script says so and the test fails.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let mut python = python();
        python.arg(script).arg(address.port().to_string()).args(["--vapid-public", vapid_public]);
        let python = python.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("python3 runs");
        let receiver = PushReceiver { python, address };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the receiver does not listen on {address}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(receiver)
    }

    /// A browser of its own that subscribed; messages to it are answered with this status.
    pub fn browser(&self, status: u16) -> Browser {
        let json = self.get(&format!("/subscription?status={status}"));
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let keys = &json["keys"];
        Browser { endpoint: text(&json["endpoint"]), p256dh: text(&keys["p256dh"]), auth: text(&keys["auth"]) }
    }

    /// What it got, by browser: one entry a message.
    pub fn received(&self) -> HashMap<String, Vec<Value>> {
        let mut by_id: HashMap<String, Vec<Value>> = HashMap::new();
        for one in self.get("/received").as_array().expect("a list") {
            by_id.entry(one["id"].as_str().expect("text").to_owned()).or_default().push(one.clone());
        }
        by_id
    }

    fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(self.address).expect("connected");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: push\r\nConnection: close\r\n\r\n").expect("written");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("read");
        let answer = String::from_utf8(answer).expect("text");
        serde_json::from_str(answer.split_once("\r\n\r\n").expect("a head and a text").1).expect("JSON")
    }
}

impl Drop for PushReceiver {
    fn drop(&mut self) {
        let _ = self.python.kill();
        let _ = self.python.wait();
    }
}

/// python3 with the packages that `tools/test-programs` keeps beside the other programs.
fn python() -> Command {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/bin/python");
    let others = std::env::var_os("PYTHONPATH").unwrap_or_default();
    let folders = std::env::split_paths(&others).chain([kept]).filter(|folder| !folder.as_os_str().is_empty());
    let folders: OsString = std::env::join_paths(folders.collect::<Vec<PathBuf>>()).expect("folders");
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", folders);
    python
}
