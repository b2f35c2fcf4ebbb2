//! `query traffic`, `query breakdown`, `query export`; the reports about people have files of their own.

use super::{Failure, failed, filter, show, visitors};
use crate::cli::{CompareArg, Order, Query, Selection, Step};
use crate::client::{Authorized, MESSAGE_BYTES};
use crate::table::say;
use pistats_core::Scope;
use pistats_proto::query::v1::query_service_client::QueryServiceClient;
use pistats_proto::query::v1::*;

pub async fn run(command: Query) -> Result<(), Failure> {
    match command {
        Query::Traffic { selection, by } => {
            let asked = Asked::of(&selection)?;
            let request = TrafficRequest {
                range: Some(asked.range),
                interval: interval(by).into(),
                filters: asked.filters,
                bots: asked.bots.into(),
                compare: asked.compare.into(),
            };
            let answer = asked.client.clone().traffic(request).await.map_err(failed)?.into_inner();
            say!("{}", if selection.json { show::traffic_json(&answer).to_string() } else { show::traffic(&answer) });
        }
        Query::Breakdown { selection, dimension, order_by, limit, offset } => {
            let asked = Asked::of(&selection)?;
            let (number, property) = filter::dimension(&dimension)?;
            let request = BreakdownRequest {
                range: Some(asked.range),
                dimension: number.into(),
                property,
                filters: asked.filters,
                bots: asked.bots.into(),
                order_by: order(order_by).into(),
                limit,
                offset,
                compare: asked.compare.into(),
            };
            let answer = asked.client.clone().breakdown(request).await.map_err(failed)?.into_inner();
            say!(
                "{}",
                if selection.json {
                    show::breakdown_json(&answer).to_string()
                } else {
                    show::breakdown(&dimension, &answer)
                }
            );
        }
        Query::Retention(command) => super::retention::run(command).await?,
        Query::Funnel(command) => super::funnel::run(command).await?,
        Query::Visitors { selection, limit, offset } => {
            let asked = Asked::of(&selection)?;
            let request = VisitorsRequest {
                range: Some(asked.range),
                filters: asked.filters,
                bots: asked.bots.into(),
                limit,
                offset,
            };
            let answer = asked.client.clone().visitors(request).await.map_err(failed)?.into_inner();
            say!("{}", if selection.json { visitors::as_json(&answer).to_string() } else { visitors::text(&answer) });
        }
        Query::Journey(command) => super::journey::run(command).await?,
        Query::Export { selection, limit } => {
            let asked = Asked::of(&selection)?;
            let request =
                ExportRequest { range: Some(asked.range), filters: asked.filters, bots: asked.bots.into(), limit };
            let mut pages = asked.client.clone().export(request).await.map_err(failed)?.into_inner();
            while let Some(page) = pages.message().await.map_err(failed)? {
                for event in page.events {
                    say!("{}", show::event_json(&event));
                }
            }
        }
    }
    Ok(())
}

/// What every report is asked with.
pub(super) struct Asked {
    pub(super) client: QueryServiceClient<Authorized>,
    pub(super) range: Range,
    pub(super) filters: Vec<Filter>,
    pub(super) bots: Bots,
    pub(super) compare: Compare,
}

impl Asked {
    pub(super) fn of(selection: &Selection) -> Result<Asked, Failure> {
        let channel = selection.server.of_site(selection.site.as_deref(), Scope::Read)?;
        let filters: Result<Vec<Filter>, Failure> = selection.filters.iter().map(|text| filter::filter(text)).collect();
        // Without a range: the last thirty days by this machine's clock, in UTC.
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let month_ago = today.saturating_sub(jiff::Span::new().days(29));
        let days = DayRange {
            first: selection.from.clone().unwrap_or_else(|| month_ago.to_string()),
            last: selection.to.clone().unwrap_or_else(|| today.to_string()),
        };
        Ok(Asked {
            client: QueryServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES),
            range: Range { range: Some(range::Range::Days(days)) },
            filters: filters?,
            bots: selection.bots.into(),
            compare: match selection.compare {
                None => Compare::Unspecified,
                Some(CompareArg::Previous) => Compare::PreviousPeriod,
                Some(CompareArg::Year) => Compare::PreviousYear,
                Some(CompareArg::YearWeekdays) => Compare::PreviousYearWeekdays,
            },
        })
    }
}

pub(super) fn interval(step: Option<Step>) -> Interval {
    match step {
        None => Interval::Unspecified,
        Some(Step::Minute) => Interval::Minute,
        Some(Step::Hour) => Interval::Hour,
        Some(Step::Day) => Interval::Day,
        Some(Step::Week) => Interval::Week,
        Some(Step::Month) => Interval::Month,
    }
}

fn order(order: Order) -> Metric {
    match order {
        Order::Visitors => Metric::Visitors,
        Order::Sessions => Metric::Sessions,
        Order::PageViews => Metric::PageViews,
        Order::Events => Metric::Events,
        Order::Value => Metric::ValueSum,
    }
}
