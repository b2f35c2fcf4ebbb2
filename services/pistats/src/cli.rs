//! The command line.

mod campaign;
mod people;
mod segment;
mod watch;

pub use campaign::{CampaignCommand, Draft};
pub use people::{Funnel, Journey};
pub use segment::{SegmentArgs, SegmentCommand};
pub use watch::{Shown, Watch};

use crate::roles::Role;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Exact clickstream analytics: every visit captured, counted once, shown as it happens.
#[derive(Debug, Parser)]
#[command(name = "pistats", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts the server: collector, aggregator, query, admin and segments in one process
    Serve(Serve),
    /// Sends a file of events through the collector; a file sent twice counts once
    Import(Import),
    /// Asks for a report
    #[command(subcommand)]
    Query(Query),
    /// Makes, changes and lists sites
    #[command(subcommand)]
    Site(SiteCommand),
    /// Makes, lists and revokes keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Makes, counts, watches and changes segments of visitors
    #[command(subcommand)]
    Segment(SegmentCommand),
    /// Makes, starts, holds, ends and watches push campaigns
    #[command(subcommand)]
    Campaign(CampaignCommand),
    /// Lists refused events and sends them again
    #[command(subcommand)]
    Rejected(RejectedCommand),
    /// Prints a link with which a browser signs in to the dashboard, once, within 15 minutes
    SignIn(Server),
    /// Shows partitions, lag, checkpoints, rates and drops
    Status(Status),
    /// Shows a site's live numbers as they change
    Live(Live),
    /// Shows reports of a site as they change: now, today's traffic and pages; or what is chosen
    Watch(Watch),
    /// Folds the log again from a position, as a repair
    Replay(Replay),
    /// Reads the event log
    #[command(subcommand)]
    Log(LogCommand),
    /// Shows the configuration
    Config(ConfigCommand),
    /// Exits with 0 when the server is healthy
    Health(Server),
}

/// Which server to talk to.
#[derive(Debug, Clone, Args)]
pub struct Server {
    /// Address of the server
    #[arg(long, env = "PISTATS_SERVER", default_value = "http://127.0.0.1:8080", global = true)]
    pub server: String,
    /// Key to show; without it the one that `site create` or `serve` left for this user
    #[arg(long, env = "PISTATS_KEY", hide_env_values = true, global = true)]
    pub key: Option<String>,
    /// Data folder of a server on this machine, where its instance key lies
    #[arg(long, env = "PISTATS_DATA", default_value = "data", global = true)]
    pub data: PathBuf,
    #[command(flatten)]
    pub tls: Tls,
}

/// Certificates, for an https:// address. Files in PEM.
#[derive(Debug, Clone, Default, Args)]
pub struct Tls {
    /// Authority that the server's certificate is signed by [default: the public ones of the web]
    #[arg(long, env = "PISTATS_CA", global = true)]
    pub ca: Option<PathBuf>,
    /// Certificate to show to a server that asks for one (server.tls.client_ca)
    #[arg(long, env = "PISTATS_CERT", global = true)]
    pub cert: Option<PathBuf>,
    /// Its key
    #[arg(long, env = "PISTATS_CERT_KEY", global = true)]
    pub cert_key: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// Folder of the log, the warehouse and the secrets [default: data]
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Configuration file; `pistats config --dump` prints the defaults
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Address and port to listen on
    #[arg(long)]
    pub listen: Option<String>,
    /// What this process does [default: all]
    #[arg(long, env = "PISTATS_ROLES", value_delimiter = ',')]
    pub roles: Vec<Role>,
    /// Also makes a site `demo` and lets believable visitors walk about on it
    #[arg(long)]
    pub demo: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object a line (fields: ts, visitor, url, referrer, ua, country, lang, tz, name, value, …)
    Ndjson,
    /// Apache or nginx combined access log
    Combined,
}

#[derive(Debug, Clone, Args)]
pub struct Import {
    #[command(flatten)]
    pub server: Server,
    /// Site to import into
    #[arg(long)]
    pub site: Option<String>,
    /// Format of the file [default: told from its first line]
    #[arg(long)]
    pub format: Option<Format>,
    /// Connections to send on
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub connections: u16,
    /// Events a call
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub batch: u32,
    /// How long to go on trying when the server is away, seconds
    #[arg(long, default_value_t = 60)]
    pub retry_for: u64,
    /// Writes every refused line and its reason to a file
    #[arg(long)]
    pub rejects: Option<PathBuf>,
    /// Waits until every event can be queried
    #[arg(long)]
    pub wait: bool,
    /// The report as JSON, without a progress bar
    #[arg(long)]
    pub json: bool,
    /// File to import, also gzipped
    pub file: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum Query {
    /// Visitors, sessions, page views and the rest, in steps
    Traffic {
        #[command(flatten)]
        selection: Selection,
        /// Width of a step
        #[arg(long)]
        by: Option<Step>,
    },
    /// The same by the values of a dimension
    Breakdown {
        #[command(flatten)]
        selection: Selection,
        /// url, page, path, host, title, entry_page, exit_page, referrer, source, channel, utm_source …, country, language,
        /// device, screen, browser, os, event_name, topic, user_id, or property:KEY
        dimension: String,
        /// Greatest first
        #[arg(long, default_value = "visitors")]
        order_by: Order,
        #[arg(long, default_value_t = 20)]
        limit: u32,
        #[arg(long, default_value_t = 0)]
        offset: u32,
    },
    /// Who comes back: visitors by the period in which they start, and the share of them in each period after it
    Retention(Retention),
    /// How many take steps one after the other, and how long it takes them
    Funnel(Funnel),
    /// Who was there last, and on what: whom a journey can be asked for
    Visitors {
        #[command(flatten)]
        selection: Selection,
        #[arg(long, default_value_t = 20)]
        limit: u32,
        #[arg(long, default_value_t = 0)]
        offset: u32,
    },
    /// One visitor's sessions and events, the newest first
    Journey(Journey),
    /// The selected events, one JSON object a line
    Export {
        #[command(flatten)]
        selection: Selection,
        /// At most so many; 0 means all
        #[arg(long, default_value_t = 0)]
        limit: u64,
    },
}

#[derive(Debug, Clone, Args)]
pub struct Selection {
    #[command(flatten)]
    pub server: Server,
    /// Site to ask about
    #[arg(long)]
    pub site: Option<String>,
    /// First local day, such as 2013-01-01 [default: 29 days ago]
    #[arg(long)]
    pub from: Option<String>,
    /// Last local day, included [default: today]
    #[arg(long)]
    pub to: Option<String>,
    /// DIMENSION OPERATOR VALUE[|VALUE …], where OPERATOR is = != ~ !~ ^ (is, is not, contains, does not contain, starts with)
    #[arg(long = "filter", value_name = "FILTER")]
    pub filters: Vec<String>,
    #[arg(long, default_value = "exclude")]
    pub bots: BotsArg,
    /// A range to compare with
    #[arg(long)]
    pub compare: Option<CompareArg>,
    /// The answer as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Step {
    Minute,
    Hour,
    Day,
    Week,
    Month,
}

#[derive(Debug, Clone, Args)]
pub struct Retention {
    #[command(flatten)]
    pub selection: Selection,
    /// Length of a period
    #[arg(long, default_value = "day")]
    pub by: PeriodArg,
    #[arg(long, default_value = "monday")]
    pub week_start: WeekStartArg,
    /// Once, in the period of the first event, or in every period with one
    #[arg(long, default_value = "first-time")]
    pub mode: RetentionModeArg,
    /// What a visitor starts with, written as a filter; several must all hold
    #[arg(long = "start", value_name = "FILTER")]
    pub start: Vec<String>,
    /// What a visitor comes back with, written as a filter; several must all hold
    #[arg(long = "return", value_name = "FILTER")]
    pub returning: Vec<String>,
    /// Periods to show of each cohort; 0 means up to the end of the range
    #[arg(long, default_value_t = 0)]
    pub cells: u32,
    /// Visitors instead of shares
    #[arg(long)]
    pub counts: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PeriodArg {
    Day,
    Week,
    Month,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum WeekStartArg {
    Monday,
    Sunday,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RetentionModeArg {
    FirstTime,
    Recurring,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Order {
    Visitors,
    Sessions,
    PageViews,
    Events,
    Value,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum BotsArg {
    Exclude,
    Include,
    Only,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum CompareArg {
    Previous,
    Year,
    YearWeekdays,
}

#[derive(Debug, Subcommand)]
pub enum SiteCommand {
    /// Makes a site and its keys, and keeps them for this user
    Create {
        #[command(flatten)]
        server: Server,
        /// Name, usually the host
        name: String,
        /// IANA time zone, such as Europe/Berlin
        #[arg(long, default_value = "UTC")]
        time_zone: String,
        /// Page that may collect with a write key: a host (and those below it), HOST:PORT, or *; again for more. Without any,
        /// the host that the site is named after
        #[arg(long)]
        origin: Vec<String>,
        /// Visitors without cookies: derived from address, browser and local day
        #[arg(long)]
        cookieless: bool,
        #[arg(long)]
        json: bool,
    },
    /// Changes a site: its name, its time zone (which makes all its days anew), who may collect and how
    #[command(group(clap::ArgGroup::new("change").required(true).multiple(true)
        .args(["name", "time_zone", "origin", "no_origins", "cookieless"])))]
    Update {
        #[command(flatten)]
        server: Server,
        /// Name, as listed
        site: String,
        /// The new name
        #[arg(long)]
        name: Option<String>,
        /// The new IANA time zone, such as Europe/Berlin
        #[arg(long)]
        time_zone: Option<String>,
        /// Pages that may collect with a write key, in the place of those before; again for more
        #[arg(long)]
        origin: Vec<String>,
        /// No list of pages: the host that the site is named after
        #[arg(long, conflicts_with = "origin")]
        no_origins: bool,
        /// Visitors without cookies: derived from address, browser and local day; `--cookieless false` ends it
        #[arg(long, num_args = 0..=1, default_missing_value = "true")]
        cookieless: Option<bool>,
        #[arg(long)]
        json: bool,
    },
    /// Lists sites
    List {
        #[command(flatten)]
        server: Server,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ScopeArg {
    /// Public, in the snippet
    Write,
    /// Secret: believed about address, user agent and country
    Server,
    Read,
    Manage,
}

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Makes a key and tells its secret, once
    Create {
        #[command(flatten)]
        server: Server,
        #[arg(long)]
        site: String,
        #[arg(long)]
        scope: ScopeArg,
        /// What it is for
        #[arg(long, default_value = "")]
        name: String,
    },
    /// Lists a site's keys
    List {
        #[command(flatten)]
        server: Server,
        #[arg(long)]
        site: String,
    },
    /// Ends a key at once
    Revoke {
        #[command(flatten)]
        server: Server,
        /// Id, as listed
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum RejectedCommand {
    /// Lists the newest refused events of a site
    List {
        #[command(flatten)]
        server: Server,
        #[arg(long)]
        site: String,
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Sends all whole refused events of a site again
    Retry {
        #[command(flatten)]
        server: Server,
        #[arg(long)]
        site: String,
    },
}

#[derive(Debug, Clone, Args)]
pub struct Status {
    #[command(flatten)]
    pub server: Server,
    #[arg(long)]
    pub json: bool,
    /// Again every second
    #[arg(long)]
    pub watch: bool,
}

#[derive(Debug, Clone, Args)]
pub struct Live {
    #[command(flatten)]
    pub server: Server,
    #[arg(long)]
    pub site: Option<String>,
    #[arg(long, default_value = "exclude")]
    pub bots: BotsArg,
    /// Only what passes; from committed events then, as `query` has it
    #[arg(long = "filter", value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Rows of each list, at most 100
    #[arg(long, default_value_t = 5)]
    pub limit: u32,
    /// Ends after so many states; 0 means never
    #[arg(long, default_value_t = 0)]
    pub count: u64,
    /// A JSON object a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct PositionArg {
    /// first, latest, an offset, or an instant such as 2026-01-31T12:00:00Z (when the record was appended)
    #[arg(long, default_value = "first")]
    pub from: String,
}

#[derive(Debug, Clone, Args)]
pub struct Replay {
    #[command(flatten)]
    pub server: Server,
    #[command(flatten)]
    pub position: PositionArg,
    /// Only this partition; may be given several times
    #[arg(long = "partition")]
    pub partitions: Vec<u32>,
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Prints records of a partition
    Read {
        #[command(flatten)]
        server: Server,
        #[command(flatten)]
        position: PositionArg,
        #[arg(long, default_value_t = 0)]
        partition: u32,
        /// At most so many records; 0 means to the end
        #[arg(long, default_value_t = 20)]
        limit: u64,
        /// Goes on with what is appended
        #[arg(long)]
        follow: bool,
        /// Prints the events too
        #[arg(long)]
        events: bool,
    },
    /// Prints the bounds of every partition
    Bounds {
        #[command(flatten)]
        server: Server,
    },
    /// Prints how a collector stands: what waits to be forwarded, the room it has left, how old its sites and keys are
    State {
        #[command(flatten)]
        server: Server,
        #[arg(long)]
        json: bool,
    },
    /// Makes a Fluvio server (SPU) known to its cluster; does nothing where it is known
    RegisterSpu {
        /// Public HOST:PORT of the cluster's controller (SC), which is waited for
        #[arg(long)]
        cluster: String,
        /// The number the SPU is started with
        #[arg(long, default_value_t = 5001)]
        id: i32,
        /// HOST:PORT where piStats reaches the SPU
        #[arg(long)]
        public: String,
        /// HOST:PORT where other SPUs reach it
        #[arg(long)]
        private: String,
        /// How long to wait for the controller, seconds
        #[arg(long, default_value_t = 60)]
        wait: u64,
    },
}

#[derive(Debug, Clone, Args)]
pub struct ConfigCommand {
    /// Configuration file to look at
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Prints what holds after file and environment, with comments where it is the default file
    #[arg(long)]
    pub dump: bool,
}
