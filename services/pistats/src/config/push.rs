//! How push messages are sent.

use pistats_push::vapid::Contact;
use pistats_push::{Reach, Sender, Settings};
use pistats_segment::PushSettings;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushConfig {
    pub contact: String,
    pub watch_streams: usize,
    pub test_allow_loopback_endpoints: bool,
}

impl PushConfig {
    fn reach(&self) -> Reach {
        if self.test_allow_loopback_endpoints { Reach::PublicAndLoopback } else { Reach::Public }
    }

    /// What the service is told.
    pub fn settings(&self) -> PushSettings {
        PushSettings {
            contact: self.contact.clone(),
            reach: self.reach(),
            streams: self.watch_streams,
            ..PushSettings::default()
        }
    }

    /// What sends.
    pub fn sender(&self) -> Result<Sender, String> {
        if self.test_allow_loopback_endpoints {
            tracing::warn!(
                "push.test_allow_loopback_endpoints is set: messages go to this machine, too; it is for tests only"
            );
        }
        let settings = Settings { reach: self.reach(), ..Settings::default() };
        Sender::new(&settings).map_err(|error| error.to_string())
    }

    /// Whether there is somebody to write to, or nobody is named.
    pub(super) fn has_sound_contact(&self) -> bool {
        self.contact.is_empty() || Contact::read(&self.contact).is_ok()
    }
}
