//! The combined access log of Apache and nginx.
//!
//! `HOST IDENT USER [10/Oct/2000:13:55:36 -0700] "GET /path HTTP/1.1" 200 2326 "referrer" "user agent"`
//!
//! The visitor is a hash of address and user agent: neither the address nor anything that gives it back is sent. Status and
//! method become properties.

use super::Fault;
use pistats_proto::ingest::v1::Event;

/// Reads one line.
pub(super) fn parse(line: &[u8]) -> Result<Event, Fault> {
    let text = String::from_utf8_lossy(line);
    read(text.trim_end()).ok_or_else(|| "not a line of the combined log format".into())
}

fn read(line: &str) -> Option<Event> {
    let (address, rest) = line.split_once(' ')?;
    let (_, rest) = rest.split_once('[')?;
    let (at, rest) = rest.split_once("] \"")?;
    let (method, rest) = rest.split_once(' ')?;
    // A request may itself hold quotes; a status of three digits follows the one that ends it.
    let (request, rest) = split_request(rest)?;
    let url = request.split(' ').next()?;
    let (status, rest) = rest.split_once(' ')?;
    let (_, rest) = rest.split_once(" \"")?;
    let (referrer, rest) = rest.split_once("\" \"")?;
    let user_agent = rest.strip_suffix('"').unwrap_or(rest);
    let mut event = Event {
        time_us: Some(instant(at)?),
        visitor_id: visitor(address, user_agent),
        url: url.to_owned(),
        referrer: if referrer == "-" { String::new() } else { referrer.to_owned() },
        user_agent: user_agent.to_owned(),
        ..Default::default()
    };
    event.properties.insert("status".to_owned(), status.to_owned());
    event.properties.insert("method".to_owned(), method.to_owned());
    Some(event)
}

fn split_request(rest: &str) -> Option<(&str, &str)> {
    let ends = rest.match_indices("\" ").find(|(at, _)| {
        let status = rest.as_bytes().get(at + 2..at + 5);
        status.is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
    });
    ends.map(|(at, _)| (&rest[..at], &rest[at + 2..]))
}

/// 128 bits of BLAKE3 over address and user agent, in hexadecimal.
fn visitor(address: &str, user_agent: &str) -> String {
    let hash = blake3::hash(format!("{address}|{user_agent}").as_bytes());
    hash.to_hex().as_str()[..32].to_owned()
}

/// `10/Oct/2000:13:55:36 -0700` in unix microseconds.
fn instant(text: &str) -> Option<i64> {
    let zoned = jiff::fmt::strtime::parse("%d/%b/%Y:%H:%M:%S %z", text).ok()?;
    Some(zoned.to_timestamp().ok()?.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = br#"83.149.9.216 - frank [17/May/2015:10:05:03 +0200] "GET /presentations/a.png HTTP/1.1" 200 203023 "http://semicomplete.com/p/" "Mozilla/5.0 (Macintosh)""#;

    #[test]
    fn a_line_becomes_an_event_without_its_address() {
        let event = parse(LINE).expect("an event");
        assert_eq!(event.time_us, Some(1_431_849_903_000_000));
        assert_eq!(
            (event.url.as_str(), event.referrer.as_str()),
            ("/presentations/a.png", "http://semicomplete.com/p/")
        );
        assert_eq!((event.properties["status"].as_str(), event.properties["method"].as_str()), ("200", "GET"));
        assert!(!format!("{event:?}").contains("83.149.9.216"));
        assert_eq!(event.visitor_id, parse(LINE).expect("the same").visitor_id);
    }

    #[test]
    fn odd_lines_are_read_or_named() {
        let quoted = br#"1.1.1.1 - - [17/May/2015:10:05:03 +0000] "GET /a"b" HTTP/1.1" 404 - "-" "agent"#;
        let event = parse(quoted).expect("an event");
        assert_eq!((event.url.as_str(), event.referrer.as_str(), event.user_agent.as_str()), ("/a\"b\"", "", "agent"));
        for line in
            [&b""[..], b"rubbish", b"1.1.1.1 - - [yesterday] \"GET / HTTP/1.1\" 200 1 \"-\" \"x\"", b"\xff\x00["]
        {
            assert_eq!(parse(line).expect_err("no event"), "not a line of the combined log format");
        }
    }
}
