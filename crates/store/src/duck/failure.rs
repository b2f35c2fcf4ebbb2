//! DuckDB's errors, told apart by the class that its messages begin with (its C interface hands out nothing better).

use crate::Error;

/// An error of the engine, as this crate names it.
pub(super) fn engine(error: duckdb::Error) -> Error {
    let text = error.to_string();
    let class = text.split(" Error:").next().unwrap_or_default();
    match class {
        "INTERRUPT" => Error::Interrupted,
        "Out of Range" => Error::Overflow,
        "Parser" | "Binder" | "Catalog" | "Conversion" | "Invalid Input" | "Not implemented" => Error::Statement(text),
        _ => Error::Engine(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duckdb::Connection;

    #[test]
    fn the_engines_errors_are_told_apart() {
        let conn = Connection::open_in_memory().expect("a database");
        let fails = |sql: &str| engine(conn.execute(sql, []).expect_err("a refusal"));
        assert!(matches!(fails("SELEC 1"), Error::Statement(_)));
        assert!(matches!(fails("SELECT nothing FROM nowhere"), Error::Statement(_)));
        assert!(matches!(fails("SELECT 9223372036854775807 + 1::BIGINT"), Error::Overflow));
        assert!(!fails("SELECT 'x'::INTEGER").is_retryable());
    }
}
