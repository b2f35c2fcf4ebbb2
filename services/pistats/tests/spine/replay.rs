//! Replay is a repair: it changes nothing that is there, and fills in what is missing.

use crate::harness::{Instance, Site};
use crate::reports;
use crate::topology::{Ground, Shape, shape};
use pistats_proto::aggregate::v1::{ReplayRequest, ReplayResponse};
use pistats_proto::log::v1::Position;
use pistats_proto::log::v1::position;
use pistats_testkit::data::{self, Set};
use std::time::{Duration, Instant};
use tonic::{Code, Status};

/// How long partitions may be on their way to another owner, and what is said meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);
const CHANGES_HANDS: [Code; 2] = [Code::Unavailable, Code::FailedPrecondition];

async fn replay(instance: &Instance, from: position::Position) -> ReplayResponse {
    let since = Instant::now();
    loop {
        match replay_once(instance, from).await {
            Ok(last) => return last,
            // A partition changes hands, as where a machine is slow to extend leases: safe to ask again.
            Err(status) if CHANGES_HANDS.contains(&status.code()) && since.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(status) => panic!("{from:?}: {status:?}"),
        }
    }
}

async fn replay_once(instance: &Instance, from: position::Position) -> Result<ReplayResponse, Status> {
    let request = ReplayRequest { position: Some(Position { position: Some(from) }), partitions: Vec::new() };
    let mut progress = instance.aggregate().replay(request).await?.into_inner();
    let mut last = ReplayResponse::default();
    while let Some(step) = progress.message().await? {
        last = step;
    }
    assert!(last.done);
    Ok(last)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_from_every_position_with_a_writer_running_changes_no_number() {
    let Some(path) = data::events(Set::Elastic).unwrap() else { return };
    let instance = Instance::start().await;
    let site = instance.site("elastic", "UTC").await;
    site.import(&path, None).await;
    instance.settle().await;
    let before = reports::all(&site, "2015-05-16", "2015-05-21").await;

    let Some(busy) = data::events(Set::Usagov).unwrap() else { return };
    let other = instance.site("busy", "UTC").await;
    let writer = tokio::spawn(async move { other.import(&busy, None).await });
    let an_hour_ago = jiff::Timestamp::now().as_microsecond() - 3_600_000_000;
    for from in [
        position::Position::First(true),
        position::Position::Offset(3),
        position::Position::AppendedAtUs(an_hour_ago),
        position::Position::Latest(true),
    ] {
        let told = replay(&instance, from).await;
        assert_eq!(told.repaired, 0, "{from:?}");
        assert_eq!(told.unchanged, told.events, "{from:?}");
        if !matches!(from, position::Position::Latest(_)) {
            assert!(told.events > 0, "{from:?}");
        }
        let after = reports::all(&site, "2015-05-16", "2015-05-21").await;
        reports::assert_same(&after, &before, &format!("after a replay from {from:?}"));
    }
    assert_eq!(writer.await.unwrap().refused, 0);
    instance.stop().await;
}

/// Statements that take rows away behind the server's back.
const LOSSES: [(&str, &str); 4] = [
    ("a tenth of the events", "DELETE FROM event WHERE (visitor + time_us / 1000000) % 10 = 0"),
    ("every event of some visitors", "DELETE FROM event WHERE visitor % 7 = 0"),
    ("a third of the sessions", "DELETE FROM session WHERE visitor % 3 = 0"),
    (
        "some visitors and all they did",
        "DELETE FROM event WHERE visitor % 5 = 0; DELETE FROM session WHERE visitor % 5 = 0; DELETE FROM visitor WHERE visitor % 5 = 0",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_behind_its_back_is_filled_in_when_the_checkpoint_is_set_back() {
    each_loss_is_repaired("checkpoint set back", "; UPDATE checkpoint SET next_offset = 0", async |instance| {
        instance.settle().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_behind_its_back_is_filled_in_by_a_replay() {
    each_loss_is_repaired("replayed", "", async |instance| {
        replay(instance, position::Position::First(true)).await;
    })
    .await;
}

/// One loss after the other, each from what the repair of the one before left.
async fn each_loss_is_repaired(how: &str, and: &str, repair: impl AsyncFn(&Instance)) {
    let Some((mut instance, mut site, before)) = imported().await else { return };
    for (loss, statement) in LOSSES {
        let folder = instance.stop().await;
        delete(&folder, &format!("{statement}{and}"));
        (instance, site) = reopened(folder, site).await;
        repair(&instance).await;
        let after = reports::all(&site, "2015-05-16", "2015-05-21").await;
        reports::assert_same(&after, &before, &format!("{loss} lost, {how}"));
    }
    instance.stop().await;
}

async fn imported() -> Option<(Instance, Site, Vec<reports::Answer>)> {
    let path = data::events(Set::Elastic).unwrap()?;
    let instance = Instance::start().await;
    let site = instance.site("elastic", "UTC").await;
    site.import(&path, None).await;
    instance.settle().await;
    let before = reports::all(&site, "2015-05-16", "2015-05-21").await;
    Some((instance, site, before))
}

async fn reopened(folder: Ground, site: Site) -> (Instance, Site) {
    let instance = Instance::start_in(folder, |_| {}).await;
    let site = Site { server: instance.running.url(), ..site };
    (instance, site)
}

/// Deletes rows, and the rollups that would remember them.
fn delete(ground: &Ground, statements: &str) {
    let hour = if shape() == Shape::One { "bucket // 4" } else { "bucket / 4" };
    let marks = ["traffic_15m", "session_15m"]
        .map(|rollup| format!("INSERT INTO rollup_dirty SELECT DISTINCT site, {hour}, 0 FROM {rollup}"));
    // There a table of its own says which ids have been counted.
    let ids = "DELETE FROM event_id i WHERE NOT EXISTS (SELECT 1 FROM event e WHERE e.site = i.site AND e.id = i.id)";
    let mut all = vec![statements];
    all.extend((shape() == Shape::Timescale).then_some(ids));
    all.extend(marks.iter().map(String::as_str));
    let all = all.join(";\n");
    match ground.database() {
        Some(database) => database.run(&all),
        None => {
            let connection = duckdb::Connection::open(ground.data().join("warehouse.duckdb")).unwrap();
            connection.execute_batch(&all).unwrap();
        }
    }
}
