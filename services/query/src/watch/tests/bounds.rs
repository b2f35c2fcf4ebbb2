//! What is refused before anything is streamed, and both sides of each limit.

use super::*;
use tonic_types::StatusExt;

fn fields(status: &Status) -> Vec<String> {
    let details = status.get_details_bad_request().unwrap();
    details.field_violations.into_iter().map(|violation| violation.field).collect()
}

/// The fields that are named when these reports are watched.
fn refused(bench: &Bench, reports: Vec<WatchedReport>) -> Vec<String> {
    let status = bench.open(reports).err().unwrap();
    assert_eq!(status.code(), Code::InvalidArgument);
    fields(&status)
}

fn tagged(tag: &str) -> WatchedReport {
    WatchedReport { tag: tag.to_owned(), ..traffic() }
}

#[tokio::test]
async fn a_stream_has_one_to_fifty_reports() {
    let bench = Bench::new();
    let many = |count: usize| (0..count).map(|number| tagged(&number.to_string())).collect::<Vec<_>>();
    assert_eq!(refused(&bench, many(0)), ["reports"]);
    assert_eq!(refused(&bench, many(51)), ["reports"]);
    assert!(bench.open(many(50)).is_ok());
}

#[tokio::test]
async fn tags_are_short_and_each_is_its_own() {
    let bench = Bench::new();
    assert_eq!(refused(&bench, vec![tagged("a"), tagged("b"), tagged("a")]), ["reports[2].tag"]);
    assert_eq!(refused(&bench, vec![tagged(&"x".repeat(201))]), ["reports[0].tag"]);
    assert!(bench.open(vec![tagged(&"x".repeat(200)), tagged("")]).is_ok());
}

#[tokio::test]
async fn what_the_unary_calls_refuse_is_named_in_its_report() {
    let bench = Bench::new();
    let report = |tag: &str, report| watched(tag, report);
    let minutes = TrafficRequest { range: day("2024-05-13"), interval: 9, ..Default::default() };
    let range = DayRange { first: "2024-01-01".into(), last: "2024-12-31".into() };
    let steps = TrafficRequest {
        range: Some(Range { range: Some(range::Range::Days(range)) }),
        interval: Interval::Minute.into(),
        ..Default::default()
    };
    let funnel = FunnelRequest { range: day("2024-05-13"), limit_us: -1, ..Default::default() };
    let wrong = vec![
        traffic(),
        report("1", watched_report::Report::Breakdown(BreakdownRequest::default())),
        report("2", watched_report::Report::Traffic(minutes)),
        report("3", watched_report::Report::Traffic(steps)),
        report("4", watched_report::Report::Funnel(funnel)),
        report("5", watched_report::Report::Retention(RetentionRequest { interval: 2, ..Default::default() })),
        report("6", watched_report::Report::Realtime(RealtimeRequest { limit: 101, ..Default::default() })),
        WatchedReport { report: None, ..tagged("7") },
    ];
    let mut named = refused(&bench, wrong);
    named.sort();
    assert_eq!(
        named,
        [
            "reports[1].breakdown.dimension",
            "reports[1].breakdown.range",
            "reports[2].traffic.interval",
            "reports[3].traffic.interval",
            "reports[4].funnel.limit_us",
            "reports[4].funnel.steps",
            "reports[5].retention.interval",
            "reports[5].retention.range",
            "reports[6].realtime.limit",
            "reports[7].report",
        ]
    );
    assert_eq!((bench.subjects(), bench.world.evaluations()), (0, 0), "nothing was begun");
}

#[tokio::test]
async fn one_stream_too_many_is_refused_until_another_ends() {
    let bench = Bench::with(Settings { streams: 2, pace: quick(), ..Settings::default() });
    let first = bench.watch(traffic());
    let _second = bench.watch(traffic());
    let refused = bench.open(vec![traffic()]).err().unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.get_details_retry_info().is_some());
    drop(first);
    assert!(bench.open(vec![traffic()]).is_ok());
}

#[tokio::test]
async fn only_a_read_key_watches() {
    let bench = Bench::new();
    let code = |key: &str| bench.open_with(key, vec![traffic()]).err().map(|status| status.code());
    assert_eq!(code("read-1"), None);
    assert_eq!(code("guessed"), Some(Code::Unauthenticated));
}
