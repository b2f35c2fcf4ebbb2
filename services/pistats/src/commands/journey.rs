//! `query journey`: one visitor's sessions, the newest first, and what happened in them.

use super::{Failure, failed, show};
use crate::cli;
use crate::client::MESSAGE_BYTES;
use crate::table::{number, say};
use pistats_core::Scope;
use pistats_proto::query::v1::journey_request::Who;
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_proto::query::v1::*;
use serde_json::{Value, json};

pub(super) async fn run(command: cli::Journey) -> Result<(), Failure> {
    let channel = command.server.of_site(command.site.as_deref(), Scope::Read)?;
    let mut client = QueryServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
    let request = JourneyRequest {
        who: match (command.visitor, command.id) {
            (Some(key), _) => Some(Who::Visitor(key)),
            (None, Some(id)) => Some(Who::VisitorId(id)),
            (None, None) => None,
        },
        sessions: command.sessions,
        before_us: command.before.map_or(0, |at| at.as_microsecond()),
    };
    let answer = client.journey(request).await.map_err(failed)?.into_inner();
    say!("{}", if command.json { as_json(&answer).to_string() } else { text(&answer) });
    Ok(())
}

/// A paragraph a session: when, how much, where in and out; then a line an event.
fn text(answer: &JourneyResponse) -> String {
    let mut text = format!(
        "visitor {}: {} sessions, {} events, from {} to {} (UTC)\n",
        answer.visitor,
        number(answer.total_sessions),
        number(answer.total_events),
        instant(answer.first_seen_us),
        instant(answer.last_seen_us)
    );
    for session in &answer.sessions {
        let seconds = (session.end_us - session.start_us) as f64 / 1e6;
        let page = |page: &str| if page.is_empty() { "(none)".to_owned() } else { show::clip(page) };
        text += &format!(
            "\n{}  {seconds:.0} s  {} events  {} → {}\n",
            instant(session.start_us),
            number(session.total_events),
            page(&session.entry_page),
            page(&session.exit_page)
        );
        for event in &session.events {
            let clock = instant(event.time_us).split_off("2026-01-31 ".len());
            let what = if event.page.is_empty() { &event.title } else { &event.page };
            text += &format!("  {clock}  {}  {}\n", event.name, show::clip(what));
        }
        let more = session.total_events - session.events.len() as u64;
        if more > 0 {
            text += &format!("  … and {} more\n", number(more));
        }
    }
    if answer.next_before_us != 0 {
        text += &format!("\nolder ones: --before {}\n", moment(answer.next_before_us));
    }
    text.truncate(text.trim_end().len());
    text
}

/// 2026-01-31 12:00:00
pub(super) fn instant(micros: i64) -> String {
    let at = jiff::Timestamp::from_microsecond(micros).unwrap_or_default();
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// To the microsecond, as `--before` takes it.
fn moment(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).unwrap_or_default().to_string()
}

fn as_json(answer: &JourneyResponse) -> Value {
    let session = |session: &JourneySession| {
        json!({
            "start_us": session.start_us, "end_us": session.end_us, "entry_page": session.entry_page,
            "exit_page": session.exit_page, "page_views": session.page_views, "total_events": session.total_events,
            "events": session.events.iter().map(show::event_json).collect::<Vec<_>>(),
        })
    };
    json!({
        "visitor": answer.visitor, "first_seen_us": answer.first_seen_us, "last_seen_us": answer.last_seen_us,
        "total_sessions": answer.total_sessions, "total_events": answer.total_events,
        "sessions": answer.sessions.iter().map(session).collect::<Vec<_>>(),
        "next_before_us": answer.next_before_us, "as_of": show::as_of(answer.as_of.as_ref()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_a_paragraph_and_the_next_page_is_named() {
        let event = |time_us, page: &str| ExportedEvent {
            time_us,
            name: "page_view".into(),
            page: page.into(),
            ..ExportedEvent::default()
        };
        let session = JourneySession {
            start_us: 1_000_000,
            end_us: 61_000_000,
            entry_page: "a.example/".into(),
            exit_page: String::new(),
            page_views: 3,
            total_events: 3,
            events: vec![event(1_000_000, "a.example/"), event(2_000_000, "a.example/b")],
        };
        let answer = JourneyResponse {
            visitor: "k".into(),
            first_seen_us: 1_000_000,
            last_seen_us: 61_000_000,
            total_sessions: 2,
            total_events: 4,
            sessions: vec![session],
            next_before_us: 1_000_001,
            as_of: None,
        };
        let expected = "\
visitor k: 2 sessions, 4 events, from 1970-01-01 00:00:01 to 1970-01-01 00:01:01 (UTC)

1970-01-01 00:00:01  60 s  3 events  a.example/ → (none)
  00:00:01  page_view  a.example/
  00:00:02  page_view  a.example/b
  … and 1 more

older ones: --before 1970-01-01T00:00:01.000001Z";
        assert_eq!(text(&answer), expected);
    }
}
