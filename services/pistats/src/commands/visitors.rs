//! `query visitors`: who was there last.

use super::journey::instant;
use super::show;
use crate::table::{number, render};
use pistats_proto::query::v1::{VisitorRow, VisitorsResponse};
use serde_json::{Value, json};

const HEAD: [&str; 9] =
    ["visitor", "last seen (UTC)", "page", "country", "device", "source", "sessions", "page views", "events"];

pub(super) fn text(answer: &VisitorsResponse) -> String {
    let row = |row: &VisitorRow| {
        vec![
            row.visitor.clone(),
            instant(row.last_us),
            show::clip(&row.page),
            row.country.clone(),
            row.device.clone(),
            show::clip(&row.source),
            number(row.sessions),
            number(row.page_views),
            number(row.events),
        ]
    };
    let rows: Vec<Vec<String>> = answer.visitors.iter().map(row).collect();
    let count = number(rows.len() as i64);
    format!("{}\n{count} of {} visitors", render(&HEAD, rows, 6), number(answer.total_visitors))
}

pub(super) fn as_json(answer: &VisitorsResponse) -> Value {
    let row = |row: &VisitorRow| {
        json!({
            "visitor": row.visitor, "first_seen_us": row.first_seen_us, "last_us": row.last_us, "events": row.events,
            "page_views": row.page_views, "sessions": row.sessions, "page": row.page, "country": row.country,
            "device": row.device, "browser": row.browser, "os": row.os, "source": row.source, "user_id": row.user_id,
        })
    };
    json!({
        "visitors": answer.visitors.iter().map(row).collect::<Vec<_>>(),
        "total_visitors": answer.total_visitors,
        "as_of": show::as_of(answer.as_of.as_ref()),
    })
}
