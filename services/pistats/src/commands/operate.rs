//! `status`, `replay`, `health`.

use super::{Failure, failed, position};
use crate::cli::{Replay, Server, Status};
use crate::table;
use crate::table::say;
use pistats_proto::aggregate::v1::aggregate_service_client::AggregateServiceClient;
use pistats_proto::aggregate::v1::*;
use std::time::Duration;

pub async fn status(command: Status) -> Result<(), Failure> {
    let mut client = AggregateServiceClient::new(command.server.instance()?);
    loop {
        let status = client.list_partitions(ListPartitionsRequest {}).await.map_err(failed)?.into_inner();
        if command.json {
            say!("{}", json(&status));
        } else {
            say!("{}", text(&status));
        }
        if !command.watch {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn text(status: &ListPartitionsResponse) -> String {
    let row = |p: &Partition| {
        vec![
            p.partition.to_string(),
            p.owner.clone(),
            table::number(p.first_offset),
            table::number(p.next_offset),
            table::number(p.checkpoint),
            table::number(p.lag),
            table::number(p.events),
            format!("{:.0}", p.events_per_second),
            table::number(p.duplicates),
        ]
    };
    let head = ["partition", "owner", "first", "next", "checkpoint", "lag", "events", "events/s", "duplicates"];
    let mut text = table::render(&head, status.partitions.iter().map(row).collect(), 2);
    let drops: Vec<String> = status.drops.iter().map(|d| format!("{} {}", d.reason, table::number(d.count))).collect();
    text += &format!(
        "\ngeneration {}, {} commits, the last took {:.1} ms; fresh to {:.1} s; dropped: {}",
        status.generation,
        table::number(status.commits),
        status.last_commit_us as f64 / 1e3,
        status.freshness_us as f64 / 1e6,
        if drops.is_empty() { "nothing".to_owned() } else { drops.join(", ") }
    );
    for process in &status.unreachable {
        text += &format!("\nunreachable, its numbers are missing: {process}");
    }
    if let Some(upkeep) = &status.upkeep {
        text += &format!(
            "\nbehind: {} hours, {} days; {} days built: {} bitmaps, {:.1} MiB",
            table::number(upkeep.dirty_hours),
            table::number(upkeep.dirty_days),
            table::number(upkeep.built_days),
            table::number(upkeep.bitmaps),
            upkeep.bitmap_bytes as f64 / f64::from(1 << 20),
        );
    }
    text
}

fn json(status: &ListPartitionsResponse) -> serde_json::Value {
    let partition = |p: &Partition| {
        serde_json::json!({
            "partition": p.partition, "owner": p.owner, "first_offset": p.first_offset, "next_offset": p.next_offset,
            "checkpoint": p.checkpoint, "lag": p.lag, "events": p.events, "events_per_second": p.events_per_second,
            "duplicates": p.duplicates,
        })
    };
    let drops: serde_json::Map<String, serde_json::Value> =
        status.drops.iter().map(|drop| (drop.reason.clone(), drop.count.into())).collect();
    let upkeep = status.upkeep.unwrap_or_default();
    serde_json::json!({
        "unreachable": status.unreachable,
        "upkeep": {
            "dirty_hours": upkeep.dirty_hours, "dirty_days": upkeep.dirty_days, "built_days": upkeep.built_days,
            "bitmaps": upkeep.bitmaps, "bitmap_bytes": upkeep.bitmap_bytes,
        },
        "generation": status.generation, "commits": status.commits, "last_commit_us": status.last_commit_us,
        "freshness_us": status.freshness_us, "drops": drops,
        "partitions": status.partitions.iter().map(partition).collect::<Vec<_>>(),
    })
}

pub async fn replay(command: Replay) -> Result<(), Failure> {
    let mut client = AggregateServiceClient::new(command.server.instance()?);
    let request =
        ReplayRequest { position: Some(position::parse(&command.position.from)?), partitions: command.partitions };
    let mut progress = client.replay(request).await.map_err(failed)?.into_inner();
    let mut last = ReplayResponse::default();
    while let Some(step) = progress.message().await.map_err(failed)? {
        if !command.json {
            eprint!("\r{} of {} records", table::number(step.records), table::number(step.records_total));
        }
        last = step;
    }
    if !last.done {
        return Err("the replay ended before it was done; start it again, it changes nothing twice".to_owned());
    }
    if command.json {
        say!(
            "{}",
            serde_json::json!({"records": last.records, "events": last.events, "repaired": last.repaired, "unchanged": last.unchanged})
        );
    } else {
        eprintln!();
        say!(
            "{} events read again: {} were missing and are back, {} unchanged",
            table::number(last.events),
            table::number(last.repaired),
            table::number(last.unchanged)
        );
    }
    Ok(())
}

/// `health`: for service managers and containers.
pub async fn health(server: Server) -> Result<(), Failure> {
    check(&server).await?;
    say!("serving");
    Ok(())
}

/// Asks the standard health service.
pub async fn check(server: &Server) -> Result<(), Failure> {
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
    let tls = server.tls.to(&server.server)?;
    let channel = pistats_rpc::client::lazy_open(&server.server, tls.as_ref()).map_err(|error| error.to_string())?;
    let answer =
        HealthClient::new(channel).check(HealthCheckRequest { service: String::new() }).await.map_err(failed)?;
    match answer.into_inner().status() {
        ServingStatus::Serving => Ok(()),
        other => Err(format!("the server says {other:?}")),
    }
}
