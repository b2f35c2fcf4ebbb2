//! S-5: rollups outside of dirty ranges equal the raw rows.

use super::sample::{self, SITE, START, ask, number};
use crate::{Cell, Commit, Error, EventColumns, EventRow, Refresh, Sign, Store, hour_of};
use pistats_core::{Day, Micros, PartitionId, VisitorNo};

const TRAFFIC_ROLLUP: &str = "SELECT site, bucket * 900000000, day, bot, events, page_views, value_count, value_sum, value_min, value_max \
                              FROM traffic_15m ORDER BY 1, 2, 3, 4";
const TRAFFIC_RAW: &str = "SELECT site, time_us - time_us % 900000000, day, bot, count(*), count(*) FILTER (WHERE name = 'page_view'), \
                           count(value), coalesce(sum(value), 0), min(value), max(value) \
                           FROM event GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";
const SESSION_ROLLUP: &str = "SELECT site, bucket * 900000000, day, kind, sessions, bounces, session_us, page_views \
                              FROM session_15m ORDER BY 1, 2, 3, 4";
const SESSION_RAW: &str = "SELECT site, first_us - first_us % 900000000, day, \
                           CASE WHEN bot_events = 0 THEN 0 WHEN bot_events = events THEN 1 ELSE 2 END, sum(sign), \
                           coalesce(sum(sign) FILTER (WHERE events = 1), 0), sum(sign * (last_us - first_us)), \
                           sum(sign * page_views) FROM session GROUP BY 1, 2, 3, 4 HAVING sum(sign) <> 0 \
                           ORDER BY 1, 2, 3, 4";

/// The minimal standard generator of Park and Miller (1988): the same rows on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0 * 48_271 % 0x7fff_ffff;
        self.0 % sides
    }
}

fn random_commit(dice: &mut Dice, number: u64) -> Commit {
    let mut commit = Commit::default();
    let mut columns = EventColumns::default();
    for at in 0..200 {
        // Six days, so that hours are shared and hours are missed.
        let time = START.plus(dice.below(6 * 86_400) as i64 * Micros::SECOND);
        let visitor = VisitorNo::new(PartitionId((at % 8) as u16), dice.below(40));
        let row = sample::event(visitor, time, u128::from(number * 1_000 + at));
        columns.push(&EventRow {
            day: Day(row.day.0 + dice.below(2) as i32),
            name: if dice.below(3) == 0 { "click" } else { "page_view" },
            bot: dice.below(5) == 0,
            value: (dice.below(2) == 0).then(|| dice.below(1_000) as i64 - 500),
            ..row
        });
        let events = 1 + dice.below(3);
        let mut version = sample::session(visitor, time, time.plus(events as i64 * Micros::MINUTE), events, Sign::Add);
        version.session.bot_events = dice.below(events + 1);
        commit.sessions.push(version.clone());
        if dice.below(2) == 0 {
            commit.sessions.push(crate::SessionVersion { sign: Sign::Retract, ..version });
        }
    }
    commit.events = columns;
    commit
}

async fn assert_rollups_equal_raw(store: &impl Store) -> Result<(), Error> {
    assert_eq!(ask(store, TRAFFIC_ROLLUP, vec![]).await?, ask(store, TRAFFIC_RAW, vec![]).await?);
    assert_eq!(ask(store, SESSION_ROLLUP, vec![]).await?, ask(store, SESSION_RAW, vec![]).await?);
    Ok(())
}

pub(super) async fn refreshed_rollups_equal_the_raw_rows(store: &impl Store) -> Result<(), Error> {
    let mut dice = Dice(20_250_101);
    for number in 0..6 {
        store.commit(random_commit(&mut dice, number)).await?;
        let refreshed = store.refresh(Refresh::hours(usize::MAX)).await?;
        assert!(refreshed.hours > 0);
        assert_eq!(refreshed.hours_left, 0);
        assert_rollups_equal_raw(store).await?;
    }
    let idle = store.refresh(Refresh::hours(usize::MAX)).await?;
    assert_eq!((idle.hours, idle.hours_left), (0, 0));
    Ok(())
}

pub(super) async fn a_refresh_in_parts_does_not_lose_an_hour(store: &impl Store) -> Result<(), Error> {
    let mut dice = Dice(7);
    store.commit(random_commit(&mut dice, 0)).await?;
    let dirty = number(store, "SELECT count(*) FROM (SELECT DISTINCT site, hour FROM rollup_dirty) AS d").await? as u64;
    let mut left = dirty;
    while left > 0 {
        let refreshed = store.refresh(Refresh::hours(7)).await?;
        assert!(refreshed.hours <= 7);
        assert_eq!(refreshed.hours_left, left - refreshed.hours);
        left = refreshed.hours_left;
    }
    assert_rollups_equal_raw(store).await
}

/// Commits and refreshes race; in every snapshot all that is not marked must equal the raw rows.
pub(super) async fn a_mark_that_comes_during_a_refresh_stays(store: &impl Store) -> Result<(), Error> {
    let done = std::sync::atomic::AtomicBool::new(false);
    let commits = async {
        let mut dice = Dice(99);
        for number in 0..15 {
            store.commit(random_commit(&mut dice, number)).await?;
        }
        done.store(true, std::sync::atomic::Ordering::Release);
        Ok::<(), Error>(())
    };
    let refreshes = async {
        while !done.load(std::sync::atomic::Ordering::Acquire) {
            store.refresh(Refresh::hours(20)).await?;
            let wrong = number(
                store,
                "SELECT count(*) FROM \
                   (SELECT site, time_us - time_us % 3600000000 AS hour_us, count(*) AS events FROM event GROUP BY 1, 2) raw \
                   LEFT JOIN (SELECT site, (bucket - bucket % 4) * 900000000 AS hour_us, sum(events) AS events \
                              FROM traffic_15m GROUP BY 1, 2) rolled USING (site, hour_us) \
                 WHERE raw.events IS DISTINCT FROM rolled.events AND NOT EXISTS (\
                   SELECT 1 FROM rollup_dirty d WHERE d.site = raw.site AND d.hour * 3600000000 = raw.hour_us)",
            )
            .await?;
            assert_eq!(wrong, 0, "S-5: an hour without a mark differs from its raw rows");
        }
        Ok::<(), Error>(())
    };
    let (committed, refreshed) = tokio::join!(commits, refreshes);
    committed?;
    refreshed?;
    while store.refresh(Refresh::hours(1_000)).await?.hours_left > 0 {}
    assert_rollups_equal_raw(store).await?;

    // A session that moves its start marks both hours: the old one by its retraction.
    let (old, new) = (START, START.plus(-2 * Micros::HOUR));
    let mut commit = Commit::default();
    commit.sessions.push(sample::session(VisitorNo(0), old, old, 1, Sign::Retract));
    commit.sessions.push(sample::session(VisitorNo(0), new, old, 2, Sign::Add));
    store.commit(commit).await?;
    let marks = ask(store, "SELECT site, hour FROM rollup_dirty ORDER BY hour", vec![]).await?;
    let mark = |at| vec![Cell::Int(SITE.0.into()), Cell::Int(hour_of(at))];
    assert_eq!(marks, [mark(new), mark(old)]);
    Ok(())
}
