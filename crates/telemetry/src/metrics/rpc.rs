//! What is counted of calls: rate, errors, duration, and how many are open.
//!
//! The methods are known from the contract; whatever else is called is one method named `other`, so that nobody can make new
//! labels by calling names. Counting is one atomic addition a call at its begin and one at its end, and one histogram.

use super::catalogue::{RPC_ANSWERS, RPC_DURATION, RPC_OPEN, RPC_REQUESTS};
use super::{Histogram, Labels, Meters};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// gRPC status codes by number (gRPC, "Status codes and their use").
pub const CODES: [&str; 17] = [
    "ok",
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];
const CANCELLED: usize = 1;
const UNKNOWN: usize = 2;

/// Counts the calls of one port.
#[derive(Clone)]
pub struct Calls {
    methods: Arc<Vec<Method>>,
    by_path: Arc<HashMap<String, usize>>,
    duration: Histogram,
}

struct Method {
    service: String,
    method: String,
    begun: AtomicU64,
    ended: [AtomicU64; CODES.len()],
    labels: Labels,
}

/// A call under way; dropping it without an end says that the caller went away.
pub struct Call {
    calls: Calls,
    place: usize,
    since: Instant,
    is_ended: bool,
}

impl Calls {
    /// Counts calls of these methods (service and name), if the meters are on.
    pub fn new(meters: &Meters, methods: impl IntoIterator<Item = (String, String)>) -> Option<Calls> {
        if !meters.is_on() {
            return None;
        }
        let other = ("other".to_owned(), "other".to_owned());
        let methods: Vec<Method> = [other].into_iter().chain(methods).map(Method::new).collect();
        let paths = methods.iter().enumerate().skip(1);
        let by_path = paths.map(|(place, of)| (format!("/{}/{}", of.service, of.method), place)).collect();
        let methods = Arc::new(methods);
        let calls =
            Calls { methods: methods.clone(), by_path: Arc::new(by_path), duration: meters.histogram(&RPC_DURATION) };
        let of = methods.clone();
        meters.observe(&RPC_REQUESTS, move |readings| {
            of.iter().for_each(|of| readings.set(of.begun.load(Relaxed) as f64, &of.names()));
        });
        let of = methods.clone();
        meters.observe(&RPC_OPEN, move |readings| {
            of.iter().for_each(|of| readings.set(of.open() as f64, &of.names()));
        });
        meters.observe(&RPC_ANSWERS, move |readings| {
            for of in methods.iter() {
                for (code, count) in CODES.iter().zip(&of.ended).filter(|(_, count)| count.load(Relaxed) > 0) {
                    readings.set(count.load(Relaxed) as f64, &[&of.service, &of.method, code]);
                }
            }
        });
        Some(calls)
    }

    /// A call came in.
    pub fn begin(&self, path: &str) -> Call {
        let place = self.by_path.get(path).copied().unwrap_or_default();
        self.methods[place].begun.fetch_add(1, Relaxed);
        Call { calls: self.clone(), place, since: Instant::now(), is_ended: false }
    }
}

impl Method {
    fn new((service, method): (String, String)) -> Method {
        let labels = Labels::of(&RPC_DURATION, &[&service, &method]);
        Method { service, method, begun: AtomicU64::new(0), ended: Default::default(), labels }
    }

    fn names(&self) -> [&str; 2] {
        [&self.service, &self.method]
    }

    fn open(&self) -> u64 {
        // The ends first: a call that ends in between must not make the difference negative.
        let ended: u64 = self.ended.iter().map(|count| count.load(Relaxed)).sum();
        self.begun.load(Relaxed).saturating_sub(ended)
    }
}

impl Call {
    /// It ended with this gRPC status.
    pub fn end(mut self, code: i32) {
        let code = usize::try_from(code).ok().filter(|code| *code < CODES.len()).unwrap_or(UNKNOWN);
        self.note(code);
    }

    fn note(&mut self, code: usize) {
        self.is_ended = true;
        let method = &self.calls.methods[self.place];
        method.ended[code].fetch_add(1, Relaxed);
        self.calls.duration.record_with(self.since.elapsed(), &method.labels);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.is_ended {
            self.note(CANCELLED);
        }
    }
}
