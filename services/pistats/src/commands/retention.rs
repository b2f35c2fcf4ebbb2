//! `query retention`: a triangle of shares, or of visitors.

use super::query::Asked;
use super::{Failure, failed, filter, show};
use crate::cli::{PeriodArg, Retention, RetentionModeArg, WeekStartArg};
use crate::table::{number, render, say};
use pistats_proto::query::v1::*;
use serde_json::{Value, json};

pub(super) async fn run(command: Retention) -> Result<(), Failure> {
    if command.selection.compare.is_some() {
        return Err("retention is not compared: leave --compare away".to_owned());
    }
    let asked = Asked::of(&command.selection)?;
    let request = RetentionRequest {
        range: Some(asked.range),
        interval: match command.by {
            PeriodArg::Day => Interval::Day,
            PeriodArg::Week => Interval::Week,
            PeriodArg::Month => Interval::Month,
        }
        .into(),
        week_start: match command.week_start {
            WeekStartArg::Monday => WeekStart::Monday,
            WeekStartArg::Sunday => WeekStart::Sunday,
        }
        .into(),
        mode: match command.mode {
            RetentionModeArg::FirstTime => RetentionMode::FirstTime,
            RetentionModeArg::Recurring => RetentionMode::Recurring,
        }
        .into(),
        start_event: condition(&command.start)?,
        return_event: condition(&command.returning)?,
        filters: asked.filters,
        bots: asked.bots.into(),
        cells: command.cells,
    };
    let answer = asked.client.clone().retention(request).await.map_err(failed)?.into_inner();
    say!("{}", if command.selection.json { as_json(&answer).to_string() } else { triangle(&answer, command.counts) });
    Ok(())
}

fn condition(filters: &[String]) -> Result<Option<Condition>, Failure> {
    let filters = filters.iter().map(|text| filter::filter(text)).collect::<Result<Vec<Filter>, Failure>>()?;
    Ok((!filters.is_empty()).then_some(Condition { filters }))
}

/// A row a cohort, and one of all cohorts: of those that reach a column, all visitors.
pub(super) fn triangle(answer: &RetentionResponse, counts: bool) -> String {
    let width = answer.cohorts.iter().map(|cohort| cohort.cells.len()).max().unwrap_or(0);
    let mut head = vec![format!("from ({})", answer.time_zone), "visitors".to_owned()];
    head.extend((0..width).map(|period| period.to_string()));
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let cell = |part: u64, all: u64| match (counts, all) {
        (true, _) => number(part),
        (false, 0) => String::new(),
        (false, all) => format!("{:.1}", part as f64 * 100.0 / all as f64),
    };
    let mut rows = Vec::new();
    for cohort in &answer.cohorts {
        let mut row = vec![cohort.first_day.clone(), number(cohort.visitors)];
        row.extend(cohort.cells.iter().map(|visitors| cell(*visitors, cohort.visitors)));
        row.resize(width + 2, String::new());
        rows.push(row);
    }
    let mut all = vec!["all".to_owned(), number(answer.cohorts.iter().map(|cohort| cohort.visitors).sum::<u64>())];
    for period in 0..width {
        let reach = answer.cohorts.iter().filter_map(|cohort| Some((cohort.cells.get(period)?, cohort.visitors)));
        let (part, visitors) = reach.fold((0, 0), |sum, (cell, visitors)| (sum.0 + cell, sum.1 + visitors));
        all.push(cell(part, visitors));
    }
    rows.push(all);
    let unit = if counts { "visitors" } else { "per cent of the cohort" };
    format!("{}\n{unit} by periods after the first", render(&head, rows, 1))
}

pub(super) fn as_json(answer: &RetentionResponse) -> Value {
    let cohort = |cohort: &Cohort| {
        json!({
            "first_day": cohort.first_day, "last_day": cohort.last_day,
            "visitors": cohort.visitors, "cells": cohort.cells,
        })
    };
    json!({
        "time_zone": answer.time_zone,
        "cohorts": answer.cohorts.iter().map(cohort).collect::<Vec<_>>(),
        "as_of": show::as_of(answer.as_of.as_ref()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> RetentionResponse {
        let cohort = |day: &str, visitors, cells: &[u64]| Cohort {
            first_day: day.into(),
            last_day: day.into(),
            visitors,
            cells: cells.to_vec(),
        };
        let cohorts =
            vec![cohort("2024-05-13", 8, &[8, 2, 1]), cohort("2024-05-14", 0, &[0, 0]), cohort("2024-05-15", 2, &[2])];
        RetentionResponse { cohorts, as_of: None, time_zone: "UTC".into() }
    }

    /// The words of each line.
    fn words(text: &str) -> Vec<Vec<&str>> {
        text.lines().map(|line| line.split_whitespace().collect()).collect()
    }

    #[test]
    fn shares_are_of_the_cohort_and_empty_cohorts_have_none() {
        let text = triangle(&answer(), false);
        let lines = words(&text);
        assert_eq!(lines[0], ["from", "(UTC)", "visitors", "0", "1", "2"]);
        assert_eq!(lines[2], ["2024-05-13", "8", "100.0", "25.0", "12.5"]);
        assert_eq!(lines[3], ["2024-05-14", "0"]);
        // All: of the second column 2 of 8 and none of none.
        assert_eq!(lines[5], ["all", "10", "100.0", "25.0", "12.5"]);
    }

    #[test]
    fn counts_are_shown_when_asked_for() {
        let text = triangle(&answer(), true);
        assert_eq!(words(&text)[5], ["all", "10", "10", "2", "1"]);
        assert_eq!(as_json(&answer())["cohorts"][0]["cells"], json!([8, 2, 1]));
    }
}
