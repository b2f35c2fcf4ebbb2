//! The server's errors by their SQLSTATE, and the connection's.

use crate::Error;
use sqlx::error::DatabaseError;

/// An error of the engine, as this crate names it.
pub(super) fn engine(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(error) => of_server(error.as_ref()),
        sqlx::Error::Io(error) => Error::Unavailable(error.to_string()),
        sqlx::Error::Tls(error) => Error::Unavailable(error.to_string()),
        sqlx::Error::PoolTimedOut => Error::Unavailable("no connection was free in time".to_owned()),
        sqlx::Error::PoolClosed => Error::Closed,
        // What the stream says when it ends within a message.
        sqlx::Error::Protocol(text) => Error::Unavailable(text),
        other => Error::Engine(other.to_string()),
    }
}

fn of_server(error: &dyn DatabaseError) -> Error {
    let code = error.code().unwrap_or_default();
    let text = || format!("{} ({code})", error.message());
    match (&*code, code.get(..2).unwrap_or_default()) {
        ("22003", _) => Error::Overflow,
        ("23505", _) => Error::Duplicate(text()),
        ("57014", _) => Error::Interrupted,
        // Connections, too many of them, a server that stops or starts, a server that is read-only while it recovers.
        (_, "08" | "53" | "57") | ("25006", _) => Error::Unavailable(text()),
        // Syntax, names, types; a value of no fitting form.
        (_, "42" | "22" | "0A") => Error::Statement(text()),
        _ => Error::Engine(text()),
    }
}

/// An error while the warehouse is opened, with what to do about it.
pub(super) fn opening(error: sqlx::Error) -> Error {
    match engine(error) {
        Error::Unavailable(text) => Error::Unavailable(text),
        other => Error::Open(other.to_string()),
    }
}
