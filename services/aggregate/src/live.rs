//! What is happening right now, per site, in memory: from folded events, committed or not.
//!
//! Exact by event time and the server's clock: an event with a time to come waits until its time, a late one is only
//! counted. Memory is bounded by what happens in the time looked at: visitors and pages of 5 minutes, counts of 30.
//!
//! It is not responsible for history (the warehouse) nor for merging what several processes own (Query).

use crate::recall::Recalled;
use hashbrown::HashMap;
use parking_lot::Mutex;
use pistats_core::{Micros, SiteId, VisitorNo};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The server's clock; tests give their own.
pub type Clock = Arc<dyn Fn() -> Micros + Send + Sync>;

/// Who was seen in this long is current.
pub(crate) const CURRENT_US: i64 = 5 * Micros::MINUTE;

/// Minutes shown, the unfinished one included.
const MINUTES: i64 = 30;

/// Seconds the rate is the mean of.
const RATE_SECONDS: i64 = 10;

/// Pages shown.
const TOP_PAGES: usize = 10;

/// Events of a site that wait for their time, at most; those beyond are not shown when it comes.
pub(crate) const WAITING_MOST: usize = 100_000;

/// How often what is over is swept out.
const SWEEP_EVERY_US: i64 = 10 * Micros::SECOND;

/// A folded event, as far as live state looks at it.
pub(crate) struct Touch {
    pub time: Micros,
    pub visitor: VisitorNo,
    pub page: Arc<str>,
}

/// The live state of a site at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveView {
    pub now: Micros,
    /// Distinct visitors with an event in the last 5 minutes.
    pub current_visitors: u64,
    /// Events received, mean of the last 10 whole seconds.
    pub events_per_second: f64,
    /// Events by minute of their time, the last 30, oldest first; the last one is unfinished.
    pub minutes: Vec<u64>,
    /// Pages of the last 5 minutes with their distinct visitors, most first, equal ones by page.
    pub top_pages: Vec<(Arc<str>, u64)>,
    /// Events folded since the process started.
    pub events: u64,
}

/// Live state of all sites.
pub(crate) struct Live {
    clock: Clock,
    sites: Mutex<HashMap<SiteId, Arc<Mutex<Site>>>>,
}

#[derive(Default)]
struct Site {
    events: u64,
    /// By second of receipt.
    received: BTreeMap<i64, u64>,
    /// By minute of event time.
    minutes: BTreeMap<i64, u64>,
    /// Latest event that is not in the future, by visitor and by (page, visitor).
    visitors: HashMap<VisitorNo, Micros>,
    pages: HashMap<Arc<str>, HashMap<VisitorNo, Micros>>,
    /// Events whose time has not come.
    waiting: BTreeMap<Micros, Vec<Touch>>,
    waiting_count: usize,
    swept: Micros,
}

impl Live {
    pub(crate) fn new(clock: Clock) -> Live {
        Live { clock, sites: Mutex::default() }
    }

    pub(crate) fn now(&self) -> Micros {
        (self.clock)()
    }

    /// Events at or before this are too old to be shown.
    pub(crate) fn since(&self) -> Micros {
        let now = self.now();
        Micros((now.0.div_euclid(Micros::MINUTE) - MINUTES + 1) * Micros::MINUTE - 1).min(now.plus(-CURRENT_US))
    }

    /// Adds folded events: all of them are counted, the touches are shown.
    pub(crate) fn fold(&self, site: SiteId, received: Micros, events: u64, touches: Vec<Touch>) {
        if events == 0 {
            return;
        }
        let now = self.now();
        let site = self.sites.lock().entry(site).or_default().clone();
        let mut site = site.lock();
        site.events += events;
        *site.received.entry(received.0.div_euclid(Micros::SECOND)).or_default() += events;
        for touch in touches {
            *site.minutes.entry(touch.time.0.div_euclid(Micros::MINUTE)).or_default() += 1;
            site.take(touch, now);
        }
        if now.since(site.swept) > SWEEP_EVERY_US {
            site.sweep(now);
        }
    }

    /// The live state of a site now.
    pub(crate) fn view(&self, site: SiteId) -> LiveView {
        let now = self.now();
        let found = self.sites.lock().get(&site).cloned();
        match found {
            Some(site) => site.lock().view(now),
            None => LiveView { now, minutes: vec![0; MINUTES as usize], ..LiveView::default() },
        }
    }

    /// Counts events of a site; grows with every change.
    pub(crate) fn events(&self, site: SiteId) -> u64 {
        let found = self.sites.lock().get(&site).cloned();
        found.map_or(0, |site| site.lock().events)
    }

    /// Replaces everything by what the warehouse remembers: what was folded but not committed will be folded again.
    pub(crate) fn restart(&self, recalled: HashMap<SiteId, Recalled>) {
        let now = self.now();
        let mut sites = self.sites.lock();
        sites.clear();
        for (id, Recalled { minutes, touches }) in recalled {
            let mut site = Site::default();
            let minutes = minutes.into_iter().map(|(start, events)| (start.0.div_euclid(Micros::MINUTE), events));
            site.minutes = minutes.collect();
            touches.into_iter().for_each(|touch| site.take(touch, now));
            sites.insert(id, Arc::new(Mutex::new(site)));
        }
    }
}

impl Site {
    fn take(&mut self, touch: Touch, now: Micros) {
        if touch.time <= now {
            self.show(touch);
        } else if self.waiting_count < WAITING_MOST {
            self.waiting_count += 1;
            self.waiting.entry(touch.time).or_default().push(touch);
        }
    }

    fn show(&mut self, touch: Touch) {
        let Touch { time, visitor, page } = touch;
        let latest = self.visitors.entry(visitor).or_insert(time);
        *latest = time.max(*latest);
        let latest = self.pages.entry(page).or_default().entry(visitor).or_insert(time);
        *latest = time.max(*latest);
    }

    fn sweep(&mut self, now: Micros) {
        self.swept = now;
        while let Some(first) = self.waiting.first_entry()
            && *first.key() <= now
        {
            for touch in first.remove() {
                self.waiting_count -= 1;
                self.show(touch);
            }
        }
        let since = now.plus(-CURRENT_US);
        self.visitors.retain(|_, latest| *latest > since);
        self.pages.retain(|_, visitors| {
            visitors.retain(|_, latest| *latest > since);
            !visitors.is_empty()
        });
        self.minutes = self.minutes.split_off(&(now.0.div_euclid(Micros::MINUTE) - MINUTES + 1));
        self.received = self.received.split_off(&(now.0.div_euclid(Micros::SECOND) - RATE_SECONDS));
    }

    fn view(&mut self, now: Micros) -> LiveView {
        self.sweep(now);
        let minute = now.0.div_euclid(Micros::MINUTE);
        let second = now.0.div_euclid(Micros::SECOND);
        let received: u64 = self.received.range(second - RATE_SECONDS..second).map(|(_, events)| events).sum();
        let mut pages: Vec<(Arc<str>, u64)> =
            self.pages.iter().map(|(page, visitors)| (page.clone(), visitors.len() as u64)).collect();
        pages.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        pages.truncate(TOP_PAGES);
        LiveView {
            now,
            current_visitors: self.visitors.len() as u64,
            events_per_second: received as f64 / RATE_SECONDS as f64,
            minutes: (minute - MINUTES + 1..=minute)
                .map(|minute| self.minutes.get(&minute).copied().unwrap_or(0))
                .collect(),
            top_pages: pages,
            events: self.events,
        }
    }
}
