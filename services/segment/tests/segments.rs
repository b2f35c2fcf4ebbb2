//! The calls of segment.v1 over a real store, with a reading side that the test moves by hand: members, clock, notices.
#![allow(clippy::unwrap_used)]

mod house;

use futures::StreamExt;
use house::{House, MANAGE, OTHER, READ, asked, did};
use pistats_core::{Day, Micros};
use pistats_proto::segment::v1::segment_service_server::SegmentService;
use pistats_proto::segment::v1::*;
use pistats_segment::Reading;
use tonic::Code;
use tonic_types::StatusExt;

fn members_of(id: &str) -> Node {
    Node { node: Some(node::Node::MemberOf(id.to_owned())) }
}

async fn create(house: &House, name: &str, root: Node) -> Segment {
    let request = CreateSegmentRequest { name: name.into(), description: String::new(), root: Some(root) };
    house.service.create_segment(asked(MANAGE, request)).await.unwrap().into_inner().segment.unwrap()
}

fn update(id: &str, root: Option<Node>) -> UpdateSegmentRequest {
    UpdateSegmentRequest { id: id.into(), root, ..UpdateSegmentRequest::default() }
}

#[tokio::test]
async fn a_segment_is_made_read_changed_and_taken_away_and_its_versions_stay_readable() {
    let house = House::new();
    let made = create(&house, "Buyers", did("purchase")).await;
    assert_eq!((made.version, made.sentence.as_str()), (1, "Visitors who did \"purchase\" at least once."));
    let request = UpdateSegmentRequest {
        name: Some("Signed up".into()),
        expected_version: 1,
        ..update(&made.id, Some(did("signup")))
    };
    let changed = house.service.update_segment(asked(MANAGE, request.clone())).await.unwrap().into_inner();
    let changed = changed.segment.unwrap();
    assert_eq!((changed.version, changed.name.as_str(), changed.root), (2, "Signed up", Some(did("signup"))));
    let stale = house.service.update_segment(asked(MANAGE, request)).await.unwrap_err();
    assert_eq!(stale.code(), Code::Aborted, "{stale}");
    let old = GetSegmentRequest { id: made.id.clone(), version: 1 };
    let old = house.service.get_segment(asked(READ, old)).await.unwrap().into_inner().segment.unwrap();
    assert_eq!((old.version, old.root, old.name.as_str()), (1, Some(did("purchase")), "Signed up"));
    // The same tree again is no new version.
    let same = house.service.update_segment(asked(MANAGE, update(&made.id, Some(did("signup"))))).await.unwrap();
    assert_eq!(same.into_inner().segment.unwrap().version, 2);
    let gone = DeleteSegmentRequest { id: made.id.clone() };
    house.service.delete_segment(asked(MANAGE, gone)).await.unwrap();
    let get = GetSegmentRequest { id: made.id, version: 0 };
    assert_eq!(house.service.get_segment(asked(READ, get)).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_segment_that_is_used_is_not_taken_away_and_never_becomes_a_member_of_itself() {
    let house = House::new();
    let inner = create(&house, "Inner", did("purchase")).await;
    let outer = create(&house, "Outer", members_of(&inner.id)).await;
    assert_eq!(outer.sentence, "Visitors who are in the segment \"Inner\".");
    let used = house.service.delete_segment(asked(MANAGE, DeleteSegmentRequest { id: inner.id.clone() })).await;
    let used = used.unwrap_err();
    assert_eq!(used.code(), Code::FailedPrecondition);
    assert!(used.message().contains("Outer"), "{used}");
    let all = house.service.list_segments(asked(READ, ListSegmentsRequest {})).await.unwrap().into_inner().segments;
    assert_eq!(all[0].used_in, std::slice::from_ref(&outer.id));
    let any = Node { node: Some(node::Node::Any(NodeList { nodes: vec![did("a"), members_of(&outer.id)] })) };
    let cycle = house.service.update_segment(asked(MANAGE, update(&inner.id, Some(any)))).await.unwrap_err();
    assert_eq!(cycle.code(), Code::InvalidArgument);
    let fields = cycle.get_details_bad_request().unwrap().field_violations;
    assert_eq!(fields[0].field, "root.any.nodes[1].member_of");
}

#[tokio::test]
async fn who_may_do_what_is_the_keys_business_and_sites_never_meet() {
    let house = House::new();
    let made = create(&house, "Ours", did("purchase")).await;
    let request = || CreateSegmentRequest { name: "No".into(), root: Some(did("a")), ..Default::default() };
    let by_reader = house.service.create_segment(asked(READ, request())).await.unwrap_err();
    assert_eq!(by_reader.code(), Code::PermissionDenied);
    let nobody = house.service.list_segments(asked("nobody", ListSegmentsRequest {})).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated);
    let theirs = house.service.list_segments(asked(OTHER, ListSegmentsRequest {})).await.unwrap().into_inner();
    assert!(theirs.segments.is_empty());
    let get = GetSegmentRequest { id: made.id.clone(), version: 0 };
    assert_eq!(house.service.get_segment(asked(OTHER, get)).await.unwrap_err().code(), Code::NotFound);
    let list = ListMembersRequest { id: made.id, limit: 0 };
    let refused = house.service.list_members(asked(OTHER, list)).await.err().unwrap();
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test]
async fn names_are_unique_and_each_limit_is_told_by_its_field() {
    let house = House::new();
    create(&house, "Buyers", did("purchase")).await;
    for (name, description, field) in [
        ("Buyers", String::new(), "name"),
        ("", String::new(), "name"),
        (&"n".repeat(201), String::new(), "name"),
        ("Fine", "d".repeat(2_001), "description"),
    ] {
        let request = CreateSegmentRequest { name: name.into(), description, root: Some(did("a")) };
        let refused = house.service.create_segment(asked(MANAGE, request)).await.unwrap_err();
        assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, field);
    }
    let request = CreateSegmentRequest { name: "n".repeat(200), description: "d".repeat(2_000), root: Some(did("a")) };
    house.service.create_segment(asked(MANAGE, request)).await.unwrap();
}

#[tokio::test]
async fn a_preview_tells_count_sentence_sql_and_what_it_was_read_from() {
    let house = House::new();
    house.world.be(&[1, 3]);
    let request = PreviewRequest { what: Some(preview_request::What::Root(did("purchase"))), ..Default::default() };
    let told = house.service.preview(asked(READ, request)).await.unwrap().into_inner();
    assert_eq!((told.count, told.reader()), (2, Reader::Bitmaps));
    assert_eq!(told.sentence, "Visitors who did \"purchase\" at least once.");
    assert_eq!((told.sql.as_str(), told.sql_values.len()), ("SELECT 1", 1));
    let many =
        PreviewRequest { what: Some(preview_request::What::Root(did("purchase"))), sample: 101, ..Default::default() };
    let refused = house.service.preview(asked(READ, many)).await.unwrap_err();
    assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, "sample");
}

#[tokio::test]
async fn sizes_are_told_by_day_today_first_a_year_at_most() {
    let house = House::new();
    house.world.be(&[1, 3]);
    let made = create(&house, "Buyers", did("purchase")).await;
    let list = async |key, days| {
        let request = ListSizesRequest { id: made.id.clone(), days };
        Ok::<_, tonic::Status>(house.service.list_sizes(asked(key, request)).await?.into_inner())
    };
    let today = house.world.now().0.div_euclid(Micros::DAY) as i32;
    for (days, told) in [(0, 30), (1, 1), (366, 366)] {
        let sizes: Vec<_> = list(READ, days).await.unwrap().map(Result::unwrap).collect().await;
        let seen: Vec<_> = sizes.iter().map(|size| (size.day.clone(), size.size, size.is_over)).collect();
        let expected: Vec<_> = (0..told).map(|back| (Day(today - back).to_string(), 2, back > 0)).collect();
        assert_eq!(seen, expected);
        assert!(sizes.iter().all(|size| size.as_of.is_some()));
    }
    let refused = list(READ, 367).await.err().unwrap();
    assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, "days");
    assert_eq!(list(OTHER, 1).await.err().unwrap().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_is_told_who_enters_and_leaves_by_events_by_an_edit_and_by_a_midnight() {
    let house = House::new();
    house.world.be(&[1, 2]);
    let made = create(&house, "Buyers", did("purchase")).await;
    let watch = WatchSegmentRequest { id: made.id.clone() };
    let mut stream = house.service.watch_segment(asked(READ, watch)).await.unwrap().into_inner();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!((first.sequence, first.size, first.entered, first.version), (0, 2, 0, 1), "nobody enters by a snapshot");

    house.world.be(&[1, 2, 5]);
    house.world.commit();
    let second = stream.next().await.unwrap().unwrap();
    assert_eq!((second.sequence, second.size, second.entered, second.left), (1, 3, 1, 0));
    assert_eq!(second.cause(), Cause::Events);

    house.world.be(&[2, 9]);
    house.service.update_segment(asked(MANAGE, update(&made.id, Some(did("signup"))))).await.unwrap();
    house.world.edit(2);
    let third = stream.next().await.unwrap().unwrap();
    assert_eq!((third.sequence, third.size, third.entered, third.left), (2, 2, 1, 2), "old members leave");
    assert_eq!((third.cause(), third.version), (Cause::Edit, 2));

    // Silence: no commit, no edit; a day passes.
    house.world.be(&[2]);
    house.world.pass(Micros::DAY);
    let fourth = stream.next().await.unwrap().unwrap();
    assert_eq!((fourth.sequence, fourth.size, fourth.left, fourth.cause()), (3, 1, 1, Cause::Time));

    // Rebuilt: numbers are others, and nobody enters or leaves by it.
    house.world.rebuild(&[7, 8]);
    let fifth = stream.next().await.unwrap().unwrap();
    assert_eq!((fifth.sequence, fifth.size, fifth.entered, fifth.left), (0, 2, 0, 0));

    house.service.delete_segment(asked(MANAGE, DeleteSegmentRequest { id: made.id })).await.unwrap();
    house.world.lose();
    assert_eq!(stream.next().await.unwrap().unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_more_than_the_server_holds_is_refused() {
    let house = House::with_streams(1);
    let made = create(&house, "Buyers", did("purchase")).await;
    let watch = || WatchSegmentRequest { id: made.id.clone() };
    let one = house.service.watch_segment(asked(READ, watch())).await.unwrap();
    let refused = house.service.watch_segment(asked(READ, watch())).await.err().unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    drop(one);
    assert!(house.service.watch_segment(asked(READ, watch())).await.is_ok());
}
