//! A start before the store: the process waits for it, and says so.
//!
//! ```text
//!   attempt ─ done ─────────────────────────────────────────▶ go on
//!      │ the store does not answer                     │ any other error ─▶ the start fails
//!      ▼
//!   the port opens: health NOT_SERVING, calls UNAVAILABLE ─▶ pause (0.1 s, doubled up to 2 s) ─▶ attempt …
//! ```
//!
//! So the order in which containers start does not matter. What no waiting mends (a wrong password, a database that is not
//! there, a program too old for the tables) fails at once. For how long: `store.wait_seconds`.
//!
//! The port that waits and the one that serves are one socket: who comes in between is queued by the system, not refused.

use crate::config::Config;
use pistats_rpc::Server;
use pistats_store::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MOST: Duration = Duration::from_secs(2);

/// How often it is told that it still waits.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// When it gives the port on, calls under way have so long.
const DRAIN: Duration = Duration::from_millis(500);

/// Why an attempt failed.
pub(super) enum Failure {
    /// The store does not answer: another attempt may succeed.
    NotYet(String),
    Never(String),
}

impl Failure {
    /// Of the store.
    pub(super) fn of_store(error: Error) -> Failure {
        let text = format!("store: {error}");
        match error {
            Error::Unavailable(_) | Error::Interrupted => Failure::NotYet(text),
            _ => Failure::Never(text),
        }
    }
}

impl From<String> for Failure {
    fn from(error: String) -> Failure {
        Failure::Never(error)
    }
}

/// A process that starts.
pub(super) struct Waiting {
    config: Config,
    port: Option<Port>,
}

/// The port while it waits, and the same socket for later.
struct Port {
    listener: TcpListener,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Waiting {
    pub(super) fn new(config: &Config) -> Waiting {
        Waiting { config: config.clone(), port: None }
    }

    /// Repeats an attempt as long as it fails for want of the store.
    ///
    /// # Errors
    /// What no waiting mends; and the store's absence once it lasted for `store.wait_seconds`.
    pub(super) async fn until<T, A>(&mut self, attempt: impl Fn() -> A) -> Result<T, String>
    where
        A: Future<Output = Result<T, Failure>>,
    {
        let (since, mut pause, mut told) = (Instant::now(), PAUSE_FIRST, None::<Instant>);
        let patience = Some(self.config.store.wait_seconds).filter(|seconds| *seconds > 0).map(Duration::from_secs);
        loop {
            let reason = match attempt().await {
                Ok(done) => {
                    if told.is_some() {
                        tracing::info!(waited_s = since.elapsed().as_secs(), "the store answers");
                    }
                    return Ok(done);
                }
                Err(Failure::Never(error)) => return Err(error),
                Err(Failure::NotYet(reason)) => reason,
            };
            if patience.is_some_and(|patience| since.elapsed() + pause > patience) {
                return Err(format!("{reason}; it was waited for (store.wait_seconds)"));
            }
            if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
                let store = shown(&self.config.store.url);
                tracing::warn!(store, reason, waited_s = since.elapsed().as_secs(), "waiting for the store");
                told = Some(Instant::now());
            }
            if self.port.is_none() {
                self.port = Some(self.open().await?);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MOST);
        }
    }

    async fn open(&self) -> Result<Port, String> {
        let socket = bind(self.config.server.listen).await?;
        let settings = pistats_rpc::server::Settings {
            drain: DRAIN,
            stream_grace: Duration::ZERO,
            tls: self.config.server_tls(),
            ..Default::default()
        };
        let failed = |error: std::io::Error| format!("the port cannot be shared: {error}");
        let socket = socket.into_std().map_err(failed)?;
        let waits = TcpListener::from_std(socket.try_clone().map_err(failed)?).map_err(failed)?;
        let listener = TcpListener::from_std(socket).map_err(failed)?;
        let server = Server::new(settings).map_err(|error| error.to_string())?;
        let server = server.waiting("this process waits for its store (store.url); try again");
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            // A dropped sender is a stop, too.
            let served = server.serve(waits, async { _ = stopped.await }).await;
            served.err().into_iter().for_each(|error| tracing::error!(%error, "the port failed"));
        });
        Ok(Port { listener, stop, serving })
    }

    /// The port, for the services.
    pub(super) async fn listener(self) -> Result<TcpListener, String> {
        let Some(Port { listener, stop, serving }) = self.port else { return bind(self.config.server.listen).await };
        _ = stop.send(());
        serving.await.map_err(|error| error.to_string())?;
        Ok(listener)
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| format!("cannot listen on {address} (server.listen): {error}"))
}

/// An address without what is secret in it.
fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split_once('?').map_or(rest, |(address, _)| address);
    format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    fn waiting(wait_seconds: u64) -> Waiting {
        let mut config = Config::load(None, &Overrides::default()).expect("the defaults");
        config.server.listen = "127.0.0.1:0".parse().expect("an address");
        config.store.wait_seconds = wait_seconds;
        Waiting::new(&config)
    }

    /// An attempt that fails so many times for want of the store.
    async fn fails(times: u32, waiting: &mut Waiting) -> (Result<u32, String>, u32) {
        let attempts = AtomicU32::new(0);
        let attempt = || {
            let number = attempts.fetch_add(1, SeqCst);
            let away = || Failure::of_store(Error::Unavailable("nobody listens".to_owned()));
            std::future::ready(if number < times { Err(away()) } else { Ok(number) })
        };
        (waiting.until(attempt).await, attempts.load(SeqCst))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_store_that_comes_later_is_waited_for_on_an_open_port_that_is_kept() {
        let mut started = waiting(0);
        assert_eq!(fails(0, &mut started).await, (Ok(0), 1));
        assert!(started.port.is_none(), "a start that need not wait opens nothing early");
        assert_eq!(fails(3, &mut started).await, (Ok(3), 4));
        let address = started.port.as_ref().map(|port| port.listener.local_addr().expect("an address"));
        let kept = started.listener().await.expect("the port").local_addr().expect("an address");
        assert_eq!(address, Some(kept));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn waiting_ends_after_its_time_and_with_what_no_waiting_mends() {
        let since = Instant::now();
        let (ended, attempts) = fails(u32::MAX, &mut waiting(1)).await;
        let said = ended.expect_err("refused");
        assert!(said.contains("nobody listens") && said.contains("store.wait_seconds"), "{said}");
        assert!(attempts > 2 && since.elapsed() < Duration::from_secs(5), "{attempts}");
        let too_old = || std::future::ready(Err::<(), _>(Failure::of_store(Error::Open("too old".to_owned()))));
        assert!(waiting(0).until(too_old).await.expect_err("refused").contains("too old"));
    }

    #[test]
    fn no_password_is_told() {
        assert_eq!(shown("postgres://me:secret@host:5432/db?password=x"), "postgres://host:5432/db");
        assert_eq!(shown("postgres://host/db"), "postgres://host/db");
    }
}
