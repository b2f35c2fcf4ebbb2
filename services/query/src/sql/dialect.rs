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
}

/// How statements for an engine are written.
pub(crate) fn of(engine: Engine) -> &'static dyn Dialect {
    match engine {
        Engine::DuckDb => &DuckDb,
        Engine::Postgres => &Postgres,
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
}

#[derive(Clone, Copy, Debug)]
struct Postgres;

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
        format!("{column} = ANY({list})")
    }
}
