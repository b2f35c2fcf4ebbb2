//! People, exactly: what is counted of random visitors, in any order, through crashes, as the naive oracle counts it.
//!
//! ```text
//!   histories   2,000 random histories in waves, each a site of its own, asked after each wave
//!   cookieless  the same of visitors who are derived at the door
//!   house       log, collector, aggregator, warehouse and query service in this process, under the test's control
//! ```

// Shared with the spine's tests, which ask less.
#[allow(dead_code)]
#[path = "../spine/asked.rs"]
mod asked;
#[allow(dead_code)]
#[path = "../spine/compare.rs"]
mod compare;
mod cookieless;
mod histories;
mod house;
