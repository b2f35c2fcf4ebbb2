//! Sending one message: encrypt, find a connection to a checked address, one POST, read what became of it.

mod body;
mod connection;
mod dial;
mod gate;
mod pool;
mod resolve;
mod settings;

pub use resolve::{Resolve, SystemResolver};
pub use settings::{BadSettings, Settings};

use crate::message::Message;
use crate::outcome::{NotSent, Outcome};
use crate::seal;
use crate::subscription::Subscription;
use crate::vapid::Identity;
use bytes::Bytes;
use connection::{Connection, Failure};
use dial::Dialer;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request};
use http_body_util::Full;
use pool::Pool;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// Sends messages. Cheap to share behind an `Arc`; keeps connections for a few seconds.
///
/// Must be used within a tokio runtime with time and I/O.
pub struct Sender {
    dialer: Dialer,
    pool: Pool,
    /// One permit a request in flight.
    places: Semaphore,
    deadline: Duration,
}

impl Sender {
    /// A sender that looks names up as the machine does.
    pub fn new(settings: &Settings) -> Result<Sender, BadSettings> {
        Sender::with_resolver(settings, Arc::new(SystemResolver))
    }

    /// A sender that looks names up by `resolver`. What it answers is checked like any other address.
    pub fn with_resolver(settings: &Settings, resolver: Arc<dyn Resolve>) -> Result<Sender, BadSettings> {
        settings.check()?;
        Ok(Sender {
            dialer: Dialer::new(settings, resolver)?,
            pool: Pool::new(settings.in_flight),
            places: Semaphore::new(settings.in_flight),
            deadline: settings.deadline,
        })
    }

    /// Sends a message with at most one request (W-4), and says what became of it.
    ///
    /// Waits while [`Settings::in_flight`] others are sent; the deadline begins afterwards. Dropping the future while it runs
    /// leaves the outcome unknown: count it as uncertain. Whoever must not send twice puts the intent on disk before the call.
    pub async fn send(&self, by: &Identity, to: &Subscription, message: &Message) -> Outcome {
        // An error would mean that the places were closed, which nobody does.
        let _place = self.places.acquire().await;
        let deadline = Instant::now() + self.deadline;
        let Some(request) = request(by, to, message) else { return Outcome::NotSent(NotSent::NoRandom) };
        let mut connection = match timeout_at(deadline, self.connection(to)).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(why)) => return Outcome::NotSent(why),
            Err(_) => return Outcome::NotSent(NotSent::Deadline),
        };
        match connection.exchange(request, deadline).await {
            Err(Failure::BeforeTaken(why)) => Outcome::NotSent(why),
            Err(Failure::AfterTaken(doubt)) => Outcome::Uncertain(doubt),
            Ok(answer) => {
                let (head, text, is_whole) = body::beginning(answer, deadline).await;
                if is_whole {
                    self.pool.keep(to.push_service(), connection);
                }
                let retry_after = head.headers.get(RETRY_AFTER).map(HeaderValue::as_bytes);
                Outcome::of_answer(head.status, retry_after, &text, now_unix_s())
            }
        }
    }

    async fn connection(&self, to: &Subscription) -> Result<Connection, NotSent> {
        match self.pool.take(to.push_service()).await {
            Some(connection) => Ok(connection),
            None => self.dialer.dial(to.place()).await,
        }
    }
}

/// The request that carries a message (RFC 8030, section 5; RFC 8291, section 4). None: the machine gives no random numbers.
fn request(by: &Identity, to: &Subscription, message: &Message) -> Option<Request<Full<Bytes>>> {
    let body = seal::seal(message.payload(), &to.receiver())?;
    let authorization = by.authorization(to.push_service(), now_unix_s())?;
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(to.place().target().clone())
        .header(HOST, to.place().authority())
        .header(USER_AGENT, "piStats")
        .header(AUTHORIZATION, authorization)
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(CONTENT_ENCODING, "aes128gcm")
        .header("ttl", message.time_to_live_s())
        .header("urgency", message.urgency().name());
    if let Some(topic) = message.topic() {
        request = request.header("topic", topic);
    }
    // Every part was checked where it was read: this cannot fail.
    request.body(Full::new(Bytes::from(body))).ok()
}

fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
