//! One JSON object a line.
//!
//! Known fields: `ts` or `time` (RFC 3339), `visitor` or `visitor_id`, `user_id`, `name`, `url`, `referrer`, `title`,
//! `topics` (list), `lang` or `language`, `tz` or `time_zone`, `ua` or `user_agent`, `country`, `screen` ("1920x1080"),
//! `value` (a number of units), `properties` (object of texts, numbers and truths). `ip` is not sent: addresses are not
//! imported. Any other text, number or truth becomes a property of its name.

use super::Fault;
use pistats_proto::ingest::v1::Event;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::borrow::Cow;

/// Reads one line.
pub(super) fn parse(line: &[u8]) -> Result<Event, Fault> {
    let text = std::str::from_utf8(line).map_err(|_| Fault::from("the line is not UTF-8"))?;
    let Line(event) =
        serde_json::from_str(text).map_err(|error| Fault::from(format!("not a JSON object of an event: {error}")))?;
    if event.time_us.is_none() {
        return Err("no time: give `ts` in RFC 3339, such as 2013-01-01T00:00:00Z".into());
    }
    if event.visitor_id.is_empty() {
        return Err("no visitor: give `visitor`".into());
    }
    Ok(event)
}

struct Line(Event);

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Line, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

/// A text that borrows from the line where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for Fields {
    type Value = Line;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of an event's fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Line, A::Error> {
        use serde::de::Error as _;
        let mut event = Event::default();
        while let Some(Text(field)) = map.next_key()? {
            match field.as_ref() {
                "ts" | "time" => {
                    let Text(text) = map.next_value()?;
                    let at: jiff::Timestamp = text
                        .parse()
                        .map_err(|_| A::Error::custom(format!("`{field}` is no RFC 3339 instant: {text:?}")))?;
                    event.time_us = Some(at.as_microsecond());
                }
                "visitor" | "visitor_id" => event.visitor_id = map.next_value()?,
                "user_id" => event.user_id = map.next_value()?,
                "name" => event.name = map.next_value()?,
                "url" => event.url = map.next_value()?,
                "referrer" => event.referrer = map.next_value()?,
                "title" => event.title = map.next_value()?,
                "topics" => event.topics = map.next_value()?,
                "lang" | "language" => event.language = map.next_value()?,
                "tz" | "time_zone" => event.time_zone = map.next_value()?,
                "ua" | "user_agent" => event.user_agent = map.next_value()?,
                "country" => event.country = map.next_value()?,
                "screen" => {
                    let Text(text) = map.next_value()?;
                    let size = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
                    (event.screen_width, event.screen_height) =
                        size.ok_or_else(|| A::Error::custom(format!("`screen` is no WIDTHxHEIGHT: {text:?}")))?;
                }
                "value" => {
                    event.value_micros = map
                        .next_value::<Option<serde_json::Number>>()?
                        .map(micros)
                        .transpose()
                        .map_err(A::Error::custom)?
                }
                "ip" => {
                    map.next_value::<serde::de::IgnoredAny>()?;
                }
                "properties" => {
                    let properties: serde_json::Map<String, serde_json::Value> = map.next_value()?;
                    for (key, value) in properties {
                        property(&mut event, key, value).map_err(A::Error::custom)?;
                    }
                }
                _ => {
                    let value = map.next_value()?;
                    property(&mut event, field.into_owned(), value).map_err(A::Error::custom)?;
                }
            }
        }
        Ok(Line(event))
    }
}

fn property(event: &mut Event, key: String, value: serde_json::Value) -> Result<(), String> {
    let text = match value {
        serde_json::Value::Null => return Ok(()),
        serde_json::Value::String(text) => text,
        serde_json::Value::Number(number) => number.to_string(),
        serde_json::Value::Bool(truth) => truth.to_string(),
        _ => return Err(format!("`{key}` is a list or an object; a property is a text, a number or a truth")),
    };
    if !text.is_empty() {
        event.properties.insert(key, text);
    }
    Ok(())
}

/// Units to millionths, rounded to the nearest.
fn micros(number: serde_json::Number) -> Result<i64, String> {
    let units = number.as_f64().unwrap_or(f64::NAN);
    let micros = (units * 1e6).round();
    // Beyond 2^53 a double no longer holds every whole number: refuse rather than store something else.
    if micros.abs() <= 9_007_199_254_740_992.0 {
        Ok(micros as i64)
    } else {
        Err(format!("`value` {number} is too large; the magnitude is at most 9,007,199,254 units"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_every_field_is_read() {
        let event = parse(
            br#"{"ts":"2013-01-01T00:00:01Z","visitor":"v","ip":"1.2.3.4","ua":"UA","url":"/a","referrer":"r","country":"DE",
                "lang":"de","tz":"Europe/Berlin","status":"200","name":"buy","value":15.3,"topics":["x"],"screen":"800x600",
                "properties":{"plan":"pro","seats":3}}"#,
        )
        .expect("an event");
        assert_eq!(event.time_us, Some(1_356_998_401_000_000));
        assert_eq!(
            (event.visitor_id.as_str(), event.name.as_str(), event.value_micros),
            ("v", "buy", Some(15_300_000))
        );
        assert_eq!((event.screen_width, event.screen_height, event.client_address.as_str()), (800, 600, ""));
        let mut properties: Vec<_> = event.properties.iter().map(|(k, v)| format!("{k}={v}")).collect();
        properties.sort();
        assert_eq!(properties, ["plan=pro", "seats=3", "status=200"]);
    }

    #[test]
    fn what_is_no_event_says_why() {
        let why = |line: &str| parse(line.as_bytes()).expect_err("no event").into_owned();
        assert!(why(r#"{"visitor":"v"}"#).contains("no time"));
        assert!(why(r#"{"ts":"2013-01-01T00:00:00Z"}"#).contains("no visitor"));
        assert!(why(r#"{"ts":"yesterday","visitor":"v"}"#).contains("RFC 3339"));
        assert!(
            why(r#"{"ts":"2013-01-01T00:00:00Z","visitor":"v","value":"much"}"#).contains("expected a JSON number")
        );
        assert!(why(r#"{"ts":"2013-01-01T00:00:00Z","visitor":"v","value":1e300}"#).contains("too large"));
        assert!(why(r#"{"_heartbeat_":1365829770}"#).contains("no time"));
        assert!(why("{\"ts\":\"2013").contains("not a JSON object"));
        assert_eq!(parse(b"\xff\xfe").expect_err("no text"), "the line is not UTF-8");
    }

    #[test]
    fn values_are_rounded_to_millionths_and_bounded() {
        let value = |text: &str| micros(serde_json::from_str(text).expect("a number"));
        assert_eq!(value("0.1"), Ok(100_000));
        assert_eq!(value("-12.34"), Ok(-12_340_000));
        assert_eq!(value("9007199254.740992"), Ok(9_007_199_254_740_992));
        assert!(value("9007199254.740994").is_err());
    }
}
