//! P-7: a tenant sees its own. The site comes from the key alone, and a key does what its scope says.

use crate::harness::{Instance, days, traffic};
use pistats::client::channel;
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::admin::v1::{CreateKeyRequest, ListKeysRequest, ListSitesRequest, RevokeKeyRequest, Scope};
use pistats_proto::aggregate::v1::ListPartitionsRequest;
use pistats_proto::aggregate::v1::aggregate_service_client::AggregateServiceClient;
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::ingest::v1::{CollectRequest, Event};
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_proto::query::v1::*;
use tonic::Code;

fn visit(visitor: &str) -> Event {
    let time_us = Some(1_714_557_600_000_000);
    Event { visitor_id: visitor.to_owned(), url: format!("/of-{visitor}"), time_us, ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_report_tells_of_another_site() {
    let instance = Instance::start().await;
    let (ours, theirs) = (instance.site("ours", "UTC").await, instance.site("theirs", "UTC").await);
    ours.collect(vec![vec![visit("ada")]], 1).await;
    // The same visitor id and event id are others on another site.
    let shared = Event { id: pistats_core::EventId::from_parts(1, 1).0.to_vec().into(), ..visit("ada") };
    ours.collect(vec![vec![shared.clone()]], 1).await;
    theirs.collect(vec![vec![shared, visit("bob"), visit("eve")]], 1).await;
    instance.settle().await;
    let range = days("2024-05-01", "2024-05-01");
    for (site, events, visitors) in [(&ours, 2, 1), (&theirs, 3, 3)] {
        let request = traffic(range.clone(), Interval::Unspecified);
        let total = site.queries().traffic(request).await.unwrap().into_inner().total.unwrap();
        assert_eq!((total.events, total.visitors, total.new_visitors), (events, visitors, visitors));
    }
    let export = ExportRequest { range, bots: Bots::Include.into(), ..Default::default() };
    let mut pages = ours.queries().export(export).await.unwrap().into_inner();
    while let Some(page) = pages.message().await.unwrap() {
        assert!(page.events.iter().all(|event| event.url == "/of-ada"));
    }
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_does_what_its_scope_says_and_nothing_else() {
    let instance = Instance::start().await;
    let site = instance.site("ours", "UTC").await;
    let other = instance.site("theirs", "UTC").await;
    let mut admin = AdminServiceClient::new(instance.instance_channel());
    let wish = CreateKeyRequest { site_id: 1, scope: Scope::Manage.into(), name: "m".to_owned() };
    let manage = admin.create_key(wish).await.unwrap().into_inner().key.unwrap().secret;
    let instance_key = instance.running.secrets.instance_key.clone();
    instance.heard().await;

    let report = || traffic(days("2024-05-01", "2024-05-01"), Interval::Unspecified);
    let batch = || CollectRequest { events: vec![visit("ada")] };
    // Who may: report, collect, see partitions, see sites.
    for (key, may) in [
        (&site.read, [true, false, false, false]),
        (&site.server_key, [false, true, false, false]),
        (&manage, [false, false, false, true]),
        (&instance_key, [false, false, true, true]),
    ] {
        let channel = channel(&site.server, key).unwrap();
        let answers = [
            QueryServiceClient::new(channel.clone()).traffic(report()).await.err(),
            IngestServiceClient::new(channel.clone()).collect(batch()).await.err(),
            AggregateServiceClient::new(channel.clone()).list_partitions(ListPartitionsRequest {}).await.err(),
            AdminServiceClient::new(channel).list_sites(ListSitesRequest {}).await.err(),
        ];
        for (answer, may) in answers.into_iter().zip(may) {
            assert_eq!(answer.map(|status| status.code()), (!may).then_some(Code::PermissionDenied), "{key}");
        }
    }

    // A manage key opens its own site only, by no other's name and no other's key.
    let mut managing = AdminServiceClient::new(channel(&site.server, &manage).unwrap());
    let sites = managing.list_sites(ListSitesRequest {}).await.unwrap().into_inner().sites;
    assert_eq!(sites.iter().map(|site| site.name.as_str()).collect::<Vec<_>>(), ["ours"]);
    let refused = managing.list_keys(ListKeysRequest { site_id: 2 }).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let theirs = admin.list_keys(ListKeysRequest { site_id: 2 }).await.unwrap().into_inner().keys;
    let refused = managing.revoke_key(RevokeKeyRequest { key_id: theirs[0].id.clone() }).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    other.collect(vec![vec![visit("bob")]], 1).await;

    // No key and a wrong one are told apart from a wrong scope.
    let mut stranger = QueryServiceClient::new(channel(&site.server, "pst_read_nobody").unwrap());
    assert_eq!(stranger.traffic(report()).await.unwrap_err().code(), Code::Unauthenticated);
    instance.stop().await;
}
