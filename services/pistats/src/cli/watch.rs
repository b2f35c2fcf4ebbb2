//! Arguments of `watch`.

use super::{Selection, Step};
use clap::{Args, ValueEnum};

#[derive(Debug, Clone, Args)]
pub struct Watch {
    #[command(flatten)]
    pub selection: Selection,
    /// Reports to show, in this order; may be given several times
    #[arg(long = "show", value_name = "REPORT", default_values = ["realtime", "traffic", "breakdown"])]
    pub reports: Vec<Shown>,
    /// Width of a step of traffic, or of a period of retention
    #[arg(long)]
    pub by: Option<Step>,
    /// What the breakdown is by, as in `query breakdown`
    #[arg(long, default_value = "page")]
    pub dimension: String,
    /// Rows of the breakdown and of each list of realtime, at most 100
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub limit: u32,
    /// Ends after so many changes; 0 means never
    #[arg(long, default_value_t = 0)]
    pub count: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shown {
    Realtime,
    Traffic,
    Breakdown,
    Retention,
}
