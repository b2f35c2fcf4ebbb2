//! Kept segments: rows with encoded trees, read as what they say, and told as messages.

use crate::status;
use pistats_core::directory::Site;
use pistats_core::segment::{Book, Names, Node, SegmentId, check, members, resolve, sentence};
use pistats_proto::convert::segment::tree;
use pistats_proto::segment::v1 as wire;
use pistats_store::{SegmentRow, Segments};
use prost::Message;
use std::collections::HashMap;
use tonic::Status;

/// Segments that a site may have.
pub(crate) const MOST_SEGMENTS: usize = 1_000;
const NAME_BYTES: usize = 200;
const DESCRIPTION_BYTES: usize = 2_000;

/// All segments of a site, newest versions.
pub(crate) struct Kept {
    rows: Vec<SegmentRow>,
    pub(crate) book: Book,
    names: Names,
    /// By member: the segments that have it, by id.
    used_in: HashMap<SegmentId, Vec<SegmentId>>,
}

impl Kept {
    /// Reads them. A tree that cannot be read (a newer server kept it) has no members and no meaning, and is told as such.
    pub(crate) async fn read(store: &dyn Segments, site: &Site) -> Result<Kept, Status> {
        let rows = store.segments(site.id).await.map_err(status::of_store)?;
        let mut kept = Kept { rows, book: Book::new(), names: Names::new(), used_in: HashMap::new() };
        for row in &kept.rows {
            kept.names.insert(row.id, row.name.clone());
            let Some(tree) = decode(&row.tree) else {
                tracing::warn!(segment = %row.id, "a kept segment cannot be read");
                continue;
            };
            for (_, member) in members(&tree) {
                let users = kept.used_in.entry(member).or_default();
                if !users.contains(&row.id) {
                    users.push(row.id);
                }
            }
            kept.book.insert(row.id, tree);
        }
        Ok(kept)
    }

    pub(crate) fn rows(&self) -> &[SegmentRow] {
        &self.rows
    }

    /// A segment, or NOT_FOUND.
    pub(crate) fn row(&self, id: SegmentId) -> Result<&SegmentRow, Status> {
        let found = self.rows.iter().find(|row| row.id == id);
        found.ok_or_else(|| Status::not_found(format!("id: the site has no segment {id}")))
    }

    /// The tree of a segment, or why there is none.
    pub(crate) fn tree(&self, id: SegmentId) -> Result<&Node, Status> {
        self.row(id)?;
        let unreadable = || Status::failed_precondition(format!("segment {id} was kept by a newer server"));
        self.book.get(&id).ok_or_else(unreadable)
    }

    /// Whether a tree may be kept as `own` (a new one: none).
    pub(crate) fn check(&self, tree: &Node, own: Option<SegmentId>) -> Result<(), Status> {
        check(tree, own, &self.book).map_err(|fault| status::unresolved(&fault))
    }

    /// A tree with its members in their places.
    pub(crate) fn resolved(&self, tree: &Node) -> Result<Node, Status> {
        resolve(tree, &self.book).map_err(|fault| status::unresolved(&fault))
    }

    /// What a tree means.
    pub(crate) fn sentence(&self, tree: &Node) -> String {
        sentence(tree, &self.names)
    }

    /// The names of the segments that have this one as a member.
    pub(crate) fn users(&self, id: SegmentId) -> Vec<&str> {
        let users = self.used_in.get(&id).into_iter().flatten();
        users.filter_map(|user| self.names.get(user)).map(String::as_str).collect()
    }

    /// A row as a message.
    pub(crate) fn message(&self, row: &SegmentRow) -> wire::Segment {
        let root = wire::Node::decode(row.tree.as_slice()).ok();
        let tree = decode(&row.tree);
        wire::Segment {
            id: row.id.to_string(),
            name: row.name.clone(),
            description: row.description.clone(),
            root,
            version: row.version,
            created_us: row.created.0,
            updated_us: row.updated.0,
            sentence: tree.map(|tree| self.sentence(&tree)).unwrap_or_default(),
            used_in: self.used_in.get(&row.id).into_iter().flatten().map(SegmentId::to_string).collect(),
        }
    }

    /// A name that another segment of the site does not have.
    pub(crate) fn name(&self, name: &str, own: Option<SegmentId>) -> Result<String, Status> {
        let wrong = |why: String| Err(status::invalid(pistats_proto::convert::Invalid::field("name", why)));
        if name.is_empty() || name.len() > NAME_BYTES {
            return wrong(format!("{} bytes; give a name of 1 to {NAME_BYTES}", name.len()));
        }
        match self.rows.iter().find(|row| row.name == name && Some(row.id) != own) {
            Some(row) => wrong(format!("segment {} has this name already", row.id)),
            None => Ok(name.to_owned()),
        }
    }
}

/// A description, if it is short enough.
pub(crate) fn description(text: &str) -> Result<String, Status> {
    if text.len() > DESCRIPTION_BYTES {
        let why = format!("{} bytes are too long, at most {DESCRIPTION_BYTES}", text.len());
        return Err(status::invalid(pistats_proto::convert::Invalid::field("description", why)));
    }
    Ok(text.to_owned())
}

/// The tree of a row.
fn decode(bytes: &[u8]) -> Option<Node> {
    wire::Node::decode(bytes).ok().and_then(|root| tree("root", Some(&root)).ok())
}
