//! `first`, `latest`, an offset or an instant.

use super::Failure;
use pistats_proto::log::v1::{Position, position};

pub(super) fn parse(text: &str) -> Result<Position, Failure> {
    let position = match text {
        "first" => position::Position::First(true),
        "latest" => position::Position::Latest(true),
        _ => match (text.parse::<u64>(), text.parse::<jiff::Timestamp>()) {
            (Ok(offset), _) => position::Position::Offset(offset),
            (_, Ok(at)) => position::Position::AppendedAtUs(at.as_microsecond()),
            _ => {
                return Err(format!(
                    "{text:?} is no position: use first, latest, an offset, or an instant like 2026-01-31T12:00:00Z"
                ));
            }
        },
    };
    Ok(Position { position: Some(position) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_positions_are_told_apart() {
        let read = |text| parse(text).map(|position| position.position);
        assert_eq!(read("first"), Ok(Some(position::Position::First(true))));
        assert_eq!(read("latest"), Ok(Some(position::Position::Latest(true))));
        assert_eq!(read("17"), Ok(Some(position::Position::Offset(17))));
        assert_eq!(read("1970-01-01T00:00:01Z"), Ok(Some(position::Position::AppendedAtUs(1_000_000))));
        assert!(read("soon").is_err());
    }
}
