//! Trends: topics that are talked about more than usual, by the formula in query.proto.

use super::{MINUTES, TopicSum};
use crate::time::{Interval, Range, Stretch};
use crate::{Day, Micros, Zone};
use std::sync::Arc;

/// A topic that is talked about more than usual.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    pub topic: Arc<str>,
    /// `(rate - usual) / sqrt(usual + 1)`.
    pub score: f64,
    /// Events a minute, decayed.
    pub rate: f64,
    /// Events a minute, usually.
    pub usual: f64,
}

/// `2^(-a/5)` in 65,536ths, rounded, of a minute that is `a` minutes old: half as much every five minutes.
const WEIGHTS: [u64; MINUTES] = [
    65_536, 57_052, 49_667, 43_238, 37_641, 32_768, 28_526, 24_834, 21_619, 18_820, 16_384, 14_263, 12_417, 10_809,
    9_410, 8_192, 7_132, 6_208, 5_405, 4_705, 4_096, 3_566, 3_104, 2_702, 2_353, 2_048, 1_783, 1_552, 1_351, 1_176,
];

/// The weight of an event by the age of its minute; 0 is the unfinished one.
pub fn weight(age: usize) -> u64 {
    WEIGHTS.get(age).copied().unwrap_or(0)
}

/// All weights together.
pub fn weights() -> u64 {
    WEIGHTS.iter().sum()
}

impl Trend {
    /// The trend of a topic. Only the last step leaves the integers: equal sums give equal scores.
    pub fn of(topic: &TopicSum, usual_minutes: u64) -> Trend {
        let rate = topic.weighted as f64 / weights() as f64;
        let usual = if usual_minutes == 0 { 0.0 } else { topic.usual as f64 / usual_minutes as f64 };
        Trend { topic: topic.topic.clone(), score: (rate - usual) / (usual + 1.0).sqrt(), rate, usual }
    }
}

/// The topics with a score above zero, the greatest first, equal ones by topic.
pub(super) fn rank(topics: Vec<TopicSum>, usual_minutes: u64, limit: usize) -> Vec<Trend> {
    let trends = topics.iter().map(|topic| Trend::of(topic, usual_minutes));
    let mut trends: Vec<Trend> = trends.filter(|trend| trend.score > 0.0).collect();
    trends.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.topic.cmp(&b.topic)));
    trends.truncate(limit);
    trends
}

/// The hours whose level is the usual one for an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsualHours {
    /// As long as the site's clock shows the same hour: from, to (excluded).
    pub from: Micros,
    pub to: Micros,
    /// The 7 local days before: first and last.
    pub days: (Day, Day),
    /// All instants of the 7 local days before at which the clock showed that hour: from, to (excluded).
    pub hours: Vec<(Micros, Micros)>,
}

impl UsualHours {
    /// The hours for an instant.
    pub fn of(zone: &Zone, now: Micros) -> UsualHours {
        let Stretch { from, to, offset_us } = zone.stretch(now);
        let hour = |at: Micros, offset_us: i64| (at.0 + offset_us).div_euclid(Micros::HOUR);
        let starts = Micros(hour(now, offset_us) * Micros::HOUR - offset_us);
        let today = zone.day_of(now);
        let days = (today.plus(-7), today.plus(-1));
        let range = Range::Days { first: days.0, last: days.1 };
        // A week has 168 hours, and a few more where clocks change.
        let buckets = Interval::Hour.buckets(zone, range, 1_000).unwrap_or_default();
        let is_same =
            |at: Micros| hour(at, zone.stretch(at).offset_us).rem_euclid(24) == hour(now, offset_us).rem_euclid(24);
        let hours =
            buckets.iter().filter(|bucket| is_same(bucket.from)).map(|bucket| (bucket.from, bucket.to)).collect();
        UsualHours { from: from.max(starts), to: to.min(starts.plus(Micros::HOUR)), days, hours }
    }

    /// How long the hours lasted, minutes.
    pub fn minutes(&self) -> u64 {
        let lasted: i64 = self.hours.iter().map(|(from, to)| to.since(*from)).sum();
        u64::try_from(lasted / Micros::MINUTE).unwrap_or(0)
    }

    /// Whether they are the hours for an instant.
    pub fn hold(&self, now: Micros) -> bool {
        self.from <= now && now < self.to
    }
}
