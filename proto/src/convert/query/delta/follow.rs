//! A watched report as its reader knows it.

use super::{Misapplied, apply};
use crate::query::v1;
use v1::watch_response::Content;

/// One report of a stream: takes its messages in order and always holds the whole answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watched {
    answer: Option<v1::Snapshot>,
    /// 0: the next delta may have any number.
    number: u64,
}

impl Watched {
    /// The newest answer, once there is one.
    pub fn answer(&self) -> Option<&v1::Snapshot> {
        self.answer.as_ref()
    }

    /// What to name in `resume_from` after a cut. Call it once for each new stream: another server counts its states anew.
    pub fn resume(&mut self) -> Option<v1::AsOf> {
        self.number = 0;
        self.answer.as_ref().and_then(super::answer_as_of).cloned()
    }

    /// Takes the next message with this report's tag.
    ///
    /// # Errors
    /// [`Misapplied`] when it does not follow what is known, which is then as it was: watch anew, without `resume_from`.
    pub fn take(&mut self, message: v1::WatchResponse) -> Result<(), Misapplied> {
        match (message.content, &mut self.answer) {
            (Some(Content::Snapshot(answer)), _) => self.answer = Some(answer),
            (Some(Content::Delta(delta)), Some(answer)) => {
                if self.number != 0 && message.number != self.number + 1 {
                    return Err(Misapplied::Skipped { known: self.number, received: message.number });
                }
                apply(answer, delta, message.as_of)?;
            }
            (Some(Content::Delta(_)), None) => {
                return Err(Misapplied::Skipped { known: 0, received: message.number });
            }
            (None, _) => return Err(Misapplied::Empty),
        }
        self.number = message.number;
        Ok(())
    }
}
