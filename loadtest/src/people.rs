//! `bench-people`: exact people over ten million events, from bitmaps and beside it by SQL.
//!
//! ```text
//!   generate ─▶ serve ─▶ import --wait ─▶ days built ─▶ questions, n times each ─▶ kill -9 ─▶ serve ─▶ exact count
//! ```
//!
//! Each question is asked twice over: as it is, and with a filter that every event passes (no event's name is empty). A
//! filter of that kind has no bitmap, so the second way reads the events by SQL. Both must give the same numbers: a
//! difference fails the scenario, and so does a count that is wrong after the kill.

use crate::Failure;
use crate::client::{self, Authorized};
use crate::figures::{Figures, mebibytes, thousands};
use crate::import::{self, Sent, number};
use crate::program::{Server, Workplace};
use crate::{generate, import::Disk};
use pistats_core::Day;
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_proto::query::v1::*;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

/// Flags of `bench-people`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The program to measure
    program: PathBuf,
    /// Events to make and import
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
    /// Visitors they come from
    #[arg(long, default_value_t = 1_000_000)]
    visitors: u64,
    /// Days they are spread over
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(60..=400))]
    days: u32,
    /// How often each question is asked
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    times: u32,
    /// How often each question is asked by SQL
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    sql_times: u32,
    /// Folder for the server's data while it runs, and for made sets [default: loadtest beside the program's folder]
    #[arg(long)]
    work: Option<PathBuf>,
    /// Gives up after so many seconds
    #[arg(long, default_value_t = 1_200)]
    max_seconds: u64,
    /// Puts the figures into loadtest/baselines (run it from the project's root)
    #[arg(long)]
    write: bool,
}

/// The first day of the made events.
pub(crate) const FIRST_DAY: &str = "2024-01-01";
/// Cohorts, and cells of each.
const COHORTS: i32 = 30;
const TOP_PAGES: u32 = 100;

pub(crate) async fn run(args: &Args) -> Result<(), Failure> {
    let bounded = tokio::time::timeout(Duration::from_secs(args.max_seconds), measure(args));
    let figures = tokio::select! {
        done = bounded => done.map_err(|_| format!("not done after {} s (--max-seconds)", args.max_seconds))??,
        // What was begun is dropped, and with it the server and its folder.
        _ = tokio::signal::ctrl_c() => return Err("interrupted".to_owned()),
    };
    print!("{}", figures.table());
    if args.write {
        let Args { events, visitors, days, .. } = args;
        let command = format!(
            "make bench BENCH=\"bench-people target/release/pistats --events {events} --visitors {visitors} --days {days}\""
        );
        figures.write(Path::new(import::BASELINES), "people", &command)?;
    }
    Ok(())
}

async fn measure(args: &Args) -> Result<Figures, Failure> {
    let work = match &args.work {
        Some(work) => work.clone(),
        None => import::beside(&args.program)?,
    };
    let file = made(args.events, args.visitors, args.days, &work)?;
    let workplace = Workplace::new(&args.program, &work)?;
    let server = workplace.serve().await?;
    let site = import::create_site(&workplace, &server).await?;
    let key = site.pointer("/keys/read").and_then(serde_json::Value::as_str).ok_or("the new site has no read key")?;
    let sent = Sent::read(&import::import(&workplace, &server, (4, 1_000), &file).await?)?;
    let begun = Instant::now();
    let built = built(&workplace, &server).await?;
    let building = begun.elapsed().as_secs_f64();

    let mut asker = Asker::connect(&server.url, key, args).await?;
    let mut figures = Figures::default();
    figures.add("people", format!("{} events, {} days", thousands(sent.accepted), args.days));
    let people = asker.visitors(None).await?;
    figures.add("visitors in all", thousands(people.total.map_or(0, |total| total.visitors)));
    for question in QUESTIONS {
        let (quick, slow) =
            (asker.ask(question, args.times, false).await?, asker.ask(question, args.sql_times, true).await?);
        if quick.answer != slow.answer {
            return Err(format!("{}: bitmaps and SQL give different numbers", question.name()));
        }
        figures.add(question.name(), quick.told());
        figures.add(question.by_sql(), slow.told());
    }
    figures.add("seconds until all days were built, after the last event could be queried", format!("{building:.1}"));
    figures.add("bitmaps", thousands(built.bitmaps));
    figures.add("bytes of all bitmaps", thousands(built.bytes));
    figures.add("bytes of bitmaps an event", format!("{:.2}", built.bytes as f64 / sent.accepted as f64));
    figures.add("server's peak memory", mebibytes(server.peak_bytes()?));

    server.kill().await?;
    let server = workplace.serve().await?;
    let counted = import::count(&workplace, &server).await?;
    if counted != sent.accepted {
        return Err(format!("{} events were acknowledged, {counted} are there after kill -9", sent.accepted));
    }
    figures.add("events counted after kill -9", thousands(counted));
    let disk = Disk::read(&workplace.data())?;
    figures.add("warehouse on disk, bytes an event", format!("{:.1}", disk.warehouse as f64 / sent.accepted as f64));
    Ok(figures)
}

/// The events as a file, made once for the same flags.
pub(crate) fn made(events: u64, visitors: u64, days: u32, work: &Path) -> Result<PathBuf, Failure> {
    let path = work.join(format!("people-{events}-{visitors}-{days}.ndjson"));
    if !path.exists() {
        eprintln!("making {} once", path.display());
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        std::fs::create_dir_all(work).map_err(failed)?;
        // Under another name until it is whole.
        let new = path.with_extension("new");
        generate::run(&generate::Args::of(events, visitors, days, FIRST_DAY, new.clone())?)?;
        std::fs::rename(&new, &path).map_err(failed)?;
    }
    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))
}

/// What the server says of its bitmaps.
pub(crate) struct Built {
    pub(crate) bitmaps: u64,
    bytes: u64,
}

/// Waits until no hour and no day is behind.
pub(crate) async fn built(workplace: &Workplace, server: &Server) -> Result<Built, Failure> {
    let data = workplace.data();
    loop {
        let status =
            workplace.ask(&["status", "--json", "--server", &server.url, "--data", &data.to_string_lossy()]).await?;
        let of = |name: &str| number(&status, &format!("/upkeep/{name}"));
        if of("dirty_hours")? == 0 && of("dirty_days")? == 0 {
            return Ok(Built { bitmaps: of("bitmaps")?, bytes: of("bitmap_bytes")? });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[derive(Clone, Copy)]
enum Question {
    Uniques,
    Retention,
    PagesByVisitors,
    PagesByViews,
}

const QUESTIONS: [Question; 4] =
    [Question::Uniques, Question::Retention, Question::PagesByVisitors, Question::PagesByViews];

impl Question {
    fn name(self) -> &'static str {
        match self {
            Question::Uniques => "exact uniques over all days: first, p50, most (ms)",
            Question::Retention => "retention 30 x 30: first, p50, most (ms)",
            Question::PagesByVisitors => "top 100 pages by visitors: first, p50, most (ms)",
            Question::PagesByViews => "top 100 pages by page views, with visitors: first, p50, most (ms)",
        }
    }

    fn by_sql(self) -> &'static str {
        match self {
            Question::Uniques => "exact uniques by SQL",
            Question::Retention => "retention 30 x 30 by SQL",
            Question::PagesByVisitors => "top 100 pages by visitors, by SQL",
            Question::PagesByViews => "top 100 pages by page views, by SQL",
        }
    }
}

/// The numbers of an answer, whatever was asked.
#[derive(PartialEq)]
enum Numbers {
    Traffic(Option<Metrics>),
    Retention(Vec<Cohort>),
    Breakdown(Vec<Row>, u64),
}

/// What was answered each time, and how long it took.
struct Asked {
    answer: Numbers,
    first: Duration,
    rest: Vec<Duration>,
}

impl Asked {
    fn told(self) -> String {
        Waits::new(self.first, self.rest).told()
    }
}

/// The first wait, and the others in order.
pub(crate) struct Waits {
    first: Duration,
    rest: Vec<Duration>,
}

impl Waits {
    pub(crate) fn new(first: Duration, mut rest: Vec<Duration>) -> Waits {
        rest.sort_unstable();
        Waits { first, rest }
    }

    /// The median of the others.
    pub(crate) fn p50(&self) -> Duration {
        self.rest.get(self.rest.len() / 2).copied().unwrap_or(self.first)
    }

    /// The first, the median and the longest of the others, milliseconds.
    pub(crate) fn told(&self) -> String {
        let ms = |wait: Duration| wait.as_secs_f64() * 1_000.0;
        let most = self.rest.last().copied().unwrap_or(self.first);
        format!("{:.1}, {:.1}, {:.1}", ms(self.first), ms(self.p50()), ms(most))
    }
}

struct Asker {
    queries: QueryServiceClient<InterceptedService<Channel, Authorized>>,
    all: Range,
    cohorts: Range,
}

impl Asker {
    async fn connect(url: &str, key: &str, args: &Args) -> Result<Asker, Failure> {
        let queries = QueryServiceClient::new(client::connect(url, key).await?);
        let first = Day::parse(FIRST_DAY).ok_or("the first day is no day")?;
        let days = |length: i32| {
            let days = DayRange { first: first.to_string(), last: first.plus(length - 1).to_string() };
            Range { range: Some(range::Range::Days(days)) }
        };
        let length = i32::try_from(args.days).map_err(|error| error.to_string())?;
        Ok(Asker { queries: queries.max_decoding_message_size(64 << 20), all: days(length), cohorts: days(COHORTS) })
    }

    async fn visitors(&mut self, filter: Option<Filter>) -> Result<TrafficResponse, Failure> {
        let request = TrafficRequest {
            range: Some(self.all.clone()),
            filters: filter.into_iter().collect(),
            ..Default::default()
        };
        Ok(self.queries.traffic(request).await.map_err(|status| status.to_string())?.into_inner())
    }

    /// Asks a question once, by SQL if the filter is given.
    async fn once(&mut self, question: Question, filter: Option<Filter>) -> Result<Numbers, Failure> {
        let failed = |status: Status| status.to_string();
        let (all, cohorts) = (Some(self.all.clone()), Some(self.cohorts.clone()));
        Ok(match question {
            Question::Uniques => Numbers::Traffic(self.visitors(filter).await?.total),
            Question::Retention => {
                let (interval, cells) = (Interval::Day.into(), COHORTS.unsigned_abs());
                let filters = filter.into_iter().collect();
                let request = RetentionRequest { range: cohorts, interval, cells, filters, ..Default::default() };
                Numbers::Retention(self.queries.retention(request).await.map_err(failed)?.into_inner().cohorts)
            }
            Question::PagesByVisitors | Question::PagesByViews => {
                let order_by = match question {
                    Question::PagesByViews => Metric::PageViews,
                    _ => Metric::Visitors,
                };
                let request = BreakdownRequest {
                    range: all,
                    dimension: Dimension::Page.into(),
                    order_by: order_by.into(),
                    limit: TOP_PAGES,
                    filters: filter.into_iter().collect(),
                    ..Default::default()
                };
                let answer = self.queries.breakdown(request).await.map_err(failed)?.into_inner();
                Numbers::Breakdown(answer.rows, answer.total_rows)
            }
        })
    }

    async fn ask(&mut self, question: Question, times: u32, by_sql: bool) -> Result<Asked, Failure> {
        let filter = by_sql.then(|| Filter {
            dimension: Dimension::EventName.into(),
            operator: Operator::IsNot.into(),
            values: vec![String::new()],
            ..Default::default()
        });
        let begun = Instant::now();
        let mut asked =
            Asked { answer: self.once(question, filter.clone()).await?, first: begun.elapsed(), rest: vec![] };
        for _ in 1..times {
            let begun = Instant::now();
            let again = self.once(question, filter.clone()).await?;
            asked.rest.push(begun.elapsed());
            if again != asked.answer {
                return Err(format!("{}: the same question gave another answer", question.name()));
            }
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wait_is_told_apart_from_the_others() {
        let ms = Duration::from_millis;
        let asked = Asked { answer: Numbers::Traffic(None), first: ms(9), rest: vec![ms(3), ms(1), ms(2)] };
        assert_eq!(asked.told(), "9.0, 2.0, 3.0");
    }
}
