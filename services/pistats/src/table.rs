//! Tables and lines for the terminal.

use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets};

/// Prints a line, as `println!` does; but a reader that has gone (`| head`) ends the program quietly.
macro_rules! say {
    ($($text:tt)*) => { $crate::table::line(format_args!($($text)*)) };
}
pub(crate) use say;

/// What [`say!`] calls.
// A command only asks a server: it has nothing to shut down, and nobody listens any more.
#[allow(clippy::disallowed_methods)]
pub(crate) fn line(text: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    if writeln!(std::io::stdout().lock(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// A table with a head; columns from `numbers_from` on are numbers, aligned to the right.
pub(crate) fn render(head: &[&str], rows: Vec<Vec<String>>, numbers_from: usize) -> String {
    let mut table = Table::new();
    // One rule below the head, nothing else: rows are close together and can be cut by other programs.
    table
        .load_preset(presets::NOTHING)
        .set_style(TableComponent::HeaderLines, '─')
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(numbers_from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// 1234567 → 1,234,567.
pub(crate) fn number(number: impl Into<i128>) -> String {
    let number = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn digits_are_grouped_by_three() {
        let shown: Vec<String> = [0i64, 999, 1_000, -1_234_567].into_iter().map(number).collect();
        assert_eq!(shown, ["0", "999", "1,000", "-1,234,567"]);
    }
}
