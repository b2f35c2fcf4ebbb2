//! The statement that `Preview` shows of a segment, as a snapshot: every kind of leaf, and how they are joined.

use pistats_core::directory::Site;
use pistats_core::report::Dimension;
use pistats_core::segment::{
    Amount, Condition, Counted, Did, End, Node, Number, Seen, Sequence, Subject, Test, When, Window, plan,
};
use pistats_core::{Day, Micros, SiteId, Zone};
use pistats_query::Tenant;
use pistats_query::segments::statement;
use pistats_store::Engine;

const SHOWN: &str = include_str!("shown.sql");

fn is(dimension: Dimension, value: &str) -> Condition {
    Condition { subject: Subject::Dimension(dimension), test: Test::Is(vec![value.to_owned()]) }
}

fn tree() -> Node {
    let did = |conditions, amount, counted, window| Node::Did(Did { conditions, amount, counted, window });
    let bought = || vec![is(Dimension::EventName, "purchase")];
    let dear = Condition { subject: Subject::Value, test: Test::Greater(Number(20_000_000)) };
    Node::All(vec![
        did(
            vec![is(Dimension::EventName, "purchase"), dear],
            Amount::AtLeast(2),
            Counted::Events,
            Window::LastDays(30),
        ),
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
fn a_preview_shows_this_statement_and_these_values_on_every_engine() {
    let site = Site::new(SiteId(7), "", Zone::utc(), Micros(0));
    for engine in [Engine::DuckDb, Engine::Postgres, Engine::Timescale] {
        let statement = statement(&Tenant::of(&site, engine), &plan(&tree(), Day(100)));
        let values = statement.values.iter().enumerate();
        let values: String = values.map(|(number, value)| format!("-- ${}: {value:?}\n", number + 1)).collect();
        let shown = format!("{}\n{values}", statement.sql);
        assert_eq!(shown, SHOWN, "if it is meant, shown.sql is to be:\n{shown}");
    }
}
