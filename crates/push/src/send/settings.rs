//! What a sender is told.

use crate::address::Reach;
use std::time::Duration;

/// How messages are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How far they may go.
    pub reach: Reach,
    /// From a place in flight to the end of the answer, 100 ms to 5 minutes. What takes longer is not sent, or uncertain.
    pub deadline: Duration,
    /// For a connection to one address, before the next one of the name is tried; not more than the deadline.
    pub connect_within: Duration,
    /// Requests at the same time, 1 to 1,024: as many may be uncertain after a crash.
    pub in_flight: usize,
    /// Certificate authorities in PEM that are believed besides the public ones: for a push service of one's own.
    pub authorities: Option<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            reach: Reach::Public,
            // Push services answer within a second; ten of them are a bad day, more help nobody.
            deadline: Duration::from_secs(10),
            connect_within: Duration::from_secs(3),
            in_flight: 64,
            authorities: None,
        }
    }
}

/// Why there can be no sender: the setting, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    #[error("deadline: it must be from 100 ms to 5 minutes")]
    Deadline,
    #[error("connect_within: it must be from 1 ms to the deadline")]
    ConnectWithin,
    #[error("in_flight: it must be from 1 to 1024")]
    InFlight,
    #[error("authorities: {0}; give certificates in PEM")]
    Authorities(String),
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

impl Settings {
    /// Whether every setting is within its limits.
    pub fn check(&self) -> Result<(), BadSettings> {
        if !(Duration::from_millis(100)..=Duration::from_secs(300)).contains(&self.deadline) {
            return Err(BadSettings::Deadline);
        }
        if !(Duration::from_millis(1)..=self.deadline).contains(&self.connect_within) {
            return Err(BadSettings::ConnectWithin);
        }
        if !(1..=1024).contains(&self.in_flight) {
            return Err(BadSettings::InFlight);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_holds_on_both_sides() {
        let with = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.check()
        };
        assert_eq!(with(|_| ()), Ok(()));
        assert_eq!(
            with(|s| (s.deadline, s.connect_within) = (Duration::from_millis(100), Duration::from_millis(100))),
            Ok(())
        );
        assert_eq!(with(|s| s.deadline = Duration::from_millis(99)), Err(BadSettings::Deadline));
        assert_eq!(with(|s| s.deadline = Duration::from_secs(300)), Ok(()));
        assert_eq!(with(|s| s.deadline = Duration::from_millis(300_001)), Err(BadSettings::Deadline));
        assert_eq!(with(|s| s.connect_within = Duration::from_secs(10)), Ok(()));
        assert_eq!(with(|s| s.connect_within = Duration::from_millis(10_001)), Err(BadSettings::ConnectWithin));
        assert_eq!(with(|s| s.connect_within = Duration::from_millis(1)), Ok(()));
        assert_eq!(with(|s| s.connect_within = Duration::ZERO), Err(BadSettings::ConnectWithin));
        assert_eq!(with(|s| s.in_flight = 1), Ok(()));
        assert_eq!(with(|s| s.in_flight = 0), Err(BadSettings::InFlight));
        assert_eq!(with(|s| s.in_flight = 1024), Ok(()));
        assert_eq!(with(|s| s.in_flight = 1025), Err(BadSettings::InFlight));
    }
}
