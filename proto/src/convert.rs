//! Messages ↔ domain: the wire is parsed once, past the edge there are valid types only.
//!
//! A request that means nothing is refused as a whole, with every field that is wrong, why, and what would do
//! ([`Invalid`]). It is not responsible for the status that carries the refusal (services), nor for events, which are
//! checked on their bytes (ingest).

pub mod follow;
pub mod live;
pub mod log;
pub mod push;
pub mod query;
pub mod segment;

use std::fmt;

/// One wrong field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path from the request, as google.rpc.BadRequest writes it: `filters[2].values`.
    pub field: String,
    /// What is wrong and what would do.
    pub description: String,
}

/// A request that was refused: one violation or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub Vec<Violation>);

impl Invalid {
    /// A refusal of one field.
    pub fn field(field: impl Into<String>, description: impl Into<String>) -> Invalid {
        Invalid(vec![Violation { field: field.into(), description: description.into() }])
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, violation) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", violation.field, violation.description)?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}

/// Collects what is wrong with a request while it is read.
#[derive(Default)]
struct Violations(Vec<Violation>);

impl Violations {
    /// Notes a wrong field; `None`, so that it can end a reader of that field.
    fn add<T>(&mut self, field: impl Into<String>, description: impl Into<String>) -> Option<T> {
        self.0.push(Violation { field: field.into(), description: description.into() });
        None
    }

    /// The value that was read, unless something was wrong.
    fn unless_any<T>(self, value: Option<T>) -> Result<T, Invalid> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Invalid(self.0)),
        }
    }
}
