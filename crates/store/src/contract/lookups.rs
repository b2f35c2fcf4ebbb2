//! S-4: what folding asks.

use super::sample::{self, SITE, START};
use crate::{Commit, Error, EventColumns, EventRow, SessionsOf, Sign, Store};
use pistats_core::{Micros, PartitionId, SiteId, VisitorKey, VisitorNo};

const PARTITION: PartitionId = PartitionId(2);

fn no(ordinal: u64) -> VisitorNo {
    VisitorNo::new(PARTITION, ordinal)
}

/// S-4, after each of several commits.
pub(super) async fn lookups_see_what_was_committed(store: &impl Store) -> Result<(), Error> {
    let lookup = store.lookup();
    assert_eq!(lookup.next_ordinal(SITE, PARTITION)?, 0);
    for record in 0..5u64 {
        store.commit(sample::commit(PARTITION, record, record + 1, 4)).await?;
        assert_eq!(lookup.next_ordinal(SITE, PARTITION)?, record * 1_000 + 4);
        assert_eq!(lookup.next_ordinal(SITE, PartitionId(3))?, 0);

        let newest = no(record * 1_000 + 3);
        let found = lookup.visitors(SITE, PARTITION, &[sample::key(newest), VisitorKey(1)])?;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].visitor, found[0].key), (newest, sample::key(newest)));
        assert_eq!(found[0].first_seen, START.plus(3 * Micros::SECOND));

        let asked = SessionsOf { site: SITE, visitor: newest, since: found[0].first_seen };
        let sessions = lookup.sessions(&[asked])?;
        assert_eq!(sessions.len(), 1);
        assert_eq!(sessions[0].session, sample::session(newest, asked.since, asked.since, 1, Sign::Add).session);
        let too_late = SessionsOf { since: asked.since.plus(1), ..asked };
        assert_eq!(lookup.sessions(&[too_late])?, []);
    }
    // Four events a commit, a second apart: both bounds are of the id's own milliseconds, the upper one exclusive.
    let ms = START.0 as u64 / 1_000;
    assert_eq!(lookup.ids(SITE, ms, ms + 3_001)?.len(), 20);
    assert_eq!(lookup.ids(SITE, ms + 1, ms + 3_000)?.len(), 10);
    assert_eq!(lookup.ids(SITE, 0, u64::MAX)?.len(), 20);
    assert_eq!(lookup.ids(SiteId(8), 0, u64::MAX)?, []);

    let (known, unknown) = (sample::id(START, u128::from(no(0).0)), sample::id(START, 12_345));
    assert_eq!(lookup.visitors_of_events(SITE, &[unknown, known])?, [(known, no(0))]);
    Ok(())
}

pub(super) async fn a_retracted_row_is_not_found(store: &impl Store) -> Result<(), Error> {
    let lookup = store.lookup();
    let (early, late) = (START, START.plus(Micros::MINUTE));
    let mut commit = Commit::default();
    commit.sessions.push(sample::session(no(0), late, late, 1, Sign::Add));
    commit.visitors.push(sample::visitor(no(0), late, Sign::Add));
    store.commit(commit).await?;

    let mut commit = Commit::default();
    commit.sessions.push(sample::session(no(0), late, late, 1, Sign::Retract));
    commit.sessions.push(sample::session(no(0), early, late, 2, Sign::Add));
    commit.visitors.push(sample::visitor(no(0), late, Sign::Retract));
    commit.visitors.push(sample::visitor(no(0), early, Sign::Add));
    store.commit(commit).await?;

    let asked = SessionsOf { site: SITE, visitor: no(0), since: Micros(i64::MIN) };
    // Asked twice, answered once.
    let found = lookup.sessions(&[asked, asked])?;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].session.events, 2);
    let known = lookup.visitors(SITE, PARTITION, &[sample::key(no(0))])?;
    assert_eq!(known.iter().map(|known| known.first_seen).collect::<Vec<_>>(), [early]);
    Ok(())
}

pub(super) async fn many_keys_are_found_as_few_are(store: &impl Store) -> Result<(), Error> {
    store.commit(sample::commit(PARTITION, 0, 1, 6_000)).await?;
    let lookup = store.lookup();
    let keys: Vec<VisitorKey> = (0..9_000).map(|ordinal| sample::key(no(ordinal))).collect();
    let mut found: Vec<u64> =
        lookup.visitors(SITE, PARTITION, &keys)?.iter().map(|known| known.visitor.ordinal()).collect();
    found.sort_unstable();
    assert_eq!(found, (0..6_000).collect::<Vec<_>>());
    assert_eq!(lookup.visitors(SITE, PARTITION, &keys[5_998..6_002])?.len(), 2);
    assert_eq!(lookup.visitors(SITE, PartitionId(3), &keys)?, [], "another partition's visitors are not asked for");
    assert_eq!(lookup.visitors(SITE, PARTITION, &[])?, []);

    let asked = |ordinal| SessionsOf { site: SITE, visitor: no(ordinal), since: Micros(0) };
    assert_eq!(lookup.sessions(&(0..9_000).map(asked).collect::<Vec<_>>())?.len(), 6_000);
    Ok(())
}

pub(super) async fn a_history_holds_all_that_a_repair_needs(store: &impl Store) -> Result<(), Error> {
    let mut events = EventColumns::default();
    // Committed in another order than that of time; two at one instant are ordered by id.
    for (second, number, name) in [(9, 1, "page_view"), (3, 5, "click"), (3, 4, "page_view")] {
        let row = sample::event(no(1), START.plus(second * Micros::SECOND), number);
        events.push(&EventRow { name, bot: number == 5, ..row });
    }
    let mut commit = Commit { events, ..Commit::default() };
    let (first, last) = (START.plus(3 * Micros::SECOND), START.plus(9 * Micros::SECOND));
    commit.sessions.push(sample::session(no(1), first, last, 3, Sign::Add));
    commit.visitors.push(sample::visitor(no(2), first, Sign::Add));
    store.commit(commit).await?;

    let histories = store.lookup().histories(SITE, &[no(2), no(1), no(3)])?;
    assert_eq!(histories.iter().map(|history| history.visitor).collect::<Vec<_>>(), [no(2), no(1), no(3)]);
    assert_eq!(histories[0].known.map(|known| known.first_seen), Some(first));
    let of: Vec<_> = histories[1].events.iter().map(|e| (e.time, e.id, e.page_view, e.bot, &*e.page)).collect();
    let page = "example.com/a";
    assert_eq!(
        of,
        [
            (first, sample::id(first, 4), true, false, page),
            (first, sample::id(first, 5), false, true, page),
            (last, sample::id(last, 1), true, false, page)
        ]
    );
    assert_eq!((histories[1].sessions.len(), histories[1].known), (1, None));
    assert!(histories[2].events.is_empty() && histories[2].sessions.is_empty() && histories[2].known.is_none());
    Ok(())
}
