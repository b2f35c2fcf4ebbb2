//! How long commits take, and how fresh they are, for whoever reads metrics.

use pistats_telemetry::Meters;
use pistats_telemetry::metrics::{Histogram, catalogue};
use std::time::Duration;

pub(crate) struct Times {
    duration: Histogram,
    delay: Histogram,
}

impl Times {
    pub(crate) fn new(meters: &Meters) -> Times {
        Times {
            duration: meters.histogram(&catalogue::COMMIT_DURATION),
            delay: meters.histogram(&catalogue::COMMIT_DELAY),
        }
    }

    /// A commit took so long; its newest event had been received so long ago, if it held any.
    pub(crate) fn committed(&self, took: Duration, delay: Option<Duration>) {
        self.duration.record(took);
        if let Some(delay) = delay {
            self.delay.record(delay);
        }
    }
}
