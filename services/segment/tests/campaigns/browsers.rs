//! What pages ask: the key, a subscription, its end; and which pages may.

use crate::house::{House, MANAGE, OTHER_WRITE, READ, WRITE, asked, endpoint, key, subscription};
use pistats_proto::push::v1::push_service_server::PushService;
use pistats_proto::push::v1::*;
use pistats_store::Subscriptions;
use tonic::Code;
use tonic_types::StatusExt;

fn wish(browser: &str) -> SubscribeRequest {
    let subscription = Some(subscription(browser));
    SubscribeRequest { subscription, visitor_id: "visitor 1".into(), time_zone: "Europe/Berlin".into() }
}

#[tokio::test]
async fn a_sites_key_is_made_once_and_is_the_same_for_everybody() {
    let house = House::idle();
    let key = async |with| {
        let told = house.push.get_push_key(asked(with, GetPushKeyRequest {})).await.unwrap();
        told.into_inner().public_key
    };
    let first = key(WRITE).await;
    assert_eq!((first.len(), first[0]), (65, 4));
    assert_eq!((key(READ).await, key(MANAGE).await), (first.clone(), first.clone()));
    assert_ne!(key(OTHER_WRITE).await, first, "another site's is another");
}

#[tokio::test]
async fn a_subscription_is_kept_once_for_its_visitor_and_ends_without_complaint() {
    let house = House::idle();
    house.push.subscribe(asked(WRITE, wish("a"))).await.unwrap();
    house.push.subscribe(asked(WRITE, wish("a"))).await.unwrap();
    let kept = house.store.subscriptions_of(crate::house::SITE, key(1)).await.unwrap();
    assert_eq!((kept.len(), kept[0].time_zone.as_str()), (1, "Europe/Berlin"));
    let gone = || asked(WRITE, UnsubscribeRequest { endpoint: endpoint("a") });
    house.push.unsubscribe(gone()).await.unwrap();
    house.push.unsubscribe(gone()).await.unwrap();
    assert!(house.store.subscriptions_of(crate::house::SITE, key(1)).await.unwrap().is_empty());
    let empty = house.push.unsubscribe(asked(WRITE, UnsubscribeRequest::default())).await.unwrap_err();
    assert_eq!(empty.get_details_bad_request().unwrap().field_violations[0].field, "endpoint");
}

#[tokio::test]
async fn every_wrong_field_of_a_subscription_is_named() {
    let house = House::idle();
    let with = |change: fn(&mut SubscribeRequest)| {
        let mut request = wish("a");
        change(&mut request);
        request
    };
    fn inner(request: &mut SubscribeRequest) -> &mut Subscription {
        request.subscription.as_mut().unwrap()
    }
    for (field, request) in [
        ("subscription", with(|request| request.subscription = None)),
        ("subscription.endpoint", with(|request| inner(request).endpoint = "http://push.example.net/a".into())),
        ("subscription.endpoint", with(|request| inner(request).endpoint = "https://127.0.0.1/a".into())),
        (
            "subscription.endpoint",
            with(|request| inner(request).endpoint = format!("https://p.net/{}", "p".repeat(2_035))),
        ),
        ("subscription.p256dh", with(|request| inner(request).p256dh = vec![4; 65].into())),
        ("subscription.auth", with(|request| inner(request).auth = vec![1; 15].into())),
        ("visitor_id", with(|request| request.visitor_id.clear())),
        ("time_zone", with(|request| request.time_zone = "a b".into())),
    ] {
        let refused = house.push.subscribe(asked(WRITE, request)).await.expect_err(field);
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, field, "{refused}");
    }
    let longest = with(|request| inner(request).endpoint = format!("https://p.net/{}", "p".repeat(2_034)));
    house.push.subscribe(asked(WRITE, longest)).await.unwrap();
    house.push.subscribe(asked(WRITE, with(|request| request.time_zone = "Nowhere/Land".into()))).await.unwrap();
}

#[tokio::test]
async fn who_subscribes_is_the_keys_the_pages_and_the_sites_business() {
    let house = House::idle();
    for (key, code) in [(READ, Code::PermissionDenied), (MANAGE, Code::PermissionDenied), ("x", Code::Unauthenticated)]
    {
        assert_eq!(house.push.subscribe(asked(key, wish("a"))).await.unwrap_err().code(), code);
    }
    let page = |origin: &str| {
        let mut request = asked(WRITE, wish("a"));
        request.metadata_mut().insert("origin", origin.parse().unwrap());
        request
    };
    let foreign = house.push.subscribe(page("https://evil.example")).await.unwrap_err();
    assert_eq!(foreign.code(), Code::PermissionDenied);
    assert_eq!(foreign.get_details_error_info().unwrap().reason, "ORIGIN_NOT_ALLOWED");
    house.push.subscribe(page("https://shop.example.org")).await.unwrap();
    let cookieless = house.push.subscribe(asked(OTHER_WRITE, wish("a"))).await.unwrap_err();
    assert_eq!(cookieless.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn the_twentieth_browser_of_a_visitor_is_kept_and_the_next_is_not() {
    let house = House::idle();
    for number in 0..20 {
        house.push.subscribe(asked(WRITE, wish(&format!("b{number}")))).await.unwrap();
    }
    let refused = house.push.subscribe(asked(WRITE, wish("one-more"))).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    house.push.subscribe(asked(WRITE, wish("b7"))).await.unwrap();
}
