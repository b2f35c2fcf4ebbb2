//! Statements and their answers: SQL text with bound values in, columns of cells out.

use crate::Error;
use async_trait::async_trait;
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
    /// A list of whole numbers, for a few visitors among all. Bound only: no column holds one.
    Numbers(Vec<i64>),
    /// 16 bytes: ids and visitor keys.
    Wide(u128),
    /// Bitmaps.
    Bytes(Vec<u8>),
}

/// SQL in PostgreSQL's dialect as far as DuckDB shares it; values are bound as `$1`, `$2` … and never pasted.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Statement {
    pub sql: String,
    pub values: Vec<Cell>,
    pub shape: Shape,
}

/// How rows come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Shape {
    /// As rows of cells.
    #[default]
    Rows,
    /// As columns of whole numbers, NULL as [`Rows::NULL`]: for millions of rows.
    Numbers,
}

/// What one statement gave, in the shape that it asked for.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Rows {
    pub rows: Vec<Vec<Cell>>,
    /// One a column, equally long.
    pub numbers: Vec<Vec<i64>>,
}

impl Rows {
    /// NULL in a column of numbers.
    pub const NULL: i64 = i64::MIN;
}

impl Statement {
    /// A statement whose rows come back as cells.
    pub fn new(sql: impl Into<String>, values: Vec<Cell>) -> Statement {
        Statement { sql: sql.into(), values, shape: Shape::Rows }
    }

    /// The same, with columns of whole numbers for an answer.
    pub fn as_numbers(self) -> Statement {
        Statement { shape: Shape::Numbers, ..self }
    }
}

/// The answers of several statements read in one snapshot, and how far the log was folded in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub as_of: AsOf,
    pub results: Vec<Rows>,
}

/// One snapshot, read as often as its reader likes: for reads whose later statements depend on earlier answers.
///
/// It keeps a connection to itself, so it MUST be dropped soon, and nothing else of the same store may be waited for meanwhile.
/// Dropping it ends it. A statement that fails ends it, too: what is read then is `Error::Interrupted`.
#[async_trait]
pub trait Snapshot: Send {
    /// How far the log was folded in it.
    fn as_of(&self) -> &AsOf;

    /// Answers statements. Dropping the future interrupts the engine and ends the snapshot.
    async fn read(&mut self, statements: Vec<Statement>) -> Result<Vec<Rows>, Error>;
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

impl From<Vec<i64>> for Cell {
    fn from(numbers: Vec<i64>) -> Cell {
        Cell::Numbers(numbers)
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
