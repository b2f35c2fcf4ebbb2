//! Spans: what services may say of a request's way, and how it goes on in another process or after the log.
//!
//! ```text
//!   client ─traceparent─▶ served ─▶ append                      (one trace)
//!                           │  │ link, kept in the packed record
//!                           │  ▼
//!                           │ commit                            (a trace of its own: it serves many requests)
//!                           └─▶ called ─traceparent─▶ served    (another service)
//! ```
//!
//! Spans have a target of their own, [`TARGET`], which only the exporter listens to. With no exporter their call sites are
//! switched off for good by `tracing` itself: an `if` on a static, no allocation. The names of OpenTelemetry end here.

use crate::TraceParent;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, KeyValue, trace};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Target of all spans that are exported.
pub const TARGET: &str = "pistats::trace";

/// A span that is exported if its trace is sampled: `span!("append", records = 3)`. Attributes whose values come later are
/// declared with `tracing::field::Empty`; numbers are `i64`, for others are exported as text.
#[macro_export]
macro_rules! span {
    ($($arguments:tt)*) => {
        $crate::tracing::info_span!(target: $crate::trace::TARGET, $($arguments)*)
    };
}

/// The span of a call that came in, continuing the caller's trace. Disabled while nothing is exported.
pub fn served(service: &str, method: &str, parent: impl FnOnce() -> Option<TraceParent>) -> Span {
    let span = rpc("server", service, method);
    if !span.is_disabled()
        && let Some(parent) = parent()
    {
        // It fails only for a span that has begun.
        _ = span.set_parent(Context::new().with_remote_span_context(remote(parent)));
    }
    span
}

/// The span of a call to another service: a child of the work at hand, or the begin of a trace where that is in none.
/// [`within`] tells what the other side is to be told. Disabled while nothing is exported.
pub fn called(service: &str, method: &str) -> Span {
    rpc("client", service, method)
}

/// Where in its trace a span stands, which begins with this question; none for a disabled one.
pub fn within(span: &Span) -> Option<TraceParent> {
    span.in_scope(current_any).filter(|_| !span.is_disabled())
}

/// Attributes and names are those of OpenTelemetry's semantic conventions for RPC.
fn rpc(kind: &'static str, service: &str, method: &str) -> Span {
    let span = span!(
        "rpc",
        otel.name = tracing::field::Empty,
        otel.kind = kind,
        otel.status_code = tracing::field::Empty,
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = tracing::field::Empty,
    );
    if !span.is_disabled() {
        span.record("otel.name", format!("{service}/{method}"));
    }
    span
}

/// Notes how a call ended: its gRPC status, and whether that is an error of the span's side.
pub fn ended(span: &Span, code: i32, is_error: bool) {
    if !span.is_disabled() {
        span.record("rpc.grpc.status_code", code);
        if is_error {
            span.record("otel.status_code", "ERROR");
        }
    }
}

/// Where the work at hand stands, if its trace is sampled. Costs a look at a thread's own memory.
pub fn current() -> Option<TraceParent> {
    current_any().filter(TraceParent::is_sampled)
}

/// The same, sampled or not: what goes into log lines and to other services.
pub fn current_any() -> Option<TraceParent> {
    Context::map_current(|context| {
        let span = context.span();
        let at = span.span_context();
        TraceParent::new(
            u128::from_be_bytes(at.trace_id().to_bytes()),
            u64::from_be_bytes(at.span_id().to_bytes()),
            at.is_sampled(),
        )
    })
}

/// Links a span that has not begun to others.
pub fn link(span: &Span, to: impl IntoIterator<Item = TraceParent>) {
    for parent in to {
        span.add_link(remote(parent));
    }
}

fn remote(parent: TraceParent) -> SpanContext {
    let (trace, span) = parent.ids();
    let flags = if parent.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
    let (trace, span) = (TraceId::from_bytes(trace.to_be_bytes()), SpanId::from_bytes(span.to_be_bytes()));
    SpanContext::new(trace, span, flags, true, TraceState::default())
}

/// Follows the parent's decision; a span that links to sampled ones is sampled; of all others a part is.
#[derive(Clone, Debug)]
pub(crate) struct Sampling {
    part: Sampler,
}

impl Sampling {
    pub(crate) fn new(ratio: f64) -> Sampling {
        Sampling { part: Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))) }
    }
}

impl ShouldSample for Sampling {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &trace::SpanKind,
        attributes: &[KeyValue],
        links: &[trace::Link],
    ) -> SamplingResult {
        let mut result = self.part.should_sample(parent, trace_id, name, kind, attributes, links);
        if links.iter().any(|link| link.span_context.is_sampled()) {
            result.decision = SamplingDecision::RecordAndSample;
        }
        result
    }
}
