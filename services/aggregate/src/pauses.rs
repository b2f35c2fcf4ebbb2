//! Pauses of folding, for those who change what folding relies on.
//!
//! Windows hold local days, caches hold what was read: another zone of a site makes both wrong. So the change is made between
//! two epochs, when everything folded is committed and nothing is in memory.

use crate::Error;
use crate::aggregator::Command;
use futures::FutureExt as _;
use tokio::sync::{mpsc, oneshot};

/// Pauses folding. Cheap to clone.
#[derive(Clone)]
pub struct Pauses(pub(crate) mpsc::Sender<Command>);

impl Pauses {
    /// Commits what is folded, does `work` while nothing is folded, and folds on; the log is appended to meanwhile. Answers
    /// when the work is done. Once asked for, it is done also if this future is dropped.
    ///
    /// Errors: the aggregator is stopped, and the work was not begun; or the work panicked.
    pub async fn during<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let work = async move {
            // Nobody waits any more: the effect stands all the same.
            let _ = reply.send(work.await);
        };
        self.0.send(Command::Pause(work.boxed())).await.map_err(|_| Error::Stopped)?;
        answer.await.map_err(|_| Error::Stopped)
    }
}
