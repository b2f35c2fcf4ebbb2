//! The published funnel of a real input, through gRPC, in two orders of arrival.

use crate::harness::{Instance, Queries, days};
use pistats_proto::query::v1::*;
use pistats_testkit::data::{self, Set, reference};
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

/// frontpage → news → sports, as the reference counts: with bots, any start, no limit.
pub(crate) async fn assert_frontpage_news_sports(queries: &mut Queries, expected: &reference::Funnel) {
    let step = |page: &str| Condition {
        filters: vec![Filter { dimension: Dimension::Path.into(), values: vec![page.to_owned()], ..Filter::default() }],
    };
    let request = FunnelRequest {
        range: days("1999-09-28", "1999-09-28"),
        steps: ["/frontpage", "/news", "/sports"].map(step).to_vec(),
        bots: Bots::Include.into(),
        ..FunnelRequest::default()
    };
    let asked = Instant::now();
    let answer = queries.funnel(request.clone()).await.unwrap().into_inner();
    println!("funnel over msnbc: {:?}", asked.elapsed());
    let expected = [expected.reached1, expected.reached2, expected.reached3];
    let visitors: Vec<u64> = answer.steps.iter().map(|step| step.visitors).collect();
    let runs: Vec<u64> = answer.steps.iter().map(|step| step.runs).collect();
    assert_eq!((visitors.as_slice(), runs.as_slice()), (&expected[..], &expected[..]));
    // The day as one period holds the same.
    let request = FunnelRequest { interval: Interval::Day.into(), ..request };
    let by_day = queries.funnel(request).await.unwrap().into_inner();
    assert_eq!((by_day.periods.len(), &by_day.periods[0].steps), (1, &answer.steps));
}

/// The lines of a file, the last one first.
fn reversed(path: &Path, folder: &Path) -> std::path::PathBuf {
    let text = std::fs::read(path).unwrap();
    let turned = folder.join("reversed.ndjson");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&turned).unwrap());
    for line in text.split(|byte| *byte == b'\n').rev().filter(|line| !line.is_empty()) {
        file.write_all(line).unwrap();
        file.write_all(b"\n").unwrap();
    }
    file.flush().unwrap();
    turned
}

#[tokio::test(flavor = "multi_thread")]
async fn the_msnbc_funnel_is_the_published_one_when_every_event_arrives_before_those_that_led_to_it() {
    let (Some(expected), Some(path)) = (reference::msnbc().unwrap(), data::events(Set::Msnbc).unwrap()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let turned = reversed(&path, folder.path());
    let instance = Instance::start().await;
    let site = instance.site("backwards", "America/Los_Angeles").await;
    let report = site.import(&turned, None).await;
    assert_eq!((report.accepted, report.refused), (expected.page_views, 0), "{}", report.text());
    instance.settle().await;
    assert_frontpage_news_sports(&mut site.queries(), &expected.funnel_frontpage_news_sports).await;
    instance.stop().await;
}
