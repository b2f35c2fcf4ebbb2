//! That programs find DuckDB's library (build.rs puts it beside them), and that it is the version we pin.

use duckdb::Connection;

#[test]
fn the_pinned_duckdb_is_found_and_answers() -> Result<(), duckdb::Error> {
    let version: String = Connection::open_in_memory()?.query_row("SELECT version()", [], |row| row.get(0))?;
    assert_eq!(version, "v1.5.6", "tools/package.json and the crate's version in Cargo.toml must name the same DuckDB");
    Ok(())
}
