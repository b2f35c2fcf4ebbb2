//! When to send: pure functions over local times. Whoever needs *now* hands it in.
//!
//! ```text
//!   wall    a time on the clock of a zone, and the next moment it is shown       quiet   hours in which nothing is sent
//!   usual   the hour of the day in which a visitor usually comes                 cap     so many within so long
//! ```
//!
//! All of it holds across daylight-saving changes: zone arithmetic is that of `pistats_core::time`.

mod cap;
mod quiet;
mod usual;
mod wall;

pub use cap::{BadCap, Cap};
pub use quiet::{BadQuiet, Quiet};
pub use usual::{DEFAULT_HOUR, Histogram, at_usual_hour, usual_hour};
pub use wall::{BadWallTime, WallTime};

#[cfg(test)]
mod tests;
