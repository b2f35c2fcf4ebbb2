//! A matcher that knows what was stored before: history, read page by page.
//!
//! A page is some visitors with all their events, in a snapshot of its own, for no snapshot is held while a large site is read.
//! Events that are to come by the feed are left out of it, so that the pages fit together whatever is stored meanwhile.

use super::facts::{Columns, Past};
use super::feed::{Feed, Folding};
use super::follower::End;
use crate::epoch::Setup;
use pistats_core::directory::Site;
use pistats_core::segment::{Facts, Matcher, Node};
use pistats_store::{Cell, Rows, Statement};
use std::collections::HashSet;

/// Events of a page, about: some hundred bytes each while it is read.
const PAGE_EVENTS: i64 = 200_000;

/// Reads all that is stored of a site, of the partitions that are folded here, but what is to come by the feed.
pub(super) async fn seeded(
    setup: &Setup,
    site: &Site,
    tree: &Node,
    folding: &Folding,
    feed: &mut Feed,
) -> Result<Matcher, End> {
    let mut matcher = Matcher::new(tree.clone(), &site.zone, setup.live.now());
    if folding.partitions.is_empty() {
        return Ok(matcher);
    }
    let columns = Columns::of(tree);
    let count =
        of_partitions("SELECT count(*) FROM event WHERE site = $1", vec![Cell::Int(i64::from(site.id.0))], folding);
    let count = read(setup, count, folding).await?;
    let pages = count.rows.first().and_then(|row| row.first()).map_or(0, Cell::int) / PAGE_EVENTS + 1;
    let mut to_come = HashSet::new();
    for page in 0..pages {
        let sql = format!("SELECT {} FROM event WHERE site = $1 AND visitor % $2 = $3", columns.sql());
        let values = vec![Cell::Int(i64::from(site.id.0)), Cell::Int(pages), Cell::Int(page)];
        let rows = read(setup, of_partitions(&sql, values, folding), folding).await?;
        // After it was read: what is stored from now on is not in the page.
        feed.take_ids(&mut to_come)?;
        tokio::task::block_in_place(|| {
            let events = rows.rows.iter().filter_map(|row| Past::read(&columns, row));
            for (visitor, event) in events.filter(|(_, event)| !to_come.contains(&event.id())) {
                matcher.seed(visitor, &event);
            }
        });
    }
    matcher.advance(setup.live.now());
    Ok(matcher)
}

async fn read(setup: &Setup, statement: Statement, folding: &Folding) -> Result<Rows, End> {
    let answer = setup.store.read(vec![statement]).await.map_err(End::Store)?;
    if answer.as_of.generation != folding.generation {
        return Err(End::Elsewhere);
    }
    Ok(answer.results.into_iter().next().unwrap_or_default())
}

/// The statement, of these partitions alone.
fn of_partitions(sql: &str, mut values: Vec<Cell>, folding: &Folding) -> Statement {
    let first = values.len() + 1;
    values.extend(folding.partitions.iter().map(|partition| Cell::Int(i64::from(partition.0))));
    let places: Vec<String> = (first..=values.len()).map(|place| format!("${place}")).collect();
    Statement::new(format!("{sql} AND log_partition IN ({})", places.join(", ")), values)
}
