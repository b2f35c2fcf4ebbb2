//! Sending: several connections, each answered before its next call, each call repeated until it is answered.

use super::{Chunk, FileIds, Format, RefusedLine, Report, Source};
use crate::client::{Authorized, explain};
use pistats_core::Reason;
use pistats_proto::ingest::v1::ingest_service_client::IngestServiceClient;
use pistats_proto::ingest::v1::{CollectRequest, Event};
use pistats_rpc::tls::ClientTls;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tonic::{Code, Status};

/// How to send.
#[derive(Clone, Debug)]
pub struct Options {
    pub server: String,
    /// Encrypted as this says, where the address is https://.
    pub tls: Option<ClientTls>,
    /// A server key: imported user agents and countries are to be believed.
    pub key: String,
    pub format: Option<Format>,
    pub connections: usize,
    /// Events a call.
    pub batch: usize,
    /// How long a call is repeated while the server is away.
    pub retry_for: Duration,
    /// Where every refused line goes, one JSON object a line.
    pub rejects: Option<PathBuf>,
}

/// Bytes of a call at the most: below the collector's default limit.
const CALL_BYTES: usize = 3 << 20;

/// Imports a file. `progress` hears bytes read, bytes in all and events accepted.
pub async fn run(
    path: &Path,
    options: &Options,
    progress: impl Fn(u64, u64, u64) + Send + Sync + 'static,
) -> Result<Report, String> {
    let started = Instant::now();
    let open = path.to_owned();
    let named = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut source =
        tokio::task::spawn_blocking(move || Source::open(&open)).await.map_err(|e| e.to_string())?.map_err(named)?;
    let format = match options.format {
        Some(format) => format,
        None => Format::of_first_line(source.peek().map_err(named)?),
    };
    let shared = Arc::new(Shared {
        ids: FileIds::new(source.digest),
        format,
        options: options.clone(),
        rejects: match &options.rejects {
            Some(path) => {
                Some(Mutex::new(std::fs::File::create(path).map_err(|error| format!("{}: {error}", path.display()))?))
            }
            None => None,
        },
        accepted: Default::default(),
    });

    let (bytes, read) = (source.bytes, source.read.clone());
    let batch = options.batch;
    let (chunks, queue) = mpsc::channel::<Chunk>(2 * options.connections);
    let reader = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        while let Some(chunk) = source.chunk(batch)? {
            if chunks.blocking_send(chunk).is_err() {
                break;
            }
        }
        Ok(())
    });
    let queue = Arc::new(tokio::sync::Mutex::new(queue));
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..options.connections {
        senders.spawn(send_chunks(shared.clone(), queue.clone()));
    }
    // The senders alone hold the queue now: when the last one gives up, the reader stops.
    drop(queue);

    let watched = shared.clone();
    let ticker = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        loop {
            tick.tick().await;
            use std::sync::atomic::Ordering::Relaxed;
            progress(read.load(Relaxed), bytes, watched.accepted.load(Relaxed));
        }
    });
    let mut report = Report::default();
    let mut failed = None;
    while let Some(sent) = senders.join_next().await {
        match sent.map_err(|error| error.to_string()).and_then(|sent| sent) {
            Ok(part) => report.add(part),
            Err(error) => {
                failed.get_or_insert(error);
                senders.abort_all();
            }
        }
    }
    ticker.abort();
    if let Some(error) = failed {
        return Err(error);
    }
    reader.await.map_err(|error| error.to_string())?.map_err(named)?;
    report.took(started.elapsed());
    Ok(report)
}

struct Shared {
    ids: FileIds,
    format: Format,
    options: Options,
    rejects: Option<Mutex<std::fs::File>>,
    accepted: std::sync::atomic::AtomicU64,
}

type Queue = Arc<tokio::sync::Mutex<mpsc::Receiver<Chunk>>>;

async fn send_chunks(shared: Arc<Shared>, queue: Queue) -> Result<Report, String> {
    let mut sender = Sender::new(&shared.options)?;
    let mut report = Report::default();
    loop {
        let Some(chunk) = queue.lock().await.recv().await else { return Ok(report) };
        let mut batch = Batch::default();
        for (line, bytes) in chunk.lines() {
            report.lines += 1;
            match shared.format.parse(bytes) {
                Ok(mut event) => {
                    event.id = shared.ids.id(event.time_us.unwrap_or_default(), line).0.to_vec().into();
                    // A line's length bounds its event's: JSON escapes only make a text longer.
                    if batch.bytes + bytes.len() > CALL_BYTES {
                        sender.send(&shared, std::mem::take(&mut batch), &mut report).await?;
                    }
                    batch.bytes += bytes.len() + 32;
                    batch.lines.push(line);
                    batch.events.push(event);
                }
                Err(fault) => shared
                    .refuse(&mut report, RefusedLine { line, reason: "unreadable", message: fault.into_owned() })?,
            }
        }
        sender.send(&shared, batch, &mut report).await?;
    }
}

#[derive(Default)]
struct Batch {
    events: Vec<Event>,
    /// The line of each event.
    lines: Vec<u64>,
    bytes: usize,
}

struct Sender {
    client: IngestServiceClient<Authorized>,
    retry_for: Duration,
}

impl Sender {
    fn new(options: &Options) -> Result<Sender, String> {
        let channel = pistats_rpc::client::lazy(&options.server, &options.key, options.tls.as_ref());
        let client = IngestServiceClient::new(channel.map_err(|error| error.to_string())?);
        Ok(Sender { client, retry_for: options.retry_for })
    }

    async fn send(&mut self, shared: &Shared, batch: Batch, report: &mut Report) -> Result<(), String> {
        if batch.events.is_empty() {
            return Ok(());
        }
        let request = CollectRequest { events: batch.events };
        let since = Instant::now();
        let mut pause = Duration::from_millis(20);
        let answer = loop {
            match self.client.collect(request.clone()).await {
                Ok(answer) => break answer.into_inner(),
                Err(status) if may_retry(&status) && since.elapsed() < self.retry_for => {
                    report.retries += 1;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                Err(status) => return Err(explain(&status)),
            }
        };
        report.accepted += u64::from(answer.accepted);
        shared.accepted.fetch_add(u64::from(answer.accepted), std::sync::atomic::Ordering::Relaxed);
        for rejection in answer.rejections {
            let line = batch.lines.get(rejection.index as usize).copied().unwrap_or_default();
            let reason = Reason::from_number(rejection.reason as u32).map_or("unknown", Reason::name);
            shared.refuse(
                report,
                RefusedLine { line, reason, message: format!("{}: {}", rejection.field, rejection.message) },
            )?;
        }
        Ok(())
    }
}

/// Every event has an id, so that repeating a call is always safe; these are the failures that pass by themselves.
fn may_retry(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::ResourceExhausted
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::Cancelled
            | Code::Unknown
    )
}

impl Shared {
    fn refuse(&self, report: &mut Report, line: RefusedLine) -> Result<(), String> {
        use std::io::Write as _;
        if let Some(file) = &self.rejects {
            let text = serde_json::to_string(&line).map_err(|error| error.to_string())?;
            let mut file = file.lock().map_err(|_| "the file of refused lines is lost".to_owned())?;
            writeln!(file, "{text}").map_err(|error| format!("the file of refused lines: {error}"))?;
        }
        report.refuse(line);
        Ok(())
    }
}
