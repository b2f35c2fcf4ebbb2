//! `live`: a site's moment, again and again.

use super::{Failure, failed, filter};
use crate::cli::Live;
use crate::table;
use crate::table::say;
use pistats_core::Scope;
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_proto::query::v1::{Bots, LiveRow, RealtimeRequest, RealtimeResponse};
use std::io::IsTerminal as _;
use std::time::Duration;

/// How often the state is asked for: as often as a person reads.
const EVERY: Duration = Duration::from_millis(500);

/// Clears a terminal and goes to its first line (ECMA-48: ED, CUP).
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Heights of a bar, from nothing to all.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub async fn run(command: Live) -> Result<(), Failure> {
    let channel = command.server.of_site(command.site.as_deref(), Scope::Read)?;
    let mut client = QueryServiceClient::new(channel);
    let filters: Result<_, Failure> = command.filters.iter().map(|text| filter::filter(text)).collect();
    let filters = filters?;
    let request = RealtimeRequest { bots: Bots::from(command.bots).into(), limit: command.limit, filters };
    let clear = if std::io::stdout().is_terminal() && !command.json { CLEAR } else { "" };
    let mut shown = 0;
    loop {
        let state = client.realtime(request.clone()).await.map_err(failed)?.into_inner();
        if command.json {
            say!("{}", json(&state));
        } else {
            say!("{clear}{}", text(&state));
        }
        shown += 1;
        if shown == command.count {
            return Ok(());
        }
        tokio::time::sleep(EVERY).await;
    }
}

pub(super) fn text(state: &RealtimeResponse) -> String {
    let mut text = format!(
        "{} current visitors  {:.1} events/s  {} events in 30 minutes {}\n",
        table::number(state.current_visitors),
        state.events_per_second,
        table::number(state.minutes.iter().sum::<u64>()),
        bars(&state.minutes)
    );
    if state.is_cut {
        text += "more happens than the server keeps in memory: numbers are lower bounds\n";
    }
    for (name, rows) in [("page", &state.top_pages), ("source", &state.top_sources), ("country", &state.top_countries)]
    {
        if !rows.is_empty() {
            let line = |row: &LiveRow| vec![named(&row.value), table::number(row.visitors)];
            text += &format!("\n{}\n", table::render(&[name, "visitors"], rows.iter().map(line).collect(), 1));
        }
    }
    if !state.trending.is_empty() {
        let rows = state.trending.iter().map(|trend| {
            let number = |number: f64| format!("{number:.2}");
            vec![trend.topic.clone(), number(trend.score), number(trend.rate), number(trend.usual)]
        });
        let head = ["trending", "score", "events/min", "usual"];
        text += &format!("\n{}\n", table::render(&head, rows.collect(), 1));
    }
    text
}

fn named(value: &str) -> String {
    if value.is_empty() { "(none)".to_owned() } else { value.to_owned() }
}

/// A bar a number, the greatest as high as a line.
fn bars(numbers: &[u64]) -> String {
    let most = numbers.iter().copied().max().unwrap_or(0).max(1);
    // What is not zero is seen.
    numbers.iter().map(|number| BARS[(number * 8).div_ceil(most) as usize]).collect()
}

pub(super) fn json(state: &RealtimeResponse) -> serde_json::Value {
    let rows = |rows: &[LiveRow]| -> Vec<serde_json::Value> {
        rows.iter().map(|row| serde_json::json!({ "value": row.value, "visitors": row.visitors })).collect()
    };
    let trending = state.trending.iter().map(|trend| {
        serde_json::json!({ "topic": trend.topic, "score": trend.score, "rate": trend.rate, "usual": trend.usual })
    });
    let as_of = state.as_of.clone().unwrap_or_default();
    serde_json::json!({
        "now_us": state.now_us, "current_visitors": state.current_visitors,
        "events_per_second": state.events_per_second, "minutes": state.minutes,
        "top_pages": rows(&state.top_pages), "top_sources": rows(&state.top_sources),
        "top_countries": rows(&state.top_countries), "trending": trending.collect::<Vec<_>>(),
        "as_of": { "generation": as_of.generation, "next_offsets": as_of.next_offsets }, "is_cut": state.is_cut,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_number_fills_a_line_and_only_zero_is_empty() {
        assert_eq!(bars(&[0, 1, 400, 800, 799]), " ▁▄██");
        assert_eq!(bars(&[0, 0]), "  ");
        assert_eq!(bars(&[]), "");
    }
}
