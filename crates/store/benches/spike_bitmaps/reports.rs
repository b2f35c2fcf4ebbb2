//! Ten reports of a dashboard, asked in a loop while commits go on.

use crate::{Way, spread};
use pistats_store::{Cell, DuckStore, Error, Statement, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// $1 is the newest day.
const REPORTS: [(&str, &str); 10] = [
    (
        "30 days by day, rollups but for dirty hours",
        "SELECT day, sum(events) FROM traffic_15m WHERE site = 1 AND day BETWEEN $1 - 29 AND $1 \
         AND (site, bucket // 4) NOT IN (SELECT (site, hour) FROM rollup_dirty) GROUP BY day",
    ),
    (
        "sessions of 30 days, rollups",
        "SELECT day, sum(sessions), sum(bounces) FROM session_15m WHERE site = 1 AND day BETWEEN $1 - 29 AND $1 GROUP BY day",
    ),
    (
        "top pages of a week",
        "SELECT host || path AS page, count(*) AS n FROM event WHERE site = 1 AND day BETWEEN $1 - 6 AND $1 \
         GROUP BY page ORDER BY n DESC LIMIT 10",
    ),
    (
        "top pages of 30 days",
        "SELECT host || path AS page, count(*) AS n FROM event WHERE site = 1 AND day BETWEEN $1 - 29 AND $1 \
         GROUP BY page ORDER BY n DESC LIMIT 10",
    ),
    (
        "sources of a week with visitors",
        "SELECT source, count(*) AS n, count(DISTINCT visitor) FROM event WHERE site = 1 AND day BETWEEN $1 - 6 AND $1 \
         GROUP BY source ORDER BY n DESC LIMIT 10",
    ),
    (
        "countries of 30 days",
        "SELECT country, count(*) AS n FROM event WHERE site = 1 AND day BETWEEN $1 - 29 AND $1 \
         GROUP BY country ORDER BY n DESC LIMIT 10",
    ),
    ("visitors of today, SQL", "SELECT count(DISTINCT visitor) FROM event WHERE site = 1 AND day = $1"),
    (
        "visitors of 30 days, SQL",
        "SELECT count(DISTINCT visitor) FROM event WHERE site = 1 AND day BETWEEN $1 - 29 AND $1",
    ),
    (
        "entry pages of a week",
        "SELECT entry_page, sum(sign) AS n FROM session WHERE site = 1 AND day BETWEEN $1 - 6 AND $1 \
         GROUP BY entry_page ORDER BY n DESC LIMIT 10",
    ),
    (
        "new visitors of 30 days",
        "SELECT first_day, sum(sign) FROM visitor WHERE site = 1 AND first_day BETWEEN $1 - 29 AND $1 GROUP BY first_day",
    ),
];

/// What a union of bitmaps has to read.
const BITMAPS: (&str, &str) = (
    "bitmaps of 30 days",
    "SELECT log_partition, day, count(*), sum(octet_length(bitmap)) FROM spike_bitmap \
     WHERE dimension = 'all' AND day BETWEEN $1 - 29 AND $1 GROUP BY ALL",
);

/// Asks until told to stop, each report with its own read.
pub(crate) async fn ask(store: Arc<DuckStore>, way: Way, stop: Arc<AtomicBool>) -> Result<(), Error> {
    let newest = Statement::new("SELECT max(day) FROM event", vec![]);
    let newest = store.read(vec![newest]).await?.results[0].rows[0][0].clone();
    let mut reports = REPORTS.to_vec();
    if way != Way::None {
        reports.push(BITMAPS);
    }
    let mut all = Vec::new();
    let mut each = vec![Vec::new(); reports.len()];
    while !stop.load(Ordering::Acquire) {
        for (at, (_, sql)) in reports.iter().enumerate() {
            let values: Vec<Cell> = vec![newest.clone()];
            let started = Instant::now();
            store.read(vec![Statement::new(*sql, values)]).await?;
            each[at].push(started.elapsed());
            all.push(started.elapsed());
        }
    }
    println!("   reports: {}", spread(&mut all));
    for ((name, _), waits) in reports.iter().zip(&mut each) {
        println!("     {name}: {}", spread(waits));
    }
    Ok(())
}
