//! One partition's stream, opened again whenever it breaks.

use super::IngestLog;
use pistats_core::{Micros, Offset, PartitionId};
use pistats_eventlog::{Error, Position, Record};
use pistats_proto::log::v1::{Position as WirePosition, ReadRequest, ReadResponse, position};
use std::time::Duration;
use tonic::{Request, Streaming};

/// Pause before a broken stream is opened again, doubled each time until something comes.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_LONGEST: Duration = Duration::from_secs(2);

/// A reader's place in the log.
pub(super) struct Reader {
    log: IngestLog,
    partition: PartitionId,
    /// Where the stream begins if it has to be opened again.
    from: Position,
    /// None while the connection is broken.
    stream: Option<Streaming<ReadResponse>>,
    pause: Duration,
    /// This record arrived damaged once: it is asked for once more.
    damaged: Option<Offset>,
    ended: bool,
}

impl Reader {
    /// Opens the stream; a position that is not served is an error at once.
    pub(super) async fn open(log: IngestLog, partition: PartitionId, from: Position) -> Result<Reader, Error> {
        let (pause, damaged, ended) = (PAUSE_FIRST, None, false);
        let mut reader = Reader { log, partition, from, stream: None, pause, damaged, ended };
        reader.connect().await?;
        Ok(reader)
    }

    /// The next record, as `futures::stream::unfold` wants it.
    pub(super) async fn step(mut self) -> Option<(Result<Record, Error>, Reader)> {
        if self.ended {
            return None;
        }
        let answer = loop {
            match self.next().await {
                Ok(record) => break Ok(record),
                Err(error) if error.is_retryable() => self.wait(&error).await,
                Err(error) => break Err(error),
            }
        };
        self.ended = answer.is_err();
        Some((answer, self))
    }

    async fn next(&mut self) -> Result<Record, Error> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        match stream.message().await {
            Ok(Some(answer)) => {
                let record = self.record(answer)?;
                self.from = Position::At(record.offset.next());
                self.pause = PAUSE_FIRST;
                Ok(record)
            }
            Ok(None) => Err(self.log.unreachable("it ended the stream".to_owned())),
            Err(status) => Err(self.log.error(&status)),
        }
    }

    async fn connect(&mut self) -> Result<&mut Streaming<ReadResponse>, Error> {
        let position = match self.from {
            Position::First => position::Position::First(true),
            Position::Latest => position::Position::Latest(true),
            Position::At(offset) => position::Position::Offset(offset.0),
            Position::AppendedAt(time) => position::Position::AppendedAtUs(time.0),
        };
        let request = ReadRequest {
            partition: self.partition.0.into(),
            position: Some(WirePosition { position: Some(position) }),
            until_end: false,
            headers_only: false,
        };
        let mut client = self.log.client.clone();
        let stream = self.log.ask(client.read(Request::new(request))).await?;
        Ok(self.stream.insert(stream))
    }

    /// Takes a record only as the log has it: whole, and the one that is next.
    fn record(&mut self, answer: ReadResponse) -> Result<Record, Error> {
        let offset = Offset(answer.offset);
        let skipped = matches!(self.from, Position::At(next) if next != offset);
        if skipped || crc32c::crc32c(&answer.payload) != answer.crc32c {
            let reason =
                if skipped { "another record came than the next one" } else { "its bytes are not those of the log" };
            // On the way, perhaps: a second time it is the log's own damage.
            if self.damaged.replace(offset) == Some(offset) {
                return Err(Error::Corrupt { segment: 0, position: offset.0, reason: format!("by offset: {reason}") });
            }
            return Err(self.log.unreachable(format!("offset {}: {reason}", offset.0)));
        }
        Ok(Record {
            partition: self.partition,
            offset,
            appended_at: Micros(answer.appended_at_us),
            count: answer.count,
            payload: answer.payload,
        })
    }

    /// The connection broke: told once, then tried again in ever longer steps.
    async fn wait(&mut self, error: &Error) {
        self.stream = None;
        if self.pause == PAUSE_FIRST {
            tracing::warn!(partition = self.partition.0, %error, "reading goes on as soon as the log answers again");
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_LONGEST);
    }
}
