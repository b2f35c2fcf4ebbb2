//! Arguments of the commands about push campaigns.

use super::SegmentArgs;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum CampaignCommand {
    /// Makes a campaign, as a draft: nothing is sent
    Create(Box<Draft>),
    /// Lists the campaigns of a site
    List {
        #[command(flatten)]
        args: SegmentArgs,
    },
    /// Shows a campaign and its results
    Get {
        #[command(flatten)]
        args: SegmentArgs,
        /// Id or name
        campaign: String,
    },
    /// Starts a draft: from now on it is sent as it says
    Start {
        #[command(flatten)]
        args: SegmentArgs,
        /// Id or name
        campaign: String,
    },
    /// Holds a campaign
    Pause {
        #[command(flatten)]
        args: SegmentArgs,
        /// Id or name
        campaign: String,
    },
    /// Lets a held campaign go on
    Resume {
        #[command(flatten)]
        args: SegmentArgs,
        /// Id or name
        campaign: String,
    },
    /// Ends a campaign before its time
    Cancel {
        #[command(flatten)]
        args: SegmentArgs,
        /// Id or name
        campaign: String,
    },
    /// Takes a draft, or a campaign that is over, away with its results
    Delete {
        #[command(flatten)]
        args: SegmentArgs,
        /// Id or name
        campaign: String,
    },
    /// Shows a campaign's results as they change, until it is over
    Watch {
        #[command(flatten)]
        args: SegmentArgs,
        /// Id or name
        campaign: String,
    },
}

/// What a campaign is to be. Without a time it is sent as soon as it is started.
#[derive(Debug, Clone, Args)]
pub struct Draft {
    #[command(flatten)]
    pub args: SegmentArgs,
    /// Its name
    pub name: String,
    #[arg(long)]
    pub title: String,
    #[arg(long, default_value = "")]
    pub body: String,
    /// Address of a picture, https
    #[arg(long, default_value = "")]
    pub icon: String,
    /// What a click opens, https
    #[arg(long, default_value = "")]
    pub url: String,
    /// Whom it is for: id or name of a segment; everybody with a subscription otherwise
    #[arg(long)]
    pub segment: Option<String>,
    /// At an instant, such as 2026-01-31T12:00:00Z
    #[arg(long, conflicts_with_all = ["local_time", "usual_hour", "on_enter"])]
    pub at: Option<String>,
    /// At this time of every visitor's own clock, such as 09:00
    #[arg(long, conflicts_with_all = ["usual_hour", "on_enter"])]
    pub local_time: Option<String>,
    /// On this day, with --local-time; the next such time otherwise
    #[arg(long, requires = "local_time")]
    pub day: Option<String>,
    /// At the hour in which a visitor usually comes
    #[arg(long, conflicts_with = "on_enter")]
    pub usual_hour: bool,
    /// Whenever somebody enters the segment
    #[arg(long, requires = "segment")]
    pub on_enter: bool,
    /// Hours in which nothing is sent, such as 22:00-07:00
    #[arg(long)]
    pub quiet: Option<String>,
    /// At most so many messages in so many days, such as 2/7
    #[arg(long)]
    pub cap: Option<String>,
    /// Nothing is sent from this instant on
    #[arg(long)]
    pub expires: Option<String>,
}
