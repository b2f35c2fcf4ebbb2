//! `Realtime`: what the living side says, of the key's site only, and refusals.

use crate::refusals::fields;
use crate::warehouse::{WRITE_KEY, Warehouse, asked, with_key};
use pistats_core::report::{AsOf, Bots, Realtime, Trend};
use pistats_core::{Changes, Generation, Micros, Offset, SiteId, Zone};
use pistats_proto::query::v1::query_service_server::QueryService;
use pistats_proto::query::v1::{self, LiveRow, RealtimeRequest, RealtimeResponse};
use pistats_query::{Living, Nothing, Query, Unreachable};
use std::sync::Arc;
use tokio::sync::broadcast;
use tonic::Code;

/// Answers with what it was asked: site, mode and limit.
struct Echo;

#[tonic::async_trait]
impl Living for Echo {
    fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        Nothing::default().changes()
    }

    async fn realtime(&self, site: SiteId, bots: Bots, limit: usize) -> Result<Realtime, Unreachable> {
        let page = (Arc::from(format!("{bots:?}")), limit as u64);
        let as_of = AsOf { generation: Generation(3), next_offsets: vec![Offset(5), Offset(8)] };
        let trend = Trend { topic: "tea".into(), score: 2.5, rate: 3.0, usual: 0.5 };
        Ok(Realtime {
            now: Micros(77),
            current_visitors: u64::from(site.0),
            received: 25,
            minutes: vec![1, 2],
            top_pages: vec![page],
            top_sources: Vec::new(),
            top_countries: Vec::new(),
            trending: vec![trend],
            as_of,
            is_cut: true,
        })
    }

    fn moved(&self, _: SiteId) -> u64 {
        0
    }
}

fn service() -> Query {
    let utc = Zone::utc();
    let warehouse = Warehouse::new(&[(1, &utc), (2, &utc)]);
    warehouse.service_with(warehouse.store.clone(), Arc::new(Echo))
}

async fn ask(service: &Query, site: u32, bots: v1::Bots, limit: u32) -> RealtimeResponse {
    let request = RealtimeRequest { bots: bots.into(), limit };
    service.realtime(asked(site, request)).await.unwrap().into_inner()
}

#[tokio::test]
async fn the_living_side_is_asked_for_the_keys_site_and_answers_whole() {
    let service = service();
    for (bots, mode) in [
        (v1::Bots::Unspecified, "Exclude"),
        (v1::Bots::Exclude, "Exclude"),
        (v1::Bots::Include, "Include"),
        (v1::Bots::Only, "Only"),
    ] {
        for site in [1, 2] {
            let expected = RealtimeResponse {
                now_us: 77,
                current_visitors: u64::from(site),
                events_per_second: 2.5,
                minutes: vec![1, 2],
                top_pages: vec![LiveRow { value: mode.into(), visitors: 10 }],
                trending: vec![v1::Trend { topic: "tea".into(), score: 2.5, rate: 3.0, usual: 0.5 }],
                as_of: Some(v1::AsOf { generation: 3, next_offsets: vec![5, 8] }),
                is_cut: true,
                ..RealtimeResponse::default()
            };
            assert_eq!(ask(&service, site, bots, 0).await, expected);
        }
    }
}

#[tokio::test]
async fn a_hundred_rows_are_given_and_one_more_is_refused() {
    let service = service();
    assert_eq!(ask(&service, 1, v1::Bots::Exclude, 100).await.top_pages[0].visitors, 100);
    let service = &service;
    let refused = |request| async move { service.realtime(asked(1, request)).await.unwrap_err() };
    assert_eq!(fields(refused(RealtimeRequest { bots: 0, limit: 101 }).await), ["limit"]);
    assert_eq!(fields(refused(RealtimeRequest { bots: 9, limit: 101 }).await), ["bots", "limit"]);
}

#[tokio::test]
async fn who_may_not_read_sees_nothing_and_who_folds_nothing_says_so() {
    let request = RealtimeRequest::default();
    let refused = service().realtime(with_key(WRITE_KEY, request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = service().realtime(with_key("nobody", request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let alone = Warehouse::new(&[(1, &Zone::utc())]).service();
    assert_eq!(alone.realtime(asked(1, request)).await.unwrap_err().code(), Code::Unavailable);
}
