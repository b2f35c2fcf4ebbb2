//! `WatchLive` ↔ parts of the live state: what one process folds, on its way to those that add parts up.

use super::query::bots;
use super::{Invalid, Violations};
use crate::aggregate::v1;
use pistats_core::report::realtime::{RATE_SECONDS, Ranked};
use pistats_core::report::{Bots, LivePart, TopicSum};
use pistats_core::{Changes, Day, Micros, Offset, PartitionId, SiteChange, SiteId};
use std::sync::Arc;

/// Answers a second when the request names no number, and at most.
pub const PER_SECOND_DEFAULT: u32 = 4;
pub const PER_SECOND_MOST: u32 = 10;

/// Rows of each list: when the request names none, and at most.
pub const ROWS_DEFAULT: u32 = 10;
pub const ROWS_MOST: u32 = 10_000;

/// What a watcher of the live state asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchLive {
    /// 1 to [`PER_SECOND_MOST`].
    pub per_second: u32,
    pub bots: Bots,
    pub rows: usize,
}

/// Reads a request.
pub fn watch_live(request: &v1::WatchLiveRequest) -> Result<WatchLive, Invalid> {
    let mut wrong = Violations::default();
    let per_second = within(&mut wrong, "per_second", request.per_second, PER_SECOND_DEFAULT, PER_SECOND_MOST);
    let rows = within(&mut wrong, "rows", request.rows, ROWS_DEFAULT, ROWS_MOST);
    let bots = bots(&mut wrong, request.bots);
    let asked = (|| Some(WatchLive { per_second: per_second?, bots: bots?, rows: rows? as usize }))();
    wrong.unless_any(asked)
}

fn within(wrong: &mut Violations, field: &str, asked: u32, default: u32, most: u32) -> Option<u32> {
    match asked {
        0 => Some(default),
        asked if asked <= most => Some(asked),
        asked => wrong.add(field, format!("{asked} is more than {most}; ask for less")),
    }
}

/// A part as a message; `events` were folded since the process started.
///
/// Of a part that was cut, the lists are in the order that the message promises.
pub fn live_answer(part: LivePart, events: u64) -> v1::WatchLiveResponse {
    let value = |(value, visitors): Ranked| v1::LiveValue { value: value.to_string(), visitors };
    let page = |(page, visitors): Ranked| v1::LivePage { page: page.to_string(), visitors };
    let topic = |TopicSum { topic, weighted, usual }| v1::LiveTopic { topic: topic.to_string(), weighted, usual };
    let offset = |(partition, next): (PartitionId, Offset)| v1::LiveOffset {
        partition: u32::from(partition.0),
        next_offset: next.0,
    };
    v1::WatchLiveResponse {
        now_us: part.now.0,
        current_visitors: part.current_visitors,
        events_per_second: part.received as f64 / RATE_SECONDS as f64,
        minutes: part.minutes,
        top_pages: part.pages.into_iter().map(page).collect(),
        events,
        top_sources: part.sources.into_iter().map(value).collect(),
        top_countries: part.countries.into_iter().map(value).collect(),
        topics: part.topics.into_iter().map(topic).collect(),
        usual_minutes: part.usual_minutes,
        generation: part.generation,
        next_offsets: part.next_offsets.into_iter().map(offset).collect(),
        received: part.received,
        is_cut: part.is_cut,
    }
}

/// A message as a part. What another version of the contract may have sent is taken as it is.
pub fn live_part(answer: v1::WatchLiveResponse) -> LivePart {
    let values = |rows: Vec<v1::LiveValue>| rows.into_iter().map(|row| (Arc::from(row.value), row.visitors)).collect();
    let topic = |v1::LiveTopic { topic, weighted, usual }| TopicSum { topic: Arc::from(topic), weighted, usual };
    let offset = |of: v1::LiveOffset| Some((PartitionId(u16::try_from(of.partition).ok()?), Offset(of.next_offset)));
    LivePart {
        now: Micros(answer.now_us),
        current_visitors: answer.current_visitors,
        received: answer.received,
        minutes: answer.minutes,
        pages: answer.top_pages.into_iter().map(|row| (Arc::from(row.page), row.visitors)).collect(),
        sources: values(answer.top_sources),
        countries: values(answer.top_countries),
        topics: answer.topics.into_iter().map(topic).collect(),
        usual_minutes: answer.usual_minutes,
        generation: answer.generation,
        next_offsets: answer.next_offsets.into_iter().filter_map(offset).collect(),
        is_cut: answer.is_cut,
    }
}

/// A notice as a message.
pub fn changes_answer(changes: &Changes) -> v1::WatchChangesResponse {
    let site = |change: &SiteChange| v1::SiteChange {
        site_id: change.site.0,
        first_day: change.first.0,
        last_day: change.last.0,
    };
    v1::WatchChangesResponse {
        is_idle: false,
        committed_us: changes.committed.0,
        is_reset: changes.is_reset,
        sites: changes.sites.iter().map(site).collect(),
    }
}

/// A message as a notice with a number; none where it is only a sign of life.
pub fn changes(answer: v1::WatchChangesResponse, number: u64) -> Option<Changes> {
    let site = |change: v1::SiteChange| SiteChange {
        site: SiteId(change.site_id),
        first: Day(change.first_day),
        last: Day(change.last_day),
    };
    let v1::WatchChangesResponse { is_idle, committed_us, is_reset, sites } = answer;
    let committed = Micros(committed_us);
    (!is_idle).then(|| Changes { number, committed, is_reset, sites: sites.into_iter().map(site).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(rows: &[(&str, u64)]) -> Vec<Ranked> {
        rows.iter().map(|(value, visitors)| (Arc::from(*value), *visitors)).collect()
    }

    fn part(partition: u16, pages: &[(&str, u64)]) -> LivePart {
        LivePart {
            now: Micros(60_000_000),
            current_visitors: 3,
            received: 40,
            minutes: (0..30).collect(),
            pages: ranked(pages),
            sources: ranked(&[("Google", 2), ("", 1)]),
            countries: ranked(&[("NO", 3)]),
            topics: vec![TopicSum { topic: "tea".into(), weighted: 1 << 20, usual: 4 }],
            usual_minutes: Some(420),
            generation: 1,
            next_offsets: vec![(PartitionId(partition), Offset(9))],
            is_cut: false,
        }
    }

    #[test]
    fn parts_that_travelled_add_up_as_if_they_had_not() {
        let (one, other) = (part(0, &[("/a", 1), ("/b", 2)]), part(5, &[("/b", 3)]));
        assert_eq!(live_part(live_answer(one.clone(), 7)), one);
        let mut here = one.clone();
        here.merge(other.clone());
        let mut travelled = live_part(live_answer(one, 7));
        travelled.merge(live_part(live_answer(other, 8)));
        let (here, travelled) = (here.finish(10), travelled.finish(10));
        assert_eq!(here, travelled);
        assert_eq!((here.current_visitors, here.received, &*here.top_pages[0].0), (6, 80, "/b"));
        assert!(here.trending.len() == 1 && !here.is_cut);
    }

    #[test]
    fn a_notice_travels_with_its_days_and_a_sign_of_life_is_none() {
        let sites = vec![SiteChange { site: SiteId(3), first: Day(-1), last: Day(20_000) }];
        let notice = Changes { number: 9, committed: Micros(5), is_reset: false, sites };
        assert_eq!(changes(changes_answer(&notice), 9), Some(notice));
        let idle = v1::WatchChangesResponse { is_idle: true, ..Default::default() };
        assert_eq!(changes(idle, 10), None);
    }

    #[test]
    fn a_request_is_refused_beyond_each_limit_and_not_at_it() {
        let asked = |per_second, rows| watch_live(&v1::WatchLiveRequest { per_second, rows, ..Default::default() });
        let read = |asked: WatchLive| (asked.per_second, asked.rows, asked.bots);
        assert_eq!(asked(0, 0).map(read), Ok((4, 10, Bots::Exclude)));
        assert_eq!(asked(10, 10_000).map(read), Ok((10, 10_000, Bots::Exclude)));
        let fields = |refused: Invalid| refused.0.into_iter().map(|wrong| wrong.field).collect::<Vec<_>>();
        assert_eq!(asked(11, 10_001).map_err(fields), Err(vec!["per_second".to_owned(), "rows".to_owned()]));
    }
}
