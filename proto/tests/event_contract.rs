//! What must stay equal between the contract's files and the code that reads events by hand.

use pistats_core::Reason;
use pistats_proto::wire::number;
use pistats_proto::{FILE_DESCRIPTOR_SET, ingest};
use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorSet};
use std::collections::BTreeMap;

fn message(package: &str, name: &str) -> DescriptorProto {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let files = set.file.into_iter().filter(|file| file.package() == package);
    files.flat_map(|file| file.message_type).find(|message| message.name() == name).unwrap()
}

/// Number → name, type and label. A map's entry type is named after the message around it, so only its last part counts.
fn fields(message: &DescriptorProto) -> BTreeMap<u32, (String, i32, i32, Option<String>)> {
    let entry = |name: &str| name.rsplit('.').next().map(str::to_owned);
    let field = |field: &prost_types::FieldDescriptorProto| {
        (
            field.name().to_owned(),
            field.r#type.unwrap(),
            field.label.unwrap(),
            field.type_name.as_deref().and_then(entry),
        )
    };
    message.field.iter().map(|each| (each.number() as u32, field(each))).collect()
}

#[test]
fn a_logged_event_is_a_sent_event_without_the_address_and_with_the_stamps() {
    let mut sent = fields(&message("pistats.ingest.v1", "Event"));
    let mut logged = fields(&message("pistats.record.v1", "LoggedEvent"));

    assert_eq!(sent.remove(&number::CLIENT_ADDRESS).unwrap().0, "client_address");
    let stamps: Vec<u32> = logged.keys().copied().filter(|field| number::STAMPS.contains(field)).collect();
    assert_eq!(stamps, [number::CLIENT_TIME_US]);
    assert_eq!(logged.remove(&number::CLIENT_TIME_US).unwrap().0, "client_time_us");
    assert_eq!(sent, logged);
}

#[test]
fn the_stamps_are_reserved_for_the_collector() {
    let reserved: Vec<(i32, i32)> =
        message("pistats.ingest.v1", "Event").reserved_range.iter().map(|range| (range.start(), range.end())).collect();
    // The end is exclusive in a descriptor.
    assert_eq!(reserved, [(*number::STAMPS.start() as i32, *number::STAMPS.end() as i32 + 1)]);
}

#[test]
fn the_numbers_in_code_are_those_of_the_contract() {
    for (package, name) in [("pistats.ingest.v1", "Event"), ("pistats.record.v1", "LoggedEvent")] {
        for (field, (name, ..)) in fields(&message(package, name)) {
            assert_eq!(number::name(field), Some(&*name));
        }
    }
}

#[test]
fn the_domains_reasons_are_those_of_the_contract() {
    for reason in Reason::ALL {
        let wire = ingest::v1::Reason::try_from(reason as i32).unwrap();
        assert_eq!(wire.as_str_name(), format!("REASON_{}", reason.name().to_uppercase()));
    }
    let beyond = Reason::ALL.len() as i32 + 1;
    assert!(ingest::v1::Reason::try_from(beyond).is_err(), "the domain does not know reason {beyond}");
}

/// The server's view of a call is the same bytes.
#[test]
fn raw_messages_are_wire_identical() {
    use ingest::{raw, v1};
    let event = v1::Event { visitor_id: "ada".into(), url: "/".into(), ..Default::default() };
    let events = vec![event.encode_to_vec().into(); 3];
    let sent = v1::CollectRequest { events: vec![event.clone(); 3] }.encode_to_vec();
    assert_eq!(raw::CollectRequest { events: events.clone() }.encode_to_vec(), sent);
    let sent = v1::CollectStreamRequest { sequence: 7, events: vec![event; 3] }.encode_to_vec();
    assert_eq!(raw::CollectStreamRequest { sequence: 7, events }.encode_to_vec(), sent);
}
