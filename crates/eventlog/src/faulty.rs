//! A log that fails the way logs behind a network do, for tests: it refuses, hangs, takes a record and loses the answer, takes
//! it twice, takes it late, and loses its end.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use parking_lot::Mutex;
use pistats_core::{Offset, PartitionId};

use crate::{Append, Bounds, Error, EventLog, MemoryLog, Position, Records};

/// What becomes of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing goes wrong.
    None,
    /// Nothing is taken, and that is said.
    Refuse,
    /// Nothing is taken, and nothing is ever said.
    Hang,
    /// It is taken, and an error is said.
    LoseAnswer,
    /// It is taken twice in a row.
    Twice,
    /// An error is said, and it is taken after this time: a sender that was given up goes on.
    Late(Duration),
}

/// Decides the fault of each append.
pub type Dice = Box<dyn FnMut() -> Fault + Send>;

/// A log in memory with faults.
#[derive(Clone)]
pub struct FaultyLog(Arc<Shared>);

struct Shared {
    kept: Mutex<Arc<MemoryLog>>,
    dice: Mutex<Dice>,
}

impl Default for FaultyLog {
    fn default() -> FaultyLog {
        FaultyLog(Arc::new(Shared { kept: Mutex::default(), dice: Mutex::new(Box::new(|| Fault::None)) }))
    }
}

impl FaultyLog {
    /// From now on appends fare as the dice say.
    pub fn throw(&self, dice: impl FnMut() -> Fault + Send + 'static) {
        *self.0.dice.lock() = Box::new(dice);
    }

    /// From now on every append fares alike.
    pub fn always(&self, fault: Fault) {
        self.throw(move || fault);
    }

    /// The log loses what a partition holds from an offset on, as a server does that had not written it when its power went.
    /// Streams that are open end.
    ///
    /// # Errors
    /// Those of the log itself; nothing may have been trimmed.
    pub async fn lose_from(&self, lost: PartitionId, from: Offset) -> Result<(), Error> {
        let (old, new) = (self.kept(), MemoryLog::default());
        for partition in PartitionId::all() {
            let end = old.bounds(partition).await?.next;
            let end = if partition == lost { end.min(from) } else { end };
            let mut records = old.read(partition, Position::First).await?;
            while new.bounds(partition).await?.next < end {
                let Some(record) = records.next().await else { break };
                let record = record?;
                new.append(vec![Append { partition, count: record.count, payload: record.payload }]).await?;
            }
        }
        *self.0.kept.lock() = Arc::new(new);
        Ok(())
    }

    fn kept(&self) -> Arc<MemoryLog> {
        self.0.kept.lock().clone()
    }
}

fn unreachable() -> Error {
    Error::Unreachable { address: "faulty".to_owned(), reason: "a fault of the test".to_owned() }
}

#[async_trait]
impl EventLog for FaultyLog {
    async fn append(&self, records: Vec<Append>) -> Result<Vec<Offset>, Error> {
        let fault = (self.0.dice.lock())();
        match fault {
            Fault::None => self.kept().append(records).await,
            Fault::Refuse => Err(unreachable()),
            Fault::Hang => std::future::pending().await,
            Fault::LoseAnswer => self.kept().append(records).await.and(Err(unreachable())),
            Fault::Twice => {
                self.kept().append(records.clone()).await?;
                self.kept().append(records).await
            }
            Fault::Late(after) => {
                let log = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    log.kept().append(records).await
                });
                Err(unreachable())
            }
        }
    }

    async fn read(&self, partition: PartitionId, from: Position) -> Result<Records, Error> {
        self.kept().read(partition, from).await
    }

    async fn bounds(&self, partition: PartitionId) -> Result<Bounds, Error> {
        self.kept().bounds(partition).await
    }

    async fn trim(&self, partition: PartitionId, below: Offset) -> Result<(), Error> {
        self.kept().trim(partition, below).await
    }
}
