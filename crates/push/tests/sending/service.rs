//! A push service on loopback that follows a script, and counts.

use pistats_push::vapid::Contact;
use pistats_push::{Identity, Message, Reach, Sender, Settings, Subscription, VapidKey};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// What a service does with a request that it has read.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    /// Writes these bytes and goes on with the connection.
    Answers(String),
    /// Writes these bytes and closes the connection.
    AnswersAndCloses(String),
    /// Writes these bytes, and then nothing more, for ever.
    Hangs(String),
    /// Closes without having read anything.
    ClosesUnread,
    /// Answers after so long.
    AnswersAfter(Duration, String),
}

/// A status line and headers without a text.
pub(crate) fn status(status: u16, headers: &str) -> String {
    format!("HTTP/1.1 {status} Whatever\r\n{headers}Content-Length: 0\r\n\r\n")
}

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

/// A running service; it ends with the value.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    counts: Arc<Counts>,
    running: AbortHandle,
}

impl Service {
    /// Does with its first request the first of the script, and so on; with all others the last.
    pub(crate) async fn that(script: Vec<Does>) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let counts = Arc::new(Counts::default());
        let (script, counted) = (Arc::new(script), counts.clone());
        let running = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, script.clone(), counted.clone()));
            }
        });
        Service { address, counts, running: running.abort_handle() }
    }

    pub(crate) async fn answering(answer: String) -> Service {
        Service::that(vec![Does::Answers(answer)]).await
    }

    pub(crate) fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.counts.most_at_once.load(Ordering::SeqCst)
    }

    /// A subscription at it, by its address.
    pub(crate) fn subscription(&self) -> Subscription {
        subscription(&format!("http://{}/push/1", self.address))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Speaks HTTP/1.1 on a stream, as the script says.
pub(crate) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: Arc<Vec<Does>>,
    counts: Arc<Counts>,
) {
    if let [Does::ClosesUnread] = script[..] {
        return;
    }
    while read_request(&mut stream).await {
        let number = counts.requests.fetch_add(1, Ordering::SeqCst);
        let at_once = counts.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        counts.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        let does = script[number.min(script.len() - 1)].clone();
        if let Does::AnswersAfter(time, _) = &does {
            tokio::time::sleep(*time).await;
        }
        counts.at_once.fetch_sub(1, Ordering::SeqCst);
        let (answer, goes_on) = match does {
            Does::Answers(answer) | Does::AnswersAfter(_, answer) => (answer, true),
            Does::AnswersAndCloses(answer) => (answer, false),
            Does::ClosesUnread => return,
            Does::Hangs(beginning) => {
                let _ = stream.write_all(beginning.as_bytes()).await;
                return std::future::pending().await;
            }
        };
        if stream.write_all(answer.as_bytes()).await.is_err() || !goes_on {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// Reads a head and as much text as it announces. False: the stream ended.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return false };
        head.push(byte);
    }
    let head = String::from_utf8(head).expect("a head is text").to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.expect("a length").parse().expect("a number")];
    stream.read_exact(&mut body).await.is_ok()
}

/// A browser's keys: those of RFC 8291, appendix A.
pub(crate) fn subscription(endpoint: &str) -> Subscription {
    let p256dh = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    Subscription::read(endpoint, p256dh, "BTBZMqHH6r4Tts7J_aSIgg", Reach::PublicAndLoopback).expect("a subscription")
}

pub(crate) fn identity() -> Identity {
    Identity::new(VapidKey::generate().expect("a key"), Contact::read("mailto:ops@example.org").expect("a contact"))
}

pub(crate) fn message() -> Message {
    Message::new("hello", Duration::from_secs(60)).expect("a message")
}

/// For tests: loopback, and a deadline that a test can wait for.
pub(crate) fn settings() -> Settings {
    Settings { reach: Reach::PublicAndLoopback, deadline: Duration::from_secs(5), ..Settings::default() }
}

pub(crate) fn sender() -> Sender {
    Sender::new(&settings()).expect("a sender")
}

/// A sender that gives up soon.
pub(crate) fn hasty() -> Sender {
    let within = Duration::from_millis(400);
    let settings = Settings { deadline: within, connect_within: within, ..settings() };
    Sender::new(&settings).expect("a sender")
}
