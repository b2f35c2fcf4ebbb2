//! What became of a file.

use crate::table;
use std::collections::BTreeMap;
use std::time::Duration;

/// Refused lines that are kept for the report.
const KEPT: usize = 20;

/// A line that is no event, or was refused by the collector.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct RefusedLine {
    pub line: u64,
    /// Name of the collector's reason; `unreadable` when the line did not parse.
    pub reason: &'static str,
    pub message: String,
}

/// The sum of an import.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Report {
    pub lines: u64,
    /// On disk at the server. Lines that were there already are among them: they count once.
    pub accepted: u64,
    pub refused: u64,
    pub refused_by_reason: BTreeMap<&'static str, u64>,
    /// The first ones.
    pub refused_lines: Vec<RefusedLine>,
    /// Calls that were sent again.
    pub retries: u64,
    pub seconds: f64,
}

impl Report {
    pub(super) fn refuse(&mut self, line: RefusedLine) {
        self.refused += 1;
        *self.refused_by_reason.entry(line.reason).or_default() += 1;
        if self.refused_lines.len() < KEPT {
            self.refused_lines.push(line);
        }
    }

    pub(super) fn add(&mut self, other: Report) {
        self.lines += other.lines;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.retries += other.retries;
        for (reason, count) in other.refused_by_reason {
            *self.refused_by_reason.entry(reason).or_default() += count;
        }
        self.refused_lines.extend(other.refused_lines);
        self.refused_lines.sort_by_key(|line| line.line);
        self.refused_lines.truncate(KEPT);
    }

    pub(super) fn took(&mut self, time: Duration) {
        self.seconds = time.as_secs_f64();
    }

    /// For people.
    pub fn text(&self) -> String {
        let rate = self.accepted as f64 / self.seconds.max(1e-9);
        let mut text = format!(
            "{} lines: {} accepted, {} refused, in {:.1} s ({} events/s)\n",
            table::number(self.lines),
            table::number(self.accepted),
            table::number(self.refused),
            self.seconds,
            table::number(rate as i64)
        );
        if self.retries > 0 {
            text += &format!("{} calls were sent again\n", table::number(self.retries));
        }
        for (reason, count) in &self.refused_by_reason {
            text += &format!("  {reason}: {}\n", table::number(*count));
        }
        for line in &self.refused_lines {
            text += &format!("  line {}: {}: {}\n", line.line, line.reason, line.message);
        }
        text
    }
}
