//! Several sites in one stream: each report is of the site of its own key, and no other.

use super::*;
use tonic_types::StatusExt as _;

/// The report, asked with a key of its own.
fn with_key(key: &str, report: WatchedReport) -> WatchedReport {
    WatchedReport { key: key.to_owned(), tag: format!("{} of {key}", report.tag), ..report }
}

fn commit_of(bench: &Bench, site: u32) {
    bench.world.commit(site, "2024-05-13");
}

/// The tag and the number of the next message.
async fn heard(stream: &mut Stream) -> (String, u64) {
    let message = next(stream).await;
    (message.tag, message.number)
}

#[tokio::test]
async fn each_report_is_of_the_site_of_its_key() {
    let bench = Bench::new();
    let mut stream = bench.open(vec![traffic(), with_key("read-2", traffic())]).unwrap();
    let mut first = [heard(&mut stream).await, heard(&mut stream).await];
    first.sort();
    assert_eq!(first, [("traffic".to_owned(), 1), ("traffic of read-2".to_owned(), 1)]);
    assert_eq!(*bench.world.asked_of.lock().unwrap(), [SiteId(1), SiteId(2)].into());
    commit_of(&bench, 2);
    assert_eq!(heard(&mut stream).await, ("traffic of read-2".to_owned(), 2));
    silence(&mut stream).await;
    commit_of(&bench, 1);
    assert_eq!(heard(&mut stream).await, ("traffic".to_owned(), 2));
    silence(&mut stream).await;
}

#[tokio::test]
async fn the_calls_own_key_named_again_is_the_same_subject() {
    let bench = Bench::new();
    let reports = vec![traffic(), with_key("read-1", traffic()), with_key(" read-1 ", pages())];
    let mut stream = bench.open(reports).unwrap();
    for _ in 0..3 {
        next(&mut stream).await;
    }
    assert_eq!(bench.subjects(), 2);
}

#[tokio::test]
async fn a_key_that_opens_nothing_is_named_and_nothing_is_begun() {
    let bench = Bench::new();
    let refused =
        bench.open(vec![traffic(), with_key("read-2", traffic()), with_key("guessed", pages())]).err().unwrap();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().starts_with("reports[2].key: this key is unknown"), "{refused}");
    assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, "reports[2].key");

    let mut known = directory(&Zone::utc(), false);
    let write = Key {
        id: "write-2".to_owned(),
        hash: KeyHash::of("write-2"),
        scope: Scope::Write,
        site: Some(SiteId(2)),
        name: String::new(),
        created: Micros(0),
        revoked: false,
    };
    known.put_key(write);
    bench.directory.store(Arc::new(known));
    let refused = bench.open(vec![with_key("write-2", traffic())]).err().unwrap();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().starts_with("reports[0].key: a write key"), "{refused}");
    assert_eq!((bench.subjects(), bench.world.evaluations()), (0, 0));

    let refused = bench.open_with("guessed", vec![with_key("read-2", traffic())]).err().unwrap();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.get_details_bad_request().is_none(), "it is the call's own key");
}

#[tokio::test]
async fn a_report_that_means_nothing_is_named_with_its_place_whatever_its_key() {
    let bench = Bench::new();
    let wrong = watched("x", watched_report::Report::Breakdown(BreakdownRequest::default()));
    let refused = bench.open(vec![traffic(), with_key("read-2", wrong)]).err().unwrap();
    let fields = refused.get_details_bad_request().unwrap().field_violations;
    assert!(fields.iter().all(|violation| violation.field.starts_with("reports[1].breakdown.")), "{fields:?}");
}

#[tokio::test]
async fn a_reports_revoked_key_ends_the_stream_and_is_named() {
    let bench = Bench::new();
    let mut stream = bench.open(vec![traffic(), with_key("read-2", traffic())]).unwrap();
    next(&mut stream).await;
    next(&mut stream).await;
    let mut known = directory(&Zone::utc(), false);
    let revoked = known.authenticate("read-2").unwrap().clone();
    known.put_key(Key { revoked: true, ..revoked });
    bench.directory.store(Arc::new(known));
    let ended = end(&mut stream).await;
    assert_eq!(ended.code(), Code::Unauthenticated);
    assert!(ended.message().starts_with("reports[1].key: "), "{ended}");
    let mut other = bench.watch(traffic());
    next(&mut other).await;
}

#[tokio::test]
async fn only_the_reports_of_a_site_whose_days_moved_start_anew() {
    let bench = Bench::new();
    let mut stream = bench.open(vec![traffic(), with_key("read-2", traffic())]).unwrap();
    next(&mut stream).await;
    next(&mut stream).await;
    let mut known = directory(&Zone::utc(), false);
    let site = known.site(SiteId(2)).unwrap().clone();
    known.put_site(Site { zone: Zone::named("Asia/Kolkata").unwrap(), ..site });
    bench.directory.store(Arc::new(known));
    let message = next(&mut stream).await;
    assert_eq!((message.tag.as_str(), told(&message)), ("traffic of read-2", (1, true, true, 0)));
    silence(&mut stream).await;
}
