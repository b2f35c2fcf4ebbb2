//! Statements and their answers: SQL text with bound values in, columns of cells out.

use pistats_core::report::AsOf;

/// One cell of an answer, or one bound value of a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    /// A list of texts, for topics and property keys and values.
    List(Vec<String>),
    /// 16 bytes: ids and visitor keys.
    Wide(u128),
}

/// SQL in PostgreSQL's dialect as far as DuckDB shares it; values are bound as `$1`, `$2` … and never pasted.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Statement {
    pub sql: String,
    pub values: Vec<Cell>,
}

/// The rows of one statement.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Rows {
    pub rows: Vec<Vec<Cell>>,
}

/// The answers of several statements read in one snapshot, and how far the log was folded in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub as_of: AsOf,
    pub results: Vec<Rows>,
}

impl Cell {
    /// The number in this cell; NULL is 0.
    pub fn int(&self) -> i64 {
        match self {
            Cell::Int(number) => *number,
            Cell::Bool(truth) => i64::from(*truth),
            _ => 0,
        }
    }

    /// The number in this cell, or nothing.
    pub fn maybe_int(&self) -> Option<i64> {
        match self {
            Cell::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The text in this cell; anything else is empty.
    pub fn text(&self) -> &str {
        match self {
            Cell::Text(text) => text,
            _ => "",
        }
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Cell {
        Cell::Int(number)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}
