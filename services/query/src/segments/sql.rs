//! A planned tree as SQL: one named part a leaf, one a set, joined.
//!
//! ```text
//!   all(a, b, not c)   FROM a JOIN b USING (visitor) LEFT JOIN c USING (visitor) WHERE c.visitor IS NULL
//!   any(a, b)          a UNION b
//!   latest             the events at each visitor's latest instant; of equal instants the greatest id
//!   sequence           over the events that pass a step, in order: of each the latest start of a run that reaches it
//! ```
//!
//! Joins and not IN: an engine hashes both sides, whatever stands around them. A visitor is in a part once at most. A leaf that is
//! read by itself may be asked of a few visitors only: then their events are found by an index where there is one.

use crate::plan::Tenant;
use crate::sql::{At, Sql, all, meets, newcomers};
use pistats_core::Day;
use pistats_core::segment::{Condition, Counted, Leaf, Plan, Sets};
use pistats_core::time::Range;
use pistats_store::Statement;
use roaring::RoaringBitmap;

/// The members as one statement: a column of visitor numbers.
pub fn statement(tenant: &Tenant, plan: &Plan) -> Statement {
    let mut sql = tenant.sql();
    let part = members(&mut sql, plan, "");
    sql.finish(&format!("SELECT m.visitor FROM {part} m")).as_numbers()
}

/// The visitors of one leaf as a statement; only those among some, if they are given.
pub(crate) fn of_leaf(tenant: &Tenant, leaf: &Leaf, among: Option<&RoaringBitmap>) -> Statement {
    let mut sql = tenant.sql();
    let among = among.map(|visitors| sql.bind(visitors.iter().map(i64::from).collect::<Vec<i64>>()));
    add_leaf(&mut sql, leaf, "leaf", among.as_deref());
    sql.finish("SELECT m.visitor FROM leaf m").as_numbers()
}

/// Adds the members as a part with one column, `visitor`; returns its name. `name` leads the names of all parts.
pub(crate) fn members(sql: &mut Sql<'_>, plan: &Plan, name: &str) -> String {
    for (number, leaf) in plan.leaves.iter().enumerate() {
        add_leaf(sql, leaf, &format!("{name}leaf{number}"), None);
    }
    add_sets(sql, &plan.sets, name, &mut 0)
}

fn add_sets(sql: &mut Sql<'_>, sets: &Sets, name: &str, count: &mut usize) -> String {
    let body = match sets {
        Sets::Leaf(number) => return format!("{name}leaf{number}"),
        Sets::Any(any) => {
            let parts: Vec<String> = any.iter().map(|sets| add_sets(sql, sets, name, count)).collect();
            match parts.as_slice() {
                [] => "SELECT v.visitor FROM visitor v WHERE v.site = $1 AND false".to_owned(),
                [only] => return only.clone(),
                parts => {
                    parts.iter().map(|part| format!("SELECT visitor FROM {part}")).collect::<Vec<_>>().join(" UNION ")
                }
            }
        }
        Sets::Both { all: both, but } => {
            let both: Vec<String> = both.iter().map(|sets| add_sets(sql, sets, name, count)).collect();
            let but: Vec<String> = but.iter().map(|sets| add_sets(sql, sets, name, count)).collect();
            if let ([only], []) = (both.as_slice(), but.as_slice()) {
                return only.clone();
            }
            let mut body = String::from("SELECT a0.visitor FROM ");
            for (number, part) in both.iter().enumerate() {
                match number {
                    0 => body.push_str(&format!("{part} a0")),
                    _ => body.push_str(&format!(" JOIN {part} a{number} ON a{number}.visitor = a0.visitor")),
                }
            }
            let mut without = Vec::new();
            for (number, part) in but.iter().enumerate() {
                body.push_str(&format!(" LEFT JOIN {part} b{number} ON b{number}.visitor = a0.visitor"));
                without.push(format!("b{number}.visitor IS NULL"));
            }
            if !without.is_empty() {
                body.push_str(&format!(" WHERE {}", all(&without)));
            }
            body
        }
    };
    let part = format!("{name}set{count}");
    *count += 1;
    sql.part(&part, body);
    part
}

/// Events `e` of people on some days, of a list of visitors if there is one.
fn events(sql: &mut Sql<'_>, days: Option<(Day, Day)>, among: Option<&str>) -> String {
    let mut conditions = vec!["e.site = $1 AND NOT e.bot".to_owned()];
    conditions.extend(among.map(|among| sql.dialect.is_one_of("e.visitor", among)));
    if let Some((first, last)) = days {
        conditions.push(At::EVENT.lies_in(sql, Range::Days { first, last }));
    }
    all(&conditions)
}

/// Whether an event `e` passes all conditions.
fn passes_all(sql: &mut Sql<'_>, conditions: &[Condition]) -> String {
    if conditions.is_empty() {
        return "true".to_owned();
    }
    let each: Vec<String> = conditions.iter().map(|condition| meets(sql, condition)).collect();
    all(&each)
}

/// Adds a leaf as a part; `among` is the place of a list of visitors to look at.
fn add_leaf(sql: &mut Sql<'_>, leaf: &Leaf, part: &str, among: Option<&str>) {
    let body = match leaf {
        Leaf::Did { conditions, at_least, counted, days } => {
            let mut wheres = vec![events(sql, *days, among)];
            wheres.extend(conditions.iter().map(|condition| meets(sql, condition)));
            let wheres = all(&wheres);
            match (at_least, counted) {
                (0 | 1, _) => format!("SELECT DISTINCT e.visitor FROM event e WHERE {wheres}"),
                (least, counted) => {
                    let counted = match counted {
                        Counted::Events => "count(*)",
                        Counted::Days => "count(DISTINCT e.day)",
                    };
                    let least = sql.bind(i64::from(*least));
                    format!(
                        "SELECT e.visitor FROM event e WHERE {wheres} GROUP BY e.visitor HAVING {counted} >= {least}"
                    )
                }
            }
        }
        Leaf::Latest { condition, days } => latest(sql, part, condition, *days, among),
        Leaf::Sequence { steps, within_us, days } => sequence(sql, part, steps, *within_us, *days, among),
        Leaf::FirstSeen { first, last } => {
            let seen = newcomers(sql, part, Range::Days { first: *first, last: *last }, None);
            format!("SELECT visitor FROM {seen}")
        }
    };
    sql.part(part, body);
}

fn latest(
    sql: &mut Sql<'_>,
    part: &str,
    condition: &Condition,
    days: Option<(Day, Day)>,
    among: Option<&str>,
) -> String {
    let events = events(sql, days, None);
    // Each of few visitors' events can be put in order; of all visitors' that would cost more than two passes.
    if let Some(list) = among {
        let holds = meets(sql, condition);
        return sql.dialect.latest_of(list, &events, &holds);
    }
    // Of all days it is the same for every leaf.
    let latest = if days.is_none() { "latest".to_owned() } else { format!("{part}latest") };
    sql.part(
        &latest,
        format!("SELECT e.visitor, max(e.time_us) AS time_us FROM event e WHERE {events} GROUP BY e.visitor"),
    );
    let holds = meets(sql, condition);
    format!(
        "SELECT x.visitor FROM (SELECT DISTINCT ON (e.visitor) e.visitor, {holds} AS holds \
         FROM event e JOIN {latest} l ON l.visitor = e.visitor AND l.time_us = e.time_us \
         WHERE e.site = $1 AND NOT e.bot ORDER BY e.visitor, e.id DESC) x WHERE x.holds"
    )
}

fn sequence(
    sql: &mut Sql<'_>,
    part: &str,
    steps: &[Vec<Condition>],
    within_us: Option<i64>,
    days: Option<(Day, Day)>,
    among: Option<&str>,
) -> String {
    let base = events(sql, days, among);
    let taken: Vec<String> = steps.iter().map(|step| passes_all(sql, step)).collect();
    let columns: Vec<String> = taken.iter().enumerate().map(|(n, step)| format!("({step}) AS m{n}")).collect();
    let any: Vec<String> = taken.iter().map(|step| format!("({step})")).collect();
    sql.part(
        &format!("{part}step0"),
        format!(
            "SELECT e.visitor, e.time_us, e.id, {} FROM event e WHERE {base} AND ({})",
            columns.join(", "),
            any.join(" OR ")
        ),
    );
    // r: of an event, the latest start of a run that took the steps before this one, strictly earlier.
    let last = steps.len() - 1;
    for number in 1..=last {
        let start = if number == 1 { "time_us" } else { "r" };
        let before = number - 1;
        let rest: String = (number..=last).map(|n| format!(", m{n}")).collect();
        sql.part(
            &format!("{part}step{number}"),
            format!(
                "SELECT visitor, time_us, id{rest}, max(CASE WHEN m{before} THEN {start} END) \
                 OVER (PARTITION BY visitor ORDER BY time_us, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS r \
                 FROM {part}step{before}"
            ),
        );
    }
    let mut wheres = format!("m{last} AND r IS NOT NULL");
    if let Some(within) = within_us {
        wheres.push_str(&format!(" AND time_us - r <= {}", sql.bind(within)));
    }
    format!("SELECT DISTINCT visitor FROM {part}step{last} WHERE {wheres}")
}

#[cfg(test)]
mod tests;
