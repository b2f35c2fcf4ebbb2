//! Exporters: OTLP over gRPC to one collector, which stands near (plaintext; TLS to elsewhere is the collector's work).

use crate::trace::Sampling;
use crate::{Error, Settings};
use opentelemetry::KeyValue;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::PeriodicReader;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use std::time::Duration;

/// One attempt to export.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a span waits for others to be exported with.
const SPANS_EVERY: Duration = Duration::from_secs(2);
const METRICS_EVERY: Duration = Duration::from_secs(15);
/// Spans that wait at most, about 1 KiB each; more are dropped.
const SPAN_QUEUE: usize = 8_192;
/// Links of one span: a commit serves many requests.
const SPAN_LINKS: u32 = 128;

/// What everything that is exported says of its process.
pub(crate) fn resource(settings: &Settings) -> Resource {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "localhost".into());
    let attributes = settings.attributes.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder()
        .with_service_name(settings.service.clone())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", format!("{}:{}", host.trim(), std::process::id())))
        .with_attributes(attributes)
        .build()
}

pub(crate) fn traces(endpoint: &str, settings: &Settings) -> Result<SdkTracerProvider, Error> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(checked(endpoint)?).with_timeout(TIMEOUT);
    let exporter = exporter.build().map_err(|error| wrong(endpoint, error))?;
    let config = BatchConfigBuilder::default().with_max_queue_size(SPAN_QUEUE).with_scheduled_delay(SPANS_EVERY);
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(config.build()).build();
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_sampler(Sampling::new(settings.sampling))
        .with_max_links_per_span(SPAN_LINKS)
        .with_resource(resource(settings))
        .build())
}

pub(crate) fn metrics(endpoint: &str) -> Result<PeriodicReader<MetricExporter>, Error> {
    let exporter = MetricExporter::builder().with_tonic().with_endpoint(checked(endpoint)?).with_timeout(TIMEOUT);
    let exporter = exporter.build().map_err(|error| wrong(endpoint, error))?;
    Ok(PeriodicReader::builder(exporter).with_interval(METRICS_EVERY).build())
}

fn checked(endpoint: &str) -> Result<&str, Error> {
    let uri: Option<http::Uri> = endpoint.parse().ok();
    let is_right = |uri: &http::Uri| uri.scheme_str() == Some("http") && uri.port().is_some();
    match uri.as_ref().is_some_and(is_right) {
        true => Ok(endpoint),
        false => Err(wrong(endpoint, "it is no such address")),
    }
}

fn wrong(endpoint: &str, reason: impl std::fmt::Display) -> Error {
    Error::Otlp { endpoint: endpoint.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_http_with_a_host_and_a_port() {
        for right in ["http://127.0.0.1:4317", "http://collector:4317", "http://[::1]:4317/"] {
            assert_eq!(checked(right).unwrap(), right);
        }
        for wrong in ["", "collector:4317", "https://collector:4317", "http://collector", "not an address"] {
            let error = checked(wrong).unwrap_err().to_string();
            assert!(error.starts_with("telemetry.otlp: "), "{wrong}: {error}");
        }
    }
}
