//! Campaigns of push messages: what people say of one, and what becomes of its messages.
//!
//! ```text
//!   campaign   draft ──start──▶ scheduled ──due──▶ running ──all served──▶ done
//!                                  └──pause/resume──▶ paused ◀──┘    cancel: from any of the three ──▶ cancelled
//!
//!   message    waiting ──intent stored──▶ sending ──answer──▶ accepted │ failed
//!                 ▲  └─▶ not sent             │ └──no answer──▶ uncertain (for ever)
//!                 └──429, or the next subscription──┘
//! ```
//!
//! It is not responsible for keeping any of it (`store::Campaigns`), nor for sending (services/segment).

use crate::segment::SegmentId;
use crate::{Day, Micros};
use std::fmt;

/// Names a campaign for ever: 128 bits, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CampaignId(pub u128);

impl CampaignId {
    /// Reads 32 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<CampaignId> {
        SegmentId::parse(text).map(|id| CampaignId(id.0))
    }
}

impl fmt::Display for CampaignId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Where a campaign stands. Numbers are stored: they never change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CampaignState {
    Draft = 1,
    Scheduled = 2,
    Running = 3,
    Paused = 4,
    Done = 5,
    Cancelled = 6,
}

impl CampaignState {
    const ALL: [CampaignState; 6] = [
        CampaignState::Draft,
        CampaignState::Scheduled,
        CampaignState::Running,
        CampaignState::Paused,
        CampaignState::Done,
        CampaignState::Cancelled,
    ];

    pub fn from_number(number: i16) -> Option<CampaignState> {
        CampaignState::ALL.into_iter().find(|state| *state as i16 == number)
    }

    /// Started and not over.
    pub fn is_under_way(self) -> bool {
        matches!(self, CampaignState::Scheduled | CampaignState::Running | CampaignState::Paused)
    }
}

/// Where a message stands. Numbers are stored: they never change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MessageState {
    Waiting = 0,
    /// The intent is stored, the answer is not.
    Sending = 1,
    Accepted = 2,
    Failed = 3,
    Uncertain = 4,
    NotSent = 5,
}

impl MessageState {
    const ALL: [MessageState; 6] = [
        MessageState::Waiting,
        MessageState::Sending,
        MessageState::Accepted,
        MessageState::Failed,
        MessageState::Uncertain,
        MessageState::NotSent,
    ];

    pub fn from_number(number: i16) -> Option<MessageState> {
        MessageState::ALL.into_iter().find(|state| *state as i16 == number)
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal,)*) => {
        /// Why a message failed or was not sent. Numbers are stored and names are told: they never change.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Reason {
            $($(#[$doc])* $name = $number,)*
        }

        impl Reason {
            pub fn from_number(number: i16) -> Option<Reason> {
                match number {
                    $($number => Some(Reason::$name),)*
                    _ => None,
                }
            }

            /// As it is told.
            pub fn name(self) -> &'static str {
                match self {
                    $(Reason::$name => $text,)*
                }
            }
        }
    };
}

reasons! {
    /// The push service answered 413.
    TooLarge = 1 "too_large",
    /// 401 or 403: it does not take the site's signature.
    Unauthorized = 2 "unauthorized",
    /// Refused for another reason that trying again does not mend.
    Rejected = 3 "rejected",
    /// 429, after all tries.
    RateLimited = 4 "rate_limited",
    /// 408 or 503, after all tries.
    Unavailable = 5 "unavailable",
    /// No connection was made, after all tries.
    Unreachable = 6 "unreachable",
    /// The endpoint's host has an address that is not public.
    RefusedAddress = 7 "refused_address",
    /// Its keys are no keys.
    BadSubscription = 8 "bad_subscription",
    Expired = 20 "expired",
    LeftSegment = 21 "left_segment",
    /// The visitor has had as many messages as the cap allows.
    Capped = 22 "capped",
    /// The visitor's moment was past when the campaign started.
    Missed = 23 "missed",
    /// No subscription is left.
    Gone = 24 "gone",
    Cancelled = 25 "cancelled",
}

/// How soon a push service should wake a device up (RFC 8030, section 5.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Urgency {
    VeryLow,
    Low,
    #[default]
    Normal,
    High,
}

/// What visitors see.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Message {
    pub title: String,
    pub body: String,
    pub icon: String,
    pub url: String,
    pub topic: String,
    pub urgency: Urgency,
    pub ttl_seconds: u32,
}

/// When a visitor's message is due.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Schedule {
    Now,
    At(Micros),
    /// Minutes since midnight on the visitor's clock; on a day, or the first such moment.
    Local {
        minute: u16,
        day: Option<Day>,
    },
    UsualHour,
    OnEnter,
}

/// Minutes since midnight on the visitor's clock, `from..to`, round midnight where `from` is the later one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct QuietHours {
    pub from_minute: u16,
    pub to_minute: u16,
}

/// At most so many messages of the site to a visitor in so many days of 24 hours.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FrequencyCap {
    pub messages: u32,
    pub days: u32,
}

/// What people say of a campaign.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Content {
    pub name: String,
    /// None: every visitor of the site with a subscription.
    pub segment: Option<SegmentId>,
    pub message: Message,
    pub schedule: Schedule,
    pub quiet: Option<QuietHours>,
    pub cap: Option<FrequencyCap>,
    pub expires: Option<Micros>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_numbers_come_back_as_what_they_were() {
        for state in CampaignState::ALL {
            assert_eq!(CampaignState::from_number(state as i16), Some(state));
        }
        for state in MessageState::ALL {
            assert_eq!(MessageState::from_number(state as i16), Some(state));
        }
        assert_eq!(Reason::from_number(Reason::Gone as i16), Some(Reason::Gone));
        assert_eq!((Reason::from_number(0), CampaignState::from_number(0)), (None, None));
    }
}
