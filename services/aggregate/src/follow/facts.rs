//! Events as conditions look at them: rows of a commit, and rows of history.

use super::feed::Offsets;
use pistats_core::report::Dimension;
use pistats_core::segment::{Condition, Facts, Node, Subject};
use pistats_core::{EventId, Micros, SiteId, VisitorNo};
use pistats_store::{Cell, EventColumns};
use std::ops::Range;

/// The events of a commit.
#[derive(Debug)]
pub(crate) struct Batch {
    columns: EventColumns,
    /// Rows that a replay filled in.
    repaired: Vec<Range<usize>>,
    /// How far the partitions in it are stored with it.
    pub(crate) offsets: Offsets,
}

impl Batch {
    pub(crate) fn new(columns: EventColumns, repaired: Vec<Range<usize>>, offsets: Offsets) -> Batch {
        Batch { columns, repaired, offsets }
    }

    /// The ids of a site's events.
    pub(crate) fn ids(&self, site: SiteId) -> impl Iterator<Item = EventId> {
        self.rows(site).map(move |row| id(self.columns.id[row]))
    }

    /// The places of a site's events.
    fn rows(&self, site: SiteId) -> impl Iterator<Item = usize> {
        self.columns.site.iter().enumerate().filter(move |(_, of)| **of == site.0).map(|(row, _)| row)
    }

    /// A site's events, each with its visitor and whether it is a repair.
    pub(crate) fn events(&self, site: SiteId) -> impl Iterator<Item = (VisitorNo, bool, Row<'_>)> {
        self.rows(site).map(move |row| {
            let is_repaired = self.repaired.iter().any(|rows| rows.contains(&row));
            let page = format!("{}{}", self.columns.host.get(row), self.columns.path.get(row));
            (VisitorNo(self.columns.visitor[row]), is_repaired, Row { columns: &self.columns, row, page })
        })
    }
}

fn id(id: u128) -> EventId {
    EventId(id.to_be_bytes())
}

/// An event of a commit.
pub(crate) struct Row<'a> {
    columns: &'a EventColumns,
    row: usize,
    page: String,
}

impl Facts for Row<'_> {
    fn id(&self) -> EventId {
        id(self.columns.id[self.row])
    }

    fn time(&self) -> Micros {
        Micros(self.columns.time[self.row])
    }

    fn is_by_bot(&self) -> bool {
        self.columns.bot[self.row]
    }

    fn value(&self) -> Option<i64> {
        self.columns.value[self.row]
    }

    fn text(&self, dimension: &Dimension) -> &str {
        let columns = self.columns;
        let column = match dimension {
            Dimension::Page => return &self.page,
            Dimension::Property(key) => {
                let place = columns.property_keys.get(self.row).position(|of| of == key);
                return place.and_then(|place| columns.property_values.get(self.row).nth(place)).unwrap_or("");
            }
            Dimension::Url => &columns.url,
            Dimension::Path => &columns.path,
            Dimension::Host => &columns.host,
            Dimension::Title => &columns.title,
            Dimension::Referrer => &columns.referrer,
            Dimension::Source => &columns.source,
            Dimension::Channel => &columns.channel,
            Dimension::UtmSource => &columns.utm_source,
            Dimension::UtmMedium => &columns.utm_medium,
            Dimension::UtmCampaign => &columns.utm_campaign,
            Dimension::UtmTerm => &columns.utm_term,
            Dimension::UtmContent => &columns.utm_content,
            Dimension::Country => &columns.country,
            Dimension::Language => &columns.language,
            Dimension::Device => &columns.device,
            Dimension::Screen => &columns.screen,
            Dimension::Browser => &columns.browser,
            Dimension::Os => &columns.os,
            Dimension::EventName => &columns.name,
            Dimension::UserId => &columns.user_id,
            // Topics are asked for by themselves; the others are refused where trees are read.
            Dimension::Topic | Dimension::EntryPage | Dimension::ExitPage | Dimension::Segment => return "",
        };
        column.get(self.row)
    }

    fn any_topic(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        let mut topics = self.columns.topics.get(self.row);
        if topics.len() == 0 { test("") } else { topics.any(test) }
    }
}

/// What of history a tree looks at, as columns of a statement behind visitor, id, time, bot and value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Columns {
    texts: Vec<Dimension>,
    has_topics: bool,
    has_properties: bool,
}

/// Columns that every event has.
const FIRST: &str = "visitor, id, time_us, bot, value";
const FIRST_COUNT: usize = 5;

impl Columns {
    /// Of a tree without members.
    pub(crate) fn of(tree: &Node) -> Columns {
        let mut columns = Columns::default();
        columns.add(tree);
        columns
    }

    fn add(&mut self, node: &Node) {
        match node {
            Node::All(nodes) | Node::Any(nodes) => nodes.iter().for_each(|node| self.add(node)),
            Node::Not(of) => self.add(of),
            Node::Latest(condition) => self.look_at(condition),
            Node::Did(did) => did.conditions.iter().for_each(|condition| self.look_at(condition)),
            Node::Sequence(sequence) => sequence.steps.iter().flatten().for_each(|condition| self.look_at(condition)),
            Node::Seen(_) | Node::Member(_) => {}
        }
    }

    fn look_at(&mut self, condition: &Condition) {
        match &condition.subject {
            Subject::Value => {}
            Subject::Dimension(Dimension::Topic) => self.has_topics = true,
            Subject::Dimension(Dimension::Property(_)) => self.has_properties = true,
            Subject::Dimension(dimension) if self.texts.contains(dimension) => {}
            Subject::Dimension(dimension) => self.texts.push(dimension.clone()),
        }
    }

    /// What stands behind SELECT.
    pub(crate) fn sql(&self) -> String {
        let texts = self.texts.iter().map(column);
        let topics = self.has_topics.then_some("topics");
        let properties = self.has_properties.then_some("property_keys, property_values");
        let all: Vec<&str> = std::iter::once(FIRST).chain(texts).chain(topics).chain(properties).collect();
        all.join(", ")
    }

    fn topics(&self) -> usize {
        FIRST_COUNT + self.texts.len()
    }

    fn keys(&self) -> usize {
        self.topics() + usize::from(self.has_topics)
    }
}

fn column(dimension: &Dimension) -> &'static str {
    match dimension {
        Dimension::Page => "host || path",
        Dimension::Url => "url",
        Dimension::Path => "path",
        Dimension::Host => "host",
        Dimension::Title => "title",
        Dimension::Referrer => "referrer",
        Dimension::Source => "source",
        Dimension::Channel => "channel",
        Dimension::UtmSource => "utm_source",
        Dimension::UtmMedium => "utm_medium",
        Dimension::UtmCampaign => "utm_campaign",
        Dimension::UtmTerm => "utm_term",
        Dimension::UtmContent => "utm_content",
        Dimension::Country => "country",
        Dimension::Language => "language",
        Dimension::Device => "device",
        Dimension::Screen => "screen",
        Dimension::Browser => "browser",
        Dimension::Os => "os",
        Dimension::EventName => "name",
        Dimension::UserId => "user_id",
        Dimension::Topic | Dimension::Property(_) | Dimension::EntryPage | Dimension::ExitPage | Dimension::Segment => {
            "''"
        }
    }
}

/// An event of history.
pub(crate) struct Past<'a> {
    columns: &'a Columns,
    row: &'a [Cell],
}

impl<'a> Past<'a> {
    /// A row of [`Columns::sql`], and its visitor; nothing where it is none.
    pub(crate) fn read(columns: &'a Columns, row: &'a [Cell]) -> Option<(VisitorNo, Past<'a>)> {
        let [Cell::Int(visitor), Cell::Wide(_), Cell::Int(_), ..] = row else { return None };
        let cells = columns.keys() + 2 * usize::from(columns.has_properties);
        (row.len() == cells).then_some((VisitorNo(u64::try_from(*visitor).ok()?), Past { columns, row }))
    }

    fn list(&self, cell: usize) -> &'a [String] {
        match self.row.get(cell) {
            Some(Cell::List(items)) => items,
            _ => &[],
        }
    }
}

impl Facts for Past<'_> {
    fn id(&self) -> EventId {
        match self.row[1] {
            Cell::Wide(number) => id(number),
            _ => EventId([0; 16]),
        }
    }

    fn time(&self) -> Micros {
        Micros(self.row[2].int())
    }

    fn is_by_bot(&self) -> bool {
        self.row[3].int() != 0
    }

    fn value(&self) -> Option<i64> {
        self.row[4].maybe_int()
    }

    fn text(&self, dimension: &Dimension) -> &str {
        if let Dimension::Property(key) = dimension {
            let place = self.list(self.columns.keys()).iter().position(|of| of == key);
            let value = place.and_then(|place| self.list(self.columns.keys() + 1).get(place));
            return value.map_or("", String::as_str);
        }
        let place = self.columns.texts.iter().position(|of| of == dimension);
        place.map_or("", |place| self.row[FIRST_COUNT + place].text())
    }

    fn any_topic(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        let topics = self.list(self.columns.topics());
        if topics.is_empty() { test("") } else { topics.iter().any(|topic| test(topic)) }
    }
}
