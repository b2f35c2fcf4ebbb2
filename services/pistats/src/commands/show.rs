//! Reports for people and as JSON. Ratios are formed here, from the sums and counts of the answer.

use crate::table::{number, render};
use pistats_proto::query::v1::*;
use serde_json::{Value, json};

const HEAD: [&str; 9] =
    ["visitors", "new", "sessions", "page views", "events", "bounce rate", "mean session", "views/session", "value"];

pub(super) fn traffic(answer: &TrafficResponse) -> String {
    let mut rows: Vec<Vec<String>> = answer
        .steps
        .iter()
        .map(|step| row(step_name(step.from_us, step.to_us, &step.day), step.metrics.as_ref()))
        .collect();
    rows.push(row("total".to_owned(), answer.total.as_ref()));
    if answer.compared_total.is_some() {
        rows.push(row("compared".to_owned(), answer.compared_total.as_ref()));
    }
    noted(table(&format!("from ({})", answer.time_zone), rows), answer.visitor_days)
}

/// What readers of uniques must know of a cookieless site.
const VISITOR_DAYS: &str = "visitors are visitor-days: without cookies a visitor counts once for each day";

fn noted(table: String, visitor_days: bool) -> String {
    if visitor_days { format!("{table}\n{VISITOR_DAYS}") } else { table }
}

pub(super) fn breakdown(dimension: &str, answer: &BreakdownResponse) -> String {
    let name = |value: &str| if value.is_empty() { "(none)".to_owned() } else { clip(value) };
    let rows = answer.rows.iter().map(|r| row(name(&r.value), r.metrics.as_ref())).collect();
    let shown = format!("{} of {} values", number(answer.rows.len() as i64), number(answer.total_rows));
    noted(format!("{}\n{shown}", table(dimension, rows)), answer.visitor_days)
}

fn table(first: &str, rows: Vec<Vec<String>>) -> String {
    let head: Vec<&str> = std::iter::once(first).chain(HEAD).collect();
    render(&head, rows, 1)
}

/// Long values are shortened for the terminal; JSON has them whole.
pub(super) fn clip(value: &str) -> String {
    const MOST: usize = 60;
    if value.chars().count() <= MOST {
        return value.to_owned();
    }
    value.chars().take(MOST - 1).chain(['…']).collect()
}

/// Its day, or its first instant where it is shorter.
pub(super) fn step_name(from_us: i64, to_us: i64, day: &str) -> String {
    if to_us - from_us > 2 * pistats_core::Micros::HOUR {
        return day.to_owned();
    }
    jiff::Timestamp::from_microsecond(from_us).map(|at| at.to_string()).unwrap_or_default()
}

fn row(name: String, metrics: Option<&Metrics>) -> Vec<String> {
    let m = metrics.cloned().unwrap_or_default();
    let value = if m.value_count == 0 { String::new() } else { format!("{:.2}", m.value_sum_micros as f64 / 1e6) };
    vec![
        name,
        number(m.visitors),
        number(m.new_visitors),
        number(m.sessions),
        number(m.page_views),
        number(m.events),
        ratio(m.bounces as f64, m.sessions).map(|rate| format!("{:.1} %", rate * 100.0)).unwrap_or_default(),
        ratio(m.session_us as f64 / 1e6, m.sessions).map(|mean| format!("{mean:.1} s")).unwrap_or_default(),
        ratio(m.session_page_views as f64, m.sessions).map(|views| format!("{views:.2}")).unwrap_or_default(),
        value,
    ]
}

pub(super) fn ratio(sum: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum / count as f64)
}

pub(super) fn traffic_json(answer: &TrafficResponse) -> Value {
    let step = |step: &Step| json!({"from_us": step.from_us, "to_us": step.to_us, "day": step.day, "metrics": metrics(step.metrics.as_ref())});
    let mut shown = json!({
        "time_zone": answer.time_zone,
        "total": metrics(answer.total.as_ref()),
        "steps": answer.steps.iter().map(step).collect::<Vec<_>>(),
        "as_of": as_of(answer.as_of.as_ref()),
        "visitor_days": answer.visitor_days,
    });
    if answer.compared_total.is_some() {
        shown["compared_total"] = metrics(answer.compared_total.as_ref());
        shown["compared_steps"] = answer.compared_steps.iter().map(step).collect();
    }
    shown
}

pub(super) fn breakdown_json(answer: &BreakdownResponse) -> Value {
    let row = |row: &Row| {
        let mut shown = json!({"value": row.value, "metrics": metrics(row.metrics.as_ref())});
        if row.compared.is_some() {
            shown["compared"] = metrics(row.compared.as_ref());
        }
        shown
    };
    json!({
        "rows": answer.rows.iter().map(row).collect::<Vec<_>>(),
        "total_rows": answer.total_rows,
        "visitor_days": answer.visitor_days,
        "as_of": as_of(answer.as_of.as_ref()),
    })
}

fn metrics(metrics: Option<&Metrics>) -> Value {
    let m = metrics.cloned().unwrap_or_default();
    json!({
        "visitors": m.visitors, "new_visitors": m.new_visitors, "sessions": m.sessions, "page_views": m.page_views,
        "events": m.events, "bounces": m.bounces, "bounce_rate": ratio(m.bounces as f64, m.sessions),
        "session_seconds": m.session_us as f64 / 1e6,
        "mean_session_seconds": ratio(m.session_us as f64 / 1e6, m.sessions),
        "session_page_views": m.session_page_views,
        "page_views_per_session": ratio(m.session_page_views as f64, m.sessions),
        "value_count": m.value_count, "value_sum_micros": m.value_sum_micros,
        "value_min_micros": m.value_min_micros, "value_max_micros": m.value_max_micros,
        "value_mean": ratio(m.value_sum_micros as f64 / 1e6, m.value_count),
    })
}

pub(super) fn as_of(as_of: Option<&AsOf>) -> Value {
    as_of.map_or(Value::Null, |as_of| json!({"generation": as_of.generation, "next_offsets": as_of.next_offsets}))
}

pub(super) fn event_json(event: &ExportedEvent) -> Value {
    let hex: String = event.id.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "id": hex, "time_us": event.time_us, "received_us": event.received_us, "visitor": event.visitor,
        "user_id": event.user_id, "name": event.name, "url": event.url, "page": event.page, "referrer": event.referrer,
        "source": event.source, "channel": event.channel, "title": event.title, "topics": event.topics,
        "language": event.language, "country": event.country, "screen": event.screen, "device": event.device,
        "browser": event.browser, "os": event.os, "utm_source": event.utm_source, "utm_medium": event.utm_medium,
        "utm_campaign": event.utm_campaign, "utm_term": event.utm_term, "utm_content": event.utm_content,
        "bot": event.bot, "value_micros": event.value_micros, "properties": event.properties,
        "partition": event.partition, "offset": event.offset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_formed_from_sums_and_absent_without_sessions() {
        let total =
            Metrics { sessions: 4, bounces: 1, session_us: 10_000_000, session_page_views: 6, ..Default::default() };
        let shown = metrics(Some(&total));
        assert_eq!(
            (&shown["bounce_rate"], &shown["mean_session_seconds"], &shown["page_views_per_session"]),
            (&json!(0.25), &json!(2.5), &json!(1.5))
        );
        assert_eq!(metrics(None)["bounce_rate"], Value::Null);
    }

    #[test]
    fn visitor_days_are_told_below_the_table_and_in_the_text_for_programs() {
        let answer = TrafficResponse { visitor_days: true, ..Default::default() };
        assert!(traffic(&answer).ends_with(VISITOR_DAYS) && traffic_json(&answer)["visitor_days"] == json!(true));
        let list = BreakdownResponse { visitor_days: true, ..Default::default() };
        assert!(
            breakdown("page", &list).ends_with(VISITOR_DAYS) && breakdown_json(&list)["visitor_days"] == json!(true)
        );
        assert!(!traffic(&TrafficResponse::default()).contains(VISITOR_DAYS));
    }

    #[test]
    fn long_values_are_clipped_by_characters() {
        assert_eq!(clip(&"ä".repeat(60)).chars().count(), 60);
        assert!(clip(&"ä".repeat(61)).ends_with('…'));
    }
}
