//! Push campaigns: browsers that take messages, what people say of a campaign, and what becomes of it.
//!
//! ```text
//!   pages  ──▶ browser ──▶ subscriptions                                        (store::Subscriptions)
//!   people ──▶ owner ────▶ kept      rows ↔ campaigns, versions and states      (store::Campaigns)
//!                 │  └───▶ preview   whom it would reach and when
//!                 └──────▶ results   counts of messages and clicks, watched
//!
//!   runner ──▶ site: a lease each ──▶ plan ──▶ due ──▶ intent stored ──▶ channel ──▶ answer stored
//!                audience: members with a subscription      moments: when each of them is due      enters: who has just entered
//! ```
//!
//! A visitor gets a campaign once: a message is a row, and its intent is durable before a byte of it leaves. What is on its way when
//! the process ends is uncertain, and never sent again; a place among those on their way is given back only when the answer is
//! stored, so there are never more of them than places.
//!
//! It is not responsible for encryption, addresses and what an answer means (crates/push), nor for who is in a segment.

mod answered;
mod answers;
mod audience;
mod browser;
mod channel;
mod contact;
mod enters;
mod kept;
mod moments;
mod owner;
mod payload;
mod preview;
mod results;
mod runner;
mod service;
mod site;
mod usual;

pub use channel::Channel;
pub use enters::Enters;
pub(crate) use enters::Followed;
pub use service::{Push, PushSettings, Sending};
