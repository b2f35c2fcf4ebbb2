use super::*;
use pistats_core::directory::Site;
use pistats_core::report::Dimension;
use pistats_core::segment::{Amount, Did, End, Node, Seen, Sequence, Subject, Test, When, Window, plan};
use pistats_core::{Micros, SiteId, Zone};
use pistats_store::{Cell, Engine};

fn tenant(engine: Engine) -> Tenant {
    let site = Site::new(SiteId(7), "", Zone::utc(), Micros(0));
    Tenant::of(&site, engine)
}

fn is(dimension: Dimension, value: &str) -> Condition {
    Condition { subject: Subject::Dimension(dimension), test: Test::Is(vec![value.to_owned()]) }
}

fn tree() -> Node {
    let did = |conditions, amount, counted, window| Node::Did(Did { conditions, amount, counted, window });
    let bought = || vec![is(Dimension::EventName, "purchase")];
    Node::All(vec![
        did(bought(), Amount::AtLeast(2), Counted::Events, Window::LastDays(30)),
        did(vec![], Amount::AtLeast(3), Counted::Days, Window::Ever),
        Node::Latest(is(Dimension::Country, "'; DROP TABLE event; --")),
        Node::Any(vec![
            Node::Seen(Seen { end: End::First, when: When::LongerAgo(7) }),
            Node::Sequence(Sequence {
                steps: vec![vec![is(Dimension::Path, "/a")], vec![], bought()],
                within_us: Some(Micros::HOUR),
                window: Window::LastDays(1),
            }),
        ]),
        Node::Not(Box::new(did(bought(), Amount::AtLeast(1), Counted::Events, Window::LastDays(1)))),
    ])
}

#[test]
fn a_tree_is_one_statement_of_joins_and_all_its_values_are_bound() {
    let statement = statement(&tenant(Engine::DuckDb), &plan(&tree(), Day(100)));
    let count = |text: &str| statement.sql.matches(text).count();
    assert_eq!(count(" AS ("), 13, "6 leaves, 3 steps, newcomers, latest instants, 2 sets: {}", statement.sql);
    assert_eq!((count(" JOIN "), count("LEFT JOIN"), count(" UNION ")), (5, 1, 1), "{}", statement.sql);
    assert_eq!(count(" OVER (PARTITION BY visitor"), 2, "a pass a step after the first");
    assert!(statement.values.contains(&Cell::Text("'; DROP TABLE event; --".into())));
    assert!(!statement.sql.contains("DROP") && !statement.sql.contains("purchase"), "no value stands in the text");
}

#[test]
fn every_engine_is_asked_in_the_same_words() {
    let text = |engine| statement(&tenant(engine), &plan(&tree(), Day(100))).sql;
    assert_eq!(text(Engine::DuckDb), text(Engine::Postgres));
    assert_eq!(text(Engine::DuckDb), text(Engine::Timescale));
}

#[test]
fn few_visitors_are_found_by_an_index_where_rows_have_one_and_joined_where_they_are_columns() {
    let condition = is(Dimension::Country, "DE");
    let latest = Leaf::Latest { condition: condition.clone(), days: None };
    let twice = Leaf::Did { conditions: vec![condition], at_least: 2, counted: Counted::Events, days: None };
    let few = RoaringBitmap::from_iter([3, 5]);
    let asked = |engine, leaf: &Leaf| of_leaf(&tenant(engine), leaf, Some(&few));
    for leaf in [&latest, &twice] {
        for engine in [Engine::DuckDb, Engine::Postgres, Engine::Timescale] {
            let statement = asked(engine, leaf);
            assert!(statement.values.contains(&Cell::from(vec![3i64, 5])), "{engine:?}: {:?}", statement.values);
            // A planner that sees the list would plan it into every chunk.
            let is_joined = statement.sql.contains("e.visitor IN (SELECT unnest($2))");
            assert_eq!(is_joined, engine != Engine::Postgres, "{engine:?}: {}", statement.sql);
        }
    }
    assert!(asked(Engine::Postgres, &twice).sql.contains("e.visitor = ANY($2)"));
    assert!(asked(Engine::Postgres, &latest).sql.contains("LATERAL"));
}
