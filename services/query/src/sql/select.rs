//! What a selection selects: conditions on events, on sessions and on visitors.
//!
//! ```text
//!   event e    site, bots, filters; a filter by entry or exit page: lies in a living session with that page
//!   session s  site, its own filters; holds an event that passes the others (or, without others, by its count of bots)
//! ```
//!
//! Sessions are signed rows: a condition holds for a version and for its retraction alike, so sums over signs need no
//! grouping. Where a session has to be told from its older versions, `HAVING sum(sign) > 0` keeps the living one.
//!
//! Events meet sessions in plain joins: living sessions of a visitor are disjoint, so an event meets one at most. (EXISTS
//! would say the same, but the engine then gathers all distinct instants first: docs/adr/0008.)

use super::{Sql, all};
use pistats_core::report::{Bots, Dimension, Filter, Operator, Selection};
use pistats_core::segment::{Condition, Number, SegmentId, Subject, Test};
use pistats_core::time::Range;
use pistats_core::{Day, Micros, Zone};

/// The columns that say when a row happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) time: &'static str,
    pub(crate) day: &'static str,
}

impl At {
    pub(crate) const EVENT: At = At { time: "e.time_us", day: "e.day" };
    /// Sessions lie where they start.
    pub(crate) const SESSION: At = At { time: "s.first_us", day: "s.day" };
    /// Visitors lie where they were first seen.
    pub(crate) const VISITOR: At = At { time: "v.first_us", day: "v.first_day" };
    /// A rollup's row lies where its quarter of an hour starts.
    pub(crate) const ROLLUP: At = At { time: "(r.bucket * 900000000)", day: "r.day" };

    /// Whether a row lies in a range.
    pub(crate) fn lies_in(self, sql: &mut Sql<'_>, range: Range) -> String {
        match range {
            Range::Days { first, last } => {
                let days = (sql.bind(i64::from(first.0)), sql.bind(i64::from(last.0)));
                // The times say less than the days, but they are what engines divide tables by.
                let (from, to) = around(first, last);
                let times = (sql.bind(from.0), sql.bind(to.0));
                format!(
                    "{} BETWEEN {} AND {} AND {time} >= {} AND {time} < {}",
                    self.day,
                    days.0,
                    days.1,
                    times.0,
                    times.1,
                    time = self.time
                )
            }
            Range::Times { from, to } => {
                let (from, to) = (sql.bind(from.0), sql.bind(to.0));
                format!("{0} >= {from} AND {0} < {to}", self.time)
            }
        }
    }
}

/// Instants around all local days of a stretch, whatever the zone: none is a day away from UTC.
fn around(first: Day, last: Day) -> (Micros, Micros) {
    let midnight = |day: i64| Micros(day * Micros::DAY);
    (midnight(i64::from(first.0) - 1), midnight(i64::from(last.0) + 2))
}

/// How a dimension is read.
pub(crate) enum Value {
    /// Of an event `e`.
    Event(String),
    /// Of an event `e`, several: the list of its values, never empty.
    Items(String),
    /// Of a session `s`.
    Session(&'static str),
}

/// Where the value of a dimension stands. Never NULL: an absent value is ''.
pub(crate) fn value_of(sql: &mut Sql<'_>, dimension: &Dimension) -> Value {
    let column = match dimension {
        Dimension::EntryPage => return Value::Session("s.entry_page"),
        Dimension::ExitPage => return Value::Session("s.exit_page"),
        Dimension::Topic => return Value::Items(sql.dialect.items("e.topics")),
        Dimension::Property(name) => {
            let name = sql.bind(name.as_str());
            return Value::Event(sql.dialect.item_of_key("e.property_keys", "e.property_values", &name));
        }
        Dimension::Page => "e.host || e.path",
        Dimension::Url => "e.url",
        Dimension::Path => "e.path",
        Dimension::Host => "e.host",
        Dimension::Title => "e.title",
        Dimension::Referrer => "e.referrer",
        Dimension::Source => "e.source",
        Dimension::Channel => "e.channel",
        Dimension::UtmSource => "e.utm_source",
        Dimension::UtmMedium => "e.utm_medium",
        Dimension::UtmCampaign => "e.utm_campaign",
        Dimension::UtmTerm => "e.utm_term",
        Dimension::UtmContent => "e.utm_content",
        Dimension::Country => "e.country",
        Dimension::Language => "e.language",
        Dimension::Device => "e.device",
        Dimension::Screen => "e.screen",
        Dimension::Browser => "e.browser",
        Dimension::Os => "e.os",
        Dimension::EventName => "e.name",
        Dimension::UserId => "e.user_id",
        // Filters by segments ask for visitors (`passes`); there is nothing to list them by.
        Dimension::Segment => "''",
    };
    Value::Event(column.to_owned())
}

/// Whether an event `e` is one of a living session `t`.
pub(crate) const OF_SESSION: &str = "t.visitor = e.visitor AND e.time_us >= t.first_us AND e.time_us <= t.last_us";

/// Where events come from: what follows FROM, and the conditions.
pub(crate) struct Source {
    pub(crate) from: String,
    pub(crate) conditions: String,
}

/// A selection over one range.
pub(crate) struct Selected<'a> {
    pub(crate) range: Range,
    pub(crate) zone: &'a Zone,
    bots: Bots,
    event_filters: Vec<&'a Filter>,
    session_filters: Vec<&'a Filter>,
}

impl<'a> Selected<'a> {
    /// The selection, over `range` instead of its own.
    pub(crate) fn new(selection: &'a Selection, range: Range, zone: &'a Zone) -> Selected<'a> {
        let (session_filters, event_filters) =
            selection.filters.iter().partition(|filter| filter.dimension.is_of_session());
        Selected { range, zone, bots: selection.bots, event_filters, session_filters }
    }

    /// Whether anything but range and bots is asked for.
    pub(crate) fn has_filters(&self) -> bool {
        !self.event_filters.is_empty() || !self.session_filters.is_empty()
    }

    /// The bots mode as a condition on rollups of events, where one is needed.
    pub(crate) fn traffic_rollup_bots(&self) -> Option<&'static str> {
        match self.bots {
            Bots::Exclude => Some("NOT r.bot"),
            Bots::Include => None,
            Bots::Only => Some("r.bot"),
        }
    }

    /// The bots mode as a condition on rollups of sessions, where one is needed.
    pub(crate) fn session_rollup_bots(&self) -> Option<&'static str> {
        match self.bots {
            Bots::Exclude => Some("r.kind IN (0, 2)"),
            Bots::Include => None,
            Bots::Only => Some("r.kind IN (1, 2)"),
        }
    }

    /// Whether events have to be looked at to know which sessions count.
    pub(crate) fn has_event_filters(&self) -> bool {
        !self.event_filters.is_empty()
    }

    /// Selected events `e` in the range. `name` leads the names of parts that this adds.
    pub(crate) fn events_in_range(&self, sql: &mut Sql<'_>, name: &str) -> Source {
        let conditions = all(&[self.events_by_themselves(sql), At::EVENT.lies_in(sql, self.range)]);
        if self.session_filters.is_empty() {
            return Source { from: "event e".to_owned(), conditions };
        }
        let part = self.matching_sessions(sql, name);
        let from = format!(
            "event e JOIN {part} m ON m.visitor = e.visitor AND m.first_us <= e.time_us AND e.time_us <= m.last_us"
        );
        Source { from, conditions }
    }

    /// Events `e` at any time that pass the bots mode and all filters but those of sessions.
    pub(crate) fn events_by_themselves(&self, sql: &mut Sql<'_>) -> String {
        let mut conditions = vec!["e.site = $1".to_owned()];
        match self.bots {
            Bots::Exclude => conditions.push("NOT e.bot".to_owned()),
            Bots::Include => {}
            Bots::Only => conditions.push("e.bot".to_owned()),
        }
        conditions.extend(self.event_filters.iter().map(|filter| passes(sql, filter)));
        all(&conditions)
    }

    /// Events `e` at any time that pass as [`Selected::events_by_themselves`], as far as the sessions of
    /// [`Selected::living_sessions`] reach: they hold no event before the range.
    pub(crate) fn events_of_living(&self, sql: &mut Sql<'_>, living: &str) -> Source {
        let from = sql.bind(self.range.hull(self.zone).0.0);
        let conditions = format!(
            "{} AND e.time_us >= {from} AND e.time_us <= (SELECT max(last_us) FROM {living})",
            self.events_by_themselves(sql)
        );
        Source { from: "event e".to_owned(), conditions }
    }

    /// Versions of sessions `s` that start in the range and pass all conditions that a session's own row can tell.
    pub(crate) fn sessions_by_themselves(&self, sql: &mut Sql<'_>) -> String {
        let mut conditions = vec!["s.site = $1".to_owned(), At::SESSION.lies_in(sql, self.range)];
        match self.bots {
            Bots::Exclude => conditions.push("s.events > s.bot_events".to_owned()),
            Bots::Include => {}
            Bots::Only => conditions.push("s.bot_events > 0".to_owned()),
        }
        conditions.extend(self.session_filters.iter().map(|filter| passes(sql, filter)));
        all(&conditions)
    }

    /// Adds the living sessions `s` that start in the range and pass all conditions that a session's own row can tell,
    /// numbered, with the columns `more` (`, s.…`) and a sign of one.
    pub(crate) fn living_sessions(&self, sql: &mut Sql<'_>, name: &str, more: &str) -> String {
        let part = format!("{name}living");
        let own = self.sessions_by_themselves(sql);
        let columns = format!("s.visitor, s.day, s.first_us, s.last_us, s.events, s.page_views{more}");
        let body = format!(
            "SELECT row_number() OVER () AS no, 1 AS sign, {columns} FROM session s WHERE {own} \
             GROUP BY {columns} HAVING sum(s.sign) > 0"
        );
        sql.part(&part, body);
        part
    }

    /// Which sessions `s` of [`Selected::living_sessions`] hold a selected event, wherever it lies.
    pub(crate) fn holds_selected(&self, sql: &mut Sql<'_>, name: &str, living: &str) -> String {
        if !self.has_event_filters() {
            // Filters of sessions and the bots mode: the session's own row told.
            return "true".to_owned();
        }
        let Source { from, conditions } = self.events_of_living(sql, living);
        let part = format!("{name}holding");
        sql.part(&part, format!("SELECT DISTINCT t.no FROM {from} JOIN {living} t ON {OF_SESSION} WHERE {conditions}"));
        format!("s.no IN (SELECT no FROM {part})")
    }

    /// An instant before which every instant from the start of the range on lies in it.
    pub(crate) fn first_outside(&self) -> Micros {
        match self.range {
            Range::Times { to, .. } => to,
            Range::Days { first, last } => {
                let start = self.zone.start_of(first);
                // Where midnight comes twice, the old day returns after the new one began.
                if self.zone.end_of(first.plus(-1)) > start { start } else { self.zone.start_of(last.plus(1)) }
            }
        }
    }

    /// Adds the living sessions that touch the range and pass the filters of sessions.
    fn matching_sessions(&self, sql: &mut Sql<'_>, name: &str) -> String {
        let part = format!("{name}matching");
        let (from, to) = self.range.hull(self.zone);
        let (from, to) = (sql.bind(from.0), sql.bind(to.0));
        let mut conditions = vec![format!("s.site = $1 AND s.last_us >= {from} AND s.first_us < {to}")];
        conditions.extend(self.session_filters.iter().map(|filter| passes(sql, filter)));
        let body = format!(
            "SELECT s.visitor, s.first_us, s.last_us FROM session s WHERE {} \
             GROUP BY s.visitor, s.first_us, s.last_us HAVING sum(s.sign) > 0",
            all(&conditions)
        );
        sql.part(&part, body);
        part
    }
}

/// Adds the visitors whose first event ever lies in a range, with the columns that are asked for besides `visitor`.
pub(crate) fn newcomers(sql: &mut Sql<'_>, name: &str, range: Range, step: Option<&str>) -> String {
    let part = format!("{name}newcomers");
    let lies = At::VISITOR.lies_in(sql, range);
    let step = step.map(|step| format!(", {step} AS step")).unwrap_or_default();
    let body = format!(
        "SELECT v.visitor{step} FROM visitor v WHERE v.site = $1 AND {lies} \
         GROUP BY v.visitor, v.first_us, v.first_day HAVING sum(v.sign) > 0"
    );
    sql.part(&part, body);
    part
}

/// Whether a row passes one filter.
pub(crate) fn passes(sql: &mut Sql<'_>, filter: &Filter) -> String {
    let (operator, negated) = filter.operator.positive();
    if filter.dimension == Dimension::Segment {
        let members = filter.values.iter().filter_map(|id| sql.segment(SegmentId::parse(id)?));
        let each: Vec<String> = members.map(|part| format!("e.visitor IN (SELECT visitor FROM {part})")).collect();
        let positive = if each.is_empty() { "false".to_owned() } else { each.join(" OR ") };
        return if negated { format!("NOT ({positive})") } else { format!("({positive})") };
    }
    let wanted: Vec<String> = filter.values.iter().map(|value| sql.bind(value.as_str())).collect();
    let one = |value: &str| matches(operator, value, &wanted);
    let positive = match value_of(sql, &filter.dimension) {
        Value::Event(value) => one(&format!("({value})")),
        Value::Session(column) => one(column),
        Value::Items(items) => sql.dialect.any_item(&items, &one),
    };
    if negated { format!("NOT ({positive})") } else { format!("({positive})") }
}

/// Whether an event `e` meets a condition of a segment. NULL, which is not met, where it has no value.
pub(crate) fn meets(sql: &mut Sql<'_>, condition: &Condition) -> String {
    let filter = |operator, values: &[String], dimension: &Dimension| Filter {
        dimension: dimension.clone(),
        operator,
        values: values.to_vec(),
    };
    let (sign, bound) = match (&condition.test, &condition.subject) {
        (Test::Is(values), Subject::Dimension(of)) => return passes(sql, &filter(Operator::Is, values, of)),
        (Test::IsNot(values), Subject::Dimension(of)) => return passes(sql, &filter(Operator::IsNot, values, of)),
        (Test::Contains(values), Subject::Dimension(of)) => {
            return passes(sql, &filter(Operator::Contains, values, of));
        }
        (Test::StartsWith(values), Subject::Dimension(of)) => {
            return passes(sql, &filter(Operator::StartsWith, values, of));
        }
        (Test::Greater(bound), _) => (">", *bound),
        (Test::Less(bound), _) => ("<", *bound),
        // Texts of a number: refused where trees are read.
        (_, Subject::Value) => return "false".to_owned(),
    };
    let Subject::Dimension(dimension) = &condition.subject else {
        return format!("(e.value {sign} {})", sql.bind(bound.0));
    };
    let bound = sql.bind(bound.to_string());
    let pattern = Number::PATTERN;
    let one = |value: &str| {
        format!(
            "CASE WHEN {value} ~ '{pattern}' THEN CAST({value} AS decimal(18, 6)) {sign} \
             CAST(CAST({bound} AS varchar) AS decimal(18, 6)) ELSE false END"
        )
    };
    match value_of(sql, dimension) {
        Value::Event(value) => format!("({})", one(&format!("({value})"))),
        Value::Session(column) => format!("({})", one(column)),
        Value::Items(items) => format!("({})", sql.dialect.any_item(&items, &one)),
    }
}

fn matches(operator: Operator, value: &str, wanted: &[String]) -> String {
    let either =
        |test: &dyn Fn(&str) -> String| wanted.iter().map(|wanted| test(wanted)).collect::<Vec<_>>().join(" OR ");
    match operator {
        Operator::Contains | Operator::DoesNotContain => either(&|wanted| format!("strpos({value}, {wanted}) > 0")),
        Operator::StartsWith => either(&|wanted| format!("starts_with({value}, {wanted})")),
        Operator::Is | Operator::IsNot => format!("{value} IN ({})", wanted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The zones farthest from UTC, and one that was farther before it had standard time.
    #[test]
    fn local_days_lie_within_the_instants_around_them() {
        for name in ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Asia/Manila", "Asia/Kathmandu"] {
            let zone = Zone::named(name).expect("a zone");
            for number in [-60_000, -1, 0, 19_782, 60_000] {
                let (first, last) = (Day(number), Day(number + 6));
                let (from, to) = around(first, last);
                assert!(from < zone.start_of(first) && zone.end_of(last) < to, "{name}, day {number}");
            }
        }
    }

    #[test]
    fn nothing_outside_of_a_range_lies_before_its_first_instant_outside() {
        let zone = Zone::named("America/St_Johns").expect("a zone");
        // On 2010-11-07 one minute came before the last hour of the 6th; the days around are plain.
        for first in ["2010-11-05", "2010-11-06", "2010-11-07", "2010-11-08"] {
            let first = Day::parse(first).expect("a day");
            let range = Range::Days { first, last: first };
            let selection = Selection { range, filters: vec![], bots: Bots::Include };
            let outside = Selected::new(&selection, range, &zone).first_outside();
            let (from, to) = range.hull(&zone);
            let mut at = from;
            while at < to && range.holds(at, zone.day_of(at)) {
                at = at.plus(30 * Micros::SECOND);
            }
            assert!(outside <= at, "{first}: {outside:?} lies after {at:?}");
            assert!(outside == at || outside == from, "{first}: as late as it can be, or at the start");
        }
    }
}
