//! The way out: one message to one subscription. A trait, so that tests see what would leave.

use async_trait::async_trait;
use pistats_push::{Identity, Message, Outcome, Sender, Subscription};

/// What sends a message.
///
/// Implementations MUST promise:
/// - **C-1** One call makes at most one request, and ends within a bounded time.
/// - **C-2** An outcome after which a message may be sent again means that nobody got it.
#[async_trait]
pub trait Channel: Send + Sync + 'static {
    async fn send(&self, by: &Identity, to: &Subscription, message: &Message) -> Outcome;
}

#[async_trait]
impl Channel for Sender {
    async fn send(&self, by: &Identity, to: &Subscription, message: &Message) -> Outcome {
        Sender::send(self, by, to, message).await
    }
}
