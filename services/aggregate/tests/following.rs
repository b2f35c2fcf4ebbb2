//! Segments that are followed: seeded from history at a commit, then moved by what is folded, by time and by edits; and the five
//! cases that catch everyone out (DESIGN section 9).

#![allow(clippy::unwrap_used)]

mod common;

use common::{SECRET, SITE, World, caught_up, config};
use pistats_aggregate::{Clock, Following, Handle};
use pistats_core::report::Dimension;
use pistats_core::segment::follow::{Cause, MOST_AGE_US, Moved, News, Told};
use pistats_core::segment::{Amount, Condition, Counted, Did, Move, Node, SegmentId, Subject, Test, Window, resolve};
use pistats_core::{EventId, Generation, Micros, VisitorKey, VisitorNo, Zone};
use pistats_eventlog::Position;
use pistats_proto::convert::segment::to_wire;
use pistats_store::{
    Answer, Cell, Checkpoint, Commit, Error, Lookup, Refresh, Refreshed, SegmentRow, Segments, Snapshot, Statement,
    Store,
};
use pistats_testkit::Oracle;
use pistats_testkit::histories::{History, Sent, Trees, zones};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Long enough for anything that is to happen on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Noon of a day.
const NOON: i64 = 20_000 * Micros::DAY + 12 * Micros::HOUR;

/// A clock that stands until it is set.
#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn at(now: i64) -> Hands {
        Hands(Arc::new(AtomicI64::new(now)))
    }

    fn set(&self, now: i64) {
        self.0.store(now, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let hands = self.0.clone();
        Arc::new(move || Micros(hands.load(Ordering::SeqCst)))
    }
}

/// A reader of a stream, and what it believes.
struct Reader {
    following: Following,
    members: BTreeSet<VisitorNo>,
    /// How often it was told everybody.
    beginnings: u32,
    moves: Vec<Moved>,
    last: Option<Told>,
}

impl Reader {
    fn of(handle: &Handle, id: SegmentId) -> Reader {
        let following = handle.observer().follow(SITE, id);
        Reader { following, members: BTreeSet::new(), beginnings: 0, moves: Vec::new(), last: None }
    }

    /// Takes the next message; whether there was one within the time.
    async fn take(&mut self, wait: Duration) -> bool {
        let Ok(told) = tokio::time::timeout(wait, self.following.next()).await else { return false };
        let told = told.expect("a message");
        match &told.news {
            News::Members(members) => {
                assert!(members.is_sorted(), "{members:?}");
                self.members = members.iter().copied().collect();
                self.beginnings += 1;
            }
            News::Moves(moves) => {
                assert!(self.beginnings > 0, "the first message tells the members");
                for Moved { visitor, moved, .. } in moves {
                    let is_news = match moved {
                        Move::Enter => self.members.insert(*visitor),
                        Move::Leave => self.members.remove(visitor),
                    };
                    assert!(is_news, "{visitor:?} {moved:?} twice");
                }
                self.moves.extend(moves);
            }
            News::Gone => self.members.clear(),
        }
        self.last = Some(told);
        true
    }

    /// Takes messages until the members are these.
    async fn until(&mut self, expected: &BTreeSet<VisitorNo>, case: &str) {
        let since = Instant::now();
        while self.beginnings == 0 || self.members != *expected {
            self.take(Duration::from_millis(200)).await;
            assert!(since.elapsed() < PATIENCE, "{:?}, expected {expected:?}; {case}", self.members);
        }
    }

    async fn next(&mut self) -> Told {
        assert!(self.take(PATIENCE).await, "no message");
        self.last.clone().unwrap()
    }

    /// The moves of the next message.
    async fn moves(&mut self) -> Vec<Moved> {
        match self.next().await.news {
            News::Moves(moves) => moves,
            other => panic!("no moves: {other:?}"),
        }
    }

    async fn members(&mut self) -> Vec<VisitorNo> {
        match self.next().await.news {
            News::Members(members) => members,
            other => panic!("no members: {other:?}"),
        }
    }
}

/// Keeps a tree as a version of a segment.
async fn keep(world: &World, id: u128, version: u32, tree: &Node) -> SegmentId {
    let row = SegmentRow {
        site: SITE,
        id: SegmentId(id),
        name: format!("segment {id}"),
        description: String::new(),
        version,
        tree: to_wire(tree).encode_to_vec(),
        created: Micros(0),
        updated: Micros(0),
    };
    assert!(world.duck.put_segment(&row, version - 1).await.unwrap());
    SegmentId(id)
}

/// Numbers of visitors by the ids that they sent.
async fn numbers(world: &World, ids: impl IntoIterator<Item = String>) -> BTreeMap<String, VisitorNo> {
    let sql = "SELECT visitor, key FROM visitor GROUP BY visitor, key HAVING sum(sign) > 0";
    let answer = world.duck.read(vec![Statement::new(sql, vec![])]).await.unwrap();
    let by_key: BTreeMap<u128, VisitorNo> = answer.results[0]
        .rows
        .iter()
        .map(|row| match row.as_slice() {
            [Cell::Int(visitor), Cell::Wide(key)] => (*key, VisitorNo(*visitor as u64)),
            other => panic!("{other:?}"),
        })
        .collect();
    let key = |id: &String| VisitorKey::derive(&SECRET, SITE, id.as_bytes()).0;
    ids.into_iter().filter_map(|id| by_key.get(&key(&id)).map(|no| (id, *no))).collect()
}

async fn number(world: &World, visitor: &str) -> VisitorNo {
    numbers(world, [visitor.to_owned()]).await[visitor]
}

/// Visitors who did something at least once.
fn did(name: &str, window: Window) -> Node {
    let subject = Subject::Dimension(Dimension::EventName);
    let conditions = vec![Condition { subject, test: Test::Is(vec![name.to_owned()]) }];
    Node::Did(Did { conditions, amount: Amount::AtLeast(1), counted: Counted::Events, window })
}

fn event(number: u128, visitor: &str, name: &str, time: i64) -> Sent {
    let shape = History::random(1, &Zone::utc(), 1, 1).sent.remove(0);
    let id = EventId::from_parts(time as u64 / 1_000, number);
    // A browser that is no bot.
    let user_agent = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0".to_owned();
    Sent { id, time: Micros(time), visitor_id: visitor.into(), name: name.into(), user_agent, ..shape }
}

fn entered(visitor: VisitorNo, event: &Sent) -> Moved {
    Moved { visitor, moved: Move::Enter, cause: Cause::Event { id: event.id, time: event.time } }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_segments_are_followed_as_the_oracle_says_from_any_moment_on() {
    let seeds = std::env::var("PISTATS_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let (mut by_cause, mut compared) = (BTreeMap::<&str, usize>::new(), 0);
    for seed in 0..seeds {
        let zone = zones()[seed as usize % zones().len()].clone();
        let history = History::returning(seed, &zone, 60, 12);
        let world = World::new(&zone);
        let oracle = history.oracle();
        let (first, last) = (oracle.events()[0].time.0, oracle.events().last().unwrap().time.0);
        let mut trees = Trees::new(seed, &oracle, &zone, Micros(last));
        let kept: Vec<Node> = trees.by_ref().take(8).collect();
        let book = trees.book.clone();
        for (id, tree) in &book {
            // A member before those that have it.
            keep(&world, id.0, 1, &resolve(tree, &book).unwrap()).await;
        }
        for (number, tree) in kept.iter().enumerate() {
            keep(&world, 100 + number as u128, 1, tree).await;
        }
        let hands = Hands::at(first);
        let handle = world.start_at(config(7), hands.clock());
        let mut readers: Vec<Reader> = Vec::new();
        let chunk = history.sent.len().div_ceil(kept.len());
        for (step, _) in kept.iter().enumerate() {
            // One more is followed with every step: at first over nothing, at last over nearly all.
            readers.push(Reader::of(&handle, SegmentId(100 + step as u128)));
            hands.set(first + (last - first) * step as i64 / 8);
            let arrived = (step + 1) * chunk;
            let so_far = &history.sent[..arrived.min(history.sent.len())];
            world.append(&so_far[(step * chunk).min(so_far.len())..], 3).await;
            caught_up(&handle).await;
            let part = History { sent: so_far.to_vec(), ..history.clone() };
            let oracle = Oracle::new(part.events());
            let names: BTreeSet<String> = so_far.iter().map(|sent| sent.visitor_id.clone()).collect();
            let numbers = numbers(&world, names).await;
            for (place, reader) in readers.iter_mut().enumerate() {
                let members = oracle.segment(&kept[place], &book, &zone, (hands.clock())());
                let expected = members.iter().map(|name| numbers[name]).collect();
                reader.until(&expected, &format!("seed {seed}, step {step}, tree {place}: {:?}", kept[place])).await;
                compared += 1;
            }
        }
        for reader in readers {
            assert_eq!(reader.beginnings, 1, "nothing was lost");
            for moved in reader.moves {
                let cause = match moved.cause {
                    Cause::Event { .. } => "event",
                    Cause::Time => "time",
                    Cause::Replay => "replay",
                    Cause::Edit => "edit",
                };
                *by_cause.entry(cause).or_default() += 1;
            }
        }
        handle.shutdown().await;
    }
    println!("{compared} comparisons, moves by cause: {by_cause:?}");
    assert!(by_cause["event"] > 30 && by_cause["time"] > 10 && by_cause.len() == 2, "{by_cause:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_is_switched_on_late_counts_what_was_before_and_nobody_enters_by_it() {
    let world = World::new(&Zone::utc());
    let twice = Node::All(vec![did("purchase", Window::Ever), did("signup", Window::Ever)]);
    let id = keep(&world, 1, 1, &twice).await;
    let handle = world.start_at(config(100), Hands::at(NOON).clock());
    let old = [
        event(1, "ada", "purchase", NOON - Micros::DAY),
        event(2, "bob", "purchase", NOON - Micros::DAY),
        event(3, "bob", "signup", NOON - Micros::HOUR),
    ];
    world.append(&old, 1).await;
    caught_up(&handle).await;
    let (ada, bob) = (number(&world, "ada").await, number(&world, "bob").await);
    let mut reader = Reader::of(&handle, id);
    assert_eq!(reader.members().await, [bob], "who is in it by history is told as a member and enters nothing");
    // The first half of it lies before the beginning.
    let now = event(4, "ada", "signup", NOON);
    world.append(std::slice::from_ref(&now), 1).await;
    let moves = reader.moves().await;
    assert_eq!(moves, [entered(ada, &now)]);
    assert!(moves[0].triggers(Micros(NOON)));
    handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_segment_over_old_data_begins_with_its_members_and_an_old_event_triggers_nothing() {
    let world = World::new(&Zone::utc());
    let handle = world.start_at(config(100), Hands::at(NOON).clock());
    world.append(&[event(1, "ada", "purchase", NOON - 9 * Micros::DAY)], 1).await;
    world.append(&[event(2, "bob", "purchase", NOON - 2 * Micros::DAY)], 1).await;
    caught_up(&handle).await;
    let id = keep(&world, 1, 1, &did("purchase", Window::LastDays(5))).await;
    let mut reader = Reader::of(&handle, id);
    let bob = number(&world, "bob").await;
    let told = reader.next().await;
    assert_eq!((told.version, told.generation, told.next_offsets.len()), (1, Generation(1), 8));
    assert_eq!(told.news, News::Members(vec![bob]), "the other bought nine days ago");
    // Late events: they are in the window, and nobody's business any more.
    for (number, age, triggers) in [(3, MOST_AGE_US, true), (4, MOST_AGE_US + 1, false), (5, 3 * Micros::DAY, false)] {
        let late = event(number, &format!("visitor {number}"), "purchase", NOON - age);
        world.append(std::slice::from_ref(&late), 1).await;
        let moves = reader.moves().await;
        assert_eq!(moves, [entered(self::number(&world, &format!("visitor {number}")).await, &late)]);
        assert_eq!(moves[0].triggers(reader.last.as_ref().unwrap().now), triggers, "{age} microseconds old");
    }
    handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_edited_segment_old_members_leave_and_nobody_is_triggered_by_it() {
    let world = World::new(&Zone::utc());
    let id = keep(&world, 1, 1, &did("purchase", Window::Ever)).await;
    let outer = keep(&world, 2, 1, &Node::Not(Box::new(Node::Member(id)))).await;
    let handle = world.start_at(config(100), Hands::at(NOON).clock());
    let events = [
        event(1, "ada", "purchase", NOON),
        event(2, "bob", "purchase", NOON),
        event(3, "bob", "signup", NOON),
        event(4, "cyd", "signup", NOON),
    ];
    world.append(&events, 1).await;
    caught_up(&handle).await;
    let names = ["ada", "bob", "cyd"].map(str::to_owned);
    let of = numbers(&world, names).await;
    let (ada, bob, cyd) = (of["ada"], of["bob"], of["cyd"]);
    let (mut reader, mut outside) = (Reader::of(&handle, id), Reader::of(&handle, outer));
    reader.until(&BTreeSet::from([ada, bob]), "before the edit").await;
    outside.until(&BTreeSet::from([cyd]), "before the edit").await;
    keep(&world, 1, 2, &did("signup", Window::Ever)).await;
    let moves = reader.moves().await;
    let who: BTreeSet<_> = moves.iter().map(|of| (of.visitor, of.moved)).collect();
    assert_eq!(who, BTreeSet::from([(ada, Move::Leave), (cyd, Move::Enter)]), "bob stays");
    assert!(moves.iter().all(|of| of.cause == Cause::Edit), "{moves:?}");
    assert_eq!(reader.last.as_ref().unwrap().version, 2);
    assert!(reader.moves.iter().all(|moved| !moved.triggers(Micros(NOON))));
    // What has it as a member is another one as well, in the same version.
    outside.until(&BTreeSet::from([ada]), "after the edit").await;
    assert!(outside.moves.iter().all(|moved| moved.cause == Cause::Edit));
    assert_eq!(outside.last.as_ref().unwrap().version, 1);
    // And goes on from there.
    let more = event(5, "ada", "signup", NOON);
    world.append(std::slice::from_ref(&more), 1).await;
    assert_eq!(reader.moves().await, [entered(ada, &more)]);
    world.duck.delete_segment(SITE, id).await.unwrap();
    assert_eq!(reader.next().await.news, News::Gone);
    handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_visitors_leave_when_a_local_day_begins() {
    let zone = Zone::named("Asia/Kolkata").unwrap();
    let world = World::new(&zone);
    let id = keep(&world, 1, 1, &did("purchase", Window::LastDays(1))).await;
    let hands = Hands::at(NOON);
    let handle = world.start_at(config(100), hands.clock());
    world.append(&[event(1, "ada", "purchase", NOON)], 1).await;
    caught_up(&handle).await;
    let ada = number(&world, "ada").await;
    let mut reader = Reader::of(&handle, id);
    assert_eq!(reader.members().await, [ada]);
    // Midnight in Kolkata is half past six in the evening.
    let midnight = zone.start_of(zone.day_of(Micros(NOON)).plus(1)).0;
    hands.set(midnight - 1);
    assert!(!reader.take(Duration::from_millis(2_500)).await, "today is not over");
    hands.set(midnight);
    assert_eq!(reader.moves().await, [Moved { visitor: ada, moved: Move::Leave, cause: Cause::Time }]);
    handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_lost_state_everybody_is_told_anew_and_what_comes_then_is_live_again() {
    let world = World::new(&Zone::utc());
    let id = keep(&world, 1, 1, &did("purchase", Window::Ever)).await;
    let store = Arc::new(Tampered { inner: world.duck.clone(), fails: AtomicBool::new(false), gate: None });
    let hands = Hands::at(NOON);
    let parts = pistats_aggregate::Parts::new(
        config(100),
        world.log.clone(),
        store.clone(),
        world.duck.clone(),
        world.directory.clone(),
        SECRET,
    );
    let handle = pistats_aggregate::Aggregator::start(pistats_aggregate::Parts { clock: hands.clock(), ..parts });
    let mut reader = Reader::of(&handle, id);
    assert_eq!(reader.members().await, []);
    let first = event(1, "ada", "purchase", NOON);
    world.append(std::slice::from_ref(&first), 1).await;
    let ada = match reader.moves().await.as_slice() {
        [moved] => moved.visitor,
        other => panic!("{other:?}"),
    };
    // A commit that takes effect and fails all the same: nobody knows, so everything is read anew.
    store.fails.store(true, Ordering::SeqCst);
    world.append(&[event(2, "bob", "purchase", NOON)], 1).await;
    let told = reader.members().await;
    let bob = number(&world, "bob").await;
    assert_eq!(told.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([ada, bob]));
    let third = event(3, "cyd", "purchase", NOON);
    world.append(std::slice::from_ref(&third), 1).await;
    assert_eq!(reader.moves().await, [entered(number(&world, "cyd").await, &third)]);
    handle.shutdown().await;

    // Another process: it seeds itself.
    let handle = world.start_at(config(100), hands.clock());
    let mut reader = Reader::of(&handle, id);
    assert_eq!(reader.members().await.len(), 3);
    handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replay_fills_in_enters_and_triggers_nothing() {
    let world = World::new(&Zone::utc());
    let id = keep(&world, 1, 1, &did("purchase", Window::Ever)).await;
    let handle = world.start_at(config(100), Hands::at(NOON).clock());
    world.append(&[event(1, "ada", "purchase", NOON), event(2, "bob", "purchase", NOON)], 1).await;
    caught_up(&handle).await;
    let (ada, bob) = (number(&world, "ada").await, number(&world, "bob").await);
    world.tamper(&format!("DELETE FROM event WHERE visitor = {}", ada.0)).await;
    let mut reader = Reader::of(&handle, id);
    assert_eq!(reader.members().await, [bob]);
    let mut progress = handle.replay(Position::First, &[]).await.unwrap();
    while let Some(step) = progress.recv().await {
        step.unwrap();
    }
    let moves = reader.moves().await;
    assert_eq!(moves, [Moved { visitor: ada, moved: Move::Enter, cause: Cause::Replay }]);
    assert!(!moves[0].triggers(Micros(NOON)));
    handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_while_history_is_read_is_told_once_as_a_move() {
    for before in [true, false] {
        let world = World::new(&Zone::utc());
        let id = keep(&world, 1, 1, &did("purchase", Window::Ever)).await;
        let gate = Arc::new(Gate { before, open: Semaphore::new(0), waiting: AtomicU64::new(0) });
        let store = Tampered { inner: world.duck.clone(), fails: AtomicBool::new(false), gate: Some(gate.clone()) };
        let parts = pistats_aggregate::Parts::new(
            config(100),
            world.log.clone(),
            Arc::new(store),
            world.duck.clone(),
            world.directory.clone(),
            SECRET,
        );
        let parts = pistats_aggregate::Parts { clock: Hands::at(NOON).clock(), ..parts };
        let handle = pistats_aggregate::Aggregator::start(parts);
        world.append(&[event(1, "ada", "purchase", NOON)], 1).await;
        caught_up(&handle).await;
        let mut reader = Reader::of(&handle, id);
        let since = Instant::now();
        while gate.waiting.load(Ordering::SeqCst) == 0 {
            assert!(since.elapsed() < PATIENCE, "history is not read");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // History stands at its gate, read (of before) or not.
        let second = event(2, "bob", "purchase", NOON);
        world.append(std::slice::from_ref(&second), 1).await;
        caught_up(&handle).await;
        gate.open.add_permits(1_000);
        assert_eq!(reader.members().await, [number(&world, "ada").await], "page read after the commit: {before}");
        assert_eq!(reader.moves().await, [entered(number(&world, "bob").await, &second)]);
        assert!(!reader.take(Duration::from_millis(300)).await, "and not again");
        handle.shutdown().await;
    }
}

/// Holds up reads of history, before they begin or after they ended.
struct Gate {
    before: bool,
    open: Semaphore,
    waiting: AtomicU64,
}

impl Gate {
    async fn pass(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.open.acquire().await.unwrap().forget();
    }
}

/// A warehouse whose next commit may fail after it took effect, and whose history may be held up.
struct Tampered {
    inner: Arc<dyn Store>,
    fails: AtomicBool,
    gate: Option<Arc<Gate>>,
}

#[async_trait::async_trait]
impl Store for Tampered {
    async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Error> {
        self.inner.checkpoints().await
    }

    async fn minutes(
        &self,
        partition: pistats_core::PartitionId,
        up_to: i64,
        most: usize,
    ) -> Result<Vec<pistats_store::LogMinute>, Error> {
        self.inner.minutes(partition, up_to, most).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), Error> {
        self.inner.commit(commit).await?;
        match self.fails.swap(false, Ordering::SeqCst) {
            true => Err(Error::Engine("the connection was lost".into())),
            false => Ok(()),
        }
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, Error> {
        self.inner.snapshot().await
    }

    async fn read(&self, statements: Vec<Statement>) -> Result<Answer, Error> {
        let is_history = statements.iter().any(|statement| statement.sql.contains("visitor % "));
        let gate = self.gate.as_ref().filter(|_| is_history);
        if let Some(gate) = gate.filter(|gate| gate.before) {
            gate.pass().await;
        }
        let answer = self.inner.read(statements).await;
        if let Some(gate) = gate.filter(|gate| !gate.before) {
            gate.pass().await;
        }
        answer
    }

    async fn refresh(&self, work: Refresh) -> Result<Refreshed, Error> {
        self.inner.refresh(work).await
    }

    fn lookup(&self) -> &dyn Lookup {
        self.inner.lookup()
    }
}
