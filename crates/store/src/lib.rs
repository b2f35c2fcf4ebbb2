//! The warehouse: commits and reads in SQL.
