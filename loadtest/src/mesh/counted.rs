//! What was acknowledged beside what is counted, id by id.

use super::{Mesh, Site};
use crate::Failure;
use crate::client::{Authorized, connect};
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_proto::query::v1::*;
use std::collections::HashSet;
use std::time::Duration;
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

type Client = QueryServiceClient<InterceptedService<Channel, Authorized>>;

/// A page of Export may be as large as the server makes it.
const PAGE_BYTES: usize = 64 << 20;

/// The two sets and their differences.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) acknowledged: u64,
    /// Rows that Export gave.
    pub(crate) exported: u64,
    /// What the traffic report counts over all days.
    pub(crate) reported: u64,
    /// How often Export was asked: more than once where the server's time limit for a statement ended it.
    pub(crate) asked: u32,
    /// Acknowledged, and not exported.
    pub(crate) missing: Vec<[u8; 16]>,
    /// Exported more than once.
    pub(crate) twice: Vec<[u8; 16]>,
    /// Exported, and never acknowledged.
    pub(crate) foreign: Vec<[u8; 16]>,
}

impl Comparison {
    pub(crate) fn is_exact(&self) -> bool {
        let none = self.missing.is_empty() && self.twice.is_empty() && self.foreign.is_empty();
        none && self.acknowledged == self.exported && self.acknowledged == self.reported
    }

    /// In one line, with the first ids of each difference.
    pub(crate) fn told(&self) -> String {
        let some = |ids: &[[u8; 16]]| {
            let first: Vec<String> =
                ids.iter().take(3).map(|id| format!("{:032x}", u128::from_be_bytes(*id))).collect();
            if first.is_empty() { String::new() } else { format!(" ({} …)", first.join(", ")) }
        };
        format!(
            "acknowledged {}, exported {}, in the report {}; missing {}{}, twice {}{}, not acknowledged {}{}{}",
            self.acknowledged,
            self.exported,
            self.reported,
            self.missing.len(),
            some(&self.missing),
            self.twice.len(),
            some(&self.twice),
            self.foreign.len(),
            some(&self.foreign),
            if self.asked > 1 { format!("; Export was asked {} times", self.asked) } else { String::new() }
        )
    }
}

/// All days there may be.
fn always() -> Option<Range> {
    let days = range::Range::Days(DayRange { first: "1970-01-01".into(), last: "2199-12-31".into() });
    Some(Range { range: Some(days) })
}

async fn client(mesh: &Mesh, site: &Site) -> Result<Client, Failure> {
    let channel = connect(&mesh.front.url(), &site.read_key).await?;
    Ok(QueryServiceClient::new(channel).max_decoding_message_size(PAGE_BYTES))
}

/// What the traffic report counts over all days.
pub(super) async fn reported(mesh: &Mesh, site: &Site) -> Result<u64, Failure> {
    let request = TrafficRequest { range: always(), bots: Bots::Include.into(), ..Default::default() };
    let answer = client(mesh, site).await?.traffic(request).await;
    let traffic = answer.map_err(|status| format!("{}: {status}", site.name))?.into_inner();
    Ok(traffic.total.map_or(0, |total| total.events))
}

/// How often a question is asked whose answer took longer than the server allows: this machine may be doing anything else.
const ASKS: u32 = 6;

/// Compares by exporting everything. Everything must be folded.
pub(crate) async fn compare(mesh: &Mesh, site: &Site, acknowledged: &HashSet<[u8; 16]>) -> Result<Comparison, Failure> {
    for ask in 1.. {
        match once(mesh, site, acknowledged).await {
            Err(status) if status.code() == tonic::Code::DeadlineExceeded && ask < ASKS => {
                eprintln!("{}: {} (asked {ask} times)", site.name, status.message());
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            Err(status) => return Err(format!("{}: {status}", site.name)),
            Ok(mut comparison) => {
                comparison.asked = ask;
                comparison.reported = reported(mesh, site).await?;
                return Ok(comparison);
            }
        }
    }
    Err("never asked".to_owned())
}

async fn once(mesh: &Mesh, site: &Site, acknowledged: &HashSet<[u8; 16]>) -> Result<Comparison, Status> {
    let mut client = client(mesh, site).await.map_err(Status::unavailable)?;
    let mut comparison = Comparison { acknowledged: acknowledged.len() as u64, ..Comparison::default() };
    let request = ExportRequest { range: always(), bots: Bots::Include.into(), ..Default::default() };
    let mut pages = client.export(request).await?.into_inner();
    let mut seen = HashSet::with_capacity(acknowledged.len());
    while let Some(page) = pages.message().await? {
        for event in page.events {
            let id =
                <[u8; 16]>::try_from(&event.id[..]).map_err(|_| Status::internal("an exported id has no 16 bytes"))?;
            comparison.exported += 1;
            if !seen.insert(id) {
                comparison.twice.push(id);
            }
        }
    }
    comparison.missing = acknowledged.difference(&seen).copied().collect();
    comparison.foreign = seen.difference(acknowledged).copied().collect();
    Ok(comparison)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_difference_is_one_and_is_told_with_its_ids() {
        let exact = Comparison { acknowledged: 2, exported: 2, reported: 2, ..Default::default() };
        assert!(exact.is_exact());
        let id = 7u128.to_be_bytes();
        let faults = [
            Comparison { missing: vec![id], ..Default::default() },
            Comparison { twice: vec![id], ..Default::default() },
            Comparison { foreign: vec![id], ..Default::default() },
            Comparison { reported: 1, ..Default::default() },
            Comparison { exported: 1, ..Default::default() },
        ];
        assert!(faults.iter().all(|fault| !fault.is_exact()));
        assert!(faults[0].told().contains("missing 1 (00000000000000000000000000000007 …)"), "{}", faults[0].told());
    }
}
