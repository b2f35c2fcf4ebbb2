//! What operators type, on the real engines: `status`, `log bounds`, `log state`, `log read` from all four positions, `replay` from
//! the first record, an offset and an instant.

use super::Case;
use super::cases::{SETTLES_WITHIN, seconds};
use crate::Failure;
use crate::mesh::counted::compare;
use crate::mesh::load::{Load, Rate};
use crate::mesh::{Mesh, owned};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) async fn run(mesh: &Mesh) -> Case {
    let site = mesh.site("commands").await?;
    seconds(2.5).await;
    let rate = Rate { calls: 20, events: 40 };
    let load = Load::start(&mesh.ingest.url(), &site, rate).await?;
    seconds(4.0).await;
    let middle = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
    let instant = instant(middle)?;
    seconds(4.0).await;
    let told = load.stop().await?;
    mesh.settle(SETTLES_WITHIN).await?;
    let mut lines = Vec::new();

    let status: Value = json(&mesh.command(&mesh.front, &["status", "--json"]).await?)?;
    let partitions = status.pointer("/partitions").and_then(Value::as_array).cloned().unwrap_or_default();
    let number = |of: &Value, name: &str| of.get(name).and_then(Value::as_u64).unwrap_or_default();
    let owners: BTreeSet<String> =
        partitions.iter().filter_map(|one| Some(one.get("owner")?.as_str()?.to_owned())).collect();
    let lag: u64 = partitions.iter().map(|one| number(one, "lag")).sum();
    if partitions.len() != 8 || owners.len() != 2 || lag > 0 {
        return Err(format!("status: {} partitions, owners {owners:?}, lag {lag}", partitions.len()));
    }
    lines.push(format!("`status`: 8 partitions, 2 owners, lag 0, {} commits", number(&status, "commits")));

    let bounds = mesh.command(&mesh.ingest, &["log", "bounds"]).await?;
    let ends: Vec<u64> = partitions.iter().map(|one| number(one, "next_offset")).collect();
    let shown = bounds.replace([',', ' '], "");
    if let Some(end) = ends.iter().find(|end| !shown.contains(&end.to_string())) {
        return Err(format!("log bounds does not show the end {end} that status tells:\n{bounds}"));
    }
    let state: Value = json(&mesh.command(&mesh.ingest, &["log", "state", "--json"]).await?)?;
    let forwarded = state.pointer("/forwarding/forwarded_records").and_then(Value::as_u64).unwrap_or_default();
    lines.push(format!("`log bounds` and `status` agree; `log state`: {forwarded} records forwarded, nothing waits"));

    let read = |from: String| async move {
        let args = ["log", "read", "--partition", "0", "--limit", "2", "--from", &from];
        Ok::<_, Failure>(mesh.command(&mesh.ingest, &args).await?.lines().map(str::to_owned).collect::<Vec<_>>())
    };
    let (first, second, later, latest) = (
        read("first".into()).await?,
        read("1".into()).await?,
        read(instant.clone()).await?,
        read("latest".into()).await?,
    );
    let offset = |lines: &[String]| lines.first().and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let found = [offset(&first), offset(&second), offset(&later), offset(&latest)];
    let is_right = matches!(found, [Some(0), Some(1), Some(middle), None] if middle > 1 && middle < ends[0]);
    if !is_right {
        return Err(format!(
            "log read from first, 1, {instant} and latest begins at {found:?}; the end is {}",
            ends[0]
        ));
    }
    let events = mesh.command(&mesh.ingest, &["log", "read", "--limit", "1", "--from", &instant, "--events"]).await?;
    let shown = events.lines().filter(|line| line.contains("https://www.example.org/")).count();
    if shown == 0 {
        return Err(format!("log read --events shows no event:\n{events}"));
    }
    lines.push(format!(
        "`log read` of partition 0 from first, offset 1, {instant} and latest begins at {found:?}; its events are shown"
    ));

    let mut again = Vec::new();
    for from in ["first", "1", &instant] {
        let done: Value = json(&mesh.command(&mesh.front, &["replay", "--from", from, "--json"]).await?)?;
        let (repaired, unchanged) = (number(&done, "repaired"), number(&done, "unchanged"));
        if repaired > 0 || unchanged == 0 {
            return Err(format!("replay --from {from}: {repaired} repaired, {unchanged} unchanged"));
        }
        again.push(unchanged);
    }
    if !(again[0] > again[1] && again[1] > again[2]) {
        return Err(format!("replays from first, offset 1 and {instant} read {again:?} events"));
    }
    lines.push(format!(
        "`replay` from first, offset 1 and {instant}: {again:?} events read again, none repaired, none changed"
    ));
    mesh.shared_out().await?;
    mesh.settle(Duration::from_secs(60)).await?;
    let comparison = compare(mesh, &site, &told.acknowledged).await?;
    if !comparison.is_exact() {
        return Err(comparison.told());
    }
    let own = owned(&mesh.partitions(&mesh.aggregates[0]).await?);
    lines.insert(0, format!("{}; aggregate-1 folds {own:?}", comparison.told()));
    Ok(lines)
}

fn json(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| format!("no JSON: {error}\n{text}"))
}

/// `2026-01-31T12:00:00Z` of a time since 1970, cut to seconds.
fn instant(since: Duration) -> Result<String, Failure> {
    let (days, second) = ((since.as_secs() / 86_400) as i32, since.as_secs() % 86_400);
    let day = pistats_core::Day(days);
    Ok(format!("{day}T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_as_the_commands_read_it() {
        assert_eq!(instant(Duration::from_secs(1_767_225_599)), Ok("2025-12-31T23:59:59Z".to_owned()));
    }
}
