//! The published answers of the sets, typed. Every number that comes with the data can be read here.

use super::{Error, Set, folder};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The answers over `usagov` or `elastic`, bots included, in UTC.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Web {
    pub dataset: String,
    pub events: u64,
    pub unique_visitors: u64,
    pub distinct_urls: u64,
    pub first_day: String,
    pub last_day: String,
    pub days_with_events: u64,
    pub out_of_order_vs_previous_line: u64,
    pub repeat_of_same_second_visitor_url_status_referrer: u64,
    pub sessions_30min: u64,
    pub gaps_exactly_1800s: u64,
    pub bounced_sessions: u64,
    pub total_session_seconds: u64,
    pub avg_session_seconds: f64,
    pub longest_session_events: u64,
    /// Sessions by number of events; the last key is `11+`.
    pub session_length_hist: BTreeMap<String, u64>,
    pub sum_daily_uniques: u64,
    /// By events descending, then url ascending.
    pub top_pages: Vec<Page>,
    /// Url up to the question mark.
    pub top_paths_without_query: Vec<PathEvents>,
    /// Days with events only.
    pub daily: Vec<DayRow>,
    pub retention_weekly: Vec<WeekCohort>,
    pub retention_monthly: Vec<MonthCohort>,
    pub retention_daily_0_30: Vec<DayCohort>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    pub url: String,
    pub events: u64,
    #[serde(rename = "uniq")]
    pub visitors: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathEvents {
    pub path: String,
    pub events: u64,
}

/// A day of `daily` or of the CSV file of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DayRow {
    pub day: String,
    pub events: u64,
    #[serde(rename = "uniques")]
    pub visitors: u64,
    #[serde(rename = "new")]
    pub new_visitors: u64,
    pub sessions: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct WeekCohort {
    pub week: String,
    pub cells: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct MonthCohort {
    pub month: String,
    pub cells: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct DayCohort {
    pub day: String,
    pub cells: Vec<u64>,
}

/// A value and its events.
pub type Count = (String, u64);

/// What `usagov` says about where visitors came from. Lists are cut, by events descending.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsagovOrigins {
    pub events: u64,
    /// Events of visitors that the source itself marks as known.
    pub returning_nk1: u64,
    pub referrer_hosts: Vec<Count>,
    pub distinct_referrer_hosts: u64,
    pub countries: Vec<Count>,
    pub distinct_countries: u64,
    pub timezones: Vec<Count>,
    /// The first language of the header, as sent.
    pub languages: Vec<Count>,
    pub target_hosts: Vec<Count>,
    pub events_with_any_utm: u64,
    /// By parameter: `utm_source` …
    pub utm: BTreeMap<String, UtmParameter>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UtmParameter {
    pub events: u64,
    pub distinct: u64,
    pub top: Vec<Count>,
}

/// The answers over `msnbc`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Msnbc {
    pub users: u64,
    pub page_views: u64,
    /// Page views a visitor.
    pub avg: f64,
    pub categories: Vec<Category>,
    /// Visitors by number of page views; the last key is `20+`.
    pub visit_length_hist: BTreeMap<String, u64>,
    pub top_transitions: Vec<Transition>,
    pub funnel_frontpage_news_sports: Funnel,
}

/// A category's url is `/` and its name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    pub category: String,
    pub views: u64,
    pub unique_visitors: u64,
    /// Visitors whose first, and last, page view is of the category.
    pub entries: u64,
    pub exits: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    #[serde(rename = "a")]
    pub from: String,
    #[serde(rename = "b")]
    pub to: String,
    #[serde(rename = "n")]
    pub times: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Funnel {
    pub reached1: u64,
    pub reached2: u64,
    pub reached3: u64,
}

/// The published monthly cohorts of `retail` or `retail-clean`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retail {
    /// Rows of the raw file.
    pub rows: u64,
    /// Rows that became events.
    pub events: u64,
    pub visitors: u64,
    /// Month (`2010-12`) of the first purchase, and how many bought in it, one month after it, …
    pub cohorts: Vec<(String, Vec<u64>)>,
}

impl Retail {
    /// Visitors who bought in each month: every cohort's share of it.
    pub fn monthly_visitors(&self) -> Vec<u64> {
        let share = |month: usize, cohort: usize| self.cohorts[cohort].1.get(month - cohort).copied().unwrap_or(0);
        (0..self.cohorts.len()).map(|month| (0..=month).map(|cohort| share(month, cohort)).sum()).collect()
    }
}

/// The answers over `usagov`; `None` (and a printed skip) where the data is absent.
pub fn usagov() -> Result<Option<Web>, Error> {
    json("reference/usagov.reference.json")
}

/// Where `usagov`'s visitors came from.
pub fn usagov_origins() -> Result<Option<UsagovOrigins>, Error> {
    json("reference/usagov.refs.json")
}

/// The answers over `elastic`.
pub fn elastic() -> Result<Option<Web>, Error> {
    json("reference/elastic.reference.json")
}

/// The answers over `msnbc`.
pub fn msnbc() -> Result<Option<Msnbc>, Error> {
    json("reference/msnbc.reference.json")
}

/// The answers over `retail`, or over `retail-clean`.
pub fn retail(set: Set) -> Result<Option<Retail>, Error> {
    let file =
        if set == Set::RetailClean { "retail/retention.clean.expected.txt" } else { "retail/retention.expected.txt" };
    read(file, cohorts)
}

/// The published cells of `retail-clean`: `2010-12|1`, the cohort and the month counted from 1, and the visitors.
pub fn retail_cells() -> Result<Option<BTreeMap<String, u64>>, Error> {
    json("retail/published_hadrien_885.json")
}

/// The days of `usagov` or `elastic`, from their CSV file.
pub fn daily(set: Set) -> Result<Option<Vec<DayRow>>, Error> {
    let file = format!("reference/{}.daily.csv", set.name());
    read(&file, |path, text| text.lines().zip(1..).skip(1).map(|(text, line)| day(path, line, text)).collect())
}

fn json<T: DeserializeOwned>(file: &str) -> Result<Option<T>, Error> {
    read(file, |path, text| serde_json::from_str(text).map_err(|source| Error::Json { path: path.to_owned(), source }))
}

fn read<T>(file: &str, parse: impl FnOnce(&Path, &str) -> Result<T, Error>) -> Result<Option<T>, Error> {
    let Some(folder) = folder() else { return Ok(None) };
    let path: PathBuf = folder.join(file);
    let text = std::fs::read_to_string(&path).map_err(Error::file(&path))?;
    parse(&path, &text).map(Some)
}

fn wrong(path: &Path, line: u64, reason: &str) -> Error {
    Error::Line { path: path.to_owned(), line, reason: reason.to_owned() }
}

fn number(path: &Path, line: u64, text: &str) -> Result<u64, Error> {
    text.parse().map_err(|_| wrong(path, line, "not a count"))
}

fn day(path: &Path, line: u64, text: &str) -> Result<DayRow, Error> {
    let columns: Vec<&str> = text.split(',').collect();
    let [day, events, visitors, new_visitors, sessions] = columns[..] else {
        return Err(wrong(path, line, "not five columns"));
    };
    let count = |text| number(path, line, text);
    Ok(DayRow {
        day: day.to_owned(),
        events: count(events)?,
        visitors: count(visitors)?,
        new_visitors: count(new_visitors)?,
        sessions: count(sessions)?,
    })
}

/// `rows R kept E customers V`, then a line a cohort: the month and its counts.
fn cohorts(path: &Path, text: &str) -> Result<Retail, Error> {
    let mut lines = text.lines().zip(1..);
    let head: Vec<&str> = lines.next().map(|(text, _)| text.split(' ').collect()).unwrap_or_default();
    let ["rows", rows, "kept", events, "customers", visitors] = head[..] else {
        return Err(wrong(path, 1, "not the head"));
    };
    let cohort = |(text, line): (&str, u64)| {
        let (month, counts) = text.split_once(' ').ok_or_else(|| wrong(path, line, "not a cohort"))?;
        let counts = counts.split(' ').map(|text| number(path, line, text)).collect::<Result<Vec<u64>, Error>>()?;
        Ok((month.to_owned(), counts))
    };
    Ok(Retail {
        rows: number(path, 1, rows)?,
        events: number(path, 1, events)?,
        visitors: number(path, 1, visitors)?,
        cohorts: lines.map(cohort).collect::<Result<_, Error>>()?,
    })
}
