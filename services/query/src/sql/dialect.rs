//! Where engines differ: lists, and looking up few rows. The one file of the services that names an engine (a test of the house sees to it).

use pistats_store::Engine;
use std::fmt::Debug;

/// The differences between engines. Everything else is written once.
pub(crate) trait Dialect: Sync + Debug {
    /// The distinct items of a list, the empty text where it has none.
    fn items(&self, list: &str) -> String;

    /// Whether an item of a list of [`Dialect::items`] meets a condition, given the item's name.
    fn any_item(&self, items: &str, condition: &dyn Fn(&str) -> String) -> String;

    /// The item at the place of `key` in a list of keys, the empty text where there is none.
    fn item_of_key(&self, keys: &str, values: &str, key: &str) -> String;

    /// Whether a column is one of a few numbers, to be found by an index where there is one. `few` is a statement of one
    /// column.
    fn is_among(&self, column: &str, few: &str) -> String;

    /// Whether a column is one of the numbers of a bound list.
    fn is_one_of(&self, column: &str, list: &str) -> String;

    /// The visitors of a bound list whose latest event meets a condition, as a statement of one column. `events` says which
    /// events `e` count. Of equal instants the greatest id is the latest.
    fn latest_of(&self, list: &str, events: &str, holds: &str) -> String;
}

/// [`Dialect::latest_of`] by putting all events of those visitors in order.
fn latest_in_order(dialect: &dyn Dialect, list: &str, events: &str, holds: &str) -> String {
    let of_list = dialect.is_one_of("e.visitor", list);
    format!(
        "SELECT x.visitor FROM (SELECT DISTINCT ON (e.visitor) e.visitor, {holds} AS holds FROM event e \
         WHERE {events} AND {of_list} ORDER BY e.visitor, e.time_us DESC, e.id DESC) x WHERE x.holds"
    )
}

/// How statements for an engine are written.
pub(crate) fn of(engine: Engine) -> &'static dyn Dialect {
    match engine {
        Engine::DuckDb => &DuckDb,
        Engine::Postgres => &Postgres { columns: false },
        Engine::Timescale => &Postgres { columns: true },
    }
}

#[derive(Clone, Copy, Debug)]
struct DuckDb;

impl Dialect for DuckDb {
    fn items(&self, list: &str) -> String {
        // Most lists have one item; making it distinct costs six times as much as reading it.
        format!("CASE WHEN len({list}) = 0 THEN [''] WHEN len({list}) = 1 THEN {list} ELSE list_distinct({list}) END")
    }

    fn any_item(&self, items: &str, condition: &dyn Fn(&str) -> String) -> String {
        format!("len(list_filter({items}, lambda item: {})) > 0", condition("item"))
    }

    fn item_of_key(&self, keys: &str, values: &str, key: &str) -> String {
        format!("coalesce({values}[array_position({keys}, {key})], '')")
    }

    fn is_among(&self, column: &str, few: &str) -> String {
        format!("{column} IN ({few})")
    }

    fn is_one_of(&self, column: &str, list: &str) -> String {
        format!("{column} IN (SELECT unnest({list}))")
    }

    fn latest_of(&self, list: &str, events: &str, holds: &str) -> String {
        latest_in_order(self, list, events, holds)
    }
}

#[derive(Clone, Copy, Debug)]
struct Postgres {
    /// Calm days are columns.
    columns: bool,
}

impl Dialect for Postgres {
    fn items(&self, list: &str) -> String {
        format!(
            "CASE WHEN cardinality({list}) = 0 THEN ARRAY[''] WHEN cardinality({list}) = 1 THEN {list} \
             ELSE ARRAY(SELECT DISTINCT unnest({list})) END"
        )
    }

    fn any_item(&self, items: &str, condition: &dyn Fn(&str) -> String) -> String {
        format!("EXISTS (SELECT 1 FROM unnest({items}) AS list (item) WHERE {})", condition("list.item"))
    }

    fn item_of_key(&self, keys: &str, values: &str, key: &str) -> String {
        format!("coalesce(({values})[array_position({keys}, {key})], '')")
    }

    fn is_among(&self, column: &str, few: &str) -> String {
        // An array is searched for in an index. A join would read the whole table: reports are planned without nested loops.
        // The bounds say less, but rows kept as columns are passed over by them.
        let bound = |of: &str| format!("(SELECT {of}(few.one) FROM ({few}) AS few (one))");
        format!("{column} = ANY(ARRAY({few})) AND {column} >= {} AND {column} <= {}", bound("min"), bound("max"))
    }

    fn is_one_of(&self, column: &str, list: &str) -> String {
        match self.columns {
            false => format!("{column} = ANY({list})"),
            // A list that the planner sees is planned into every chunk of columns, which takes more memory than there is.
            true => format!("{column} IN (SELECT unnest({list}))"),
        }
    }

    fn latest_of(&self, list: &str, events: &str, holds: &str) -> String {
        if self.columns {
            return latest_in_order(self, list, events, holds);
        }
        // The index leads to a visitor's last row; DISTINCT ON would read all of them.
        format!(
            "SELECT v.visitor FROM unnest({list}) AS v (visitor) CROSS JOIN LATERAL (\
             SELECT {holds} AS holds FROM event e WHERE {events} AND e.visitor = v.visitor \
             ORDER BY e.time_us DESC, e.id DESC LIMIT 1) x WHERE x.holds"
        )
    }
}
