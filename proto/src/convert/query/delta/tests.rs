use super::*;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::Index;
use v1::watch_response::Content;

fn metrics() -> impl Strategy<Value = v1::Metrics> {
    // Small numbers meet again often.
    (0u64..3, 0u64..3, -1i64..2, proptest::option::of(-1i64..1)).prop_map(|(visitors, events, sum, least)| {
        v1::Metrics { visitors, events, value_sum_micros: sum, value_min_micros: least, ..Default::default() }
    })
}

fn as_of() -> impl Strategy<Value = Option<v1::AsOf>> {
    vec(0u64..3, 2).prop_map(|next_offsets| Some(v1::AsOf { generation: 1, next_offsets }))
}

fn steps(starts: Vec<i64>) -> impl Strategy<Value = Vec<v1::Step>> {
    vec(metrics(), starts.len()).prop_map(move |numbers| {
        let step = |(from_us, metrics): (&i64, _)| v1::Step {
            from_us: *from_us,
            to_us: from_us + 10,
            day: from_us.to_string(),
            metrics: Some(metrics),
        };
        starts.iter().zip(numbers).map(step).collect()
    })
}

fn traffic() -> impl Strategy<Value = v1::snapshot::Report> {
    let parts = (0i64..4).prop_flat_map(|count| {
        let starts: Vec<i64> = (0..count).rev().map(|n| n * 10).collect();
        (steps(starts.clone()), steps(starts))
    });
    let zone = prop_oneof![9 => Just("UTC"), 1 => Just("Europe/Berlin")];
    (parts, metrics(), proptest::option::of(metrics()), as_of(), zone).prop_map(
        |((steps, compared_steps), total, compared_total, as_of, zone)| {
            v1::snapshot::Report::Traffic(v1::TrafficResponse {
                total: Some(total),
                steps,
                compared_total,
                compared_steps,
                as_of,
                time_zone: zone.to_owned(),
                visitor_days: total.events % 5 == 4,
            })
        },
    )
}

fn breakdown() -> impl Strategy<Value = v1::snapshot::Report> {
    let values = btree_set(0usize..6, 0..5).prop_map(|values| values.into_iter().collect::<Vec<_>>()).prop_shuffle();
    let rows = values.prop_flat_map(|values| {
        let rows: Vec<_> = values
            .into_iter()
            .map(|value| {
                (metrics(), proptest::option::of(metrics())).prop_map(move |(metrics, compared)| v1::Row {
                    // The empty value is a value.
                    value: "x".repeat(value),
                    metrics: Some(metrics),
                    compared,
                })
            })
            .collect();
        rows
    });
    (rows, 0u64..9, as_of()).prop_map(|(rows, total_rows, as_of)| {
        v1::snapshot::Report::Breakdown(v1::BreakdownResponse {
            rows,
            total_rows,
            as_of,
            visitor_days: total_rows % 5 == 4,
        })
    })
}

fn retention() -> impl Strategy<Value = v1::snapshot::Report> {
    (vec((0u64..3, vec(0u64..3, 0..3)), 0..4), as_of()).prop_map(|(cohorts, as_of)| {
        let cohort = |(day, (visitors, cells)): (usize, (u64, Vec<u64>))| v1::Cohort {
            first_day: format!("2024-01-0{}", day + 1),
            last_day: format!("2024-01-0{}", day + 1),
            visitors,
            cells,
        };
        let cohorts = cohorts.into_iter().enumerate().map(cohort).collect();
        v1::snapshot::Report::Retention(v1::RetentionResponse { cohorts, as_of, time_zone: "UTC".to_owned() })
    })
}

fn funnel() -> impl Strategy<Value = v1::snapshot::Report> {
    (vec(0u64..3, 0..3), as_of()).prop_map(|(visitors, as_of)| {
        let step = |visitors| v1::FunnelStep { visitors, ..Default::default() };
        let steps = visitors.into_iter().map(step).collect();
        v1::snapshot::Report::Funnel(v1::FunnelResponse { steps, as_of, ..Default::default() })
    })
}

fn realtime() -> impl Strategy<Value = v1::snapshot::Report> {
    (0i64..3, 0u64..3, as_of()).prop_map(|(now_us, current_visitors, as_of)| {
        v1::snapshot::Report::Realtime(v1::RealtimeResponse { now_us, current_visitors, as_of, ..Default::default() })
    })
}

/// Some answers to the same question, one after the other.
fn states() -> impl Strategy<Value = Vec<v1::Snapshot>> {
    let of = |reports: Vec<v1::snapshot::Report>| -> Vec<v1::Snapshot> {
        reports.into_iter().map(|report| v1::Snapshot { report: Some(report) }).collect()
    };
    prop_oneof![
        vec(traffic(), 2..6).prop_map(of),
        vec(breakdown(), 2..6).prop_map(of),
        vec(retention(), 2..6).prop_map(of),
        vec(funnel(), 2..6).prop_map(of),
        vec(realtime(), 2..6).prop_map(of),
    ]
}

/// The answer with another `as_of`.
fn dated(mut answer: v1::Snapshot, with: Option<v1::AsOf>) -> v1::Snapshot {
    match answer.report.as_mut().expect("a report") {
        v1::snapshot::Report::Traffic(answer) => answer.as_of = with,
        v1::snapshot::Report::Breakdown(answer) => answer.as_of = with,
        v1::snapshot::Report::Retention(answer) => answer.as_of = with,
        v1::snapshot::Report::Funnel(answer) => answer.as_of = with,
        v1::snapshot::Report::Realtime(answer) => answer.as_of = with,
    }
    answer
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_delta_leads_from_any_answer_to_any_later_one(states in states()) {
        let mut known = states[0].clone();
        for after in &states[1..] {
            let as_of = answer_as_of(after).cloned();
            match diff(&known, after) {
                Difference::Delta(delta) => {
                    prop_assert_ne!(&dated(known.clone(), None), &dated(after.clone(), None));
                    apply(&mut known, delta, as_of).expect("it belongs there");
                }
                Difference::Nothing => {
                    prop_assert_eq!(&dated(known.clone(), None), &dated(after.clone(), None));
                    let nothing = unchanged(&known);
                    apply(&mut known, nothing, as_of).expect("it belongs there");
                }
                Difference::Whole => known = after.clone(),
            }
            prop_assert_eq!(&known, after);
        }
    }

    #[test]
    fn an_answer_does_not_differ_from_itself(states in states(), at in any::<Index>(), with in as_of()) {
        let answer = at.get(&states);
        prop_assert_eq!(diff(answer, &dated(answer.clone(), with)), Difference::Nothing);
    }

    #[test]
    fn a_delta_that_does_not_belong_there_changes_nothing(states in states(), others in states()) {
        let Difference::Delta(delta) = diff(&others[0], &others[1]) else { return Ok(()) };
        let mut known = states[0].clone();
        if apply(&mut known, delta, None).is_err() {
            prop_assert_eq!(&known, &states[0]);
        }
    }
}

fn step(from_us: i64, events: u64) -> v1::Step {
    let metrics = v1::Metrics { events, ..Default::default() };
    v1::Step { from_us, to_us: from_us + 10, day: String::new(), metrics: Some(metrics) }
}

fn of_steps(steps: Vec<v1::Step>) -> v1::Snapshot {
    let answer = v1::TrafficResponse { steps, ..Default::default() };
    v1::Snapshot { report: Some(v1::snapshot::Report::Traffic(answer)) }
}

#[test]
fn only_what_changed_is_in_a_delta() {
    let before = of_steps(vec![step(0, 1), step(10, 2), step(20, 3)]);
    let after = of_steps(vec![step(0, 1), step(10, 5), step(20, 3)]);
    let expected = v1::TrafficDelta { steps: vec![step(10, 5)], ..Default::default() };
    let delta = v1::Delta { report: Some(delta::Report::Traffic(expected)) };
    assert_eq!(diff(&before, &after), Difference::Delta(delta));
}

#[test]
fn other_steps_are_sent_whole_and_unknown_ones_are_refused() {
    let before = of_steps(vec![step(0, 1)]);
    assert_eq!(diff(&before, &of_steps(vec![step(0, 1), step(10, 1)])), Difference::Whole);
    assert_eq!(diff(&before, &of_steps(vec![step(5, 1)])), Difference::Whole);
    let stranger = v1::TrafficDelta { steps: vec![step(10, 1)], ..Default::default() };
    let delta = v1::Delta { report: Some(delta::Report::Traffic(stranger)) };
    let mut known = before.clone();
    assert_eq!(apply(&mut known, delta, None), Err(Misapplied::Unknown("10".to_owned())));
    assert_eq!(known, before);
}

fn rows(values: &[(&str, u64)]) -> v1::Snapshot {
    let row = |(value, events): &(&str, u64)| v1::Row {
        value: (*value).to_owned(),
        metrics: Some(v1::Metrics { events: *events, ..Default::default() }),
        compared: None,
    };
    let rows = values.iter().map(row).collect();
    let answer = v1::BreakdownResponse { rows, total_rows: values.len() as u64, ..Default::default() };
    v1::Snapshot { report: Some(v1::snapshot::Report::Breakdown(answer)) }
}

#[test]
fn rows_that_keep_their_places_need_no_order_and_a_list_can_become_empty() {
    let delta = |before: &v1::Snapshot, after: &v1::Snapshot| match diff(before, after) {
        Difference::Delta(v1::Delta { report: Some(delta::Report::Breakdown(delta)) }) => delta,
        other => panic!("{other:?}"),
    };
    let before = rows(&[("/a", 3), ("/b", 2)]);
    let grown = delta(&before, &rows(&[("/a", 4), ("/b", 2)]));
    assert_eq!((grown.rows.len(), grown.order.len(), grown.emptied), (1, 0, false));
    let swapped = delta(&before, &rows(&[("/b", 4), ("/a", 3)]));
    assert_eq!((swapped.rows.len(), swapped.order), (1, vec!["/b".to_owned(), "/a".to_owned()]));
    let emptied = delta(&before, &rows(&[]));
    assert_eq!((emptied.rows.len(), emptied.order.len(), emptied.emptied), (0, 0, true));
}

#[test]
fn a_delta_of_another_kind_is_refused_by_name() {
    let mut known = rows(&[("/a", 1)]);
    let delta = unchanged(&of_steps(vec![]));
    let refused = apply(&mut known, delta, None);
    assert_eq!(refused, Err(Misapplied::Kind { report: "breakdown", delta: "traffic" }));
    assert_eq!(apply(&mut known, v1::Delta { report: None }, None), Err(Misapplied::Empty));
    assert_eq!(known, rows(&[("/a", 1)]));
}

fn message(number: u64, content: Option<Content>) -> v1::WatchResponse {
    let as_of = Some(v1::AsOf { generation: 1, next_offsets: vec![number] });
    v1::WatchResponse { number, as_of, content, ..Default::default() }
}

#[test]
fn a_reader_follows_numbers_and_refuses_a_gap() {
    let mut watched = Watched::default();
    let delta = |before: u64, after: u64| match diff(&rows(&[("/a", before)]), &rows(&[("/a", after)])) {
        Difference::Delta(delta) => Some(Content::Delta(delta)),
        other => panic!("{other:?}"),
    };
    assert_eq!(watched.take(message(7, delta(1, 2))), Err(Misapplied::Skipped { known: 0, received: 7 }));
    assert_eq!(watched.resume(), None);
    watched.take(message(7, Some(Content::Snapshot(rows(&[("/a", 1)]))))).expect("a snapshot");
    watched.take(message(8, delta(1, 2))).expect("the next one");
    assert_eq!(watched.take(message(10, delta(2, 4))), Err(Misapplied::Skipped { known: 8, received: 10 }));
    assert_eq!(watched.take(message(9, None)), Err(Misapplied::Empty));
    // After a cut the state is known by its as_of; another server may call it by another number.
    assert_eq!(watched.resume(), Some(v1::AsOf { generation: 1, next_offsets: vec![8] }));
    watched.take(message(2, delta(2, 3))).expect("it goes on");
    assert_eq!(watched.answer().map(|answer| dated(answer.clone(), None)), Some(rows(&[("/a", 3)])));
}
