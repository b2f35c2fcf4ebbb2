//! The cases, in the order of the list in [`super::CASES`].

use super::Case;
use crate::Failure;
use crate::figures::thousands;
use crate::mesh::counted::compare;
use crate::mesh::load::{Load, Rate, Told};
use crate::mesh::{Mesh, Site, owned};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A steady load of small calls: about 2,000 events a second in 320 records.
const STEADY: Rate = Rate { calls: 40, events: 50 };
/// The same for minutes.
const SLOW: Rate = Rate { calls: 40, events: 20 };
/// What is not folded so long after the last answer is taken for lost.
pub(super) const SETTLES_WITHIN: Duration = Duration::from_secs(240);
/// The bar of DESIGN for a take-over.
const TAKE_OVER: Duration = Duration::from_secs(15);
/// Longer than a lease lasts (6 s) and a heartbeat of the other (2 s).
const PAST_THE_LEASE: Duration = Duration::from_secs(12);
/// The forwarder packs records of the spool together: three in one of the stream under the load of `behind`. More are sent, for some
/// of them are read before anybody can look.
const SPOOLED_A_RECORD: u64 = 5;

/// A site under load.
async fn begin(mesh: &Mesh, name: &str, rate: Rate) -> Result<(Site, Load), Failure> {
    let site = mesh.site(name).await?;
    // Ingest reads sites and keys of its own accord, every two seconds.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let load = Load::start(&mesh.ingest.url(), &site, rate).await?;
    Ok((site, load))
}

/// The load ends; all of it must be there, once, and nothing else.
async fn end(mesh: &Mesh, site: &Site, load: Load) -> Result<(Vec<String>, Told), Failure> {
    let told = load.stop().await?;
    let settled = mesh.settle(SETTLES_WITHIN).await?;
    let comparison = compare(mesh, site, &told.acknowledged).await?;
    let mut lines = vec![
        format!(
            "{} collect calls, {} of them failed and were made again{}; the longest answer took {:.2} s",
            thousands(told.calls),
            told.failed,
            told.first_failure.as_ref().map(|why| format!(" (first: {why})")).unwrap_or_default(),
            told.longest.as_secs_f64()
        ),
        format!("everything folded {:.1} s after the last answer", settled.as_secs_f64()),
    ];
    if !comparison.is_exact() {
        return Err(format!("{}\n{}", comparison.told(), lines.join("\n")));
    }
    lines.insert(0, comparison.told());
    Ok((lines, told))
}

pub(super) async fn seconds(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

pub(super) async fn behind(mesh: &mut Mesh, records: u64) -> Case {
    let site = mesh.site("behind").await?;
    seconds(2.5).await;
    for aggregate in &mut mesh.aggregates {
        aggregate.kill();
    }
    let before = spooled(mesh).await?;
    let wanted = records.saturating_mul(SPOOLED_A_RECORD);
    // Enough visitors a call for a record in most partitions.
    let load = Load::start(&mesh.ingest.url(), &site, Rate { calls: 2_000, events: 16 }).await?;
    let begun = Instant::now();
    while spooled(mesh).await? - before < wanted {
        if begun.elapsed() > Duration::from_secs(400) {
            return Err(format!("only {} records came into the spool", spooled(mesh).await? - before));
        }
        seconds(0.2).await;
    }
    let told = load.stop().await?;
    let spooled = spooled(mesh).await? - before;
    let begun = Instant::now();
    while mesh.backlog().await? > 0 {
        if begun.elapsed() > Duration::from_secs(400) {
            return Err(format!("{} records are not forwarded", mesh.backlog().await?));
        }
        seconds(0.2).await;
    }
    let forwarded = begun.elapsed();
    for aggregate in &mut mesh.aggregates {
        aggregate.start().await?;
    }
    let begun = Instant::now();
    mesh.shared_out().await?;
    let behind: u64 = mesh.partitions(&mesh.front).await?.partitions.iter().map(|one| one.lag).sum();
    mesh.settle(SETTLES_WITHIN).await?;
    let caught_up = begun.elapsed();
    let comparison = compare(mesh, &site, &told.acknowledged).await?;
    if !comparison.is_exact() {
        return Err(comparison.told());
    }
    let all = mesh.partitions(&mesh.front).await?;
    if behind < records {
        return Err(format!(
            "only {} records of the stream were still to be read when looked at first",
            thousands(behind)
        ));
    }
    let lost = all.drops.iter().find(|drop| drop.reason == "lost_record").map_or(0, |drop| drop.count);
    let guards = mesh.guards().await?;
    if guards.sum("cut") + guards.sum("missing") > 0 {
        return Err(format!("{}\n{}", comparison.told(), guards.told()));
    }
    Ok(vec![
        comparison.told(),
        format!(
            "{} records of the spool in the stream before an Aggregate started, {:.0} s after the last answer; {} stream records behind when looked at first",
            thousands(spooled),
            forwarded.as_secs_f64(),
            thousands(behind)
        ),
        format!("all folded {:.0} s later; records missing in the stream: {lost}", caught_up.as_secs_f64()),
        guards.told(),
    ])
}

/// Records that ever came into the spool.
async fn spooled(mesh: &Mesh) -> Result<u64, Failure> {
    let forwarding = mesh.state().await?.forwarding.ok_or("nothing is forwarded")?;
    Ok(forwarding.partitions.iter().map(|one| one.next).sum())
}

pub(super) async fn spu(mesh: &mut Mesh) -> Case {
    let (site, load) = begin(mesh, "spu", STEADY).await?;
    for down in [0.5, 0.0, 3.0] {
        seconds(3.0).await;
        mesh.fluvio()?.kill_spu();
        seconds(down).await;
        mesh.fluvio()?.start_spu().await?;
    }
    seconds(3.0).await;
    let (mut lines, _) = no_call_failed(end(mesh, &site, load).await?)?;
    let guards = mesh.guards().await?;
    lines.push(guards.told());
    let is_told = ["resent", "reopened"].iter().all(|kind| guards.sum(kind) > 0);
    if is_told { Ok(lines) } else { Err(lines.join("\n")) }
}

pub(super) async fn sc(mesh: &mut Mesh) -> Case {
    let (site, load) = begin(mesh, "sc", STEADY).await?;
    seconds(3.0).await;
    mesh.fluvio()?.kill_sc();
    seconds(5.0).await;
    mesh.fluvio()?.start_sc().await?;
    seconds(3.0).await;
    // With the SPU down, too, nothing can be reached but through the controller.
    mesh.fluvio()?.kill_sc();
    mesh.fluvio()?.kill_spu();
    seconds(2.0).await;
    mesh.fluvio()?.start_sc().await?;
    mesh.fluvio()?.start_spu().await?;
    seconds(3.0).await;
    let (mut lines, _) = no_call_failed(end(mesh, &site, load).await?)?;
    lines.push(format!(
        "metadata files that a kill had left empty, and the keeper put back: {}",
        mesh.fluvio()?.put_back().len()
    ));
    Ok(lines)
}

pub(super) async fn postgres(mesh: &mut Mesh) -> Case {
    let (site, load) = begin(mesh, "postgres", STEADY).await?;
    for down in [0.0, 1.0, 8.0] {
        seconds(4.0).await;
        mesh.postgres.kill();
        seconds(down).await;
        mesh.postgres.start_again().await?;
    }
    seconds(3.0).await;
    Ok(no_call_failed(end(mesh, &site, load).await?)?.0)
}

/// Ingest stayed up, so no call had a reason to fail (P-6).
fn no_call_failed((lines, told): (Vec<String>, Told)) -> Result<(Vec<String>, Told), Failure> {
    match told.first_failure {
        Some(why) => {
            Err(format!("{} of {} collect calls failed: {why}\n{}", told.failed, told.calls, lines.join("\n")))
        }
        None => Ok((lines, told)),
    }
}

pub(super) async fn aggregate(mesh: &mut Mesh) -> Case {
    let (site, load) = begin(mesh, "aggregate", STEADY).await?;
    let mut lines = Vec::new();
    for victim in [1, 0] {
        seconds(4.0).await;
        let survivor = 1 - victim;
        let taken = owned(&mesh.partitions(&mesh.aggregates[victim]).await?);
        let at: BTreeMap<u32, u64> = checkpoints(mesh, victim).await?;
        mesh.aggregates[victim].kill();
        let killed = Instant::now();
        let took = taken_over(mesh, survivor, &taken, &at, killed).await?;
        lines.push(format!(
            "{} killed: {} committed all of its partitions {taken:?} after {:.1} s (bar: {} s)",
            mesh.aggregates[victim].name,
            mesh.aggregates[survivor].name,
            took.as_secs_f64(),
            TAKE_OVER.as_secs()
        ));
        if took > TAKE_OVER {
            return Err(lines.join("\n"));
        }
        mesh.aggregates[victim].start().await?;
        mesh.shared_out().await?;
    }
    let (mut ended, _) = no_call_failed(end(mesh, &site, load).await?)?;
    ended.extend(lines);
    Ok(ended)
}

/// Asked again for a while: the answer has the ends of the log, and the stream may be on its way back.
async fn checkpoints(mesh: &Mesh, number: usize) -> Result<BTreeMap<u32, u64>, Failure> {
    let begun = Instant::now();
    loop {
        match mesh.partitions(&mesh.aggregates[number]).await {
            Ok(all) => return Ok(all.partitions.iter().map(|one| (one.partition, one.checkpoint)).collect()),
            Err(_) if begun.elapsed() < Duration::from_secs(30) => seconds(0.2).await,
            Err(failure) => return Err(failure),
        }
    }
}

/// Waits until a process has committed in all these partitions beyond where they stood.
async fn taken_over(
    mesh: &Mesh,
    survivor: usize,
    taken: &[u32],
    at: &BTreeMap<u32, u64>,
    since: Instant,
) -> Result<Duration, Failure> {
    loop {
        if let Ok(all) = mesh.partitions(&mesh.aggregates[survivor]).await {
            let has = |of: &u32| {
                let found = all.partitions.iter().find(|one| one.partition == *of);
                found.is_some_and(|one| one.is_own && one.checkpoint > at.get(of).copied().unwrap_or_default())
            };
            if taken.iter().all(has) {
                return Ok(since.elapsed());
            }
        }
        if since.elapsed() > 4 * TAKE_OVER {
            return Err(format!("no take-over within {} s", 4 * TAKE_OVER.as_secs()));
        }
        seconds(0.05).await;
    }
}

pub(super) async fn ingest(mesh: &mut Mesh) -> Case {
    let (site, load) = begin(mesh, "ingest", STEADY).await?;
    for down in [0.0, 0.3, 2.0] {
        seconds(3.0).await;
        mesh.ingest.kill();
        seconds(down).await;
        mesh.ingest.start().await?;
    }
    seconds(3.0).await;
    let (lines, told) = end(mesh, &site, load).await?;
    if told.failed == 0 {
        return Err("no call met a dead collector: nothing was tried".to_owned());
    }
    Ok(lines)
}

pub(super) async fn metadata(mesh: &mut Mesh) -> Case {
    let said = mesh.ingest.said_bytes();
    let (site, load) = begin(mesh, "metadata", STEADY).await?;
    seconds(3.0).await;
    mesh.fluvio()?.back_up_metadata()?;
    mesh.fluvio()?.kill_sc();
    mesh.fluvio()?.kill_spu();
    let file = mesh.fluvio()?.empty_a_file_of("Partition")?;
    // Its keeper would put the file back: what is tried first is that nobody kept one.
    mesh.fluvio()?.forget_kept()?;
    mesh.fluvio()?.start_sc().await?;
    mesh.fluvio()?.start_spu().await?;
    let begun = Instant::now();
    let named = loop {
        let lines = mesh.ingest.told(said, &["metadata"]);
        if let Some(line) = lines.into_iter().find(|line| line.contains("backup")) {
            break line;
        }
        if begun.elapsed() > Duration::from_secs(60) {
            return Err(format!("{file} was emptied, and after a minute nobody has said so"));
        }
        seconds(0.5).await;
    };
    let problem = mesh.state().await?.forwarding.map(|forwarding| forwarding.problem).unwrap_or_default();
    let meanwhile = load.acknowledged();
    seconds(3.0).await;
    let taken = load.acknowledged() - meanwhile;
    if taken == 0 {
        return Err("nothing was collected while the stream was away".to_owned());
    }
    mesh.fluvio()?.kill_sc();
    mesh.fluvio()?.kill_spu();
    mesh.fluvio()?.restore("metadata")?;
    mesh.fluvio()?.start_sc().await?;
    mesh.fluvio()?.start_spu().await?;
    seconds(6.0).await;
    // And once more, kept.
    let before = mesh.fluvio()?.put_back().len();
    mesh.fluvio()?.kill_sc();
    mesh.fluvio()?.empty_a_file_of("Partition")?;
    mesh.fluvio()?.start_sc().await?;
    let put_back = mesh.fluvio()?.put_back();
    if put_back.len() == before {
        return Err("the keeper of the metadata put nothing back".to_owned());
    }
    seconds(3.0).await;
    let (mut lines, _) = no_call_failed(end(mesh, &site, load).await?)?;
    lines.push(format!("with its keeper: `{}`", put_back.last().cloned().unwrap_or_default()));
    lines.push(format!("emptied: {file}; named by Ingest: `{named}`"));
    lines.push(format!("forwarding said: `{problem}`; collected in 3 s meanwhile: {taken} events"));
    Ok(lines)
}

pub(super) async fn went_back(mesh: &mut Mesh) -> Case {
    let said: Vec<usize> = mesh.aggregates.iter().map(|aggregate| aggregate.said_bytes()).collect();
    let (site, load) = begin(mesh, "went-back", STEADY).await?;
    seconds(3.0).await;
    // As after a power cut: what the SPU wrote since the copy is gone, and its offsets are given away again.
    mesh.fluvio()?.kill_spu();
    mesh.fluvio()?.keep("data")?;
    mesh.fluvio()?.start_spu().await?;
    seconds(8.0).await;
    let before = checkpoints(mesh, 0).await?;
    mesh.fluvio()?.kill_spu();
    mesh.fluvio()?.restore("data")?;
    mesh.fluvio()?.start_spu().await?;
    seconds(5.0).await;
    let told = load.acknowledged();
    let (mut lines, _) = no_call_failed(end(mesh, &site, load).await?)?;
    let rewinds = mesh.state().await?.forwarding.map_or(0, |forwarding| forwarding.rewinds);
    if rewinds == 0 {
        return Err(format!("Ingest did not notice that the stream lost records\n{}", lines.join("\n")));
    }
    lines.push(format!("checkpoints before: {:?}; {told} events acknowledged by then; partitions that Ingest sent once more: {rewinds}", before.values().collect::<Vec<_>>()));
    let mut named = Vec::new();
    for (aggregate, said) in mesh.aggregates.iter().zip(said) {
        named.extend(aggregate.told(said, &["went back"]));
    }
    let first = named.first().ok_or("no Aggregate has said that the log went back")?;
    lines.push(format!("named by Aggregate {} times, first: `{first}`", named.len()));
    lines.push(mesh.guards().await?.told());
    Ok(lines)
}

pub(super) async fn stale_owner(mesh: &mut Mesh) -> Case {
    let said = mesh.aggregates[1].said_bytes();
    let (site, load) = begin(mesh, "stale-owner", STEADY).await?;
    seconds(3.0).await;
    let taken = owned(&mesh.partitions(&mesh.aggregates[1]).await?);
    let at = checkpoints(mesh, 1).await?;
    mesh.aggregates[1].process().hold()?;
    let held = Instant::now();
    let took = taken_over(mesh, 0, &taken, &at, held).await?;
    tokio::time::sleep(PAST_THE_LEASE.saturating_sub(held.elapsed())).await;
    mesh.aggregates[1].process().release()?;
    let asleep = held.elapsed();
    mesh.shared_out().await?;
    seconds(2.0).await;
    let (mut lines, _) = no_call_failed(end(mesh, &site, load).await?)?;
    lines.push(format!(
        "aggregate-2 was held for {:.1} s with partitions {taken:?}; aggregate-1 had committed all of them after {:.1} s",
        asleep.as_secs_f64(),
        took.as_secs_f64()
    ));
    let named = mesh.aggregates[1].told(said, &["lease", "Fenced", "epoch", "starting again"]);
    lines.push(format!(
        "named by aggregate-2: `{}`",
        named.first().ok_or("aggregate-2 has not said what happened to it")?
    ));
    Ok(lines)
}

pub(super) async fn outage(mesh: &mut Mesh, length: Duration) -> Case {
    let (site, load) = begin(mesh, "outage", SLOW).await?;
    seconds(5.0).await;
    mesh.fluvio()?.kill_sc();
    mesh.fluvio()?.kill_spu();
    let before = load.acknowledged();
    tokio::time::sleep(length).await;
    let meanwhile = load.acknowledged() - before;
    let backlog = mesh.backlog().await?;
    mesh.fluvio()?.start_sc().await?;
    mesh.fluvio()?.start_spu().await?;
    seconds(5.0).await;
    let (mut lines, _) = no_call_failed(end(mesh, &site, load).await?)?;
    lines.push(format!(
        "Fluvio was away for {} s: {} events acknowledged meanwhile, {} records waited in the spool",
        length.as_secs(),
        thousands(meanwhile),
        thousands(backlog)
    ));
    Ok(lines)
}
