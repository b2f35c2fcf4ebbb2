//! What the guards of the log on Fluvio counted, as each process tells it on its page of metrics.

use crate::Failure;
use std::collections::BTreeMap;

/// The metric, one sample a kind of fault.
const METRIC: &str = "pistats_fluvio_faults_total";

/// Process → kind of fault → how often; zeros are left out.
#[derive(Debug, Default)]
pub(crate) struct Guards(BTreeMap<String, BTreeMap<String, u64>>);

impl Guards {
    /// Takes a process's page in. It must tell of Fluvio.
    pub(super) fn add(&mut self, process: &str, page: &str) -> Result<(), Failure> {
        let read = |line: &str| {
            let (kind, count) = line.strip_prefix(METRIC)?.strip_prefix("{kind=\"")?.split_once("\"} ")?;
            Some((kind.to_owned(), count.trim().parse::<u64>().ok()?))
        };
        let counts: BTreeMap<String, u64> = page.lines().filter_map(read).collect();
        if counts.is_empty() {
            return Err(format!("{process}'s page of metrics does not tell {METRIC}"));
        }
        self.0.insert(process.to_owned(), counts.into_iter().filter(|(_, count)| *count > 0).collect());
        Ok(())
    }

    /// How many faults of a kind they are, over all processes.
    pub(crate) fn sum(&self, kind: &str) -> u64 {
        self.0.values().filter_map(|counts| counts.get(kind)).sum()
    }

    /// In one line.
    pub(crate) fn told(&self) -> String {
        let of = |counts: &BTreeMap<String, u64>| {
            let told: Vec<String> = counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
            if told.is_empty() { "none".to_owned() } else { told.join(", ") }
        };
        let told: Vec<String> = self.0.iter().map(|(process, counts)| format!("{process}: {}", of(counts))).collect();
        format!("`{METRIC}` on the pages of metrics: {}", told.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_are_read_from_pages_of_metrics_and_add_up() {
        let page = |cut, resent| {
            format!(
                "# TYPE {METRIC} counter\n{METRIC}{{kind=\"cut\"}} {cut}\n{METRIC}{{kind=\"resent\"}} {resent}\nx 3\n"
            )
        };
        let mut guards = Guards::default();
        guards.add("ingest", &page(0, 12)).unwrap();
        guards.add("aggregate-1", &page(2, 1)).unwrap();
        guards.add("aggregate-2", &page(0, 0)).unwrap();
        assert!(guards.add("front", "x 3\n").is_err());
        assert_eq!((guards.sum("cut"), guards.sum("resent"), guards.sum("missing")), (2, 13, 0));
        let told = guards.told();
        assert!(told.ends_with("aggregate-1: cut 2, resent 1; aggregate-2: none; ingest: resent 12"), "{told}");
    }
}
