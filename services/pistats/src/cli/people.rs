//! Arguments of the reports about people's ways.

use super::{Selection, Server, Step};
use clap::Args;

#[derive(Debug, Clone, Args)]
pub struct Funnel {
    #[command(flatten)]
    pub selection: Selection,
    /// A step, in order, written as a filter: 'page=/pricing'; several filters joined by ' && '; any: every event
    #[arg(long = "step", value_name = "STEP", required = true)]
    pub steps: Vec<String>,
    /// Longest time from the first step to the last, such as 45s, 30m, 12h or 7d
    #[arg(long, value_name = "TIME")]
    pub within: Option<String>,
    /// Each step is the very next event
    #[arg(long)]
    pub strict: bool,
    /// Counts runs: a visitor may go through several times
    #[arg(long)]
    pub reentry: bool,
    /// Also counts by when the first step was taken
    #[arg(long)]
    pub by: Option<Step>,
}

#[derive(Debug, Clone, Args)]
pub struct Journey {
    #[command(flatten)]
    pub server: Server,
    /// Site to ask about
    #[arg(long)]
    pub site: Option<String>,
    /// The visitor's key, 32 hexadecimal digits, as `query export` shows it
    #[arg(required_unless_present = "id", conflicts_with = "id")]
    pub visitor: Option<String>,
    /// The visitor id, as it was collected
    #[arg(long)]
    pub id: Option<String>,
    /// Sessions to show, at most 100
    #[arg(long, default_value_t = 20)]
    pub sessions: u32,
    /// Only sessions that start before this instant, such as 2026-01-31T12:00:00Z: the next page
    #[arg(long)]
    pub before: Option<jiff::Timestamp>,
    /// The answer as JSON
    #[arg(long)]
    pub json: bool,
}
