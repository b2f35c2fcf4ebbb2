//! `query funnel`: how many take each step, and how long it takes them.

use super::query::{Asked, interval};
use super::{Failure, failed, filter, show};
use crate::cli;
use crate::table::{number, render, say};
use pistats_core::Micros;
use pistats_proto::query::v1::*;
use serde_json::{Value, json};

pub(super) async fn run(command: cli::Funnel) -> Result<(), Failure> {
    if command.selection.compare.is_some() {
        return Err("a funnel is not compared: leave --compare away".to_owned());
    }
    let asked = Asked::of(&command.selection)?;
    let request = FunnelRequest {
        range: Some(asked.range),
        steps: command.steps.iter().map(|text| step(text)).collect::<Result<_, _>>()?,
        filters: asked.filters,
        bots: asked.bots.into(),
        limit_us: command.within.as_deref().map_or(Ok(0), span)?,
        order: if command.strict { FunnelOrder::Strict } else { FunnelOrder::Loose }.into(),
        reentry: command.reentry,
        interval: interval(command.by).into(),
    };
    let answer = asked.client.clone().funnel(request).await.map_err(failed)?.into_inner();
    if command.selection.json {
        say!("{}", as_json(&command.steps, &answer));
    } else {
        say!("{}", table(&command.steps, &answer));
    }
    Ok(())
}

/// Reads a step: filters joined by ` && `, or `any`.
fn step(text: &str) -> Result<Condition, Failure> {
    if text.trim() == "any" {
        return Ok(Condition::default());
    }
    let filters = text.split(" && ").map(|text| filter::filter(text.trim()));
    Ok(Condition { filters: filters.collect::<Result<_, _>>()? })
}

/// Reads a length of time: `45s`, `30m`, `12h`, `7d`. Microseconds.
pub(super) fn span(text: &str) -> Result<i64, Failure> {
    let units = [("s", Micros::SECOND), ("m", Micros::MINUTE), ("h", Micros::HOUR), ("d", Micros::DAY)];
    let read = units.into_iter().find_map(|(unit, micros)| {
        let count: i64 = text.strip_suffix(unit)?.parse().ok()?;
        count.checked_mul(micros).filter(|micros| *micros > 0)
    });
    read.ok_or_else(|| format!("{text:?} is no length of time: use a number and s, m, h or d, such as 30m"))
}

/// A row a step; with an interval, a row a period below.
fn table(names: &[String], answer: &FunnelResponse) -> String {
    let head = ["step", "visitors", "runs", "of the first", "of the one before", "time from it", "time from the first"];
    let first = answer.steps.first().map_or(0, |step| step.runs);
    let mut before = first;
    let mut rows = Vec::new();
    for (place, (name, step)) in names.iter().zip(&answer.steps).enumerate() {
        let mean =
            |sum: i64| if place == 0 || step.runs == 0 { String::new() } else { length(sum as f64 / step.runs as f64) };
        rows.push(vec![
            format!("{} {name}", place + 1),
            number(step.visitors),
            number(step.runs),
            share(step.runs, first),
            share(step.runs, before),
            mean(step.since_previous_us),
            mean(step.since_start_us),
        ]);
        before = step.runs;
    }
    let mut text = render(&head, rows, 1);
    if !answer.periods.is_empty() {
        let mut head = vec![format!("from ({})", answer.time_zone)];
        head.extend((1..=names.len()).map(|place| place.to_string()));
        let row = |period: &FunnelPeriod| {
            let name = show::step_name(period.from_us, period.to_us, &period.day);
            std::iter::once(name).chain(period.steps.iter().map(|step| number(step.runs))).collect()
        };
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        let periods = render(&head, answer.periods.iter().map(row).collect(), 1);
        text = format!("{text}\n\n{periods}\nruns by when they began");
    }
    if answer.visitor_days {
        text.push_str("\nsteps are followed to the end of the day only: without cookies a visitor is one of a day");
    }
    text
}

fn share(part: u64, all: u64) -> String {
    show::ratio(part as f64, all).map(|share| format!("{:.1} %", share * 100.0)).unwrap_or_default()
}

/// Microseconds in the greatest unit that fits.
fn length(micros: f64) -> String {
    let units = [(Micros::DAY, "d"), (Micros::HOUR, "h"), (Micros::MINUTE, "min")];
    let fits = units.into_iter().find(|(unit, _)| micros >= *unit as f64);
    let (unit, name) = fits.unwrap_or((Micros::SECOND, "s"));
    format!("{:.1} {name}", micros / unit as f64)
}

fn as_json(names: &[String], answer: &FunnelResponse) -> Value {
    let steps = |steps: &[FunnelStep]| -> Vec<Value> {
        let step = |(name, step): (&String, &FunnelStep)| {
            json!({
                "step": name, "visitors": step.visitors, "runs": step.runs,
                "since_previous_us": step.since_previous_us, "since_start_us": step.since_start_us,
            })
        };
        names.iter().zip(steps).map(step).collect()
    };
    let period = |period: &FunnelPeriod| json!({"from_us": period.from_us, "to_us": period.to_us, "day": period.day, "steps": steps(&period.steps)});
    json!({
        "time_zone": answer.time_zone,
        "steps": steps(&answer.steps),
        "periods": answer.periods.iter().map(period).collect::<Vec<_>>(),
        "as_of": show::as_of(answer.as_of.as_ref()),
        "visitor_days": answer.visitor_days,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_filters_that_all_must_hold() {
        let read = step("page=/a|/b && country!=DE").expect("a step");
        let dimensions: Vec<Dimension> = read.filters.iter().map(|filter| filter.dimension()).collect();
        assert_eq!(dimensions, [Dimension::Page, Dimension::Country]);
        assert_eq!(read.filters[0].values, ["/a", "/b"]);
        assert_eq!(step("url=http://a/?b=1&&c=2").expect("one filter").filters[0].values, ["http://a/?b=1&&c=2"]);
        assert_eq!(step("any").expect("any").filters.len(), 0);
        assert!(step("/pricing").is_err());
    }

    #[test]
    fn lengths_of_time_have_a_unit() {
        let read: Vec<i64> = ["45s", "30m", "12h", "7d"].into_iter().map(|text| span(text).expect("a span")).collect();
        assert_eq!(read, [45 * Micros::SECOND, 30 * Micros::MINUTE, 12 * Micros::HOUR, 7 * Micros::DAY]);
        for wrong in ["", "30", "m", "-1h", "0s", "1.5h", "99999999999999d"] {
            assert!(span(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!([59e6, 90e6, 3.6e9, 1.296e11].map(length), ["59.0 s", "1.5 min", "1.0 h", "1.5 d"]);
    }

    #[test]
    fn shares_are_of_the_first_step_and_of_the_one_before() {
        let step = |visitors, since| FunnelStep {
            visitors,
            runs: visitors,
            since_previous_us: since,
            since_start_us: 2 * since,
        };
        let steps = vec![step(8, 0), step(4, 240_000_000), step(1, 30_000_000)];
        let answer = FunnelResponse { steps, ..FunnelResponse::default() };
        let text = table(&["a".into(), "b".into(), "c".into()], &answer);
        let lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines[2..],
            [
                "1 a 8 8 100.0 % 100.0 %",
                "2 b 4 4 50.0 % 50.0 % 1.0 min 2.0 min",
                "3 c 1 1 12.5 % 25.0 % 30.0 s 1.0 min"
            ]
        );
    }
}
