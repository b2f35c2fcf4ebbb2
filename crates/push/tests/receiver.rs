//! Against a push service and a browser that nobody on this project wrote: `webpush/push_receiver.py` of the reference data.
//!
//! It hands out subscriptions, decrypts what comes (PyPI `http_ece`), checks the token (PyPI `cryptography`: signature, audience,
//! end, contact, and that the key is the one that the page subscribed with) and answers the status that a subscription was
//! made for. `tools/test-programs` brings both packages.

use pistats_push::seal::MOST_PAYLOAD_BYTES;
use pistats_push::vapid::Contact;
use pistats_push::{Doubt, Identity, Message, Outcome, Reach, Sender, Settings, Subscription, Urgency, VapidKey};
use pistats_testkit::{data, require};
use serde_json::Value;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SUBSCRIPTIONS: usize = 1_000;

/// The running script; it ends with the value.
struct Receiver {
    python: Child,
    address: SocketAddr,
}

impl Receiver {
    /// None, and a printed skip: something that it needs is missing.
    fn start(vapid_public: &str) -> Option<Receiver> {
        let script = data::folder()?.join("webpush/push_receiver.py");
        if !require::found("data", || script.is_file(), "no webpush/push_receiver.py in it")
            || !require::have("python3")
        {
            return None;
        }
        let packages = || {
            python()
                .args(["-c", "import http_ece, cryptography"])
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        };
        if !require::found("http_ece", packages, "python3 has no http_ece or cryptography; run tools/test-programs") {
            return None;
        }
        // Free a moment ago; if somebody takes it meanwhile the script says so and the test fails.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let mut python = python();
        python.arg(script).arg(address.port().to_string()).args(["--vapid-public", vapid_public]);
        let python = python.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("python3 runs");
        let receiver = Receiver { python, address };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the receiver does not listen on {address}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(receiver)
    }

    fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(self.address).expect("connected");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: push\r\nConnection: close\r\n\r\n").expect("written");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("read");
        let answer = String::from_utf8(answer).expect("text");
        serde_json::from_str(answer.split_once("\r\n\r\n").expect("a head and a text").1).expect("JSON")
    }

    /// A browser of its own that subscribed; messages to it are answered with this status.
    fn subscription(&self, status: u16) -> Subscription {
        let json = self.get(&format!("/subscription?status={status}"));
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let (endpoint, keys) = (text(&json["endpoint"]), &json["keys"]);
        Subscription::read(&endpoint, &text(&keys["p256dh"]), &text(&keys["auth"]), Reach::PublicAndLoopback)
            .expect("a subscription")
    }

    /// What it got, by subscription: one entry a message.
    fn received(&self) -> HashMap<String, Vec<Value>> {
        let mut by_id: HashMap<String, Vec<Value>> = HashMap::new();
        for one in self.get("/received").as_array().expect("a list") {
            by_id.entry(one["id"].as_str().expect("text").to_owned()).or_default().push(one.clone());
        }
        by_id
    }
}

impl Drop for Receiver {
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

/// Patient: Python's server lets only a few connections wait, the others knock again after seconds.
fn settings() -> Settings {
    let within = Duration::from_secs(60);
    Settings { reach: Reach::PublicAndLoopback, deadline: within, connect_within: within, ..Settings::default() }
}

fn id(subscription: &Subscription) -> String {
    subscription.endpoint().rsplit('/').next().expect("a path").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_of_a_thousand_is_decrypted_and_its_token_accepted() {
    let key = VapidKey::generate().expect("a key");
    let Some(receiver) = Receiver::start(&key.public_text()) else { return };
    let identity = Arc::new(Identity::new(key, Contact::read("mailto:ops@example.org").expect("a contact")));
    let sender = Arc::new(Sender::new(&settings()).expect("a sender"));

    let odd = [(404, 10), (410, 10), (413, 10), (429, 10), (403, 5), (503, 5), (500, 5), (307, 5)];
    let statuses = odd.iter().flat_map(|(status, times)| vec![*status; *times]).chain(vec![201; SUBSCRIPTIONS]);
    let subscriptions: Vec<(u16, Subscription)> =
        statuses.map(|status| (status, receiver.subscription(status))).collect();

    let begun = Instant::now();
    let sends: Vec<_> = subscriptions
        .iter()
        .cloned()
        .enumerate()
        .map(|(number, (status, to))| {
            let (identity, sender) = (identity.clone(), sender.clone());
            tokio::spawn(async move {
                let message = message(number);
                (status, sender.send(&identity, &to, &message).await)
            })
        })
        .collect();
    for send in sends {
        let (status, outcome) = send.await.expect("sent");
        let is_right = match status {
            201 => outcome == Outcome::Accepted,
            404 | 410 => outcome == Outcome::Gone && outcome.ends_subscription(),
            413 => outcome == Outcome::TooLarge,
            429 => outcome == Outcome::RateLimited { retry_after: Some(Duration::from_secs(2)) },
            503 => outcome == Outcome::TryLater { status, retry_after: None },
            500 => outcome == Outcome::Uncertain(Doubt::Failed(500)),
            _ => outcome == Outcome::Rejected { status, reason: String::new() },
        };
        assert!(is_right, "{status}: {outcome:?}");
    }
    println!("{} messages in {:?}", subscriptions.len(), begun.elapsed());

    let received = receiver.received();
    assert_eq!(received.len(), subscriptions.len());
    for (number, (status, to)) in subscriptions.iter().enumerate() {
        let [one] = &received[&id(to)][..] else { panic!("{number}: {:?}", received[&id(to)]) };
        assert_eq!(one["plaintext"].as_str().map(str::as_bytes), Some(message(number).payload()), "{number}: {one}");
        assert_eq!(one["vapid"]["ok"], true, "{one}");
        assert_eq!(one["status"], *status, "{one}");
        let headers = ["ttl", "urgency", "topic", "encoding"].map(|name| one[name].as_str().expect("text"));
        assert_eq!(headers, ["3600", "high", &*format!("campaign-{number}"), "aes128gcm"]);
    }
}

fn message(number: usize) -> Message {
    let text = format!(r#"{{"title":"Grüße № {number}","body":"{}"}}"#, "✓ ".repeat(number % 300));
    let message = Message::new(text, Duration::from_secs(3600)).expect("a message").with_urgency(Urgency::High);
    message.with_topic(&format!("campaign-{number}")).expect("a topic")
}

#[tokio::test]
async fn the_greatest_payload_is_taken_and_a_foreign_key_is_not() {
    let key = VapidKey::generate().expect("a key");
    let Some(receiver) = Receiver::start(&key.public_text()) else { return };
    let contact = || Contact::read("https://example.org/push").expect("a contact");
    let sender = Sender::new(&settings()).expect("a sender");

    let to = receiver.subscription(201);
    let payload = "x".repeat(MOST_PAYLOAD_BYTES);
    let message = Message::new(payload.clone(), Duration::ZERO).expect("a message");
    assert_eq!(sender.send(&Identity::new(key, contact()), &to, &message).await, Outcome::Accepted);
    let received = receiver.received();
    let one = &received[&id(&to)][0];
    assert_eq!((one["body_len"].as_u64(), one["plaintext"].as_str()), (Some(4096), Some(&*payload)));
    assert_eq!((one["ttl"].as_str(), one["urgency"].as_str()), (Some("0"), Some("normal")));
    assert!(one["topic"].is_null());

    let foreign = Identity::new(VapidKey::generate().expect("a key"), contact());
    let outcome = sender.send(&foreign, &to, &message).await;
    assert_eq!(outcome, Outcome::Rejected { status: 403, reason: String::new() });
}
