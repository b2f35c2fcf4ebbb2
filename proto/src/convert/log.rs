//! Refusals of the log that a program acts on: to a status and back, so that a log read over gRPC errs as the log itself.

use pistats_core::Offset;
use std::collections::HashMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of the `google.rpc.ErrorInfo`.
const DOMAIN: &str = "log.pistats";

/// Why a position is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It lies below what is kept.
    Trimmed { asked: Offset, first: Offset },
    /// It lies past the end.
    BeyondEnd { asked: Offset, next: Offset },
    /// A durable record is damaged, at this byte of a segment.
    Corrupt { segment: u32, position: u64, reason: String },
}

impl Refused {
    /// OUT_OF_RANGE or DATA_LOSS with a message for people and an `ErrorInfo` for programs.
    pub fn status(&self, message: impl Into<String>) -> Status {
        let (code, name, fields) = match self {
            Refused::Trimmed { asked, first } => {
                (Code::OutOfRange, "TRIMMED", vec![("asked", asked.0.to_string()), ("first", first.0.to_string())])
            }
            Refused::BeyondEnd { asked, next } => {
                (Code::OutOfRange, "BEYOND_END", vec![("asked", asked.0.to_string()), ("next", next.0.to_string())])
            }
            Refused::Corrupt { segment, position, reason } => (
                Code::DataLoss,
                "CORRUPT",
                vec![("segment", segment.to_string()), ("position", position.to_string()), ("reason", reason.clone())],
            ),
        };
        let fields: HashMap<String, String> = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Status::with_error_details(code, message, ErrorDetails::with_error_info(name, DOMAIN, fields))
    }

    /// The refusal that a status carries, if it is one of these.
    pub fn of(status: &Status) -> Option<Refused> {
        let info = status.get_details_error_info().filter(|info| info.domain == DOMAIN)?;
        let text = |key: &str| info.metadata.get(key);
        let number = |key: &str| text(key)?.parse::<u64>().ok();
        match &info.reason[..] {
            "TRIMMED" => Some(Refused::Trimmed { asked: Offset(number("asked")?), first: Offset(number("first")?) }),
            "BEYOND_END" => Some(Refused::BeyondEnd { asked: Offset(number("asked")?), next: Offset(number("next")?) }),
            "CORRUPT" => Some(Refused::Corrupt {
                segment: u32::try_from(number("segment")?).ok()?,
                position: number("position")?,
                reason: text("reason")?.clone(),
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_comes_back_as_it_was() {
        let (asked, other) = (Offset(u64::MAX), Offset(7));
        for refused in [
            Refused::Trimmed { asked, first: other },
            Refused::BeyondEnd { asked, next: other },
            Refused::Corrupt { segment: 3, position: 4_096, reason: "a frame's checksum".into() },
        ] {
            let status = refused.status("for people");
            assert_eq!(status.message(), "for people");
            assert_eq!(Refused::of(&status), Some(refused));
        }
        assert_eq!(Refused::of(&Status::out_of_range("of something else")), None);
    }
}
