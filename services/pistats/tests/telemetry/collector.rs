//! A stand-in for a collector: takes spans by OTLP over gRPC and keeps them.

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use pistats_telemetry::TraceParent;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// What was exported so far.
#[derive(Clone, Default)]
pub(crate) struct Collector(Arc<Mutex<Vec<Told>>>);

/// A span and the process that told it.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) service: String,
    pub(crate) span: Span,
}

impl Collector {
    /// Listens on a free port.
    pub(crate) async fn start() -> (Collector, SocketAddr) {
        let collector = Collector::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = TraceServiceServer::new(collector.clone());
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        (collector, address)
    }

    pub(crate) fn spans(&self) -> Vec<Told> {
        self.0.lock().unwrap().clone()
    }

    /// The spans that are looked for, once there are so many of them.
    pub(crate) async fn find(&self, many: usize, is_wanted: impl Fn(&Span) -> bool) -> Vec<Told> {
        self.find_told(many, |told| is_wanted(&told.span)).await
    }

    /// The same where it matters who told it.
    pub(crate) async fn find_told(&self, many: usize, is_wanted: impl Fn(&Told) -> bool) -> Vec<Told> {
        for _ in 0..1_500 {
            let found: Vec<Told> = self.spans().into_iter().filter(&is_wanted).collect();
            if found.len() >= many {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let names: Vec<String> = self.spans().iter().map(|told| told.span.name.clone()).collect();
        panic!("not {many} such spans within half a minute; told were {names:?}");
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of_process in request.into_inner().resource_spans {
            let attributes = of_process.resource.unwrap_or_default().attributes;
            let service = attributes.into_iter().find(|pair| pair.key == "service.name").and_then(|pair| pair.value);
            let service = service.map(|value| format!("{:?}", value.value)).unwrap_or_default();
            let spans = of_process.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let told = spans.map(|span| Told { service: service.clone(), span });
            self.0.lock().unwrap().extend(told);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Where a span stands.
pub(crate) fn place(span: &Span) -> TraceParent {
    at(&span.trace_id, &span.span_id)
}

/// Trace and span from their bytes.
pub(crate) fn at(trace: &[u8], span: &[u8]) -> TraceParent {
    let (trace, span) = (u128::from_be_bytes(trace.try_into().unwrap()), u64::from_be_bytes(span.try_into().unwrap()));
    TraceParent::new(trace, span, true).unwrap()
}
