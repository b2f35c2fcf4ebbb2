//! Instruments and the page together: what is observed is told, adds up, and ends with its server.

use pistats_telemetry::metrics::catalogue::{COMMIT_DURATION, INGEST_ACCEPTED, LAG, NEWEST_AGE};
use pistats_telemetry::{Meters, Settings};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn start() -> Meters {
    let prometheus = Some("127.0.0.1:0".parse().unwrap());
    Meters::start(&Settings { prometheus, ..Settings::default() }).await.unwrap()
}

async fn page(meters: &Meters) -> String {
    let mut stream = TcpStream::connect(meters.address().unwrap()).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    page
}

#[tokio::test]
async fn what_several_parts_observe_of_one_metric_adds_up_by_labels() {
    let meters = start().await;
    meters.observe(&LAG, |readings| {
        readings.set(2.0, &["0"]);
        readings.set(3.0, &["1"]);
    });
    meters.observe(&LAG, |readings| readings.set(40.0, &["1"]));
    let page = page(&meters).await;
    assert!(page.contains("pistats_aggregate_lag{partition=\"0\"} 2\n"), "{page}");
    assert!(page.contains("pistats_aggregate_lag{partition=\"1\"} 43\n"), "{page}");
    assert!(page.contains("# TYPE pistats_aggregate_lag gauge"), "{page}");
}

#[tokio::test]
async fn a_counter_a_time_and_a_histogram_are_told_in_their_units() {
    let meters = start().await;
    meters.observe(&INGEST_ACCEPTED, |readings| readings.set(7.0, &[]));
    meters.observe(&NEWEST_AGE, |readings| readings.set(0.25, &[]));
    meters.histogram(&COMMIT_DURATION).record(Duration::from_millis(5));
    meters.histogram(&COMMIT_DURATION).record(Duration::from_micros(5_001));
    let page = page(&meters).await;
    for line in [
        "# TYPE pistats_ingest_events_accepted_total counter",
        "pistats_ingest_events_accepted_total 7",
        "pistats_aggregate_newest_age_seconds 0.25",
        "# TYPE pistats_aggregate_commit_duration_seconds histogram",
        // Bounds are inclusive.
        "pistats_aggregate_commit_duration_seconds_bucket{le=\"0.005\"} 1",
        "pistats_aggregate_commit_duration_seconds_bucket{le=\"0.01\"} 2",
        "pistats_aggregate_commit_duration_seconds_count 2",
    ] {
        assert!(page.lines().any(|told| told == line), "{line} is not in {page}");
    }
}

#[tokio::test]
async fn shut_down_the_page_is_gone_and_nothing_is_held_any_more() {
    let meters = start().await;
    let held = Arc::new(());
    let own = held.clone();
    meters.observe(&LAG, move |readings| readings.set(Arc::strong_count(&own) as f64, &["0"]));
    let address = meters.address().unwrap();
    assert!(page(&meters).await.contains("pistats_aggregate_lag{partition=\"0\"} 2"));
    meters.shutdown(Duration::from_secs(5)).await;
    assert_eq!(Arc::strong_count(&held), 1);
    tokio::task::yield_now().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_collector_that_is_not_there_holds_nobody_up() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = Settings { otlp: Some(format!("http://{nobody}")), ..Settings::default() };
    let meters = Meters::start(&settings).await.unwrap();
    meters.histogram(&COMMIT_DURATION).record(Duration::from_millis(1));
    let since = std::time::Instant::now();
    meters.shutdown(Duration::from_millis(300)).await;
    // The deadline, and room for a busy machine.
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
}

#[tokio::test]
async fn with_nobody_to_tell_meters_are_off_and_never_ask() {
    let meters = Meters::start(&Settings::default()).await.unwrap();
    assert!(!meters.is_on() && meters.address().is_none());
    let asked = Arc::new(());
    let own = asked.clone();
    meters.observe(&LAG, move |_| drop(own.clone()));
    assert_eq!(Arc::strong_count(&asked), 1, "the function is not even kept");
    meters.histogram(&COMMIT_DURATION).record(Duration::from_millis(1));
}
