//! `watch`: reports of a site as they change, redrawn in place on a terminal, else one JSON object a change.
//!
//! The stream is taken up again after a cut, from where it was. Without a range the site's own day is shown, and the next
//! one from its midnight on.

mod stream;

use super::query::{Asked, interval};
use super::{Failure, failed, filter, live, retention, show};
use crate::cli::{Selection, Shown, Watch};
use crate::table::say;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use pistats_proto::query::v1::watched_report::Report;
use pistats_proto::query::v1::*;
use serde_json::{Value, json};
use std::io::IsTerminal as _;
use stream::{Changed, Stream};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Goes to a terminal's first line and clears what is below (ECMA-48: CUP, ED); the screen is filled anew without flicker.
const HOME: &str = "\x1b[H\x1b[J";

pub async fn run(command: Watch) -> Result<(), Failure> {
    let is_drawn = std::io::stdout().is_terminal() && !command.selection.json;
    let is_today = command.selection.from.is_none() && command.selection.to.is_none();
    let mut changes = 0;
    loop {
        let (selection, midnight) = match is_today {
            true => today(&command.selection).await?,
            false => (command.selection.clone(), None),
        };
        let asked = Asked::of(&selection)?;
        let reports = reports(&command, &asked)?;
        let mut stream = Stream::open(asked.client, reports).await.map_err(failed)?;
        loop {
            let next = match midnight {
                Some(midnight) => timeout_at(midnight, stream.next()).await,
                None => Ok(stream.next().await),
            };
            let Ok(changed) = next else { break };
            let changed = changed.map_err(failed)?;
            if is_drawn {
                say!("{HOME}{}", screen(&command, &stream));
            } else {
                say!("{}", line(&stream, &changed));
            }
            changes += 1;
            if changes == command.count {
                return Ok(());
            }
        }
        // A moment after midnight, so that it is the next day.
        sleep_until(Instant::now() + std::time::Duration::from_secs(1)).await;
    }
}

/// The selection of the site's own day, and when that day ends.
async fn today(selection: &Selection) -> Result<(Selection, Option<Instant>), Failure> {
    // Only the server knows the site's zone; an answer about any day tells it.
    let asked = Asked::of(selection)?;
    let request = TrafficRequest { range: Some(asked.range), ..Default::default() };
    let answer = asked.client.clone().traffic(request).await.map_err(failed)?.into_inner();
    let zone = TimeZone::get(&answer.time_zone).unwrap_or(TimeZone::UTC);
    let now = Timestamp::now().to_zoned(zone);
    let midnight = now.date().saturating_add(Span::new().days(1)).to_zoned(now.time_zone().clone());
    let left = midnight.ok().and_then(|midnight| now.duration_until(&midnight).try_into().ok());
    let day = Some(now.date().to_string());
    Ok((Selection { from: day.clone(), to: day, ..selection.clone() }, left.map(|left| Instant::now() + left)))
}

fn reports(command: &Watch, asked: &Asked) -> Result<Vec<WatchedReport>, Failure> {
    let mut reports = Vec::new();
    for (number, shown) in command.reports.iter().enumerate() {
        let (range, filters, bots) = (Some(asked.range.clone()), asked.filters.clone(), asked.bots.into());
        let report = match shown {
            Shown::Realtime => Report::Realtime(RealtimeRequest { bots, limit: command.limit, filters }),
            Shown::Traffic => {
                let interval = interval(command.by).into();
                Report::Traffic(TrafficRequest { range, interval, filters, bots, compare: asked.compare.into() })
            }
            Shown::Breakdown => {
                let (dimension, property) = filter::dimension(&command.dimension)?;
                Report::Breakdown(BreakdownRequest {
                    range,
                    dimension: dimension.into(),
                    property,
                    filters,
                    bots,
                    limit: command.limit,
                    compare: asked.compare.into(),
                    ..Default::default()
                })
            }
            Shown::Retention => {
                let interval = interval(command.by).into();
                Report::Retention(RetentionRequest { range, interval, filters, bots, ..Default::default() })
            }
        };
        // The same report may be wanted twice on a screen.
        let tag = if command.reports[..number].contains(shown) {
            format!("{}-{number}", name(*shown))
        } else {
            name(*shown).to_owned()
        };
        reports.push(WatchedReport { tag, report: Some(report), ..Default::default() });
    }
    Ok(reports)
}

fn name(shown: Shown) -> &'static str {
    match shown {
        Shown::Realtime => "realtime",
        Shown::Traffic => "traffic",
        Shown::Breakdown => "breakdown",
        Shown::Retention => "retention",
    }
}

/// All reports, one below the other.
fn screen(command: &Watch, stream: &Stream) -> String {
    let shown = stream.answers().map(|(tag, answer)| match answer.and_then(|answer| answer.report.as_ref()) {
        Some(snapshot::Report::Traffic(answer)) => show::traffic(answer),
        Some(snapshot::Report::Breakdown(answer)) => show::breakdown(&command.dimension, answer),
        Some(snapshot::Report::Retention(answer)) => retention::triangle(answer, false),
        Some(snapshot::Report::Realtime(answer)) => live::text(answer),
        Some(snapshot::Report::Funnel(_)) | None => format!("{tag}: waiting for the server"),
    });
    shown.collect::<Vec<_>>().join("\n\n")
}

/// A change as JSON: which report, and all of it as it is now.
fn line(stream: &Stream, changed: &Changed) -> Value {
    let answer = stream.answers().find(|(tag, _)| *tag == changed.tag).and_then(|(_, answer)| answer?.report.as_ref());
    let report = match answer {
        Some(snapshot::Report::Traffic(answer)) => show::traffic_json(answer),
        Some(snapshot::Report::Breakdown(answer)) => show::breakdown_json(answer),
        Some(snapshot::Report::Retention(answer)) => retention::as_json(answer),
        Some(snapshot::Report::Realtime(answer)) => live::json(answer),
        Some(snapshot::Report::Funnel(_)) | None => Value::Null,
    };
    json!({
        "report": changed.tag, "number": changed.number, "reset": changed.reset, "changed_us": changed.changed_us,
        "answer": report,
    })
}
