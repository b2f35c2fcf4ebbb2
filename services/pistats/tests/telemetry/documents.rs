//! The page of metrics and the dashboard name what there is, and all of it.

use pistats_telemetry::metrics::catalogue::{self, Kind, Metric};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn row(metric: &Metric) -> String {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
    let (prometheus, teller) = (metric.prometheus(), metric.teller.name());
    let (otlp, unit, meaning) = (metric.name, metric.unit.code(), metric.meaning);
    format!("| `{prometheus}` | `{otlp}` | {kind} | {unit} | {} | {teller} | {meaning} |", labels.join(", "))
}

#[test]
fn the_page_of_metrics_is_the_catalogue() {
    let page = read("../../docs/metrics.md");
    let written: Vec<&str> = page.lines().filter(|line| line.starts_with("| `pistats_")).collect();
    let expected: Vec<String> = catalogue::ALL.iter().map(|metric| row(metric)).collect();
    assert_eq!(written, expected, "docs/metrics.md differs; its table should be:\n{}\n", expected.join("\n"));
}

/// All names of metrics in a query: what begins with `pistats_`.
fn names(query: &str) -> impl Iterator<Item = &str> {
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    query.split(move |c| !is_of_a_name(c)).filter(|word| word.starts_with("pistats_"))
}

/// What Prometheus stores of a metric.
fn series(metric: &Metric) -> Vec<String> {
    let name = metric.prometheus();
    match metric.kind {
        Kind::Histogram => ["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}")).into(),
        _ => vec![name],
    }
}

#[test]
fn every_panel_of_the_dashboard_asks_for_metrics_that_exist_and_every_metric_has_a_panel() {
    let dashboard: Value = serde_json::from_str(&read("observe/grafana/dashboards/pistats.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let of_panels: Vec<(&str, Vec<&str>)> = panels
        .iter()
        .filter(|panel| panel["type"] != "row")
        .map(|panel| {
            let targets = panel["targets"].as_array().unwrap().iter();
            (panel["title"].as_str().unwrap(), targets.map(|target| target["expr"].as_str().unwrap()).collect())
        })
        .collect();
    assert!(of_panels.len() > 10, "{of_panels:?}");
    let known: BTreeSet<String> = catalogue::ALL.iter().flat_map(|metric| series(metric)).collect();
    let mut asked = BTreeSet::new();
    for (title, queries) in &of_panels {
        let found: Vec<&str> = queries.iter().flat_map(|query| names(query)).collect();
        assert!(!found.is_empty(), "the panel {title:?} asks for none of our metrics: {queries:?}");
        for name in found {
            assert!(known.contains(name), "the panel {title:?} asks for {name}, which does not exist");
            asked.insert(name);
        }
    }
    for metric in catalogue::ALL {
        let is_shown = series(metric).iter().any(|name| asked.contains(name.as_str()));
        assert!(is_shown, "{} is in no panel", metric.prometheus());
    }
}

#[test]
fn every_alert_asks_for_metrics_that_exist() {
    let known: BTreeSet<String> = catalogue::ALL.iter().flat_map(|metric| series(metric)).collect();
    let rules: serde_yaml::Value = serde_yaml::from_str(&read("observe/alerts.yaml")).unwrap();
    let rules = rules["groups"][0]["rules"].as_sequence().unwrap();
    assert!(rules.len() > 5, "{rules:?}");
    for rule in rules {
        let asked: Vec<&str> = names(rule["expr"].as_str().unwrap()).collect();
        assert!(!asked.is_empty() && asked.iter().all(|name| known.contains(*name)), "{rule:?}");
    }
}

#[test]
fn a_name_in_a_query_is_found_whole() {
    let query = "sum by (code) (rate(pistats_rpc_answers_total{code!=\"ok\"}[1m])) / pistats_rpc_open";
    assert_eq!(names(query).collect::<Vec<_>>(), ["pistats_rpc_answers_total", "pistats_rpc_open"]);
}
