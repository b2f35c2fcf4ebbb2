//! `log read`, `log bounds`, `log state`, `log register-spu`.

use super::{Failure, failed, position};
use crate::cli::LogCommand;
use crate::table;
use crate::table::say;
use pistats_eventlog::fluvio::{Spu, register_spu};
use pistats_proto::log::v1::log_service_client::LogServiceClient;
use pistats_proto::log::v1::{BoundsRequest, ReadRequest, ReadResponse, StateRequest, StateResponse};
use pistats_proto::record::v1::PackedRecord;
use prost::Message as _;
use std::time::{Duration, Instant};

pub async fn run(command: LogCommand) -> Result<(), Failure> {
    match command {
        LogCommand::Bounds { server } => {
            let mut client = LogServiceClient::new(server.instance()?);
            let bounds = client.bounds(BoundsRequest {}).await.map_err(failed)?.into_inner().partitions;
            let rows =
                bounds.iter().map(|b| vec![b.partition.to_string(), table::number(b.first), table::number(b.next)]);
            say!("{}", table::render(&["partition", "first", "next"], rows.collect(), 1));
        }
        LogCommand::State { server, json } => {
            let mut client = LogServiceClient::new(server.instance()?);
            let state = client.state(StateRequest {}).await.map_err(failed)?.into_inner();
            if json {
                say!("{}", state_json(&state));
            } else {
                say!("{}", state_text(&state));
            }
        }
        LogCommand::Read { server, position, partition, limit, follow, events } => {
            let channel = server.instance()?;
            let mut client = LogServiceClient::new(channel).max_decoding_message_size(crate::client::MESSAGE_BYTES);
            let request = ReadRequest {
                partition,
                position: Some(position::parse(&position.from)?),
                until_end: !follow,
                headers_only: !events,
            };
            let mut records = client.read(request).await.map_err(failed)?.into_inner();
            let mut read = 0;
            while let Some(record) = records.message().await.map_err(failed)? {
                print(&record, events)?;
                read += 1;
                if read == limit {
                    break;
                }
            }
        }
        LogCommand::RegisterSpu { cluster, id, public, private, wait } => {
            register(&cluster, &Spu { id, public, private }, Duration::from_secs(wait)).await?;
        }
    }
    Ok(())
}

/// Seconds of microseconds, for people.
fn seconds(us: u64) -> String {
    format!("{:.1} s", us as f64 / 1e6)
}

fn state_text(state: &StateResponse) -> String {
    let mut text = match &state.forwarding {
        None => "nothing is forwarded: the log is read in place".to_owned(),
        Some(forwarding) => {
            let row = |one: &pistats_proto::log::v1::PartitionBacklog| {
                vec![
                    one.partition.to_string(),
                    table::number(one.forwarded),
                    table::number(one.next),
                    table::number(one.next.saturating_sub(one.forwarded)),
                    table::number(one.events),
                    table::number(one.bytes),
                    seconds(one.oldest_age_us),
                ]
            };
            let head = ["partition", "forwarded", "next", "records wait", "events", "bytes", "oldest"];
            let table = table::render(&head, forwarding.partitions.iter().map(row).collect(), 1);
            let mib = |bytes: u64| bytes >> 20;
            format!(
                "{table}\nspool {} of at most {} MiB; {} records forwarded, {} sent again, {} rewinds{}",
                mib(forwarding.spool_bytes),
                mib(forwarding.spool_bound_bytes),
                table::number(forwarding.forwarded_records),
                table::number(forwarding.repeated_records),
                forwarding.rewinds,
                if forwarding.problem.is_empty() { String::new() } else { format!("\nwaits: {}", forwarding.problem) }
            )
        }
    };
    if let Some(age) = state.directory_age_us {
        text += &format!("\nsites and keys as of {} ago", seconds(age));
    }
    text
}

fn state_json(state: &StateResponse) -> serde_json::Value {
    let partition = |one: &pistats_proto::log::v1::PartitionBacklog| {
        serde_json::json!({
            "partition": one.partition, "forwarded": one.forwarded, "next": one.next, "events": one.events,
            "bytes": one.bytes, "oldest_age_us": one.oldest_age_us,
        })
    };
    let forwarding = state.forwarding.as_ref().map(|forwarding| {
        serde_json::json!({
            "partitions": forwarding.partitions.iter().map(partition).collect::<Vec<_>>(), "problem": forwarding.problem,
            "spool_bytes": forwarding.spool_bytes, "spool_bound_bytes": forwarding.spool_bound_bytes,
            "forwarded_records": forwarding.forwarded_records, "repeated_records": forwarding.repeated_records,
            "rewinds": forwarding.rewinds,
        })
    });
    serde_json::json!({ "forwarding": forwarding, "directory_age_us": state.directory_age_us })
}

/// For clusters without an installer: the controller takes in no SPU it was not told of.
async fn register(cluster: &str, spu: &Spu, wait: Duration) -> Result<(), Failure> {
    let since = Instant::now();
    loop {
        match register_spu(cluster, spu).await {
            Ok(is_new) => {
                let was = if is_new { "registered" } else { "known already" };
                say!("SPU {} at {}: {was}", spu.id, spu.public);
                return Ok(());
            }
            Err(error) if error.is_retryable() && since.elapsed() < wait => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn print(record: &ReadResponse, events: bool) -> Result<(), Failure> {
    let at = jiff::Timestamp::from_microsecond(record.appended_at_us).map(|at| at.to_string()).unwrap_or_default();
    say!("{:>10}  {at}  {} events  {} bytes", record.offset, record.count, record.payload_bytes);
    if events {
        let packed = PackedRecord::decode(record.payload.clone())
            .map_err(|error| format!("offset {}: {error}", record.offset))?;
        packed.records.iter().chain([&packed]).for_each(print_events);
    }
    Ok(())
}

fn print_events(packed: &PackedRecord) {
    for event in &packed.events {
        let at = jiff::Timestamp::from_microsecond(event.time_us).map(|at| at.to_string()).unwrap_or_default();
        let name = if event.name.is_empty() { pistats_core::event::PAGE_VIEW } else { &event.name };
        say!("            site {}  {at}  {name}  {}", packed.site, event.url);
    }
    for refused in &packed.rejected {
        say!("            site {}  refused: {}: {}", packed.site, refused.field, refused.message);
    }
}
