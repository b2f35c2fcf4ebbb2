//! The text of an answer: read to its end, so that the connection can be used again, but only so far.

use http::Response;
use http::response::Parts;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Bytes that are read. Push services say what was wrong in a few hundred.
const MOST_BYTES: usize = 4096;

/// How long the text may take after the head. The status is known by then, and nothing here changes it.
const MOST_TIME: Duration = Duration::from_secs(1);

/// The head, the beginning of the text, and whether that was all of it.
pub(super) async fn beginning<B: Body<Data = Bytes> + Unpin>(
    answer: Response<B>,
    deadline: Instant,
) -> (Parts, Vec<u8>, bool) {
    let (head, mut body) = answer.into_parts();
    let deadline = deadline.min(Instant::now() + MOST_TIME);
    let mut text = Vec::new();
    loop {
        match timeout_at(deadline, body.frame()).await {
            Ok(None) => return (head, text, true),
            Ok(Some(Ok(frame))) => {
                let data = frame.into_data().unwrap_or_default();
                let room = MOST_BYTES - text.len();
                text.extend_from_slice(&data[..data.len().min(room)]);
                if data.len() > room {
                    return (head, text, false);
                }
            }
            Ok(Some(Err(_))) | Err(_) => return (head, text, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    async fn of(bytes: usize) -> (usize, bool) {
        let answer = Response::new(Full::new(Bytes::from(vec![b'a'; bytes])));
        let (_, text, is_whole) = beginning(answer, Instant::now() + MOST_TIME).await;
        (text.len(), is_whole)
    }

    #[tokio::test]
    async fn a_text_of_4096_bytes_is_whole_and_of_a_longer_one_the_beginning_is_read() {
        assert_eq!(of(0).await, (0, true));
        assert_eq!(of(4096).await, (4096, true));
        assert_eq!(of(4097).await, (4096, false));
    }
}
