//! `ingest`: how many events a second a collector takes, durably, and how long a batch waits for its answer.
//!
//! The batches are made beforehand, and only the ids in them are new each time: the client has one core of the two, and what
//! is to be measured is the server. Every event is a different one; none is expected to be refused.

use crate::Failure;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use clap::Args as Flags;
use futures::StreamExt;
use pistats_core::{EventId, Micros};
use pistats_proto::ingest::v1::{CollectRequest, CollectResponse, CollectStreamResponse, Event};
use prost::Message;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use std::marker::PhantomData;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// Different batches that are sent in turn.
const TEMPLATES: usize = 16;

/// Flags of the scenario.
#[derive(Debug, Clone, Flags)]
pub(crate) struct Args {
    /// Where the collector listens
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    address: String,
    /// A write or server key
    #[arg(long, env = "PISTATS_KEY", hide_env_values = true)]
    key: String,
    /// Events a batch
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    batch: u32,
    /// Connections
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    connections: u32,
    /// Batches under way on each connection
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    in_flight: u32,
    /// How long to send
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// One stream a connection, in place of single calls
    #[arg(long)]
    stream: bool,
    /// The server's process: its CPU time is told, too (Linux)
    #[arg(long)]
    server_pid: Option<u32>,
}

/// What came of it.
#[derive(Debug, Default)]
struct Tally {
    accepted: u64,
    refused: u64,
    duplicates: u64,
    waits: Vec<Duration>,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.duplicates += other.duplicates;
        self.waits.extend(other.waits);
    }
}

impl Tally {
    fn add(&mut self, answer: &CollectResponse, wait: Duration) {
        self.accepted += u64::from(answer.accepted);
        self.duplicates += u64::from(answer.duplicates);
        self.refused += answer.rejections.len() as u64;
        self.waits.push(wait);
    }

    /// The wait that a share of the batches did not exceed, in milliseconds.
    fn quantile_ms(&self, share: f64) -> f64 {
        let last = self.waits.len().saturating_sub(1);
        let wait = self.waits.get((last as f64 * share) as usize).copied().unwrap_or_default();
        wait.as_secs_f64() * 1_000.0
    }
}

/// Runs the scenario.
pub(crate) async fn run(args: &Args) -> Result<(), Failure> {
    let authorization: MetadataValue<Ascii> =
        format!("Bearer {}", args.key).parse().map_err(|_| "the key holds characters that no key has".to_owned())?;
    let templates: Arc<[Template]> = (0..TEMPLATES).map(|seed| Template::new(seed as u64, args.batch)).collect();
    let event_bytes = templates[0].bytes.len() / args.batch as usize;
    let endpoint = Endpoint::from_shared(args.address.clone()).map_err(|error| error.to_string())?.tcp_nodelay(true);
    let mut channels = Vec::new();
    for _ in 0..args.connections {
        let channel = endpoint.connect().await;
        channels.push(channel.map_err(|error| format!("cannot connect to {}: {error}", args.address))?);
    }

    let cpu_before = args.server_pid.map(cpu_time).transpose()?;
    let begin = Instant::now();
    let until = begin + Duration::from_secs(args.seconds);
    let senders = channels.into_iter().enumerate().flat_map(|(number, channel)| {
        let lanes = if args.stream { 1 } else { args.in_flight };
        (0..lanes).map(move |lane| (channel.clone(), number as u64 * 64 + u64::from(lane)))
    });
    let tasks: Vec<_> = senders
        .map(|(channel, number)| {
            let sender = Sender {
                channel,
                authorization: authorization.clone(),
                ids: Ids(StdRng::seed_from_u64(now().0 as u64 ^ number << 48)),
                templates: templates.clone(),
                until,
            };
            let in_flight = args.in_flight as usize;
            let stream = args.stream;
            tokio::spawn(async move { if stream { sender.stream(in_flight).await } else { sender.calls().await } })
        })
        .collect();
    let mut tally = Tally::default();
    for task in tasks {
        tally += task.await.map_err(|error| error.to_string())?.map_err(|status| status.to_string())?;
    }
    let took = begin.elapsed();
    let cpu = match (args.server_pid, cpu_before) {
        (Some(pid), Some(before)) => Some(cpu_time(pid)? - before),
        _ => None,
    };
    tally.waits.sort_unstable();
    report(args, &tally, event_bytes, took, cpu);
    if tally.refused > 0 || tally.duplicates > 0 || tally.accepted == 0 {
        return Err(format!("{} events were refused and {} called duplicates", tally.refused, tally.duplicates));
    }
    Ok(())
}

fn report(args: &Args, tally: &Tally, event_bytes: usize, took: Duration, cpu: Option<Duration>) {
    let way = if args.stream { "streams" } else { "calls" };
    let Args { batch, connections, in_flight, .. } = args;
    println!(
        "{way}: {connections} connections, {in_flight} in flight each, batches of {batch}, {event_bytes} bytes an event"
    );
    let rate = tally.accepted as f64 / took.as_secs_f64();
    println!("accepted   {} events in {:.2} s: {rate:.0} events/s", tally.accepted, took.as_secs_f64());
    println!("a batch    p50 {:.2} ms, p99 {:.2} ms", tally.quantile_ms(0.50), tally.quantile_ms(0.99));
    if let Some(cpu) = cpu {
        let ns = cpu.as_nanos() as f64 / tally.accepted.max(1) as f64;
        println!("server     {ns:.0} ns of CPU an event: {:.0} events/s a core", 1e9 / ns);
    }
}

/// One lane of batches.
struct Sender {
    channel: Channel,
    authorization: MetadataValue<Ascii>,
    ids: Ids,
    templates: Arc<[Template]>,
    until: Instant,
}

impl Sender {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.authorization.clone());
        request
    }

    async fn calls(mut self) -> Result<Tally, Status> {
        let mut tally = Tally::default();
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        let path = PathAndQuery::from_static("/pistats.ingest.v1.IngestService/Collect");
        for turn in 0.. {
            let message = self.templates[turn % TEMPLATES].filled(&mut self.ids, &[]);
            let begin = Instant::now();
            if begin >= self.until {
                break;
            }
            grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let answer: CollectResponse =
                grpc.unary(self.request(message), path.clone(), Raw::default()).await?.into_inner();
            tally.add(&answer, begin.elapsed());
        }
        Ok(tally)
    }

    async fn stream(mut self, in_flight: usize) -> Result<Tally, Status> {
        let mut tally = Tally::default();
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        let path = PathAndQuery::from_static("/pistats.ingest.v1.IngestService/CollectStream");
        let (requests, receiver) = tokio::sync::mpsc::channel(in_flight);
        let mut sent_at = std::collections::VecDeque::new();
        let mut turn = 0;
        let next = |sequence: usize, ids: &mut Ids| {
            let mut head = Vec::new();
            prost::encoding::uint64::encode(1, &(sequence as u64), &mut head);
            // Field 1 of a single call is field 2 of a stream.
            self.templates[sequence % TEMPLATES].filled(ids, &head)
        };
        for _ in 0..in_flight {
            _ = requests.send(next(turn, &mut self.ids)).await;
            sent_at.push_back(Instant::now());
            turn += 1;
        }
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let mut request = Request::new(ReceiverStream::new(receiver));
        request.metadata_mut().insert("authorization", self.authorization.clone());
        let mut answers = grpc.streaming(request, path, Raw::<CollectStreamResponse>::default()).await?.into_inner();
        let mut requests = Some(requests);
        while let Some(answer) = answers.next().await {
            let CollectStreamResponse { accepted, duplicates, rejections, .. } = answer?;
            let wait = sent_at.pop_front().map(|sent: Instant| sent.elapsed()).unwrap_or_default();
            tally.add(&CollectResponse { accepted, duplicates, rejections }, wait);
            if Instant::now() >= self.until {
                // The end of the requests ends the stream, after the answers to all of them.
                requests = None;
            } else if let Some(requests) = &requests {
                let message = next(turn, &mut self.ids);
                sent_at.push_back(Instant::now());
                _ = requests.send(message).await;
                turn += 1;
            }
        }
        Ok(tally)
    }
}

/// An encoded batch whose ids are filled in for each sending.
struct Template {
    bytes: Vec<u8>,
    /// Where the 16 bytes of each id begin.
    ids: Vec<usize>,
}

impl Template {
    fn new(seed: u64, count: u32) -> Template {
        let mut random = StdRng::seed_from_u64(seed);
        let events: Vec<Event> = (0..count).map(|_| event(&mut random)).collect();
        let mut template = Template { bytes: Vec::new(), ids: Vec::new() };
        for event in &events {
            let start = template.bytes.len();
            prost::encoding::message::encode(1, event, &mut template.bytes);
            // The id is the event's first field: key and length, then itself.
            template.ids.push(start + 1 + prost::length_delimiter_len(event.encoded_len()) + 2);
        }
        debug_assert_eq!(template.bytes, CollectRequest { events }.encode_to_vec());
        template
    }

    /// The batch behind `head`; with a head the events are field 2.
    fn filled(&self, ids: &mut Ids, head: &[u8]) -> Bytes {
        let mut message = BytesMut::with_capacity(head.len() + self.bytes.len());
        message.extend_from_slice(head);
        message.extend_from_slice(&self.bytes);
        let created = now().0 as u64 / 1_000;
        for at in &self.ids {
            let at = head.len() + at;
            message[at..at + 16].copy_from_slice(&ids.next(created).0);
        }
        if !head.is_empty() {
            let mut at = head.len();
            while at < message.len() {
                message[at] = 2 << 3 | 2;
                let mut rest = &message[at + 1..];
                let length = prost::decode_length_delimiter(&mut rest).unwrap_or_default();
                at = message.len() - rest.len() + length;
            }
        }
        message.freeze()
    }
}

struct Ids(StdRng);

impl Ids {
    fn next(&mut self, created_ms: u64) -> EventId {
        EventId::from_parts(created_ms, u128::from(self.0.next_u64()) << 16 | u128::from(self.0.next_u32()))
    }
}

/// A page view as a browser sends it, about 340 bytes.
fn event(random: &mut StdRng) -> Event {
    let mut word =
        |length: usize| -> String { (0..length).map(|_| char::from(b'a' + random.random_range(0..26u8))).collect() };
    let time = now().0 - 1_000;
    Event {
        id: Bytes::from_static(&[0; 16]),
        time_us: Some(time),
        sent_at_us: Some(time),
        visitor_id: word(22),
        name: "page_view".into(),
        url: format!("https://www.example.org/articles/{}/{}?page={}", word(12), word(30), word(2)),
        referrer: format!("https://search.example.com/results?q={}", word(20)),
        title: format!("{} {} {}", word(9), word(14), word(10)),
        topics: vec![word(8), word(6)],
        language: "en-US".into(),
        time_zone: "Europe/Berlin".into(),
        screen_width: 1_920,
        screen_height: 1_080,
        properties: [("plan".to_owned(), word(4)), ("variant".to_owned(), word(6))].into(),
        ..Default::default()
    }
}

fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// CPU time of a process and its threads since its start (proc(5), `stat`, fields 14 and 15, in hundredths of a second).
fn cpu_time(pid: u32) -> Result<Duration, Failure> {
    let unreadable = || format!("/proc/{pid}/stat cannot be read: is the server a process of this machine?");
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|_| unreadable())?;
    // The name may hold spaces; behind its parenthesis the fields go on with number 3.
    let (_, fields) = stat.rsplit_once(')').ok_or_else(unreadable)?;
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// Requests that are encoded already.
struct Raw<U>(PhantomData<U>);

impl<U> Default for Raw<U> {
    fn default() -> Raw<U> {
        Raw(PhantomData)
    }
}

impl<U: Message + Default + Send + 'static> Codec for Raw<U> {
    type Encode = Bytes;
    type Decode = U;
    type Encoder = Raw<U>;
    type Decoder = Raw<U>;

    fn encoder(&mut self) -> Raw<U> {
        Raw::default()
    }

    fn decoder(&mut self) -> Raw<U> {
        Raw::default()
    }
}

impl<U> Encoder for Raw<U> {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl<U: Message + Default> Decoder for Raw<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let answer = bytes.copy_to_bytes(bytes.remaining());
        U::decode(answer).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_proto::ingest::v1::CollectStreamRequest;
    use std::collections::HashSet;

    #[test]
    fn every_sending_is_a_batch_of_new_events() {
        let template = Template::new(1, 50);
        let mut ids = Ids(StdRng::seed_from_u64(1));
        let mut seen = HashSet::new();
        for _ in 0..2 {
            let events = CollectRequest::decode(template.filled(&mut ids, &[])).unwrap().events;
            assert_eq!(events.len(), 50);
            assert!(events.iter().all(|event| EventId::from_slice(&event.id).is_some()));
            seen.extend(events.into_iter().map(|event| event.id));
        }
        assert_eq!(seen.len(), 100);
        assert!((320..=360).contains(&(template.bytes.len() / 50)), "{} bytes an event", template.bytes.len() / 50);
    }

    #[test]
    fn a_streams_batch_has_its_sequence_and_the_same_events() {
        let template = Template::new(1, 50);
        let mut head = Vec::new();
        prost::encoding::uint64::encode(1, &300, &mut head);
        let seeded = || Ids(StdRng::seed_from_u64(1));
        let streamed = CollectStreamRequest::decode(template.filled(&mut seeded(), &head)).unwrap();
        let single = CollectRequest::decode(template.filled(&mut seeded(), &[])).unwrap();
        assert_eq!(streamed.sequence, 300);
        let without_ids = |events: Vec<Event>| -> Vec<Event> {
            events.into_iter().map(|event| Event { id: Bytes::new(), ..event }).collect()
        };
        assert_eq!(without_ids(streamed.events), without_ids(single.events));
    }

    #[test]
    fn quantiles_are_of_the_sorted_waits() {
        let waits = (1..=100).map(Duration::from_millis).collect();
        let tally = Tally { waits, ..Tally::default() };
        assert_eq!((tally.quantile_ms(0.5), tally.quantile_ms(0.99), tally.quantile_ms(1.0)), (50.0, 99.0, 100.0));
        assert_eq!(Tally::default().quantile_ms(0.5), 0.0);
    }
}
