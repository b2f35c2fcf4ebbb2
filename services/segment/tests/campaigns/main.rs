//! The calls of push.v1 over a real store, with a reading side and a push service that the test moves by hand.
//!
//! ```text
//!   browsers   keys, subscriptions, who may                      owners    every state and refusal of a campaign
//!   sending    who gets it, once, and what answers mean          moments   local times, usual hours, quiet hours, expiry
//!   entering   who triggers a message, and who never does        sharing   several processes, and one that dies
//! ```
#![allow(clippy::unwrap_used)]

mod browsers;
mod entering;
mod house;
mod moments;
mod owners;
mod sending;
mod sharing;
