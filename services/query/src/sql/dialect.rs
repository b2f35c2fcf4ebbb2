//! Where engines differ: lists. The one file of the services that names an engine (a test of the house sees to it).

/// The differences between engines. Everything else is written once.
pub(crate) trait Dialect: Sync {
    /// The distinct items of a list, the empty text where it has none.
    fn items(&self, list: &str) -> String;

    /// Whether an item of a list of [`Dialect::items`] meets a condition, given the item's name.
    fn any_item(&self, items: &str, condition: &dyn Fn(&str) -> String) -> String;

    /// The item at the place of `key` in a list of keys, the empty text where there is none.
    fn item_of_key(&self, keys: &str, values: &str, key: &str) -> String;
}

/// The engine that statements are written for. There is one so far; with a second one the store will say which.
pub(crate) const ENGINE: &dyn Dialect = &DuckDb;

/// DuckDB.
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
}
