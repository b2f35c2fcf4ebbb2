//! Every metric there is: name, kind, unit, labels, meaning. docs/metrics.md shows this table, and a test compares the two.
//!
//! Nothing can be measured that does not stand here, so that a name is documented before it exists.

/// What kind of number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from zero at the process's start.
    Counter,
    /// Stands where it stands now.
    Gauge,
    /// How many were how large, in buckets.
    Histogram,
}

/// What is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    Bytes,
    /// A number of things, named in braces as OpenTelemetry does: `{event}`.
    Of(&'static str),
}

impl Unit {
    /// As UCUM and OpenTelemetry write it.
    pub fn code(self) -> &'static str {
        match self {
            Unit::Seconds => "s",
            Unit::Bytes => "By",
            Unit::Of(thing) => thing,
        }
    }
}

/// Which processes tell a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teller {
    Every,
    Ingest,
    Aggregate,
    Query,
    Segment,
    /// An Ingest that ships its log elsewhere.
    Forwarder,
    /// Who reads or writes Fluvio.
    Fluvio,
}

impl Teller {
    pub fn name(self) -> &'static str {
        match self {
            Teller::Every => "every process",
            Teller::Ingest => "ingest",
            Teller::Aggregate => "aggregate",
            Teller::Query => "query",
            Teller::Segment => "segment",
            Teller::Forwarder => "ingest that forwards",
            Teller::Fluvio => "log on Fluvio",
        }
    }
}

/// One metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// As OTLP has it: `pistats.rpc.duration`.
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    pub labels: &'static [&'static str],
    pub teller: Teller,
    pub meaning: &'static str,
}

impl Metric {
    /// As Prometheus has it: `pistats_rpc_duration_seconds`; a counter ends in `_total`.
    pub fn prometheus(&self) -> String {
        let unit = match self.unit {
            Unit::Seconds => "_seconds",
            Unit::Bytes => "_bytes",
            Unit::Of(_) => "",
        };
        let total = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{}{unit}{total}", self.name.replace('.', "_"))
    }
}

macro_rules! catalogue {
    ($($id:ident: $name:literal, $kind:ident, $unit:expr, [$($label:literal),*], $teller:ident, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub static $id: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                unit: $unit,
                labels: &[$($label),*],
                teller: Teller::$teller,
                meaning: $meaning,
            };
        )*
        /// All of them, in the order of the page.
        pub static ALL: &[&Metric] = &[$(&$id),*];
    };
}

use Unit::{Bytes, Of, Seconds};

catalogue! {
    RPC_REQUESTS: "pistats.rpc.requests", Counter, Of("{call}"), ["service", "method"], Every,
        "Calls that came in. An rpc that the contract does not have is `other`.";
    RPC_ANSWERS: "pistats.rpc.answers", Counter, Of("{call}"), ["service", "method", "code"], Every,
        "Calls that ended, by gRPC status; `cancelled` where the caller went away. What is not `ok` is an error.";
    RPC_DURATION: "pistats.rpc.duration", Histogram, Seconds, ["service", "method"], Every,
        "From a call's arrival to the last byte of its answer; of a stream, its whole life.";
    RPC_OPEN: "pistats.rpc.open", Gauge, Of("{call}"), ["service", "method"], Every,
        "Calls and streams that are open now.";
    INGEST_BATCHES: "pistats.ingest.batches", Counter, Of("{batch}"), [], Ingest,
        "Batches that were answered.";
    INGEST_BATCHES_FAILED: "pistats.ingest.batches.failed", Counter, Of("{batch}"), [], Ingest,
        "Batches that ended in an error: not one of their events was answered as accepted.";
    INGEST_BYTES: "pistats.ingest.received", Counter, Bytes, [], Ingest,
        "Bytes of events in answered batches, as they came over the wire.";
    INGEST_ACCEPTED: "pistats.ingest.events.accepted", Counter, Of("{event}"), [], Ingest,
        "Events that were answered as accepted: they are on disk.";
    INGEST_REFUSED: "pistats.ingest.events.refused", Counter, Of("{event}"), ["reason"], Ingest,
        "Events that were refused, by reason.";
    INGEST_NOT_KEPT: "pistats.ingest.events.not_kept", Counter, Of("{event}"), [], Ingest,
        "Refused events that were answered and counted but, beyond a site's bound, not kept for a retry.";
    INGEST_SEEN_LATELY: "pistats.ingest.events.seen_lately", Counter, Of("{event}"), [], Ingest,
        "Accepted events with an id seen lately: an early, advisory count of duplicates.";
    LOG_SIZE: "pistats.log.size", Gauge, Bytes, [], Ingest,
        "What the files of the log take on disk. They are written in advance and used again, so it moves by segments.";
    LOG_NEXT: "pistats.log.next_offset", Gauge, Of("{record}"), ["partition"], Aggregate,
        "One past the last durable record of a partition.";
    CHECKPOINT: "pistats.aggregate.checkpoint", Gauge, Of("{record}"), ["partition"], Aggregate,
        "The first record of a partition that is not committed.";
    LAG: "pistats.aggregate.lag", Gauge, Of("{record}"), ["partition"], Aggregate,
        "Durable records of a partition that are not committed yet. Read once a second.";
    NEWEST_AGE: "pistats.aggregate.newest_age", Gauge, Seconds, [], Aggregate,
        "Since the collector received the newest committed event. It grows while no events come: look at it beside the lag.";
    COMMIT_DELAY: "pistats.aggregate.commit.delay", Histogram, Seconds, [], Aggregate,
        "Freshness: from the receipt of a commit's newest event until it can be queried.";
    COMMIT_DURATION: "pistats.aggregate.commit.duration", Histogram, Seconds, [], Aggregate,
        "Time of a commit in the warehouse; its count is the number of commits.";
    EVENTS: "pistats.aggregate.events", Counter, Of("{event}"), ["partition"], Aggregate,
        "Events committed to the warehouse, each once.";
    DUPLICATES: "pistats.aggregate.duplicates", Counter, Of("{event}"), ["partition"], Aggregate,
        "Events that were there already and changed nothing.";
    RESENT: "pistats.aggregate.records.resent", Counter, Of("{record}"), ["partition"], Aggregate,
        "Records that came to the log more than once and were folded once.";
    DROPS: "pistats.aggregate.drops", Counter, Of("{event}"), ["reason"], Aggregate,
        "What could not be folded: `undecodable`, `unknown_site`, or `lost_record`, a whole record the log had forgotten.";
    WATCHERS: "pistats.query.watch.streams", Gauge, Of("{stream}"), [], Query,
        "Open streams of watched reports.";
    WATCHED: "pistats.query.watch.reports", Gauge, Of("{report}"), [], Query,
        "Different reports that are watched, or were a moment ago.";
    PUSH_ANSWERS: "pistats.push.answers", Counter, Of("{message}"), ["outcome"], Segment,
        "What became of tries to send a message of a campaign: `accepted` by the push service, subscription `gone`, `too_large`, `rate_limited`, `try_later`, `rejected`, `uncertain`, or `not_sent`. A message that is tried again counts again.";
    PUSH_ON_THEIR_WAY: "pistats.push.on_their_way", Gauge, Of("{message}"), [], Segment,
        "Messages that were begun and are not answered yet. After a crash so many are uncertain.";
    SPOOL_RECORDS: "pistats.spool.records", Gauge, Of("{record}"), [], Forwarder,
        "Records that are on disk here and not yet shipped.";
    SPOOL_SIZE: "pistats.spool.size", Gauge, Bytes, [], Forwarder,
        "Disk that records take which are not yet shipped.";
    SPOOL_AGE: "pistats.spool.oldest_age", Gauge, Seconds, [], Forwarder,
        "How long the oldest record that is not yet shipped has waited; 0 where none waits.";
    SPOOL_BOUND: "pistats.spool.bound", Gauge, Bytes, [], Forwarder,
        "What the spool may take on disk; at it events are refused. `pistats.log.size` is what it takes.";
    SPOOL_FORWARDED: "pistats.spool.forwarded", Counter, Of("{record}"), [], Forwarder,
        "Records that the stream took.";
    SPOOL_REPEATED: "pistats.spool.repeated", Counter, Of("{record}"), [], Forwarder,
        "Sendings that had to be repeated.";
    SPOOL_REWINDS: "pistats.spool.rewinds", Counter, Of("{rewind}"), [], Forwarder,
        "Times that the stream had lost what it had taken, and it was sent once more.";
    FLUVIO_FAULTS: "pistats.fluvio.faults", Counter, Of("{fault}"), ["kind"], Fluvio,
        "What Fluvio's guards caught: streams `reopened`, batches `cut`, streams `stalled`, records `resent`, and acknowledged records that are `missing`.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_lower_case_and_of_one_family() {
        let names: BTreeSet<String> = ALL.iter().map(|metric| metric.prometheus()).collect();
        assert_eq!(names.len(), ALL.len());
        for metric in ALL {
            let is_plain = |c: char| c.is_ascii_lowercase() || "._".contains(c);
            assert!(metric.name.starts_with("pistats.") && metric.name.chars().all(is_plain), "{}", metric.name);
            assert!(metric.meaning.ends_with('.'), "{}: {}", metric.name, metric.meaning);
        }
    }

    #[test]
    fn prometheus_names_carry_unit_and_kind() {
        assert_eq!(RPC_REQUESTS.prometheus(), "pistats_rpc_requests_total");
        assert_eq!(RPC_DURATION.prometheus(), "pistats_rpc_duration_seconds");
        assert_eq!(INGEST_BYTES.prometheus(), "pistats_ingest_received_bytes_total");
        assert_eq!(LAG.prometheus(), "pistats_aggregate_lag");
    }
}
