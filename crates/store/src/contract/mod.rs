//! The promises of [`Store`], [`Registry`], [`Leases`] and those of push as cases that every backend runs against itself.
//!
//! A backend's test hands in how to make an empty warehouse; each case starts with one of its own and names the promise
//! it checks. A case panics where a promise is broken, so these functions are for tests only.

mod commits;
mod explaining;
mod history;
mod leases;
mod lookups;
mod places;
mod pushing;
mod reads;
mod registry;
mod rollups;
pub mod sample;
mod sheets;
mod zones;

pub use explaining::{Explaining, Read};
pub use sheets::assert_sheets_equal_raw;

use crate::{Error, Leases, Pushing, Registry, Store};
use pistats_core::PartitionId;

/// Runs all cases. `empty` makes an empty warehouse each time it is called.
pub async fn suite<W: Store + Registry, F: AsyncFn() -> W>(empty: F) -> Result<(), Error> {
    commits::a_replayed_commit_is_out_of_step_and_changes_nothing(&empty().await).await?;
    commits::a_commit_that_fails_late_leaves_nothing_behind(&empty().await).await?;
    commits::a_repair_moves_no_checkpoint(&empty().await).await?;
    commits::high_water_tells_of_events_past_a_checkpoint(&empty().await).await?;
    commits::sequences_of_writers_are_stored_with_the_commit_or_not_at_all(&empty().await).await?;
    places::minutes_are_stored_with_the_commit_or_not_at_all(&empty().await).await?;
    places::a_rewind_moves_a_checkpoint_back_and_keeps_the_rows(&empty().await).await?;
    places::what_was_folded_before_a_rewind_is_stored_below_what_comes_after(&empty().await).await?;
    commits::columns_come_back_as_they_went_in(&empty().await).await?;
    commits::commits_larger_than_a_vector_keep_their_lists(&empty().await).await?;
    reads::every_read_sees_one_snapshot_while_commits_go_on(&empty().await).await?;
    reads::a_snapshot_stands_still_however_often_it_is_read(&empty().await).await?;
    reads::values_are_bound_and_cells_keep_their_kinds(&empty().await).await?;
    reads::a_sum_past_64_bits_is_an_overflow_and_not_a_wrong_number(&empty().await).await?;
    reads::a_wrong_statement_is_refused_and_the_next_one_works(&empty().await).await?;
    lookups::lookups_see_what_was_committed(&empty().await).await?;
    lookups::a_retracted_row_is_not_found(&empty().await).await?;
    lookups::many_keys_are_found_as_few_are(&empty().await).await?;
    lookups::a_history_holds_all_that_a_repair_needs(&empty().await).await?;
    rollups::refreshed_rollups_equal_the_raw_rows(&empty().await).await?;
    rollups::a_refresh_in_parts_does_not_lose_an_hour(&empty().await).await?;
    rollups::a_mark_that_comes_during_a_refresh_stays(&empty().await).await?;
    sheets::clean_sheets_equal_the_raw_rows_after_any_commit_and_refresh(&empty().await).await?;
    sheets::a_day_that_is_touched_while_it_is_built_stays_dirty(&empty().await).await?;
    sheets::days_are_built_newest_first_and_when_they_are_calm(&empty().await).await?;
    sheets::a_commit_marks_the_local_days_that_it_touches(&empty().await).await?;
    sheets::a_day_with_a_visitor_number_past_32_bits_stays_dirty(&empty().await).await?;
    registry::a_fact_is_kept_once(&empty().await).await?;
    registry::a_salt_is_shared_until_its_time_is_over_and_then_gone(&empty().await).await?;
    registry::sites_and_keys_come_back(&empty().await).await?;
    registry::refusals_are_listed_counted_and_bounded(&empty().await).await?;
    zones::another_zone_moves_every_row_of_its_site_and_no_other(&empty().await).await?;
    zones::a_site_without_rows_changes_its_zone_too(&empty().await).await?;
    leases::a_commit_of_another_generation_changes_no_row(&empty().await).await?;
    Ok(())
}

/// Runs the cases of leases (E-1 to E-5, S-8).
pub async fn leasing<W: Store + Leases, F: AsyncFn() -> W>(empty: F) -> Result<(), Error> {
    leases::a_partition_has_one_owner_until_its_time_has_run_out(&empty().await).await?;
    leases::who_extends_learns_what_it_still_holds(&empty().await).await?;
    leases::what_is_released_is_free_at_once(&empty().await).await?;
    leases::many_who_acquire_at_once_share_without_overlap(&empty().await).await?;
    leases::a_stale_owners_commit_changes_no_row(&empty().await).await?;
    Ok(())
}

/// Runs the cases of subscriptions, campaigns and their messages (D-1 to D-5).
pub async fn pushing<W: Pushing, F: AsyncFn() -> W>(empty: F) -> Result<(), Error> {
    pushing::a_key_is_kept_once(&empty().await).await?;
    pushing::an_endpoint_is_kept_once_and_the_newest_comes_first(&empty().await).await?;
    pushing::a_campaign_changes_on_the_version_that_was_looked_at(&empty().await).await?;
    pushing::a_site_has_one_lease_and_who_lost_it_changes_nothing(&empty().await).await?;
    pushing::a_message_is_begun_once_and_what_was_on_its_way_becomes_uncertain(&empty().await).await?;
    pushing::due_messages_come_in_order_with_the_newest_subscription(&empty().await).await?;
    pushing::what_a_visitor_had_is_counted_over_all_campaigns(&empty().await).await?;
    pushing::a_held_campaign_begins_nothing_and_a_cancelled_one_takes_its_messages_with_it(&empty().await).await?;
    Ok(())
}

/// What a warehouse holds after it was closed and opened again (S-1, S-6). `open` opens the same one each time.
pub async fn reopening<W: Store + Registry, F: AsyncFn() -> W>(open: F) -> Result<(), Error> {
    let commit = sample::commit(PartitionId(2), 0, 3, 100);
    let store = open().await;
    store.commit(commit.clone()).await?;
    let before = sample::everything(&store).await?;
    drop(store);

    let store = open().await;
    assert_eq!(sample::everything(&store).await?, before, "S-6: nothing is lost by closing");
    let refused = store.commit(commit).await;
    assert!(matches!(refused, Err(Error::OutOfStep { .. })), "S-2 holds across opens, not {refused:?}");
    Ok(())
}
