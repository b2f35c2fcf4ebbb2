//! A store on PostgreSQL that has the server explain every statement that it is asked, and adds up what was read.
//!
//! Raw rows are those of `event` and `session`: of the tables, or on TimescaleDB of their chunks, as rows or as columns.

use crate::{
    Cell, Checkpoint, Commit, Engine, Error, LogMinute, Lookup, Refresh, Refreshed, Rows, Snapshot, Statement, Store,
};
use async_trait::async_trait;
use parking_lot::Mutex;
use pistats_core::PartitionId;
use pistats_core::report::AsOf;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The chunks that hold raw rows; none on plain PostgreSQL, where the table is not there.
const CHUNKS: &str = "SELECT CAST(chunk_name AS text) FROM timescaledb_information.chunks \
                      WHERE hypertable_name IN ('event', 'session')";

/// What some statements read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Rows that scans of raw relations gave or passed over.
    pub raw_rows: u64,
    /// How often the part of a plan ran that ran most often: once for each row of the other side in a nested loop.
    pub most_loops: u64,
}

/// A store under another one's name.
pub struct Explaining {
    store: Arc<dyn Store>,
    has_chunks: bool,
    read: Arc<Mutex<Read>>,
}

impl Explaining {
    /// Explains the statements of `store`, which must be on PostgreSQL.
    pub async fn over(store: Arc<dyn Store>) -> Result<Explaining, Error> {
        let extension = "SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'";
        let answer = store.read(vec![Statement::new(extension, vec![])]).await?;
        let has_chunks = answer.results.iter().flat_map(|rows| &rows.rows).any(|row| row[0].int() > 0);
        Ok(Explaining { store, has_chunks, read: Arc::default() })
    }

    /// What was read since this was asked last.
    pub fn read_since(&self) -> Read {
        std::mem::take(&mut self.read.lock())
    }

    async fn raw(&self) -> Result<BTreeSet<String>, Error> {
        if !self.has_chunks {
            return Ok(["event", "session"].map(str::to_owned).into());
        }
        let answer = self.store.read(vec![Statement::new(CHUNKS, vec![])]).await?;
        Ok(answer.results.iter().flat_map(|rows| &rows.rows).map(|row| row[0].text().to_owned()).collect())
    }
}

/// Adds what a plan tells.
fn add(read: &mut Read, plan: &[Vec<Cell>], raw: &BTreeSet<String>) {
    let number = |line: &str, before: &str| -> Option<f64> {
        let rest = &line[line.find(before)? + before.len()..];
        rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?.parse().ok()
    };
    let (mut rows, mut scan) = (0.0, None);
    for line in plan.iter().map(|row| row[0].text()) {
        if line.contains("actual rows=") || line.contains("never executed") {
            let loops = number(line, "loops=").unwrap_or(0.0);
            read.most_loops = read.most_loops.max(loops as u64);
            let is_raw = line.contains("Scan") && line.split_whitespace().any(|word| raw.contains(word));
            scan = is_raw.then_some(loops);
            rows += scan.map_or(0.0, |loops| loops * number(line, "actual rows=").unwrap_or(0.0));
        } else if let Some(loops) = scan {
            let removed = ["Rows Removed by Filter: ", "Rows Removed by Index Recheck: "];
            rows += removed.iter().filter_map(|before| number(line, before)).sum::<f64>() * loops;
        }
    }
    read.raw_rows += rows as u64;
}

/// A snapshot whose statements are explained in it before they are answered.
struct Explained {
    inner: Box<dyn Snapshot>,
    raw: BTreeSet<String>,
    read: Arc<Mutex<Read>>,
}

#[async_trait]
impl Snapshot for Explained {
    fn as_of(&self) -> &AsOf {
        self.inner.as_of()
    }

    async fn read(&mut self, statements: Vec<Statement>) -> Result<Vec<Rows>, Error> {
        let explain = |statement: &Statement| {
            let sql = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {}", statement.sql);
            Statement::new(sql, statement.values.clone())
        };
        let plans = self.inner.read(statements.iter().map(explain).collect()).await?;
        {
            let mut read = self.read.lock();
            plans.iter().for_each(|plan| add(&mut read, &plan.rows, &self.raw));
        }
        self.inner.read(statements).await
    }
}

#[async_trait]
impl Store for Explaining {
    fn engine(&self) -> Engine {
        self.store.engine()
    }

    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Error> {
        self.store.checkpoints().await
    }

    async fn minutes(&self, partition: PartitionId, up_to: i64, most: usize) -> Result<Vec<LogMinute>, Error> {
        self.store.minutes(partition, up_to, most).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), Error> {
        self.store.commit(commit).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error> {
        let raw = self.raw().await?;
        Ok(Box::new(Explained { inner: self.store.snapshot().await?, raw, read: self.read.clone() }))
    }

    async fn refresh(&self, work: Refresh) -> Result<Refreshed, Error> {
        self.store.refresh(work).await
    }

    fn lookup(&self) -> &dyn Lookup {
        self.store.lookup()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_were_passed_over_count_as_often_as_the_scan_ran() {
        let plan: Vec<Vec<Cell>> = [
            "Hash Join (actual rows=7 loops=1)",
            "  ->  Index Scan using event_by_time on event e (actual rows=5 loops=3)",
            "        Index Cond: (site = 1)",
            "        Rows Removed by Filter: 2",
            "  ->  Seq Scan on _hyper_1_2_chunk s (never executed)",
            "  ->  Seq Scan on sheet (actual rows=100 loops=1)",
            "        Rows Removed by Filter: 50",
            "  ->  Bitmap Heap Scan on session s (actual rows=1 loops=1)",
            "        Rows Removed by Index Recheck: 4",
        ]
        .map(|line| vec![Cell::Text(line.to_owned())])
        .into();
        let raw = ["event", "session", "_hyper_1_2_chunk"].map(str::to_owned).into();
        let mut read = Read::default();
        add(&mut read, &plan, &raw);
        assert_eq!(read, Read { raw_rows: 5 * 3 + 2 * 3 + 1 + 4, most_loops: 3 });
    }
}
