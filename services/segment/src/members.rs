//! Visitor numbers as stored keys: what members are called outside of a generation.

use crate::status;
use pistats_core::directory::Site;
use pistats_core::{Generation, SiteId};
use pistats_store::{Cell, Statement, Store};
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use tonic::Status;

/// Numbers that are looked up one by one; of more, a stretch of numbers is read.
const BY_NUMBER: usize = 200;

/// The keys of visitors, in the order of their numbers.
///
/// Errors: UNAVAILABLE the warehouse was rebuilt since the numbers were read; asked again, they are others.
pub(crate) async fn keys(
    store: &dyn Store,
    site: &Site,
    numbers: &RoaringBitmap,
    generation: Generation,
) -> Result<Vec<String>, Status> {
    let (Some(first), Some(last)) = (numbers.min(), numbers.max()) else { return Ok(Vec::new()) };
    let statement =
        if numbers.len() <= BY_NUMBER as u64 { one_by_one(site.id, numbers) } else { between(site.id, first, last) };
    let read = store.read(vec![statement]).await.map_err(status::of_store)?;
    if read.as_of.generation != generation {
        return Err(Status::unavailable("the warehouse was rebuilt meanwhile; ask again"));
    }
    let rows = read.results.into_iter().next().unwrap_or_default().rows;
    let key = |row: Vec<Cell>| match row.as_slice() {
        [Cell::Int(number), Cell::Wide(key)] => Some((u32::try_from(*number).ok()?, *key)),
        _ => None,
    };
    let found: BTreeMap<u32, u128> = rows.into_iter().filter_map(key).collect();
    Ok(found
        .into_iter()
        .filter(|(number, _)| numbers.contains(*number))
        .map(|(_, key)| format!("{key:032x}"))
        .collect())
}

/// A visitor has one living version.
const LIVING: &str = "GROUP BY v.visitor, v.key HAVING sum(v.sign) > 0";

fn one_by_one(site: SiteId, numbers: &RoaringBitmap) -> Statement {
    let places: Vec<String> = (2..).take(numbers.len() as usize).map(|place| format!("${place}")).collect();
    let mut values = vec![Cell::Int(i64::from(site.0))];
    values.extend(numbers.iter().map(|number| Cell::Int(i64::from(number))));
    let places = places.join(", ");
    let text = format!("SELECT v.visitor, v.key FROM visitor v WHERE v.site = $1 AND v.visitor IN ({places}) {LIVING}");
    Statement::new(text, values)
}

fn between(site: SiteId, first: u32, last: u32) -> Statement {
    let values = [i64::from(site.0), i64::from(first), i64::from(last)].map(Cell::Int).to_vec();
    let text =
        format!("SELECT v.visitor, v.key FROM visitor v WHERE v.site = $1 AND v.visitor BETWEEN $2 AND $3 {LIVING}");
    Statement::new(text, values)
}
