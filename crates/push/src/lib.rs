//! Web push (RFC 8030): a message to the browser of a visitor who agreed to get messages, and when to send it.
//!
//! ```text
//!   Subscription ─┐                        ┌ look up ▸ check ▸ connect ▸ TLS ┐
//!   Message ──────┼─▶ Sender::send ─ seal ─┤            send/dial            ├─▶ one POST ─▶ Outcome
//!   Identity ─────┘                        └ a kept connection: send/pool    ┘   send/connection, send/gate
//!
//!   subscription  where a browser can be reached, checked       key       VAPID keys, as text
//!   message       what is sent, within the limits               vapid     who sends (RFC 8292)
//!   address       which addresses may be connected to           seal      encryption (RFC 8291)
//!   outcome       what became of a message                      when      local times, quiet hours, usual hours, caps
//! ```
//!
//! It promises; tests cite the numbers:
//! - **W-1** Only the browser that subscribed can read a message; push services see its length and its headers.
//! - **W-2** A connection MUST be made only to an address that was checked: the checked address is the one connected to, so that
//!   a name that resolves differently a moment later leads nowhere else. Redirects MUST NOT be followed.
//! - **W-3** [`Outcome::NotSent`] MUST mean that no byte of the request was handed to a connection. Where that is in doubt, and
//!   no answer came, the outcome MUST be [`Outcome::Uncertain`].
//! - **W-4** One call makes at most one request. Whether to send again is the caller's decision, from the outcome.
//! - **W-5** A call ends within the deadline after it got one of the [`Settings::in_flight`] places; answers are read up to a bound.
//!
//! It is not responsible for whom to send to, for remembering what was sent (the intent must be on disk before the call: a caller
//! that dies in the middle knows only that it may have been sent), nor for retries. It stores nothing and serves nothing.
//!
//! Why not one of the crates for it, and why HTTP/1.1: docs/adr/0028.

pub mod address;
mod base64url;
pub mod key;
pub mod message;
pub mod outcome;
pub mod seal;
pub mod send;
pub mod subscription;
pub mod vapid;
pub mod when;

pub use address::Reach;
pub use key::VapidKey;
pub use message::{Message, Urgency};
pub use outcome::{Doubt, NotSent, Outcome};
pub use send::{Resolve, Sender, Settings};
pub use subscription::{BadSubscription, Subscription};
pub use vapid::Identity;
