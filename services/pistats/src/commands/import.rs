//! `import`.

use super::Failure;
use crate::cli::{Format, Import};
use crate::import::{self, Options, Report};
use crate::table;
use crate::table::say;
use indicatif::{ProgressBar, ProgressStyle};
use pistats_core::Scope;
use pistats_proto::aggregate::v1::ListPartitionsRequest;
use pistats_proto::aggregate::v1::aggregate_service_client::AggregateServiceClient;
use std::time::Duration;

pub async fn run(command: Import) -> Result<(), Failure> {
    let options = Options {
        server: command.server.server.clone(),
        tls: command.server.tls.to(&command.server.server)?,
        key: command.server.site_secret(command.site.as_deref(), Scope::Server)?,
        format: command.format.map(|format| match format {
            Format::Ndjson => import::Format::Ndjson,
            Format::Combined => import::Format::Combined,
        }),
        connections: usize::from(command.connections),
        batch: command.batch as usize,
        retry_for: Duration::from_secs(command.retry_for),
        rejects: command.rejects.clone(),
    };
    let bar = if command.json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    let style = "{bar:32} {percent:>3} %  {bytes}/{total_bytes}  {msg}  {eta} left";
    bar.set_style(ProgressStyle::with_template(style).map_err(|error| error.to_string())?);
    let shown = bar.clone();
    let report = import::run(&command.file, &options, move |read, bytes, accepted| {
        shown.set_length(bytes);
        shown.set_position(read);
        let rate = accepted as f64 / shown.elapsed().as_secs_f64().max(0.001);
        shown.set_message(format!("{} events, {} a second", table::number(accepted), table::number(rate as i64)));
    })
    .await?;
    bar.finish_and_clear();
    if command.wait {
        wait_until_folded(&command).await?;
    }
    print(&report, command.json)
}

fn print(report: &Report, json: bool) -> Result<(), Failure> {
    if json {
        say!("{}", serde_json::to_string(report).map_err(|error| error.to_string())?);
    } else {
        say!("{}", report.text().trim_end());
    }
    Ok(())
}

/// Waits until every partition's checkpoint has reached the end that its log has now. Needs the instance key.
async fn wait_until_folded(command: &Import) -> Result<(), Failure> {
    let server = crate::cli::Server { key: None, ..command.server.clone() };
    let mut client = AggregateServiceClient::new(server.instance()?);
    let mut ends: Option<Vec<u64>> = None;
    loop {
        let partitions =
            client.list_partitions(ListPartitionsRequest {}).await.map_err(super::failed)?.into_inner().partitions;
        let ends = ends.get_or_insert_with(|| partitions.iter().map(|p| p.next_offset).collect());
        if partitions.iter().zip(ends.iter()).all(|(p, end)| p.checkpoint >= *end) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
