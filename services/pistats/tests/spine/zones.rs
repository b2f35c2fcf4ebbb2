//! A site's change of zone: afterwards everything is answered as if the site had had the new zone from the beginning.

use crate::harness::{Instance, Site, days, traffic};
use crate::process::Server;
use crate::topology::or_apart;
use crate::{asked, compare, oracle, reports};
use pistats::client::channel;
use pistats_core::Zone;
use pistats_proto::admin::v1::admin_service_client::AdminServiceClient;
use pistats_proto::admin::v1::*;
use pistats_proto::query::v1::Interval;
use pistats_rpc::client::Channel;
use pistats_testkit::Oracle;
use pistats_testkit::data::{self, Set};
use pistats_testkit::histories::{History, PeopleQuestion, people_questions, questions, zones};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::time::{Duration, Instant};
use tonic::{Code, Response, Status};

type AdminClient = AdminServiceClient<Channel>;

async fn site_id(admin: &mut AdminClient, name: &str) -> u32 {
    let sites = admin.list_sites(ListSitesRequest {}).await.unwrap().into_inner().sites;
    sites.iter().find(|site| site.name == name).unwrap().id
}

async fn set_zone(admin: &mut AdminClient, site_id: u32, zone: &str) -> Result<UpdateSiteResponse, Status> {
    let request = UpdateSiteRequest { site_id, time_zone: zone.to_owned(), ..Default::default() };
    admin.update_site(request).await.map(Response::into_inner)
}

async fn generation(site: &Site) -> u64 {
    let request = traffic(days("2024-01-01", "2024-01-01"), Interval::Unspecified);
    site.queries().traffic(request).await.unwrap().into_inner().as_of.unwrap().generation
}

/// Asks so many questions of each kind.
async fn assert_as_the_oracle(site: &Site, oracle: &Oracle, zone: &Zone, seed: u64, count: usize, when: &str) {
    for question in questions(seed, oracle, zone).take(count) {
        let what = format!("{when}, zone {}, seed {seed}, {question:#?}", zone.name());
        oracle::check(site, oracle, zone, question, &what).await;
    }
    for question in people_questions(seed, oracle, zone).take(count) {
        let what = format!("{when}, zone {}, seed {seed}, {question:#?}", zone.name());
        let mut queries = site.queries();
        match question {
            PeopleQuestion::Retention(question) => {
                let found = queries.retention(asked::retention(&question)).await.map(Response::into_inner);
                compare::retention(found, oracle, zone, &question, &what);
            }
            PeopleQuestion::Funnel(question) => {
                let found = queries.funnel(asked::funnel(&question)).await.map(Response::into_inner);
                compare::funnel(found, oracle, zone, &question, &what);
            }
            PeopleQuestion::Journey { visitor, sessions, before } => {
                let found = queries.journey(asked::journey(&visitor, sessions, before)).await;
                compare::journey(found.map(Response::into_inner), oracle, (&visitor, sessions, before), &what);
            }
            PeopleQuestion::Count(question) => oracle::check(site, oracle, zone, question, &what).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_report_answers_as_the_oracle_does_under_the_new_zone() {
    let instance = Instance::start_with(|config| {
        config.aggregate.commit_events = 200;
        config.aggregate.calm_ms = 0;
    })
    .await;
    let mut admin = AdminServiceClient::new(instance.instance_channel());
    let zones = zones();
    let mut sites = Vec::new();
    for (number, old) in zones.iter().enumerate() {
        let seed = 400 + number as u64;
        let name = format!("site {number}");
        let history = History::random(seed, old, 500, 60).shuffle(seed);
        let site = instance.site(&name, old.name()).await;
        let early: Vec<_> = history.sent[..300].iter().map(asked::message).collect();
        site.collect(early.chunks(29).map(<[_]>::to_vec).collect(), 3).await;
        sites.push((site, site_id(&mut admin, &name).await, history, &zones[(number + 1) % zones.len()]));
    }
    instance.settle().await;
    // Rollups and sheets of the old days are built.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let mut before = generation(&sites[0].0).await;
    for (site, id, history, new) in &sites {
        let late: Vec<_> = history.sent[300..].iter().map(asked::message).collect();
        let batches: Vec<Vec<_>> = late.chunks(7).map(<[_]>::to_vec).collect();
        let collecting = site.collect(batches, 2);
        let changing = async {
            tokio::time::sleep(Duration::from_millis(3)).await;
            set_zone(&mut admin, *id, new.name()).await.unwrap()
        };
        let ((), told) = tokio::join!(collecting, changing);
        assert_eq!(told.site.unwrap().time_zone, new.name());
        let after = generation(site).await;
        assert!(after > before, "a change of zone is a new generation: {before}, then {after}");
        before = after;
    }
    instance.settle().await;
    for (number, (site, _, history, new)) in sites.iter().enumerate() {
        assert_as_the_oracle(site, &history.oracle(), new, number as u64, 20, "right after").await;
    }
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    for (number, (site, _, history, new)) in sites.iter().enumerate() {
        assert_as_the_oracle(site, &history.oracle(), new, 100 + number as u64, 20, "rollups and sheets made anew")
            .await;
    }
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_input_in_another_zone_is_as_if_it_had_been_imported_there() {
    let (set, first, last) =
        or_apart((Set::Usagov, "2012-12-31", "2013-05-18"), (Set::Elastic, "2015-05-16", "2015-05-21"));
    let Some(path) = data::events(set).unwrap() else { return };
    let instance = Instance::start_with(|config| config.aggregate.calm_ms = 0).await;
    let there = instance.site("there", "Asia/Kolkata").await;
    let moved = instance.site("moved", "America/New_York").await;
    for site in [&there, &moved] {
        site.import(&path, None).await;
    }
    instance.settle().await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let mut admin = AdminServiceClient::new(instance.instance_channel());
    let id = site_id(&mut admin, "moved").await;
    let since = Instant::now();
    set_zone(&mut admin, id, "Asia/Kolkata").await.unwrap();
    println!("a change of zone of all events of {set:?} took {:?}", since.elapsed());
    let expected = reports::all(&there, first, last).await;
    reports::assert_same(&reports::all(&moved, first, last).await, &expected, "in Kolkata");
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_changed_by_the_instance_or_its_own_manage_key_alone() {
    let instance = Instance::start().await;
    let mut admin = AdminServiceClient::new(instance.instance_channel());
    let site = instance.site("one", "UTC").await;
    instance.site("two", "UTC").await;
    let (one, two) = (site_id(&mut admin, "one").await, site_id(&mut admin, "two").await);
    let key = CreateKeyRequest { site_id: one, scope: Scope::Manage.into(), name: String::new() };
    let secret = admin.create_key(key).await.unwrap().into_inner().key.unwrap().secret;
    let client = |secret: &str| AdminServiceClient::new(channel(&instance.running.url(), secret).unwrap());
    let was = generation(&site).await;

    let mut manage = client(&secret);
    let renamed = UpdateSiteRequest { site_id: one, name: "uno".into(), time_zone: "UTC".into(), ..Default::default() };
    let told = manage.update_site(renamed).await.unwrap().into_inner().site.unwrap();
    assert_eq!((told.name.as_str(), told.time_zone.as_str()), ("uno", "UTC"));
    assert_eq!(generation(&site).await, was, "a name moves no day");
    assert_eq!(set_zone(&mut manage, one, "Asia/Kolkata").await.unwrap().site.unwrap().name, "uno");
    assert_eq!(generation(&site).await, was + 1);
    set_zone(&mut manage, one, "Asia/Kolkata").await.unwrap();
    assert_eq!(generation(&site).await, was + 1, "the same zone again changes nothing");

    let code = |answer: Result<UpdateSiteResponse, Status>| answer.unwrap_err().code();
    assert_eq!(code(set_zone(&mut manage, two, "UTC").await), Code::PermissionDenied);
    assert_eq!(code(set_zone(&mut client(&site.read), one, "UTC").await), Code::PermissionDenied);
    assert_eq!(code(set_zone(&mut client("guessed"), one, "UTC").await), Code::Unauthenticated);
    assert_eq!(code(set_zone(&mut admin, 99, "UTC").await), Code::NotFound);
    assert_eq!(code(set_zone(&mut admin, two, "Mars/Olympus").await), Code::InvalidArgument);
    assert_eq!(code(set_zone(&mut admin, two, "").await), Code::InvalidArgument);
    let taken = UpdateSiteRequest { site_id: two, name: "uno".into(), ..Default::default() };
    assert_eq!(admin.update_site(taken).await.unwrap_err().code(), Code::AlreadyExists);

    // It outlives a restart.
    let instance = instance.restart(|_| {}).await;
    let mut admin = AdminServiceClient::new(instance.instance_channel());
    let sites = admin.list_sites(ListSitesRequest {}).await.unwrap().into_inner().sites;
    let found: Vec<(&str, &str)> = sites.iter().map(|site| (site.name.as_str(), site.time_zone.as_str())).collect();
    assert_eq!(found, [("two", "UTC"), ("uno", "Asia/Kolkata")]);
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_during_a_change_a_site_has_the_old_zone_or_the_new_one_whole() {
    // With the roles apart each kill costs a lease that has to run out.
    let kills = or_apart(16, 6);
    let mut server = Server::start().await;
    let (url, instance_key) = (server.url.clone(), server.instance_key.clone());
    let admin = || AdminServiceClient::new(channel(&url, &instance_key).unwrap());
    let request = CreateSiteRequest { name: "killed".to_owned(), ..Default::default() };
    let made = admin().create_site(request).await.unwrap().into_inner();
    let secret =
        |scope: Scope| made.keys.iter().find(|new| new.key.as_ref().unwrap().scope() == scope).unwrap().secret.clone();
    let id = made.site.as_ref().unwrap().id;
    let site = Site { server: url.clone(), read: secret(Scope::Read), server_key: secret(Scope::Server) };
    site.is_known().await;

    let around = &zones()[2];
    let history = History::random(77, around, 3_000, 300).shuffle(77);
    let messages: Vec<_> = history.sent.iter().map(asked::message).collect();
    site.collect(messages.chunks(100).map(<[_]>::to_vec).collect(), 3).await;
    let oracle = history.oracle();
    let mut dice = StdRng::seed_from_u64(77);
    let mut now = Zone::utc();
    let (mut old, mut new) = (0, 0);
    for kill in 0..kills {
        let wanted = &zones()[kill % zones().len()];
        let mut client = admin();
        let name = wanted.name().to_owned();
        let changing = tokio::spawn(async move { set_zone(&mut client, id, &name).await });
        tokio::time::sleep(Duration::from_micros(dice.random_range(0..60_000))).await;
        server.kill_all();
        let was_told = changing.await.unwrap().is_ok();
        server.resume().await;
        let sites = admin().list_sites(ListSitesRequest {}).await.unwrap().into_inner().sites;
        let has = &sites[0].time_zone;
        assert!(has == wanted.name() || !was_told, "a change that was answered is gone");
        assert!(has == wanted.name() || has == now.name(), "{has} is neither the old nor the new zone");
        if now.name() != wanted.name() {
            (old, new) = if has == now.name() { (old + 1, new) } else { (old, new + 1) };
        }
        now = Zone::named(has).unwrap();
        while !settled(&url, &instance_key).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_as_the_oracle(&site, &oracle, &now, kill as u64, 5, &format!("kill {kill}")).await;
    }
    println!("{kills} kills: {old} left the old zone, {new} the new one");
    drop(server.terminate());
}

async fn settled(url: &str, instance_key: &str) -> bool {
    use pistats_proto::aggregate::v1::ListPartitionsRequest;
    use pistats_proto::aggregate::v1::aggregate_service_client::AggregateServiceClient;
    let mut aggregate = AggregateServiceClient::new(channel(url, instance_key).unwrap());
    // Unanswered while a partition has no owner.
    let now = aggregate.list_partitions(ListPartitionsRequest {}).await;
    now.is_ok_and(|now| now.get_ref().partitions.iter().all(|partition| partition.lag == 0))
}
