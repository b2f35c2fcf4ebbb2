//! Whether trees can be asked: their size, and the segments that they refer to.
//!
//! Faults name the guilty node by its path from the root, as the wire writes it: `all.nodes[1].not.member_of`.

use super::{MOST_DEPTH, MOST_NODES, MOST_RESOLVED_NODES, Node, SegmentId};
use std::collections::HashMap;

/// The trees of a site's segments.
pub type Book = HashMap<SegmentId, Node>;

/// Why a tree has no meaning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    #[error("a tree may be {MOST_DEPTH} levels deep; this node lies deeper")]
    TooDeep { path: String },
    #[error("a tree may have {MOST_NODES} nodes; this one has {nodes}")]
    TooManyNodes { path: String, nodes: usize },
    #[error("with all members in their places the tree has more than {MOST_RESOLVED_NODES} nodes")]
    TooManyMembers { path: String },
    #[error("the site has no segment {id}")]
    Unknown { path: String, id: SegmentId },
    #[error("the segment would be a member of itself: {}", chain(.cycle))]
    Cycle { path: String, cycle: Vec<SegmentId> },
}

impl Unresolved {
    /// The guilty node.
    pub fn path(&self) -> &str {
        match self {
            Unresolved::TooDeep { path }
            | Unresolved::TooManyNodes { path, .. }
            | Unresolved::TooManyMembers { path }
            | Unresolved::Unknown { path, .. }
            | Unresolved::Cycle { path, .. } => path,
        }
    }
}

fn chain(cycle: &[SegmentId]) -> String {
    cycle.iter().map(SegmentId::to_string).collect::<Vec<_>>().join(" → ")
}

/// How many nodes a tree has.
pub fn nodes(tree: &Node) -> usize {
    1 + children(tree).iter().map(|(_, child)| nodes(child)).sum::<usize>()
}

/// How many levels a tree has.
pub fn depth(tree: &Node) -> usize {
    1 + children(tree).iter().map(|(_, child)| depth(child)).max().unwrap_or(0)
}

/// The segments that a tree names, with the paths of the nodes that do.
pub fn members(tree: &Node) -> Vec<(String, SegmentId)> {
    let mut found = Vec::new();
    walk(tree, "", &mut |path, node| {
        if let Node::Member(id) = node {
            found.push((format!("{path}member_of"), *id));
        }
    });
    found
}

/// Whether a tree keeps within the limits, may be kept as `own` and resolved with the book.
///
/// Errors: too large, too deep, an unknown member, a cycle.
pub fn check(tree: &Node, own: Option<SegmentId>, book: &Book) -> Result<(), Unresolved> {
    let count = nodes(tree);
    if count > MOST_NODES {
        return Err(Unresolved::TooManyNodes { path: String::new(), nodes: count });
    }
    let mut resolver = Resolver { book, own, nodes: 0, open: own.into_iter().collect() };
    resolver.resolve(tree, "", 1, None).map(drop)
}

/// The tree with the trees of its members in their places.
pub fn resolve(tree: &Node, book: &Book) -> Result<Node, Unresolved> {
    Resolver { book, own: None, nodes: 0, open: Vec::new() }.resolve(tree, "", 1, None)
}

struct Resolver<'a> {
    book: &'a Book,
    own: Option<SegmentId>,
    nodes: usize,
    /// The segments on the way from the root.
    open: Vec<SegmentId>,
}

impl Resolver<'_> {
    /// `blame` is the member node of the tree that was handed in, once the walk is inside of one.
    fn resolve(&mut self, node: &Node, path: &str, level: usize, blame: Option<&str>) -> Result<Node, Unresolved> {
        let guilty = || blame.unwrap_or(path.trim_end_matches('.')).to_owned();
        if level > MOST_DEPTH {
            return Err(Unresolved::TooDeep { path: guilty() });
        }
        self.nodes += 1;
        if self.nodes > MOST_RESOLVED_NODES {
            return Err(Unresolved::TooManyMembers { path: guilty() });
        }
        match node {
            Node::Member(id) => {
                let path = blame.map_or_else(|| format!("{path}member_of"), str::to_owned);
                if self.open.contains(id) || self.own == Some(*id) {
                    let mut cycle = self.open.clone();
                    cycle.push(*id);
                    return Err(Unresolved::Cycle { path, cycle });
                }
                let Some(tree) = self.book.get(id) else { return Err(Unresolved::Unknown { path, id: *id }) };
                self.open.push(*id);
                // The member's own root takes the member's place.
                self.nodes -= 1;
                let resolved = self.resolve(tree, "", level, Some(&path))?;
                self.open.pop();
                Ok(resolved)
            }
            Node::Not(of) => {
                let inner = self.resolve(of, &format!("{path}not."), level + 1, blame)?;
                Ok(Node::Not(Box::new(inner)))
            }
            Node::All(_) | Node::Any(_) => {
                let resolved: Result<Vec<Node>, Unresolved> = children(node)
                    .into_iter()
                    .map(|(step, child)| self.resolve(child, &format!("{path}{step}"), level + 1, blame))
                    .collect();
                Ok(if matches!(node, Node::All(_)) { Node::All(resolved?) } else { Node::Any(resolved?) })
            }
            leaf => Ok(leaf.clone()),
        }
    }
}

/// The children of a node, with the step of the path that leads to each.
fn children(node: &Node) -> Vec<(String, &Node)> {
    let list = |name: &str, nodes: &'_ [Node]| -> Vec<String> {
        (0..nodes.len()).map(|index| format!("{name}.nodes[{index}].")).collect()
    };
    match node {
        Node::All(nodes) => list("all", nodes).into_iter().zip(nodes).collect(),
        Node::Any(nodes) => list("any", nodes).into_iter().zip(nodes).collect(),
        Node::Not(of) => vec![("not.".to_owned(), of)],
        _ => Vec::new(),
    }
}

fn walk<'a>(node: &'a Node, path: &str, visit: &mut dyn FnMut(&str, &'a Node)) {
    visit(path, node);
    for (step, child) in children(node) {
        walk(child, &format!("{path}{step}"), visit);
    }
}
