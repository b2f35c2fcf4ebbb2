//! What Admin needs of the side that folds: a pause.
//!
//! Services never depend on each other: the binary hands Aggregate's pauses over behind this trait.

use std::pin::Pin;
use tonic::Status;

/// What may only be done while nothing is folded.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The side of the house that folds.
#[tonic::async_trait]
pub trait Folding: Send + Sync + 'static {
    /// Commits what is folded, does the work while nothing is folded, and folds on. Collecting goes on meanwhile.
    ///
    /// MUST do the work to its end once it was asked for, also if this future is dropped. Answers when it is done.
    ///
    /// Errors: UNAVAILABLE folding is stopped, and the work was not begun.
    async fn pause(&self, work: Work) -> Result<(), Status>;
}
