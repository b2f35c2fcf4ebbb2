//! Connections that are kept for a moment, so that the messages of a campaign share them.
//!
//! Not for long: a connection that the other side closes just as a request goes out makes that request uncertain, and one that
//! is kept for hours goes on leading to where a name no longer does.

use super::connection::Connection;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Push services hold an idle connection for longer than this.
const IDLE: Duration = Duration::from_secs(5);

/// After so long a name is looked up, and its address checked, again.
const OPEN: Duration = Duration::from_secs(60);

/// Kept connections by push service (scheme, host and port).
pub(super) struct Pool {
    kept: Mutex<HashMap<String, Vec<Kept>>>,
    most: usize,
}

struct Kept {
    connection: Connection,
    since: Instant,
}

impl Kept {
    fn is_fresh(&self, now: Instant) -> bool {
        now.duration_since(self.since) < IDLE && now.duration_since(self.connection.opened) < OPEN
    }
}

impl Pool {
    /// A pool of at most so many connections.
    pub(super) fn new(most: usize) -> Pool {
        Pool { kept: Mutex::new(HashMap::new()), most }
    }

    /// A connection to a push service that can be used at once.
    pub(super) async fn take(&self, push_service: &str) -> Option<Connection> {
        loop {
            let mut connection = self.newest(push_service)?;
            if connection.is_usable().await {
                return Some(connection);
            }
        }
    }

    fn newest(&self, push_service: &str) -> Option<Connection> {
        let mut kept = self.kept.lock();
        let of_service = kept.get_mut(push_service)?;
        let newest = of_service.pop()?;
        if newest.is_fresh(Instant::now()) {
            return Some(newest.connection);
        }
        // It was used last: the others have been idle for longer.
        kept.remove(push_service);
        None
    }

    /// Keeps a connection whose answer was read to its end, if there is room.
    pub(super) fn keep(&self, push_service: &str, connection: Connection) {
        let now = Instant::now();
        let mut kept = self.kept.lock();
        kept.retain(|_, of_service| {
            of_service.retain(|kept| kept.is_fresh(now));
            !of_service.is_empty()
        });
        if kept.values().map(Vec::len).sum::<usize>() < self.most {
            kept.entry(push_service.to_owned()).or_default().push(Kept { connection, since: now });
        }
    }
}
