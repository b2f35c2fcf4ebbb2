//! What followers are fed with: commits, each told twice, before it is stored and after.

use super::facts::Batch;
use parking_lot::Mutex;
use pistats_core::ids::PARTITIONS;
use pistats_core::{EventId, Generation, Offset, PartitionId, SiteId};
use pistats_store::{Checkpoint, Commit, Held};
use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Weak};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

/// Messages that wait for a follower. Each commit is two, and its events are held once for all of them.
const WAITING_MOST: usize = 64;

/// What is folded here, and in which generation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Folding {
    pub generation: Generation,
    pub partitions: Vec<PartitionId>,
}

/// How far partitions are stored.
pub(crate) type Offsets = Vec<(PartitionId, Offset)>;

#[derive(Clone, Debug)]
enum Message {
    /// These events are being stored.
    Ahead(Arc<Batch>),
    /// They are.
    Settled,
    /// Folding began anew: what was told before does not lead on to what comes.
    Begun(Folding, Offsets),
}

/// Everyone who follows.
pub(crate) struct Follows {
    sender: broadcast::Sender<Message>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    folding: Option<Folding>,
    /// A commit may have taken effect that was not told as settled.
    is_void: bool,
    ahead: Option<Arc<Batch>>,
    /// What the commit that is being stored moves them to.
    coming: Offsets,
    /// By partition; as far as is known, which may be less than what is stored.
    stored: Vec<Offset>,
    /// The sites that somebody follows.
    sites: HashMap<SiteId, Weak<()>>,
}

impl Follows {
    pub(crate) fn new() -> Follows {
        Follows { sender: broadcast::Sender::new(WAITING_MOST), state: Mutex::default() }
    }

    /// Folding begins. Where it goes on as it was, followers need not know.
    pub(crate) fn begin(&self, generation: Generation, held: &[Held], checkpoints: &[Checkpoint]) {
        let mut partitions: Vec<PartitionId> = held.iter().map(|held| held.partition).collect();
        partitions.sort_unstable();
        let folding = Folding { generation, partitions };
        let mut state = self.state.lock();
        state.stored = vec![Offset(0); usize::from(PARTITIONS)];
        for Checkpoint { partition, next, .. } in checkpoints {
            state.stored.get_mut(partition.index()).into_iter().for_each(|stored| *stored = *next);
        }
        if !std::mem::take(&mut state.is_void) && state.folding.as_ref() == Some(&folding) {
            return;
        }
        state.ahead = None;
        state.coming.clear();
        state.folding = Some(folding.clone());
        let offsets = state.offsets();
        // Nobody may follow.
        let _ = self.sender.send(Message::Begun(folding, offsets));
    }

    /// What was told may not be what is stored: the next beginning is one for everybody.
    pub(crate) fn void(&self) {
        self.state.lock().is_void = true;
    }

    /// A commit is about to be stored; of its events, `repaired` are filled in by a replay.
    pub(crate) fn ahead(&self, commit: &Commit, repaired: &[Range<usize>]) {
        let mut state = self.state.lock();
        state.sites.retain(|_, followed| followed.strong_count() > 0);
        state.coming = commit.progress.iter().map(|of| (of.partition, of.to)).collect();
        if !commit.events.site.iter().any(|site| state.sites.contains_key(&SiteId(*site))) {
            return;
        }
        let batch = Arc::new(Batch::new(commit.events.clone(), repaired.to_vec(), state.coming.clone()));
        state.ahead = Some(batch.clone());
        let _ = self.sender.send(Message::Ahead(batch));
    }

    /// The commit that was told of is stored.
    pub(crate) fn settled(&self) {
        let mut state = self.state.lock();
        for (partition, next) in std::mem::take(&mut state.coming) {
            if let Some(stored) = state.stored.get_mut(partition.index()) {
                *stored = next;
            }
        }
        if state.ahead.take().is_some() {
            let _ = self.sender.send(Message::Settled);
        }
    }

    pub(crate) fn subscribe(&self, site: SiteId) -> Feed {
        let mut state = self.state.lock();
        let known = state.sites.get(&site).and_then(Weak::upgrade);
        let followed = known.unwrap_or_default();
        state.sites.insert(site, Arc::downgrade(&followed));
        let folding = if state.is_void { None } else { state.folding.clone() };
        let ahead = state.ahead.clone().filter(|_| folding.is_some());
        let (receiver, waiting) = (self.sender.subscribe(), VecDeque::new());
        Feed { site, receiver, ahead, waiting, offsets: state.offsets(), folding, _followed: followed }
    }
}

impl State {
    /// How far what is folded here is stored.
    fn offsets(&self) -> Offsets {
        let partitions = self.folding.iter().flat_map(|folding| &folding.partitions);
        let next = |partition: &PartitionId| self.stored.get(partition.index()).copied().unwrap_or(Offset(0));
        partitions.map(|partition| (*partition, next(partition))).collect()
    }
}

/// One follower's place in the feed.
pub(crate) struct Feed {
    site: SiteId,
    receiver: broadcast::Receiver<Message>,
    /// The commit that is being stored.
    ahead: Option<Arc<Batch>>,
    /// What came while history was read.
    waiting: VecDeque<Message>,
    folding: Option<Folding>,
    /// How far the partitions were stored when it began: all before is in what a reader of history finds.
    offsets: Offsets,
    /// While it lives, commits of the site are told.
    _followed: Arc<()>,
}

/// The place is lost: too slow, folding began anew, or the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    Place,
    Everything,
}

impl Feed {
    /// Waits until something is folded.
    pub(crate) async fn folding(&mut self) -> Result<(Folding, Offsets), Lost> {
        loop {
            if let Some(folding) = &self.folding {
                return Ok((folding.clone(), self.offsets.clone()));
            }
            match self.receiver.recv().await {
                Ok(Message::Begun(folding, offsets)) => (self.folding, self.offsets) = (Some(folding), offsets),
                Ok(Message::Ahead(_) | Message::Settled) => {}
                Err(RecvError::Lagged(_)) => return Err(Lost::Place),
                Err(RecvError::Closed) => return Err(Lost::Everything),
            }
        }
    }

    /// The next commit that is stored. Cancellation-safe.
    pub(crate) async fn stored(&mut self) -> Result<Arc<Batch>, Lost> {
        loop {
            let message = match self.waiting.pop_front() {
                Some(message) => message,
                None => self.receiver.recv().await.map_err(|error| match error {
                    RecvError::Lagged(_) => Lost::Place,
                    RecvError::Closed => Lost::Everything,
                })?,
            };
            match message {
                Message::Ahead(batch) => self.ahead = Some(batch),
                Message::Settled => {
                    if let Some(batch) = self.ahead.take() {
                        return Ok(batch);
                    }
                }
                Message::Begun(..) => return Err(Lost::Place),
            }
        }
    }

    /// The events of the site that history may hold already and that will be told: call it after history was read.
    pub(crate) fn take_ids(&mut self, ids: &mut HashSet<EventId>) -> Result<(), Lost> {
        loop {
            match self.receiver.try_recv() {
                Ok(Message::Begun(..)) | Err(TryRecvError::Lagged(_)) => return Err(Lost::Place),
                Ok(message) => self.waiting.push_back(message),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Closed) => return Err(Lost::Everything),
            }
            // As many as wait in the feed itself: who reads so slowly starts again.
            if self.waiting.len() > WAITING_MOST {
                return Err(Lost::Place);
            }
        }
        ids.clear();
        let waiting = self.waiting.iter().filter_map(|message| match message {
            Message::Ahead(batch) => Some(batch),
            Message::Settled | Message::Begun(..) => None,
        });
        for batch in self.ahead.iter().chain(waiting) {
            ids.extend(batch.ids(self.site));
        }
        Ok(())
    }
}
