//! What readers are sent: slow ones, ones that come back, ones whose key ends.

use super::*;

/// Makes states until the report has `number`, seen by a reader who follows.
async fn follow_to(bench: &Bench, stream: &mut Stream, number: u64) -> WatchResponse {
    loop {
        bench.world.commit(1, "2024-05-13");
        let message = next(stream).await;
        assert!(!is_snapshot(&message), "who follows is sent deltas");
        if message.number >= number {
            return message;
        }
    }
}

#[tokio::test]
async fn a_slow_reader_gets_the_newest_state() {
    let bench = Bench::new();
    let mut quick = bench.watch(traffic());
    next(&mut quick).await;
    let (mut slow, mut slower) = (bench.watch(traffic()), bench.watch(traffic()));
    assert_eq!(next(&mut slow).await.number, 1);
    assert_eq!(next(&mut slower).await.number, 1);

    follow_to(&bench, &mut quick, 4).await;
    for number in 2..=4 {
        assert_eq!(told(&next(&mut slow).await), (number, false, false, number - 1), "a few are told one by one");
    }
    follow_to(&bench, &mut quick, 40).await;
    assert_eq!(told(&next(&mut slower).await), (40, false, true, 39));
    silence(&mut slower).await;
    follow_to(&bench, &mut quick, 41).await;
    assert_eq!(told(&next(&mut slower).await), (41, false, false, 40), "from then on deltas again");
}

#[tokio::test]
async fn a_reader_that_comes_back_misses_and_repeats_nothing() {
    let bench = Bench::new();
    let mut other = bench.watch(traffic());
    next(&mut other).await;
    let mut stream = bench.watch(traffic());
    next(&mut stream).await;
    let last = follow_to(&bench, &mut stream, 3).await;
    drop(stream);
    // More than a slow reader would be told one by one.
    while next(&mut other).await.number < 3 {}
    follow_to(&bench, &mut other, 15).await;
    let mut back = bench.watch(resumed(traffic(), &last));
    for number in 4..=15 {
        assert_eq!(told(&next(&mut back).await), (number, false, false, number - 1));
    }
    silence(&mut back).await;
    let newest = follow_to(&bench, &mut back, 16).await;
    drop(back);

    let mut again = bench.watch(resumed(traffic(), &newest));
    silence(&mut again).await;
    assert_eq!(follow_to(&bench, &mut again, 17).await.number, 17);
}

#[tokio::test]
async fn history_outlives_the_last_reader_for_a_while() {
    let bench = Bench::new();
    let mut stream = bench.watch(traffic());
    let first = next(&mut stream).await;
    follow_to(&bench, &mut stream, 3).await;
    drop(stream);
    bench.world.commit(1, "2024-05-13");
    let mut back = bench.watch(resumed(traffic(), &first));
    let numbers = [next(&mut back).await, next(&mut back).await, next(&mut back).await].map(|message| told(&message));
    assert_eq!(numbers, [(2, false, false, 1), (3, false, false, 2), (4, false, false, 3)]);
}

#[tokio::test]
async fn what_is_not_known_any_more_starts_anew_with_reset() {
    let bench = Bench::new();
    bench.world.commit(1, "2024-05-13");
    let mut from = traffic();
    from.resume_from = Some(AsOf { generation: 1, next_offsets: vec![0] });
    let mut stream = bench.watch(from.clone());
    let message = next(&mut stream).await;
    assert_eq!((told(&message), message.changed_us), ((1, true, true, 1), 0));
    assert!(!follow_to(&bench, &mut stream, 2).await.reset);
    // A server that has just started and finds the same `as_of` has the same numbers.
    from.resume_from = Some(AsOf { generation: 1, next_offsets: vec![2] });
    let fresh = Bench::new();
    fresh.world.commit(1, "2024-05-13");
    fresh.world.commit(1, "2024-05-13");
    let mut stream = fresh.watch(from);
    silence(&mut stream).await;
    fresh.world.commit(1, "2024-05-13");
    assert_eq!(told(&next(&mut stream).await), (2, false, false, 3));
}

#[tokio::test]
async fn reports_take_turns() {
    let bench = Bench::new();
    let mut other = bench.open(vec![traffic(), pages()]).unwrap();
    let mut stream = bench.open(vec![traffic(), pages()]).unwrap();
    for stream in [&mut stream, &mut other] {
        let mut tags = [next(stream).await.tag, next(stream).await.tag];
        tags.sort();
        assert_eq!(tags, ["pages", "traffic"]);
    }
    for number in 2..=5 {
        bench.world.commit(1, "2024-05-13");
        while [next(&mut other).await.number, next(&mut other).await.number] != [number; 2] {}
    }
    // Both reports have four deltas to tell.
    let mut tags = Vec::new();
    for _ in 0..8 {
        tags.push(next(&mut stream).await.tag);
    }
    assert!(tags.windows(2).all(|pair| pair[0] != pair[1]), "{tags:?}");
}

#[tokio::test]
async fn a_revoked_key_ends_its_streams_and_no_others() {
    let bench = Bench::new();
    let mut stream = bench.watch(traffic());
    next(&mut stream).await;
    bench.directory.store(Arc::new(directory(&Zone::utc(), false)));
    bench.world.commit(1, "2024-05-13");
    assert_eq!(next(&mut stream).await.number, 2, "another change of the directory is none of its business");
    bench.directory.store(Arc::new(directory(&Zone::utc(), true)));
    assert_eq!(end(&mut stream).await.code(), Code::Unauthenticated);

    bench.directory.store(Arc::new(directory(&Zone::utc(), false)));
    let mut stream = bench.watch(traffic());
    next(&mut stream).await;
    bench.directory.store(Arc::new(Directory::default()));
    assert_eq!(end(&mut stream).await.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn other_days_of_the_site_void_what_was_sent() {
    let bench = Bench::new();
    let mut stream = bench.watch(traffic());
    assert!(!next(&mut stream).await.reset);
    bench.directory.store(Arc::new(directory(&Zone::named("Europe/Berlin").unwrap(), false)));
    assert_eq!(told(&next(&mut stream).await), (1, true, true, 0));
    bench.world.commit(1, "2024-05-13");
    assert_eq!(told(&next(&mut stream).await), (2, false, false, 1));
}
