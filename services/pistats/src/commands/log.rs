//! `log read`, `log bounds`.

use super::{Failure, failed, position};
use crate::cli::LogCommand;
use crate::table;
use crate::table::say;
use pistats_proto::log::v1::log_service_client::LogServiceClient;
use pistats_proto::log::v1::{BoundsRequest, ReadRequest, ReadResponse};
use pistats_proto::record::v1::PackedRecord;
use prost::Message as _;

pub async fn run(command: LogCommand) -> Result<(), Failure> {
    match command {
        LogCommand::Bounds { server } => {
            let mut client = LogServiceClient::new(server.instance()?);
            let bounds = client.bounds(BoundsRequest {}).await.map_err(failed)?.into_inner().partitions;
            let rows =
                bounds.iter().map(|b| vec![b.partition.to_string(), table::number(b.first), table::number(b.next)]);
            say!("{}", table::render(&["partition", "first", "next"], rows.collect(), 1));
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
    }
    Ok(())
}

fn print(record: &ReadResponse, events: bool) -> Result<(), Failure> {
    let at = jiff::Timestamp::from_microsecond(record.appended_at_us).map(|at| at.to_string()).unwrap_or_default();
    say!("{:>10}  {at}  {} events  {} bytes", record.offset, record.count, record.payload_bytes);
    if events {
        let packed = PackedRecord::decode(record.payload.clone())
            .map_err(|error| format!("offset {}: {error}", record.offset))?;
        for event in packed.events {
            let at = jiff::Timestamp::from_microsecond(event.time_us).map(|at| at.to_string()).unwrap_or_default();
            let name = if event.name.is_empty() { pistats_core::event::PAGE_VIEW } else { &event.name };
            say!("            site {}  {at}  {name}  {}", packed.site, event.url);
        }
        for refused in packed.rejected {
            say!("            site {}  refused: {}: {}", packed.site, refused.field, refused.message);
        }
    }
    Ok(())
}
