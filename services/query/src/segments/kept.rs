//! The segments that a site keeps, as filters of reports need them: trees by id, in one statement.

use crate::answer::cell;
use crate::plan::{Malformed, Tenant};
use pistats_core::segment::{Book, SegmentId};
use pistats_proto::convert::segment::tree;
use pistats_proto::segment::v1::Node;
use pistats_store::{Cell, Rows, Statement};
use prost::Message;

/// The newest version of every segment of the site.
pub(crate) fn statement(tenant: &Tenant) -> Statement {
    tenant.sql().finish("SELECT s.id, s.tree FROM segment s WHERE s.site = $1")
}

/// The trees that the rows are. One that cannot be read (a newer server kept it) is left out: who names it is told so.
pub(crate) fn book(rows: Rows) -> Result<Book, Malformed> {
    let mut book = Book::new();
    for row in rows.rows {
        let (Cell::Wide(id), Cell::Bytes(bytes)) = (cell(&row, 0)?, cell(&row, 1)?) else {
            return Err(Malformed("a segment without an id and a tree".into()));
        };
        let read = Node::decode(bytes.as_slice()).ok().and_then(|node| tree("root", Some(&node)).ok());
        match read {
            Some(tree) => _ = book.insert(SegmentId(*id), tree),
            None => tracing::warn!(segment = %SegmentId(*id), "a kept segment cannot be read"),
        }
    }
    Ok(book)
}
