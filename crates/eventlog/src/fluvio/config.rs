//! Settings of the log on Fluvio, and their limits.

use std::time::Duration;

use crate::Error;

/// The topic when the URL names none.
pub const TOPIC: &str = "events-v1";

const MIB: u32 = 1 << 20;

/// Settings of the log on Fluvio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `HOST:PORT` of the cluster's controller (SC), public port.
    pub address: String,
    /// The topic's name: `a-z`, `0-9` and `-` within.
    pub topic: String,
    /// Size of a segment of a topic made by us. Must lie below `fetch_bytes`. Cannot be changed later.
    pub segment_bytes: u32,
    /// How long a topic made by us keeps full segments; the newest segment of a partition stays. Cannot be changed later.
    pub retain_for: Duration,
    /// How much one fetch may bring. Above the size of a segment, because the server cuts a larger answer in the midst
    /// of a batch, and the client drops the rest of that batch without a word.
    pub fetch_bytes: u32,
    /// Payload bytes of requests that wait or are on their way; `append` waits for a place beyond it.
    pub queue_bytes: u64,
    /// Largest payload of a record.
    pub record_bytes: u64,
    /// How long `read` and `bounds` wait for a server that does not answer. (`append` waits as long as it takes.)
    pub patience: Duration,
    /// A reader that got nothing for this long asks whether there is something.
    pub watch_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            address: "127.0.0.1:9003".to_owned(),
            topic: TOPIC.to_owned(),
            segment_bytes: 32 * MIB,
            retain_for: Duration::from_secs(14 * 24 * 3600),
            fetch_bytes: 40 * MIB,
            queue_bytes: u64::from(64 * MIB),
            record_bytes: u64::from(8 * MIB),
            patience: Duration::from_secs(10),
            watch_after: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// The settings for `HOST:PORT/TOPIC`, what follows `fluvio://` in a URL; without a topic it is [`TOPIC`].
    ///
    /// Errors: `Config` naming `log.url`.
    pub fn from_url(rest: &str) -> Result<Config, Error> {
        let (address, topic) = rest.split_once('/').unwrap_or((rest, ""));
        let topic = if topic.is_empty() { TOPIC } else { topic };
        let config = Config { address: address.to_owned(), topic: topic.to_owned(), ..Config::default() };
        config.validate()?;
        Ok(config)
    }

    /// The same with segments of `segment_mib` MiB, at most the 32 that a fetch leaves room for, kept for `retain_hours`.
    pub fn sized(self, segment_mib: u64, retain_hours: u64) -> Config {
        let most = Config::default().segment_bytes;
        let segment_bytes = u32::try_from(segment_mib << 20).unwrap_or(most).min(most);
        Config { segment_bytes, retain_for: Duration::from_secs(retain_hours * 3600), ..self }
    }

    /// Checks the settings as a whole.
    pub fn validate(&self) -> Result<(), Error> {
        let refuse = |field, reason: String| Err(Error::Config { field, reason });
        let port = self.address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
        if !port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0)) {
            let reason = format!("{:?} is no HOST:PORT; write fluvio://HOST:9003/{TOPIC}", self.address);
            return refuse("log.url", reason);
        }
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let topic = self.topic.as_bytes();
        let is_name = !topic.is_empty() && topic.len() <= 63 && topic.iter().copied().all(is_allowed);
        if !is_name || topic.starts_with(b"-") || topic.ends_with(b"-") {
            let reason = format!("{:?} is no topic name: use a-z, 0-9 and - within, at most 63 characters", self.topic);
            return refuse("log.url", reason);
        }
        if self.segment_bytes >= self.fetch_bytes {
            return refuse("segment_bytes", format!("must lie below fetch_bytes, {}", self.fetch_bytes));
        }
        if u64::from(self.segment_bytes) < 2 * self.record_bytes {
            return refuse("segment_bytes", format!("must hold two largest records: {}", 2 * self.record_bytes));
        }
        if self.fetch_bytes > i32::MAX as u32 {
            return refuse("fetch_bytes", "must be below 2 GiB".to_owned());
        }
        if self.queue_bytes < self.record_bytes || self.queue_bytes > 1 << 32 {
            return refuse("queue_bytes", "must hold a largest record, and be at most 4 GiB".to_owned());
        }
        if self.retain_for < Duration::from_secs(10) || self.retain_for.as_secs() > u64::from(u32::MAX) {
            return refuse("retain_for", "must be between 10 seconds and 136 years".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_the_controller_and_the_topic() {
        let named = Config::from_url("sc:9003/clicks-2").expect("a good one");
        assert_eq!((named.address.as_str(), named.topic.as_str()), ("sc:9003", "clicks-2"));
        for rest in ["sc:9003", "sc:9003/"] {
            assert_eq!(Config::from_url(rest).expect("a good one").topic, TOPIC);
        }
    }

    #[test]
    fn a_bad_address_or_topic_is_refused_with_the_key_to_change() {
        for rest in
            ["", "sc", ":9003", "sc:", "sc:0", "sc:70000", "sc:9003/events.v1", "sc:9003/Events", "sc:1/-a", "sc:1/a-"]
        {
            let refused = Config::from_url(rest);
            assert!(matches!(refused, Err(Error::Config { field: "log.url", .. })), "{rest}: {refused:?}");
        }
    }

    #[test]
    fn segments_are_at_most_32_mib_whatever_the_embedded_log_takes() {
        let sized = |mib| Config::default().sized(mib, 2);
        assert_eq!(
            (sized(64).segment_bytes, sized(32).segment_bytes, sized(31).segment_bytes),
            (32 * MIB, 32 * MIB, 31 * MIB)
        );
        assert_eq!(sized(8192).segment_bytes, 32 * MIB);
        assert_eq!(sized(64).retain_for, Duration::from_secs(7200));
    }

    #[test]
    fn a_segment_is_smaller_than_a_fetch_or_refused() {
        let most = Config { segment_bytes: 40 * MIB - 1, ..Config::default() };
        assert!(most.validate().is_ok());
        let more = Config { segment_bytes: 40 * MIB, ..most };
        assert!(matches!(more.validate(), Err(Error::Config { field: "segment_bytes", .. })));
    }
}
