//! When a report is evaluated, and for whom.

use super::*;

#[test]
fn the_pace_is_the_contracts() {
    let pace = Pace::default();
    assert_eq!(
        (pace.every, pace.live_every, pace.clock_every),
        (Duration::from_secs(1), Duration::from_millis(100), Duration::from_secs(1))
    );
}

#[tokio::test]
async fn identical_subscriptions_share_one_evaluation() {
    let bench = Bench::new();
    // The same question, written in two ways: unspecified means 100 rows, by visitors.
    let mut spelled = pages();
    if let Some(watched_report::Report::Breakdown(asked)) = &mut spelled.report {
        (asked.limit, asked.order_by, asked.bots) = (100, Metric::Visitors.into(), 1);
    }
    let mut streams: Vec<Stream> = Vec::new();
    for report in [pages(), spelled] {
        streams.extend((0..10).map(|_| bench.watch(report.clone())));
    }
    for stream in &mut streams {
        assert_eq!(told(&next(stream).await), (1, false, true, 0));
    }
    assert_eq!((bench.world.evaluations(), bench.subjects()), (1, 1));
    bench.world.commit(1, "2024-05-13");
    for stream in &mut streams {
        assert_eq!(told(&next(stream).await), (2, false, false, 1));
    }
    assert_eq!(bench.world.evaluations(), 2);
}

#[tokio::test]
async fn other_sites_reports_are_their_own() {
    let bench = Bench::new();
    let mut here = bench.watch(traffic());
    let mut there = bench.open_with("read-2", vec![traffic()]).unwrap();
    next(&mut here).await;
    next(&mut there).await;
    assert_eq!((bench.world.evaluations(), bench.subjects()), (2, 2));
    bench.world.commit(2, "2024-05-13");
    assert_eq!(next(&mut there).await.number, 2);
    silence(&mut here).await;
}

#[tokio::test]
async fn a_report_is_evaluated_at_most_once_in_its_time() {
    const EVERY: Duration = Duration::from_millis(150);
    let bench = Bench::paced(|pace| pace.every = EVERY);
    let mut stream = bench.watch(traffic());
    next(&mut stream).await;
    let since = Instant::now();
    while since.elapsed() < EVERY * 5 {
        bench.world.commit(1, "2024-05-13");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let last = bench.world.events.load(Ordering::SeqCst);
    while told(&next(&mut stream).await).3 < last {}
    let evaluated = bench.world.evaluated.lock().unwrap().clone();
    assert!(evaluated.len() >= 3, "{} evaluations", evaluated.len());
    for pair in evaluated.windows(2) {
        assert!(pair[1] - pair[0] >= EVERY, "{:?} apart", pair[1] - pair[0]);
    }
}

#[tokio::test]
async fn only_a_commit_to_site_and_range_causes_an_evaluation() {
    let bench = Bench::new();
    let mut stream = bench.watch(traffic());
    next(&mut stream).await;
    bench.world.commit(2, "2024-05-13");
    bench.world.commit(1, "2024-05-11");
    bench.world.commit(1, "2024-05-15");
    silence(&mut stream).await;
    assert_eq!(bench.world.evaluations(), 1);
    // A session may reach a day over.
    bench.world.commit(1, "2024-05-14");
    assert_eq!(told(&next(&mut stream).await), (2, false, false, 4));
    assert_eq!(bench.world.evaluations(), 2);
}

#[tokio::test]
async fn a_state_tells_when_its_first_commit_became_durable() {
    let bench = Bench::paced(|pace| pace.every = MOMENT);
    let mut stream = bench.watch(traffic());
    assert_eq!(next(&mut stream).await.changed_us, 0);
    bench.world.commit(1, "2024-05-13");
    bench.world.commit(1, "2024-05-13");
    bench.world.commit(1, "2024-05-13");
    let shown = next(&mut stream).await;
    assert_eq!((told(&shown).3, shown.changed_us), (3, 1_000), "the first of the three");
    assert_eq!(next(&mut bench.watch(traffic())).await.changed_us, 0, "a first snapshot has nothing before it");
}

#[tokio::test]
async fn who_falls_behind_the_notices_takes_everything_for_touched() {
    let bench = Bench::new();
    let mut stream = bench.watch(traffic());
    next(&mut stream).await;
    // More than the four that wait for a receiver, in one go: the first, which touches, is lost.
    bench.world.commit(1, "2024-05-13");
    for _ in 0..8 {
        bench.world.commit(2, "2020-01-01");
    }
    assert_eq!(told(&next(&mut stream).await).3, 9);
    // A number that is missing says the same.
    bench.world.number.fetch_add(1, Ordering::SeqCst);
    bench.world.commit(2, "2020-01-01");
    assert_eq!(told(&next(&mut stream).await).3, 10);
}

#[tokio::test]
async fn evaluations_wait_for_room() {
    let bench = Bench::with(Settings { evaluations: 2, pace: quick(), ..Settings::default() });
    *bench.world.takes.lock().unwrap() = Duration::from_millis(10);
    let reports = (1..=20).map(|limit| {
        let asked = BreakdownRequest { limit, range: day("2024-05-13"), dimension: 2, ..Default::default() };
        watched(&limit.to_string(), watched_report::Report::Breakdown(asked))
    });
    let mut stream = bench.open(reports.collect()).unwrap();
    for _ in 0..20 {
        assert!(is_snapshot(&next(&mut stream).await));
    }
    assert_eq!(bench.world.most_open.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_cannot_ends_the_stream() {
    let bench = Bench::new();
    let away = || Status::unavailable("away");
    *bench.world.failures.lock().unwrap() = vec![away(), Status::deadline_exceeded("late"), away()];
    let mut stream = bench.watch(traffic());
    assert_eq!(told(&next(&mut stream).await), (1, false, true, 0));
    assert_eq!(bench.world.evaluations(), 4);

    *bench.world.failures.lock().unwrap() = vec![Status::out_of_range("a sum exceeds 64 bits")];
    bench.world.commit(1, "2024-05-13");
    let ended = end(&mut stream).await;
    assert_eq!((ended.code(), ended.message()), (Code::OutOfRange, "report \"traffic\": a sum exceeds 64 bits"));
    assert_eq!(bench.subjects(), 0);
    assert_eq!(told(&next(&mut bench.watch(traffic())).await), (1, false, true, 1), "who asks next starts anew");
}

#[tokio::test]
async fn nothing_is_evaluated_for_nobody_and_the_task_ends_after_a_while() {
    let bench = Bench::paced(|pace| pace.linger = MOMENT * 2);
    let mut stream = bench.watch(traffic());
    next(&mut stream).await;
    drop(stream);
    bench.world.commit(1, "2024-05-13");
    tokio::time::sleep(MOMENT).await;
    assert_eq!(bench.world.evaluations(), 1);
    until("the report is forgotten", || bench.subjects() == 0).await;
    assert_eq!(bench.world.evaluations(), 1);
}

#[tokio::test]
async fn the_hub_takes_its_tasks_with_it() {
    let bench = Bench::new();
    let Bench { world, hub, .. } = bench;
    *world.takes.lock().unwrap() = PATIENCE;
    let mut request = Request::new(WatchRequest { reports: vec![traffic(), realtime()] });
    request.metadata_mut().insert("authorization", "Bearer read-1".parse().unwrap());
    let stream = hub.watch(request).unwrap();
    until("an evaluation is under way", || world.evaluations() > 0).await;
    drop(stream);
    drop(hub);
    until("nobody holds the warehouse", || Arc::strong_count(&world) == 1).await;
}
