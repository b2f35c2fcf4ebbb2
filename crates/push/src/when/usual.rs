//! The hour of the day in which a visitor usually comes.

use super::wall::{WallTime, since_midnight};
use pistats_core::time::{Micros, Zone};

/// Events by the local hour in which they happened, 0 to 23.
pub type Histogram = [u64; 24];

/// The hour for a site without any history: the middle of the morning disturbs nobody's sleep, and leaves a day to read.
pub const DEFAULT_HOUR: u8 = 10;

/// The hour with most events of a visitor; the earliest of several. A visitor without events has the site's, by the same rule;
/// a site without events [`DEFAULT_HOUR`].
pub fn usual_hour(visitor: &Histogram, site: &Histogram) -> u8 {
    fullest(visitor).or_else(|| fullest(site)).unwrap_or(DEFAULT_HOUR)
}

/// None: there are no events.
fn fullest(histogram: &Histogram) -> Option<u8> {
    let most = *histogram.iter().max()?;
    (0u8..).zip(histogram).find(|(_, events)| **events == most && most > 0).map(|(hour, _)| hour)
}

/// When to send to somebody whose usual hour this is: `from` itself if the clock shows that hour, else the next moment at which
/// it begins.
pub fn at_usual_hour(hour: u8, zone: &Zone, from: Micros) -> Micros {
    let Ok(begins) = WallTime::new(hour, 0) else { return from };
    let shown = since_midnight(zone, from).div_euclid(Micros::HOUR);
    if shown == i64::from(hour) { from } else { begins.next(zone, from) }
}
