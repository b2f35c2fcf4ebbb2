//! A site's change of zone: every local day is made anew, as a whole, and nothing else.

use super::history::{History, local_day};
use super::sample::{SITE, START, ask, number};
use crate::contract::assert_sheets_equal_raw;
use crate::{Commit, Error, Refresh, Registry, Store};
use pistats_core::directory::Site;
use pistats_core::{Micros, PartitionId, SiteId, VisitorNo, Zone};

const OTHER: SiteId = SiteId(SITE.0 + 1);

fn site(id: SiteId, zone: &Zone) -> Site {
    Site::new(id, format!("site {}", id.0), zone.clone(), START)
}

/// The days of all rows of a site that differ from what a rule says; how many rows there are.
async fn wrong_days(store: &impl Store, site: SiteId, day_of: impl Fn(Micros) -> i64) -> Result<(usize, usize), Error> {
    let sql = "SELECT time_us, day FROM event WHERE site = $1 UNION ALL SELECT first_us, day FROM session WHERE site = $1 \
               UNION ALL SELECT first_us, first_day FROM visitor WHERE site = $1";
    let rows = ask(store, sql, vec![i64::from(site.0).into()]).await?;
    let wrong = rows.iter().filter(|row| day_of(Micros(row[0].int())) != row[1].int()).count();
    Ok((wrong, rows.len()))
}

async fn generation(store: &impl Store) -> Result<u64, Error> {
    Ok(store.read(vec![]).await?.as_of.generation.0)
}

pub(super) async fn another_zone_moves_every_row_of_its_site_and_no_other<W: Store + Registry>(
    store: &W,
) -> Result<(), Error> {
    // A lone name stands in where a platform lacks the zone: the case then says so by failing.
    let zone = |name: &str| Zone::named(name).unwrap_or_else(|_| Zone::utc());
    let before = zone("America/Noronha");
    for id in [SITE, OTHER] {
        store.put_site(&site(id, &before)).await?;
    }
    let mut history = History::new(9);
    for round in 0..6 {
        store.commit(history.commit(60)).await?;
        let mut commit = Commit::default();
        // Around both changes of Berlin's clock, by the half hour; and the very first day of time.
        for around in [1_711_846_800_i64, 1_729_990_800, 86_400] {
            let visitor = VisitorNo::new(PartitionId(3), 20 + round);
            let half_hours = history.dice.below(96) as i64 - 48;
            let time = Micros((around + half_hours * 1_800).max(0) * Micros::SECOND);
            history.add(&mut commit, SITE, visitor, time);
        }
        store.commit(commit).await?;
        store.refresh(Refresh { hours: 5, days: 3, calm_to: u64::MAX }).await?;
    }
    let old_day = |time| i64::from(local_day(time).0);
    let (wrong, rows) = wrong_days(store, SITE, old_day).await?;
    assert!(wrong == 0 && rows > 300, "{wrong} of {rows} rows do not stand where the history put them");
    let others = wrong_days(store, OTHER, old_day).await?;
    let was = generation(store).await?;

    for (turn, name) in ["Europe/Berlin", "Pacific/Apia", "America/St_Johns", "UTC"].into_iter().enumerate() {
        let new = zone(name);
        let moved = site(SITE, &new);
        // A refresh that is asked for at the same time takes its turn before or after.
        let (refreshed, changed) = tokio::join!(store.refresh(Refresh::EVERYTHING), store.change_zone(&moved));
        refreshed?;
        changed?;
        let new_day = |time| i64::from(new.day_of(time).0);
        assert_eq!(wrong_days(store, SITE, new_day).await?, (0, rows), "{name}");
        assert_eq!(wrong_days(store, OTHER, old_day).await?, others, "{name}: another site's rows stay");
        assert_eq!(generation(store).await?, was + 1 + turn as u64, "{name}: a new generation");
        assert_eq!(store.directory().await?.site(SITE).map(|site| site.zone.name().to_owned()), Some(name.to_owned()));

        // Before and after a refresh: what is not marked equals the raw rows.
        for state in ["behind", "fresh"] {
            let sql = "SELECT count(*) FROM (\
                 SELECT site, bucket * 900000000, day, bot, sum(events) FROM traffic_15m r WHERE NOT EXISTS (\
                   SELECT 1 FROM rollup_dirty d WHERE d.site = r.site AND d.hour * 4 = r.bucket - r.bucket % 4) \
                 GROUP BY site, bucket, day, bot \
                 EXCEPT SELECT site, time_us - time_us % 900000000, day, bot, count(*) FROM event GROUP BY 1, 2, 3, 4) AS x";
            assert_eq!(number(store, sql).await?, 0, "{name}: rollups that are {state}");
            let sql = "SELECT count(*) FROM event e WHERE NOT EXISTS (\
                 SELECT 1 FROM rollup_dirty d WHERE d.site = e.site AND d.hour * 3600000000 = e.time_us - e.time_us % 3600000000) \
                 AND NOT EXISTS (SELECT 1 FROM traffic_15m r WHERE r.site = e.site AND r.day = e.day \
                   AND r.bucket * 900000000 = e.time_us - e.time_us % 900000000)";
            assert_eq!(
                number(store, sql).await?,
                0,
                "{name}: events that neither a mark nor a rollup tells of, {state}"
            );
            assert_sheets_equal_raw(store).await?;
            store.refresh(Refresh::EVERYTHING).await?;
        }
        assert_eq!(number(store, "SELECT count(*) FROM rollup_dirty").await?, 0);
        assert_eq!(number(store, "SELECT count(*) FROM sheet_dirty").await?, 0);
    }
    Ok(())
}

pub(super) async fn a_site_without_rows_changes_its_zone_too<W: Store + Registry>(store: &W) -> Result<(), Error> {
    store.put_site(&site(SITE, &Zone::utc())).await?;
    let was = generation(store).await?;
    let zone = Zone::named("Asia/Kathmandu").unwrap_or_else(|_| Zone::utc());
    store.change_zone(&Site { name: "renamed".to_owned(), ..site(SITE, &zone) }).await?;
    let directory = store.directory().await?;
    let found = directory.site(SITE).map(|site| (site.name.clone(), site.zone.name().to_owned()));
    assert_eq!(found, Some(("renamed".to_owned(), "Asia/Kathmandu".to_owned())));
    assert_eq!((directory.sites().len(), generation(store).await?), (1, was + 1));
    Ok(())
}
