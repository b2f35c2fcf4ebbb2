//! Two days worked out by hand (UTC; 2024-05-13 was a Monday).
//!
//! ```text
//!            12th   13th                                        14th
//!   ada             10:00 /  10:30 /pricing | 11:00:00.000001 /done (purchase, 5)   09:00 /
//!   bob             23:50 / ─────── one session ─────────────── 00:10 /pricing | 12:00 / (value -2)
//!   cleo     12:00 / by a bot                                   09:40 /
//!   dora                                                        20:00 /  20:10 /x by a bot
//!   crawler                                                     09:30 / by a bot
//! ```
//!
//! Ada's first gap is 30:00 minutes (one session), the second a microsecond more (two). Bob's first session belongs to the
//! 13th. Cleo is not new on the 14th: the first event ever counts, a bot's too. Dora's session counts whole in every mode.

use crate::warehouse::{Warehouse, view};
use pistats_core::Zone;
use pistats_proto::query::v1::Metrics;
use pistats_testkit::OracleEvent;

pub(crate) const SECOND: i64 = 1_000_000;

pub(crate) async fn warehouse() -> Warehouse {
    let mut warehouse = Warehouse::new(&[(1, &Zone::utc()), (2, &Zone::utc())]);
    warehouse.commit(1, &events()).await;
    // Another site's visitors, of the same names at the same times, are nobody's business.
    warehouse.commit(2, &events()).await;
    warehouse
}

pub(crate) fn events() -> Vec<OracleEvent> {
    let bot = |event: OracleEvent| OracleEvent { bot: true, ..event };
    let worth = |event: OracleEvent, value| OracleEvent { value: Some(value), ..event };
    let named = |event: OracleEvent, name: &str| OracleEvent { name: name.into(), ..event };
    vec![
        view(1, "ada", "2024-05-13T10:00:00Z", "/"),
        view(2, "ada", "2024-05-13T10:30:00Z", "/pricing"),
        named(worth(view(3, "ada", "2024-05-13T11:00:00.000001Z", "/done"), 5_000_000), "purchase"),
        view(4, "bob", "2024-05-13T23:50:00Z", "/"),
        view(5, "bob", "2024-05-14T00:10:00Z", "/pricing"),
        worth(view(6, "bob", "2024-05-14T12:00:00Z", "/"), -2_000_000),
        view(7, "ada", "2024-05-14T09:00:00Z", "/"),
        bot(view(8, "crawler", "2024-05-14T09:30:00Z", "/")),
        view(9, "cleo", "2024-05-14T09:40:00Z", "/"),
        bot(view(10, "cleo", "2024-05-12T12:00:00Z", "/")),
        view(11, "dora", "2024-05-14T20:00:00Z", "/"),
        bot(view(12, "dora", "2024-05-14T20:10:00Z", "/x")),
    ]
}

/// Numbers without values.
pub(crate) fn numbers(
    (visitors, new_visitors): (u64, u64),
    (events, page_views): (u64, u64),
    (sessions, bounces, session_seconds, session_page_views): (u64, u64, i64, u64),
) -> Metrics {
    Metrics {
        visitors,
        new_visitors,
        sessions,
        page_views,
        events,
        bounces,
        session_us: session_seconds * SECOND,
        session_page_views,
        ..Metrics::default()
    }
}

/// Numbers with values: count, sum, least, greatest.
pub(crate) fn with_values(metrics: Metrics, count: u64, sum: i64, min: i64, max: i64) -> Metrics {
    Metrics {
        value_count: count,
        value_sum_micros: sum * SECOND,
        value_min_micros: Some(min * SECOND),
        value_max_micros: Some(max * SECOND),
        ..metrics
    }
}
