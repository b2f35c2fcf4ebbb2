//! Metrics: typed instruments of the catalogue, told by OTLP and on a page that Prometheus reads.
//!
//! | part | does |
//! |---|---|
//! | `catalogue` | every metric there is |
//! | `rpc` | what is counted of calls |
//! | `page` | `/metrics` |
//!
//! Most metrics are numbers that a part of the server keeps anyway: they are *observed*, by a function that is called when
//! somebody looks, so that nothing is paid while nobody does. Only times are recorded as they pass, in histograms.
//!
//! Several parts may observe one metric (two ports of one process, say): values with the same labels add up.

pub mod catalogue;
mod page;
pub mod rpc;

use crate::{Error, Settings, otlp};
use catalogue::{Kind, Metric, Unit};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the buckets of times, seconds: from one synced append to a caller's patience.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The instruments of a server. Clones share them; [`Meters::off`] costs nothing.
#[derive(Clone, Default)]
pub struct Meters {
    inner: Option<Arc<Inner>>,
}

struct Inner {
    meter: Meter,
    provider: SdkMeterProvider,
    sources: Sources,
    page: Option<page::Page>,
}

type Source = Box<dyn Fn(&mut Readings) + Send + Sync>;
type Sources = Arc<Mutex<HashMap<&'static str, Vec<Source>>>>;

/// What is observed of one metric.
#[derive(Debug)]
pub struct Readings {
    metric: &'static Metric,
    values: BTreeMap<Vec<String>, f64>,
}

impl Readings {
    /// A value now; `labels` in the order of the metric's. Counts are whole numbers, times are seconds.
    pub fn set(&mut self, value: f64, labels: &[&str]) {
        debug_assert_eq!(labels.len(), self.metric.labels.len(), "{}", self.metric.name);
        *self.values.entry(labels.iter().map(|label| (*label).to_owned()).collect()).or_default() += value;
    }
}

/// A histogram of the catalogue.
#[derive(Clone, Default)]
pub struct Histogram {
    inner: Option<opentelemetry::metrics::Histogram<f64>>,
}

impl Histogram {
    /// Notes how long something took.
    pub fn record(&self, took: Duration) {
        self.record_with(took, &Labels(Vec::new()));
    }

    /// The same under labels.
    pub fn record_with(&self, took: Duration, labels: &Labels) {
        if let Some(histogram) = &self.inner {
            histogram.record(took.as_secs_f64(), &labels.0);
        }
    }
}

/// Labels of a histogram, made once.
#[derive(Clone, Debug)]
pub struct Labels(Vec<KeyValue>);

impl Labels {
    /// `values` in the order of the metric's labels.
    pub fn of(metric: &'static Metric, values: &[&str]) -> Labels {
        debug_assert_eq!(values.len(), metric.labels.len(), "{}", metric.name);
        Labels(pairs(metric, values.iter().copied()))
    }
}

fn pairs<'a>(metric: &'static Metric, values: impl Iterator<Item = &'a str>) -> Vec<KeyValue> {
    metric.labels.iter().zip(values).map(|(label, value)| KeyValue::new(*label, value.to_owned())).collect()
}

impl Meters {
    /// Nothing is measured.
    pub fn off() -> Meters {
        Meters::default()
    }

    /// Whether anybody is told.
    pub fn is_on(&self) -> bool {
        self.inner.is_some()
    }

    /// Tells whom the settings name; off if they name nobody.
    ///
    /// # Errors
    /// [`Error::Otlp`] and [`Error::Prometheus`] name the setting.
    pub async fn start(settings: &Settings) -> Result<Meters, Error> {
        if settings.otlp.is_none() && settings.prometheus.is_none() {
            return Ok(Meters::off());
        }
        let mut provider = SdkMeterProvider::builder().with_resource(otlp::resource(settings));
        if let Some(endpoint) = &settings.otlp {
            provider = provider.with_reader(otlp::metrics(endpoint)?);
        }
        let mut page = None;
        if let Some(address) = settings.prometheus {
            let registry = prometheus::Registry::new();
            let reader = opentelemetry_prometheus::exporter().with_registry(registry.clone()).scope_info_enabled(false);
            provider = provider.with_reader(reader.build().map_err(|error| Error::Metrics(error.to_string()))?);
            page = Some(page::Page::serve(address, registry).await?);
        }
        let provider = provider.build();
        let meter = provider.meter("pistats");
        Ok(Meters { inner: Some(Arc::new(Inner { meter, provider, sources: Sources::default(), page })) })
    }

    /// Where the page is served, if it is.
    pub fn address(&self) -> Option<SocketAddr> {
        self.inner.as_ref()?.page.as_ref().map(page::Page::address)
    }

    /// A histogram to record times in.
    pub fn histogram(&self, metric: &'static Metric) -> Histogram {
        debug_assert_eq!(metric.kind, Kind::Histogram, "{}", metric.name);
        let inner = self.inner.as_ref().map(|inner| {
            let histogram = inner.meter.f64_histogram(metric.name).with_description(metric.meaning);
            histogram.with_unit(metric.unit.code()).with_boundaries(SECONDS.to_vec()).build()
        });
        Histogram { inner }
    }

    /// Observes a counter or a gauge: `read` is called, on any thread, whenever somebody looks, until the meters are shut down.
    ///
    /// It must be quick, must not wait, and should hold what it looks at weakly: what is gone is not observed.
    pub fn observe(&self, metric: &'static Metric, read: impl Fn(&mut Readings) + Send + Sync + 'static) {
        debug_assert_ne!(metric.kind, Kind::Histogram, "{}", metric.name);
        let Some(inner) = &self.inner else { return };
        let mut sources = inner.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let of_metric = sources.entry(metric.name).or_default();
        let is_first = of_metric.is_empty();
        of_metric.push(Box::new(read));
        drop(sources);
        if is_first {
            inner.register(metric);
        }
    }

    /// Tells the last numbers and forgets all that is observed; gives up after the deadline.
    pub async fn shutdown(&self, deadline: Duration) {
        let Some(inner) = &self.inner else { return };
        let provider = inner.provider.clone();
        let flushed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(deadline));
        match tokio::time::timeout(deadline, flushed).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the last metrics could not be exported"),
            Ok(Err(error)) => tracing::warn!(%error, "the last metrics could not be exported"),
            Err(_) => tracing::warn!("the last metrics could not be exported in time"),
        }
        if let Some(page) = &inner.page {
            page.close();
        }
        inner.sources.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Inner {
    /// Makes the instrument that asks all sources of a metric.
    fn register(&self, metric: &'static Metric) {
        let sources = self.sources.clone();
        let read = move || {
            let mut readings = Readings { metric, values: BTreeMap::new() };
            let sources = sources.lock().unwrap_or_else(PoisonError::into_inner);
            sources.get(metric.name).into_iter().flatten().for_each(|source| source(&mut readings));
            let labelled =
                |(labels, value): (Vec<String>, f64)| (value, pairs(metric, labels.iter().map(String::as_str)));
            readings.values.into_iter().map(labelled).collect::<Vec<_>>().into_iter()
        };
        let as_time = {
            let read = read.clone();
            move |observer: &dyn AsyncInstrument<f64>| {
                read().for_each(|(value, labels)| observer.observe(value, &labels))
            }
        };
        let as_count = move |observer: &dyn AsyncInstrument<u64>| {
            read().for_each(|(value, labels)| observer.observe(value.max(0.0) as u64, &labels));
        };
        let (name, unit, meaning) = (metric.name, metric.unit.code(), metric.meaning);
        let meter = &self.meter;
        match (metric.kind, metric.unit) {
            (Kind::Counter, Unit::Seconds) => {
                let counter = meter.f64_observable_counter(name).with_unit(unit).with_description(meaning);
                counter.with_callback(as_time).build();
            }
            (Kind::Counter, _) => {
                let counter = meter.u64_observable_counter(name).with_unit(unit).with_description(meaning);
                counter.with_callback(as_count).build();
            }
            (_, Unit::Seconds) => {
                let gauge = meter.f64_observable_gauge(name).with_unit(unit).with_description(meaning);
                gauge.with_callback(as_time).build();
            }
            (_, _) => {
                let gauge = meter.u64_observable_gauge(name).with_unit(unit).with_description(meaning);
                gauge.with_callback(as_count).build();
            }
        }
    }
}
