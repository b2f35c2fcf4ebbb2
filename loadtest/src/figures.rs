//! Results: a small table for people, and the same as a file among the baselines.

use crate::Failure;
use std::path::Path;

/// Figures of one run, in the order they are told.
#[derive(Default)]
pub(crate) struct Figures {
    rows: Vec<(String, String)>,
}

impl Figures {
    pub(crate) fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.rows.push((name.into(), value.into()));
    }

    /// Names on the left, values on the right.
    pub(crate) fn table(&self) -> String {
        let width = |of: fn(&(String, String)) -> usize| self.rows.iter().map(of).max().unwrap_or_default();
        let (names, values) = (width(|row| row.0.chars().count()), width(|row| row.1.chars().count()));
        let line = |(name, value): &(String, String)| format!("| {name:<names$} | {value:>values$} |\n");
        let rule = format!("|{}|{}:|\n", "-".repeat(names + 2), "-".repeat(values + 1));
        let mut rows = self.rows.iter();
        let head = rows.next().map(line).unwrap_or_default();
        head + &rule + &rows.map(line).collect::<String>()
    }

    /// Writes `folder/name.md` with the command that makes it and the machine it was made on.
    pub(crate) fn write(&self, folder: &Path, name: &str, command: &str) -> Result<(), Failure> {
        let text = format!("# {name}\n\n`{command}`\n\n{}.\n\n{}", machine(), self.table());
        let path = folder.join(format!("{name}.md"));
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// What a figure depends on beside the code.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = read("/proc/sys/kernel/osrelease");
    let busy = read("/proc/loadavg");
    format!(
        "{cores} cores ({}), Linux {}, load average {}; client and server on the same machine",
        model.map_or("unknown", |(_, model)| model.trim()),
        kernel.trim(),
        busy.split(' ').next().unwrap_or("unknown"),
    )
}

/// `1234567` → `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|g| std::str::from_utf8(g).ok()).collect();
    groups.join(",")
}

pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", thousands(bytes.div_ceil(1 << 20)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!([0, 999, 1_000, 4_698_794].map(thousands), ["0", "999", "1,000", "4,698,794"]);
        assert_eq!([0, 1, 1 << 20, (1 << 30) + 1].map(mebibytes), ["0 MiB", "1 MiB", "1 MiB", "1,025 MiB"]);
    }

    #[test]
    fn a_table_is_markdown_and_aligned() {
        let mut figures = Figures::default();
        figures.add("figure", "msnbc");
        figures.add("events", thousands(12_345));
        assert_eq!(figures.table(), "| figure |  msnbc |\n|--------|-------:|\n| events | 12,345 |\n");
    }
}
