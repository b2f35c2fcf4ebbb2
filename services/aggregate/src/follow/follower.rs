//! One stream: a matcher over history, and what becomes of it by commits, by time and by edits.

use super::facts::Batch;
use super::feed::{Feed, Folding, Lost, Offsets};
use super::history;
use crate::epoch::Setup;
use pistats_core::directory::Site;
use pistats_core::segment::follow::{Cause, Moved, News, Told};
use pistats_core::segment::{Book, Facts, Matcher, Node, SegmentId, resolve};
use pistats_core::{Generation, Micros, SiteId, VisitorNo};
use pistats_proto::convert::segment::tree;
use pistats_proto::segment::v1 as wire;
use pistats_store::{Cell, Error, Statement};
use prost::Message;
use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How soon an edit and a midnight are noticed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Before the warehouse is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// Why a stream cannot go on from where it is.
#[derive(Debug)]
pub(super) enum End {
    Lost(Lost),
    Store(Error),
    /// The warehouse is in another generation than what is folded.
    Elsewhere,
    /// The segment, or its site, is not there.
    Gone,
}

impl From<Lost> for End {
    fn from(lost: Lost) -> End {
        End::Lost(lost)
    }
}

/// Tells until nobody listens, the segment is gone or the aggregator.
pub(super) async fn run(setup: Arc<Setup>, site: SiteId, id: SegmentId, mut feed: Feed, told: mpsc::Sender<Told>) {
    let mut is_failing = false;
    loop {
        let offsets = Offsets::new();
        let mut follower = Follower { setup: &setup, site, id, feed, offsets, told: &told };
        let end = tokio::select! {
            Err(end) = follower.follow() => end,
            () = told.closed() => return,
        };
        match end {
            End::Lost(Lost::Place) => is_failing = false,
            End::Lost(Lost::Everything) => return,
            End::Gone => {
                let (version, generation, next_offsets) = (0, Generation(0), Vec::new());
                let last = Told { version, generation, next_offsets, now: setup.live.now(), news: News::Gone };
                // Whoever left meanwhile need not know.
                let _ = told.send(last).await;
                return;
            }
            End::Elsewhere => sleep(RETRY).await,
            End::Store(error) => {
                if !is_failing {
                    tracing::warn!(%error, segment = %id, "a followed segment could not be read; trying again");
                }
                is_failing = true;
                sleep(RETRY).await;
            }
        }
        feed = setup.follows.subscribe(site);
    }
}

/// What a segment says.
#[derive(PartialEq)]
struct Definition {
    version: u32,
    /// Members in their places.
    tree: Node,
}

struct Follower<'a> {
    setup: &'a Arc<Setup>,
    site: SiteId,
    id: SegmentId,
    feed: Feed,
    offsets: Offsets,
    told: &'a mpsc::Sender<Told>,
}

impl Follower<'_> {
    /// One beginning, and what follows it.
    async fn follow(&mut self) -> Result<Infallible, End> {
        let (folding, offsets) = self.feed.folding().await?;
        self.offsets = offsets;
        let mut definition = self.definition().await?;
        let mut matcher = self.seeded(&definition, &folding).await?;
        let mut members: Vec<VisitorNo> = matcher.members().collect();
        members.sort_unstable();
        self.tell(&folding, &definition, News::Members(members)).await?;
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                stored = self.feed.stored() => {
                    let (batch, now, site) = (stored?, self.setup.live.now(), self.site);
                    let moves = tokio::task::block_in_place(|| by_events(&mut matcher, &batch, site, now));
                    self.advance(&batch);
                    self.tell_moves(&folding, &definition, moves).await?;
                }
                _ = looks.tick() => {
                    let moves = by_time(&mut matcher, self.setup.live.now());
                    self.tell_moves(&folding, &definition, moves).await?;
                    let newest = match self.definition().await {
                        // What is known stands until the warehouse answers again.
                        Err(End::Store(_)) => continue,
                        newest => newest?,
                    };
                    if newest != definition {
                        let before: HashSet<VisitorNo> = matcher.members().collect();
                        matcher = self.seeded(&newest, &folding).await?;
                        definition = newest;
                        let moves = matcher.moves_since(&before).into_iter();
                        let moves = moves.map(|(visitor, moved)| Moved { visitor, moved, cause: Cause::Edit });
                        // Also where nobody moves: the version is another one.
                        self.tell(&folding, &definition, News::Moves(moves.collect())).await?;
                    }
                }
            }
        }
    }

    fn advance(&mut self, batch: &Batch) {
        for (partition, next) in &batch.offsets {
            let known = self.offsets.iter_mut().find(|(of, _)| of == partition);
            known.into_iter().for_each(|(_, known)| *known = *next);
        }
    }

    fn here(&self) -> Result<Site, End> {
        self.setup.directory.load().site(self.site).cloned().ok_or(End::Gone)
    }

    async fn seeded(&mut self, definition: &Definition, folding: &Folding) -> Result<Matcher, End> {
        let site = self.here()?;
        history::seeded(self.setup, &site, &definition.tree, folding, &mut self.feed).await
    }

    async fn tell_moves(&self, folding: &Folding, definition: &Definition, moves: Vec<Moved>) -> Result<(), End> {
        match moves.is_empty() {
            true => Ok(()),
            false => self.tell(folding, definition, News::Moves(moves)).await,
        }
    }

    async fn tell(&self, folding: &Folding, definition: &Definition, news: News) -> Result<(), End> {
        let (version, generation, next_offsets) = (definition.version, folding.generation, self.offsets.clone());
        let told = Told { version, generation, next_offsets, now: self.setup.live.now(), news };
        self.told.send(told).await.map_err(|_| End::Lost(Lost::Everything))
    }

    /// What the segment says now.
    async fn definition(&self) -> Result<Definition, End> {
        self.here()?;
        let values = vec![Cell::Int(i64::from(self.site.0))];
        let all = Statement::new("SELECT s.id, s.version, s.tree FROM segment s WHERE s.site = $1", values);
        let answer = self.setup.store.read(vec![all]).await.map_err(End::Store)?;
        let (mut book, mut version) = (Book::new(), None);
        for row in answer.results.into_iter().flat_map(|result| result.rows) {
            let [Cell::Wide(id), of, Cell::Bytes(bytes)] = row.as_slice() else { continue };
            // One that a newer server kept cannot be followed, and nothing that it is a member of.
            let read = wire::Node::decode(bytes.as_slice()).ok().and_then(|root| tree("root", Some(&root)).ok());
            let Some(read) = read else { continue };
            if SegmentId(*id) == self.id {
                version = u32::try_from(of.int()).ok();
            }
            book.insert(SegmentId(*id), read);
        }
        let own = book.get(&self.id).and_then(|tree| resolve(tree, &book).ok());
        let (Some(tree), Some(version)) = (own, version) else { return Err(End::Gone) };
        Ok(Definition { version, tree })
    }
}

fn by_time(matcher: &mut Matcher, now: Micros) -> Vec<Moved> {
    let moves = matcher.advance(now).into_iter();
    moves.map(|(visitor, moved)| Moved { visitor, moved, cause: Cause::Time }).collect()
}

fn by_events(matcher: &mut Matcher, batch: &Batch, site: SiteId, now: Micros) -> Vec<Moved> {
    let mut moves = by_time(matcher, now);
    for (visitor, is_repaired, event) in batch.events(site) {
        let Some(moved) = matcher.event(visitor, &event) else { continue };
        let cause = match is_repaired {
            true => Cause::Replay,
            false => Cause::Event { id: event.id(), time: event.time() },
        };
        moves.push(Moved { visitor, moved, cause });
    }
    moves
}
