//! The size of a segment by day. Nothing is kept: each day is counted when it is asked for, so a segment that was made or edited
//! today has a past, and late events, imports and rebuilds are in it.

use crate::service::Shared;
use crate::status;
use futures::stream::{BoxStream, try_unfold};
use pistats_core::Day;
use pistats_core::directory::Site;
use pistats_core::segment::{Node, plan, plan_at_end_of};
use pistats_proto::convert::Invalid;
use pistats_proto::convert::query::as_of;
use pistats_proto::segment::v1::ListSizesResponse;
use std::sync::Arc;
use tonic::Status;

const DEFAULT_DAYS: u32 = 30;
/// Days of one list: a year, whichever.
const MOST_DAYS: u32 = 366;

/// How many days are asked for.
pub(crate) fn days(wished: u32) -> Result<u32, Status> {
    match wished {
        0 => Ok(DEFAULT_DAYS),
        1..=MOST_DAYS => Ok(wished),
        _ => Err(status::invalid(Invalid::field("days", format!("{wished} are too many, at most {MOST_DAYS}")))),
    }
}

/// The sizes of a tree without members, today's first. Whoever stops listening stops the counting.
pub(crate) fn open(
    shared: Arc<Shared>,
    site: Site,
    tree: Node,
    days: u32,
) -> BoxStream<'static, Result<ListSizesResponse, Status>> {
    let today = site.zone.day_of(shared.reading.now());
    let days = (0..).take(days as usize).map(move |back: i32| today.plus(-back));
    Box::pin(try_unfold(days, move |mut days| {
        let (shared, site, tree) = (shared.clone(), site.clone(), tree.clone());
        async move {
            let Some(day) = days.next() else { return Ok(None) };
            Ok(Some((size(&shared, &site, &tree, day, day == today).await?, days)))
        }
    }))
}

async fn size(
    shared: &Shared,
    site: &Site,
    tree: &Node,
    day: Day,
    is_today: bool,
) -> Result<ListSizesResponse, Status> {
    let plan = if is_today { plan(tree, day) } else { plan_at_end_of(tree, day, &site.zone) };
    let found = shared.members(site, plan, false).await?;
    Ok(ListSizesResponse {
        day: day.to_string(),
        size: found.numbers.len(),
        is_over: !is_today,
        as_of: Some(as_of(&found.as_of)),
    })
}
