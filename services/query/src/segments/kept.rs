//! The segments that sites keep, as filters of reports need them: trees by id, and marks that tell whether they are others, each in one
//! statement.

use crate::answer::cell;
use crate::plan::{Malformed, Tenant};
use crate::watch::Marks;
use pistats_core::SiteId;
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

/// What the segments of every site come to: how many, of how many versions in all, and when the newest was made.
pub(crate) fn marks() -> Statement {
    let text =
        "SELECT s.site, count(*), CAST(sum(s.version) AS BIGINT), max(s.updated_us) FROM segment s GROUP BY s.site";
    Statement::new(text, vec![]).as_numbers()
}

/// The marks that the rows are.
pub(crate) fn marks_of(rows: Rows) -> Result<Marks, Malformed> {
    let [sites, others @ ..] = rows.numbers.as_slice() else { return Ok(Marks::new()) };
    let mark = |(place, site): (usize, &i64)| {
        let site = u32::try_from(*site).map_err(|_| Malformed(format!("segments of a site {site}")))?;
        Ok((SiteId(site), others.iter().filter_map(|column| column.get(place)).copied().collect()))
    };
    sites.iter().enumerate().map(mark).collect()
}
