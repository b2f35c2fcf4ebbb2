//! What a process does: a list of roles, as data. All of them is one process; fewer are a part of several.

use serde::{Deserialize, Serialize};

/// A part of the work. The word is the same in the configuration, the proto package and the folder of its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Collects events into its own log, and lets others read it.
    Ingest,
    /// Folds the log into the warehouse; several share the partitions.
    Aggregate,
    /// Answers reports.
    Query,
    /// Keeps sites, keys and refused events.
    Admin,
    /// Keeps segments, counts and watches them.
    Segment,
}

impl Role {
    pub const ALL: [Role; 5] = [Role::Ingest, Role::Aggregate, Role::Query, Role::Admin, Role::Segment];

    pub fn name(self) -> &'static str {
        match self {
            Role::Ingest => "ingest",
            Role::Aggregate => "aggregate",
            Role::Query => "query",
            Role::Admin => "admin",
            Role::Segment => "segment",
        }
    }
}

/// Whether the roles are spread over several processes.
pub fn are_apart(roles: &[Role]) -> bool {
    Role::ALL.iter().any(|role| !roles.contains(role))
}
