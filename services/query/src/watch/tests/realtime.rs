//! Realtime: from folded state, by the clock, and after the living side lost what it knew.

use super::*;

fn visitors(message: &WatchResponse) -> u64 {
    let answer = match &message.content {
        Some(watch_response::Content::Snapshot(Snapshot { report: Some(snapshot::Report::Realtime(answer)) })) => {
            answer
        }
        Some(watch_response::Content::Delta(Delta { report: Some(delta::Report::Realtime(answer)) })) => answer,
        other => panic!("{other:?}"),
    };
    answer.current_visitors
}

impl World {
    fn fold(&self, visitors: u64) {
        self.visitors.store(visitors, Ordering::SeqCst);
        self.moved.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_fold_is_shown_without_a_commit() {
    let bench = Bench::paced(|pace| pace.clock_every = PATIENCE * 2);
    let mut stream = bench.watch(realtime());
    assert_eq!(visitors(&next(&mut stream).await), 0);
    bench.world.fold(3);
    let message = next(&mut stream).await;
    assert_eq!((visitors(&message), is_snapshot(&message), message.changed_us), (3, false, 0));
    // Folded, though no number moved: the reader learns how far.
    bench.world.fold(3);
    assert_eq!(next(&mut stream).await.number, 3);
    silence(&mut stream).await;
}

#[tokio::test]
async fn folds_are_shown_at_most_so_often() {
    const EVERY: Duration = Duration::from_millis(100);
    let bench = Bench::paced(|pace| (pace.live_every, pace.clock_every) = (EVERY, PATIENCE));
    let mut stream = bench.watch(realtime());
    next(&mut stream).await;
    let since = Instant::now();
    let mut count = 0;
    while since.elapsed() < EVERY * 5 {
        count += 1;
        bench.world.fold(count);
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    while visitors(&next(&mut stream).await) < count {}
    let evaluated = bench.world.evaluated.lock().unwrap().clone();
    assert!(evaluated.len() >= 3, "{} evaluations", evaluated.len());
    for pair in evaluated.windows(2) {
        // A millisecond for the clock's reading before the evaluation's own.
        assert!(pair[1] - pair[0] >= EVERY - Duration::from_millis(1), "{:?} apart", pair[1] - pair[0]);
    }
}

#[tokio::test]
async fn the_clock_alone_is_shown_when_it_changes_a_number() {
    let bench = Bench::new();
    let mut stream = bench.watch(realtime());
    next(&mut stream).await;
    let seen = bench.world.evaluations();
    until("it is looked at by the clock", || bench.world.evaluations() > seen + 3).await;
    silence(&mut stream).await;
    // A visitor is current no longer.
    bench.world.visitors.store(7, Ordering::SeqCst);
    assert_eq!(visitors(&next(&mut stream).await), 7);
}

#[tokio::test]
async fn after_the_living_side_lost_its_state_watchers_start_anew() {
    let bench = Bench::new();
    let mut stream = bench.open(vec![realtime(), traffic()]).unwrap();
    let tags = [next(&mut stream).await, next(&mut stream).await].map(|message| message.reset);
    assert_eq!(tags, [false, false]);
    bench.world.tell(true, Vec::new());
    let message = next(&mut stream).await;
    assert_eq!((message.tag.as_str(), message.reset, is_snapshot(&message)), ("now", true, true));
    // The warehouse lost nothing, and what it has is the same: no new state.
    silence(&mut stream).await;
    bench.world.fold(1);
    let message = next(&mut stream).await;
    assert_eq!((message.reset, is_snapshot(&message), message.number), (false, false, 3));
}

#[tokio::test]
async fn a_state_that_is_not_known_yet_is_waited_for() {
    let bench = Bench::new();
    let starting = || Status::unavailable("the live state cannot be reached");
    *bench.world.failures.lock().unwrap() = vec![starting(), starting(), starting()];
    let mut stream = bench.watch(realtime());
    assert_eq!(told(&next(&mut stream).await), (1, false, true, 0));
    assert!(bench.world.evaluations() >= 4);
}

#[tokio::test]
async fn a_reader_that_comes_back_is_shown_this_moment() {
    let bench = Bench::new();
    let mut stream = bench.watch(realtime());
    let first = next(&mut stream).await;
    // The same `as_of` is no promise here: the clock went on.
    let mut back = bench.watch(resumed(realtime(), &first));
    assert_eq!(told(&next(&mut back).await), (1, true, true, 0));
}

#[tokio::test]
async fn under_filters_folds_are_shown_at_the_pace_of_the_warehouse() {
    const EVERY: Duration = Duration::from_millis(100);
    let bench = Bench::paced(|pace| (pace.every, pace.clock_every) = (EVERY, PATIENCE));
    let filter = Filter { dimension: Dimension::Page.into(), values: vec!["/".to_owned()], ..Default::default() };
    let asked = RealtimeRequest { filters: vec![filter], ..Default::default() };
    let mut stream = bench.watch(watched("here", watched_report::Report::Realtime(asked)));
    next(&mut stream).await;
    let since = Instant::now();
    let mut shown = 0;
    for visitors in 1..=60 {
        bench.world.fold(visitors);
        tokio::time::sleep(Duration::from_millis(5)).await;
        while tokio::time::timeout(Duration::ZERO, stream.next()).await.is_ok() {
            shown += 1;
        }
    }
    // One more for what was due before, one for the time that the first answer took.
    let most = since.elapsed().as_millis() / EVERY.as_millis() + 2;
    assert!(shown >= 1 && shown as u128 <= most, "{shown} shown in {:?}", since.elapsed());
}
