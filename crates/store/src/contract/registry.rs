//! Sites, keys, salts and refusals.

use super::sample::{START, id};
use crate::{Commit, Error, REJECTED_KEPT, Registry, RejectedQuery, RejectedRow, Store};
use pistats_core::directory::{Key, KeyHash, Site};
use pistats_core::{Day, DaySalt, Micros, Reason, Scope, SiteId, Zone};

pub(super) async fn sites_and_keys_come_back(store: &impl Registry) -> Result<(), Error> {
    assert!(store.directory().await?.sites().is_empty());
    let zone = Zone::named("Australia/Lord_Howe").unwrap_or_else(|_| Zone::utc());
    let mut site = Site::new(SiteId(3), "example.com", zone, START);
    store.put_site(&site).await?;
    let mut key = Key {
        id: "k1".to_owned(),
        hash: KeyHash::of("secret"),
        scope: Scope::Read,
        site: Some(SiteId(3)),
        name: "it's mine".to_owned(),
        created: START,
        revoked: false,
    };
    store.put_key(&key).await?;
    let instance =
        Key { id: "k0".to_owned(), hash: KeyHash::of("root"), scope: Scope::Instance, site: None, ..key.clone() };
    store.put_key(&instance).await?;

    let directory = store.directory().await?;
    assert_eq!(directory.site(SiteId(3)), Some(&site));
    site.origins = ["example.com", "127.0.0.1:3000", "[::1]"].iter().flat_map(|rule| rule.parse()).collect();
    site.cookieless = true;
    store.put_site(&site).await?;
    assert_eq!(store.directory().await?.sites(), [&site], "as it is now, and once");
    site.zone = Zone::utc();
    store.change_zone(&site).await?;
    assert_eq!(store.directory().await?.site(SiteId(3)), Some(&site), "another zone changes nothing else");
    (site.origins, site.cookieless, site.cookieless_until) = (Vec::new(), false, Some(START));
    store.put_site(&site).await?;
    let directory = store.directory().await?;
    assert_eq!(directory.site(SiteId(3)), Some(&site));
    assert_eq!(directory.authenticate("secret"), Some(&key));
    assert_eq!(directory.authenticate("root"), Some(&instance));

    key.revoked = true;
    store.put_key(&key).await?;
    let directory = store.directory().await?;
    assert_eq!(directory.authenticate("secret"), None);
    assert_eq!(directory.keys().len(), 2);
    Ok(())
}

pub(super) async fn a_fact_is_kept_once(store: &impl Registry) -> Result<(), Error> {
    assert_eq!(store.agree("secret", "it's this").await?, "it's this");
    assert_eq!(store.agree("secret", "another").await?, "it's this", "what is stored stays");
    assert_eq!(store.agree("other", "another").await?, "another");
    let (one, two) = tokio::join!(store.agree("third", "one"), store.agree("third", "two"));
    assert_eq!(one?, two?, "of two at once one wins, and both learn which");
    Ok(())
}

pub(super) async fn a_salt_is_shared_until_its_time_is_over_and_then_gone(store: &impl Registry) -> Result<(), Error> {
    let salt = |zone: &str, day: i32, secret: u8| DaySalt {
        zone: zone.to_owned(),
        day: Day(day),
        until: START.plus(i64::from(day) * Micros::DAY),
        secret: [secret; 32],
    };
    let (berlin, utc, next) = (salt("Europe/Berlin", 2, 1), salt("UTC", 2, 2), salt("Europe/Berlin", 3, 3));
    assert_eq!(store.share_salts(&[utc.clone(), berlin.clone()], START).await?, [berlin.clone(), utc.clone()]);
    let others = [salt("Europe/Berlin", 2, 9), next.clone()];
    let all = [berlin.clone(), next.clone(), utc.clone()];
    assert_eq!(store.share_salts(&others, START).await?, all, "what is there stays, what was lacking is taken");
    let (one, two) = (salt("Asia/Kolkata", 2, 4), salt("Asia/Kolkata", 2, 5));
    let at_once = tokio::join!(
        store.share_salts(std::slice::from_ref(&one), START),
        store.share_salts(std::slice::from_ref(&two), START)
    );
    assert_eq!(at_once.0?, at_once.1?, "of two at once one wins, and both learn which");

    let end = berlin.until;
    assert_eq!(store.share_salts(&[], end.plus(-1)).await?.len(), 4, "up to the last microsecond it is there");
    assert_eq!(store.share_salts(&[], end).await?, std::slice::from_ref(&next));
    assert_eq!(store.share_salts(&[berlin], end).await?, [next], "nobody brings back what is over");
    Ok(())
}

fn refusal(site: SiteId, number: u64, reason: Reason) -> RejectedRow {
    RejectedRow {
        id: id(START, number.into()).0,
        site,
        received: START.plus(number as i64),
        reason,
        field: "properties[\"plan\"]".to_owned(),
        message: "too long; cut it".to_owned(),
        payload: vec![0, 255, b'\'', 10],
        payload_bytes: 70_000,
        user_agent: "curl".to_owned(),
    }
}

pub(super) async fn refusals_are_listed_counted_and_bounded<W: Store + Registry>(store: &W) -> Result<(), Error> {
    let (site, other) = (SiteId(1), SiteId(2));
    let all = RejectedQuery { site, reason: None, ids: vec![], limit: usize::MAX >> 1 };
    let commit = |rejected: Vec<RejectedRow>| store.commit(Commit { rejected, ..Commit::default() });
    commit(vec![
        refusal(site, 1, Reason::TextTooLong),
        refusal(other, 2, Reason::TextTooLong),
        refusal(site, 3, Reason::InvalidId),
    ])
    .await?;
    let newest_first = [refusal(site, 3, Reason::InvalidId), refusal(site, 1, Reason::TextTooLong)];
    assert_eq!(store.rejected(all.clone()).await?, newest_first);
    assert_eq!(store.rejected(RejectedQuery { limit: 1, ..all.clone() }).await?, newest_first[..1]);
    let by_reason = RejectedQuery { reason: Some(Reason::TextTooLong), ..all.clone() };
    assert_eq!(store.rejected(by_reason).await?, newest_first[1..]);
    let by_id = RejectedQuery { ids: vec![newest_first[1].id, refusal(other, 2, Reason::InvalidId).id], ..all.clone() };
    assert_eq!(store.rejected(by_id).await?, newest_first[1..], "another site's refusal is not seen");

    store.forget_rejected(site, &[newest_first[0].id, refusal(other, 2, Reason::InvalidId).id]).await?;
    assert_eq!(store.rejected(all.clone()).await?, newest_first[1..]);
    let others = RejectedQuery { site: other, ..all.clone() };
    assert_eq!(store.rejected(others.clone()).await?.len(), 1, "another site's refusal is not forgotten");
    assert_eq!(store.rejected_counts(site).await?, [(Reason::TextTooLong, 1), (Reason::InvalidId, 1)]);

    // One is left from above; up to the bound all stay, past it the oldest go.
    let kept = REJECTED_KEPT as u64;
    commit((10..10 + kept - 1).map(|number| refusal(site, number, Reason::Malformed)).collect()).await?;
    let rows = store.rejected(all.clone()).await?;
    assert_eq!((rows.len(), rows.last().map(|row| row.received)), (REJECTED_KEPT, Some(START.plus(1))));
    commit(vec![refusal(site, 20_000, Reason::Malformed)]).await?;
    let rows = store.rejected(all).await?;
    let times = (rows.first().map(|row| row.received), rows.last().map(|row| row.received));
    assert_eq!((rows.len(), times), (REJECTED_KEPT, (Some(START.plus(20_000)), Some(Micros(START.0 + 10)))));
    let counts = [(Reason::Malformed, kept), (Reason::TextTooLong, 1), (Reason::InvalidId, 1)];
    assert_eq!(store.rejected_counts(site).await?, counts);
    assert_eq!(store.rejected(others).await?.len(), 1);
    Ok(())
}
