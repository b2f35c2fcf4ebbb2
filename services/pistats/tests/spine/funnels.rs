//! The published funnel of a real input, through gRPC, in two orders of arrival; with the roles apart backwards of a part of it.

use crate::harness::{Instance, Queries, days};
use crate::topology::or_apart;
use pistats_proto::query::v1::*;
use pistats_testkit::data::{self, Set, reference};
use std::collections::HashMap;
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

/// The first lines of a file, the last one of them first.
fn reversed(path: &Path, most: usize, folder: &Path) -> std::path::PathBuf {
    let text = std::fs::read(path).unwrap();
    let turned = folder.join("reversed.ndjson");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&turned).unwrap());
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).take(most).collect();
    for line in lines.into_iter().rev() {
        file.write_all(line).unwrap();
        file.write_all(b"\n").unwrap();
    }
    file.flush().unwrap();
    turned
}

/// How many lines there are, up to so many, and how many visitors take the steps in their order; a visitor's lines are in the order of
/// time.
fn counted(path: &Path, most: usize) -> (u64, reference::Funnel) {
    let (mut lines, mut reached) = (0, [0; 3]);
    let mut taken: HashMap<String, usize> = HashMap::new();
    for line in data::lines(path).unwrap().take(most) {
        let line = line.unwrap();
        lines += 1;
        let steps = taken.entry(line.visitor).or_default();
        if ["/frontpage", "/news", "/sports"].get(*steps).is_some_and(|page| line.url.ends_with(page)) {
            reached[*steps] += 1;
            *steps += 1;
        }
    }
    let [reached1, reached2, reached3] = reached;
    (lines, reference::Funnel { reached1, reached2, reached3 })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_msnbc_funnel_is_the_same_when_every_event_arrives_before_those_that_led_to_it() {
    let (Some(published), Some(path)) = (reference::msnbc().unwrap(), data::events(Set::Msnbc).unwrap()) else {
        return;
    };
    let most = or_apart(usize::MAX, 300_000);
    let (lines, funnel) = counted(&path, most);
    if most == usize::MAX {
        assert_eq!((lines, &funnel), (published.page_views, &published.funnel_frontpage_news_sports));
    }
    assert!(funnel.reached3 > 100, "{funnel:?}");
    let folder = tempfile::tempdir().unwrap();
    let turned = reversed(&path, most, folder.path());
    let instance = Instance::start().await;
    let site = instance.site("backwards", "America/Los_Angeles").await;
    let report = site.import(&turned, None).await;
    assert_eq!((report.accepted, report.refused), (lines, 0), "{}", report.text());
    instance.settle().await;
    assert_frontpage_news_sports(&mut site.queries(), &funnel).await;
    instance.stop().await;
}
