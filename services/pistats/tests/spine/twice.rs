//! What is sent again counts once; what is the same twice counts twice.

use crate::harness::{Instance, days, traffic};
use pistats_proto::query::v1::*;
use pistats_testkit::data::{self, Set};
use std::io::Write as _;

async fn total(site: &crate::harness::Site) -> Metrics {
    let request = traffic(days("1999-01-01", "2030-01-01"), Interval::Unspecified);
    site.queries().traffic(request).await.unwrap().into_inner().total.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_imported_again_also_after_a_restart_changes_nothing() {
    let Some(path) = data::events(Set::Elastic).unwrap() else { return };
    let instance = Instance::start().await;
    let site = instance.site("elastic", "UTC").await;
    site.import(&path, None).await;
    instance.settle().await;
    let once = total(&site).await;
    assert_eq!(once.events, 10_000);

    assert_eq!(site.import(&path, None).await.accepted, 10_000);
    instance.settle().await;
    assert_eq!(total(&site).await, once);

    // A day later nothing is in memory any more: a restart forgets as much.
    let instance = instance.restart(|_| {}).await;
    let site = crate::harness::Site { server: instance.running.url(), ..site };
    site.import(&path, None).await;
    instance.settle().await;
    assert_eq!(total(&site).await, once);
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_identical_lines_of_one_file_both_count() {
    let line = r#"{"ts":"2024-01-01T00:00:00Z","visitor":"ada","url":"/"}"#;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{line}\n{line}\n").unwrap();
    let instance = Instance::start().await;
    let site = instance.site("twins", "UTC").await;
    for _ in 0..2 {
        assert_eq!(site.import(file.path(), None).await.accepted, 2);
        instance.settle().await;
        let sum = total(&site).await;
        assert_eq!((sum.events, sum.visitors, sum.sessions), (2, 1, 1));
    }
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_log_counts_as_its_converted_events_do() {
    let (Some(folder), Some(converted)) = (data::folder(), data::events(Set::Elastic).unwrap()) else { return };
    let instance = Instance::start().await;
    let (raw, json) = (instance.site("raw", "UTC").await, instance.site("json", "UTC").await);
    raw.import(&folder.join("elastic/apache_logs.gz"), None).await;
    json.import(&converted, None).await;
    instance.settle().await;
    assert_eq!(total(&raw).await, total(&json).await);
    instance.stop().await;
}
