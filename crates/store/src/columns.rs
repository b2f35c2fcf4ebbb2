//! Events in columns: what a commit carries, cheap to fill from borrowed text and cheap to hand to any engine.

use pistats_core::{Day, EventId, Micros, Offset, PartitionId, SiteId, VisitorNo};

/// Text of many rows in one buffer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextColumn {
    bytes: String,
    ends: Vec<u32>,
}

impl TextColumn {
    pub fn push(&mut self, text: &str) {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len() as u32);
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn get(&self, row: usize) -> &str {
        let from = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        &self.bytes[from..self.ends[row] as usize]
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|row| self.get(row))
    }

    /// All text, and where each row's text ends in it.
    pub fn parts(&self) -> (&str, &[u32]) {
        (&self.bytes, &self.ends)
    }

    /// The text and the ends themselves, without a copy.
    pub fn into_parts(self) -> (String, Vec<u32>) {
        (self.bytes, self.ends)
    }

    pub fn append(&mut self, other: &TextColumn) {
        let base = self.bytes.len() as u32;
        self.bytes.push_str(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| end + base));
    }

    pub fn bytes(&self) -> usize {
        self.bytes.len() + 4 * self.ends.len()
    }
}

/// Several texts a row: topics, or keys and values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListColumn {
    pub items: TextColumn,
    /// Where each row's items end.
    pub ends: Vec<u32>,
}

impl ListColumn {
    pub fn push<'a>(&mut self, items: impl IntoIterator<Item = &'a str>) {
        for item in items {
            self.items.push(item);
        }
        self.ends.push(self.items.len() as u32);
    }

    pub fn get(&self, row: usize) -> impl ExactSizeIterator<Item = &str> {
        let from = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        (from..self.ends[row] as usize).map(|item| self.items.get(item))
    }

    pub fn append(&mut self, other: &ListColumn) {
        let base = self.items.len() as u32;
        self.items.append(&other.items);
        self.ends.extend(other.ends.iter().map(|end| end + base));
    }
}

/// One enriched event, borrowed. An absent text is empty.
#[derive(Clone, Debug)]
pub struct EventRow<'a> {
    pub site: SiteId,
    pub visitor: VisitorNo,
    pub id: EventId,
    pub time: Micros,
    /// Local day of `time` in the site's zone.
    pub day: Day,
    /// Which record of the log carried it, and when the collector took it.
    pub partition: PartitionId,
    pub offset: Offset,
    pub received: Micros,
    pub client_time: Option<Micros>,
    pub name: &'a str,
    pub url: &'a str,
    /// Lower case; the page is `host || path`.
    pub host: &'a str,
    pub path: &'a str,
    pub referrer: &'a str,
    pub source: &'a str,
    pub channel: &'a str,
    pub utm_source: &'a str,
    pub utm_medium: &'a str,
    pub utm_campaign: &'a str,
    pub utm_term: &'a str,
    pub utm_content: &'a str,
    pub title: &'a str,
    pub country: &'a str,
    pub language: &'a str,
    pub device: &'a str,
    pub screen: &'a str,
    pub browser: &'a str,
    pub os: &'a str,
    pub user_id: &'a str,
    pub bot: bool,
    pub value: Option<i64>,
    pub topics: &'a [&'a str],
    /// Distinct keys, ascending.
    pub properties: &'a [(&'a str, &'a str)],
}

macro_rules! event_columns {
    ($($text:ident),* $(,)?) => {
        /// Many enriched events.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct EventColumns {
            pub site: Vec<u32>,
            pub visitor: Vec<u64>,
            pub id: Vec<u128>,
            pub time: Vec<i64>,
            pub day: Vec<i32>,
            pub partition: Vec<u16>,
            pub offset: Vec<u64>,
            pub received: Vec<i64>,
            pub client_time: Vec<Option<i64>>,
            pub bot: Vec<bool>,
            pub value: Vec<Option<i64>>,
            pub topics: ListColumn,
            pub property_keys: ListColumn,
            pub property_values: ListColumn,
            $(pub $text: TextColumn,)*
        }

        impl EventColumns {
            /// The text columns by name, in the order of the table.
            pub fn texts(&self) -> Vec<(&'static str, &TextColumn)> {
                vec![$((stringify!($text), &self.$text)),*]
            }

            pub fn push(&mut self, row: &EventRow<'_>) {
                self.site.push(row.site.0);
                self.visitor.push(row.visitor.0);
                self.id.push(row.id.as_u128());
                self.time.push(row.time.0);
                self.day.push(row.day.0);
                self.partition.push(row.partition.0);
                self.offset.push(row.offset.0);
                self.received.push(row.received.0);
                self.client_time.push(row.client_time.map(|at| at.0));
                self.bot.push(row.bot);
                self.value.push(row.value);
                self.topics.push(row.topics.iter().copied());
                self.property_keys.push(row.properties.iter().map(|p| p.0));
                self.property_values.push(row.properties.iter().map(|p| p.1));
                $(self.$text.push(row.$text);)*
            }

            /// Moves all rows of another batch behind these.
            pub fn append(&mut self, other: EventColumns) {
                self.site.extend(other.site);
                self.visitor.extend(other.visitor);
                self.id.extend(other.id);
                self.time.extend(other.time);
                self.day.extend(other.day);
                self.partition.extend(other.partition);
                self.offset.extend(other.offset);
                self.received.extend(other.received);
                self.client_time.extend(other.client_time);
                self.bot.extend(other.bot);
                self.value.extend(other.value);
                self.topics.append(&other.topics);
                self.property_keys.append(&other.property_keys);
                self.property_values.append(&other.property_values);
                $(self.$text.append(&other.$text);)*
            }

            /// Bytes of text held: a commit is cut before this outgrows its buffers (32-bit ends).
            pub fn text_bytes(&self) -> usize {
                let lists = self.topics.items.bytes() + self.property_keys.items.bytes() + self.property_values.items.bytes();
                lists $(+ self.$text.bytes())*
            }
        }
    };
}

event_columns!(
    name,
    url,
    host,
    path,
    referrer,
    source,
    channel,
    utm_source,
    utm_medium,
    utm_campaign,
    utm_term,
    utm_content,
    title,
    country,
    language,
    device,
    screen,
    browser,
    os,
    user_id,
);

impl EventColumns {
    pub fn len(&self) -> usize {
        self.site.len()
    }

    pub fn is_empty(&self) -> bool {
        self.site.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appended_columns_read_as_one() {
        let mut first = TextColumn::default();
        first.push("a");
        first.push("");
        let mut second = TextColumn::default();
        second.push("bc");
        first.append(&second);
        assert_eq!(first.iter().collect::<Vec<_>>(), ["a", "", "bc"]);

        let mut lists = ListColumn::default();
        lists.push(["x", "y"]);
        let mut more = ListColumn::default();
        more.push([]);
        more.push(["z"]);
        lists.append(&more);
        let rows: Vec<Vec<&str>> = (0..3).map(|row| lists.get(row).collect()).collect();
        assert_eq!(rows, [vec!["x", "y"], vec![], vec!["z"]]);
    }
}
