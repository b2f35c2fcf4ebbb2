//! Arguments of the commands about segments.

use super::Server;
use clap::{Args, Subcommand};

/// Where, and how the answer is written.
#[derive(Debug, Clone, Args)]
pub struct SegmentArgs {
    #[command(flatten)]
    pub server: Server,
    /// Site to ask about
    #[arg(long)]
    pub site: Option<String>,
    /// The answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum SegmentCommand {
    /// Makes a segment of a tree
    Create {
        #[command(flatten)]
        args: SegmentArgs,
        /// Its name
        name: String,
        /// The tree as JSON, such as {"did": {"event": "purchase", "at_least": 2, "last_days": 30}}; @FILE reads a file
        tree: String,
        #[arg(long, default_value = "")]
        description: String,
    },
    /// Shows a segment: sentence, version, where it is used
    Get {
        #[command(flatten)]
        args: SegmentArgs,
        /// Id or name
        segment: String,
        /// An older version
        #[arg(long, default_value_t = 0)]
        version: u32,
    },
    /// Lists the segments of a site
    List {
        #[command(flatten)]
        args: SegmentArgs,
    },
    /// Changes a segment; a new tree is a new version
    Update {
        #[command(flatten)]
        args: SegmentArgs,
        /// Id or name
        segment: String,
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        description: Option<String>,
        /// The new tree as JSON, or @FILE
        #[arg(long)]
        tree: Option<String>,
    },
    /// Takes a segment away
    Delete {
        #[command(flatten)]
        args: SegmentArgs,
        /// Id or name
        segment: String,
    },
    /// Counts a segment, or a tree that is not kept
    Preview {
        #[command(flatten)]
        args: SegmentArgs,
        /// Id or name, or with --tree none
        #[arg(required_unless_present = "tree", conflicts_with = "tree")]
        segment: Option<String>,
        /// A tree as JSON, or @FILE
        #[arg(long)]
        tree: Option<String>,
        /// Members to show, at most 100
        #[arg(long, default_value_t = 0)]
        sample: u32,
        /// Counts from one statement of SQL, and shows it
        #[arg(long)]
        sql: bool,
    },
    /// Lists the members of a segment, one visitor key a line
    Members {
        #[command(flatten)]
        args: SegmentArgs,
        /// Id or name
        segment: String,
        /// Members to list; 0: all
        #[arg(long, default_value_t = 0)]
        limit: u64,
    },
    /// Lists a segment's size by day, today first
    Sizes {
        #[command(flatten)]
        args: SegmentArgs,
        /// Id or name
        segment: String,
        /// Today and the days before it, at most 366
        #[arg(long, default_value_t = 30)]
        days: u32,
    },
    /// Shows a segment's size, and who enters and leaves, as it changes
    Watch {
        #[command(flatten)]
        args: SegmentArgs,
        /// Id or name
        segment: String,
        /// Ends after so many messages
        #[arg(long)]
        messages: Option<u64>,
    },
}
