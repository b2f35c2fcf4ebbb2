//! The store comes and goes; sites and keys stay.

use super::*;
use pistats_core::directory::{KeyHash, Site};
use pistats_core::{Day, DaySalt, Micros, Scope, SiteId, Zone};
use pistats_store::{DuckConfig, DuckStore, Error, Registry, RejectedQuery, RejectedRow};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

const WITHIN: Duration = Duration::from_millis(300);

fn key(name: &str, scope: Scope, revoked: bool) -> Key {
    Key {
        id: name.into(),
        hash: KeyHash::of(name),
        scope,
        site: Some(SiteId(1)),
        name: name.into(),
        created: Micros(1),
        revoked,
    }
}

/// A registry that may be away.
#[derive(Clone)]
struct Away {
    registry: Arc<DuckStore>,
    is_away: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
}

#[async_trait::async_trait]
impl Registry for Away {
    async fn directory(&self) -> Result<Directory, Error> {
        if self.is_away.load(SeqCst) {
            return Err(Error::Engine("away".into()));
        }
        if self.hangs.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        self.registry.directory().await
    }
    async fn share_salts(&self, offered: &[DaySalt], now: Micros) -> Result<Vec<DaySalt>, Error> {
        if self.is_away.load(SeqCst) {
            return Err(Error::Engine("away".into()));
        }
        self.registry.share_salts(offered, now).await
    }
    async fn put_site(&self, site: &Site) -> Result<(), Error> {
        self.registry.put_site(site).await
    }
    async fn change_zone(&self, site: &Site) -> Result<(), Error> {
        self.registry.change_zone(site).await
    }
    async fn put_key(&self, key: &Key) -> Result<(), Error> {
        self.registry.put_key(key).await
    }
    async fn agree(&self, name: &str, value: &str) -> Result<String, Error> {
        self.registry.agree(name, value).await
    }
    async fn rejected(&self, query: RejectedQuery) -> Result<Vec<RejectedRow>, Error> {
        self.registry.rejected(query).await
    }
    async fn rejected_counts(&self, site: SiteId) -> Result<Vec<(Reason, u64)>, Error> {
        self.registry.rejected_counts(site).await
    }
    async fn forget_rejected(&self, site: SiteId, ids: &[[u8; 16]]) -> Result<(), Error> {
        self.registry.forget_rejected(site, ids).await
    }
}

impl Away {
    async fn new() -> Away {
        let store = DuckStore::open(DuckConfig { memory_limit_mb: 200, ..DuckConfig::memory() }).expect("a store");
        let site = Site::new(SiteId(1), "a.example", Zone::utc(), Micros(0));
        store.put_site(&site).await.expect("put");
        store.put_key(&key("write", Scope::Write, false)).await.expect("put");
        Away { registry: Arc::new(store), is_away: Arc::default(), hangs: Arc::default() }
    }

    fn opening(&self) -> Opening {
        let registry = self.clone();
        Box::new(move || {
            let registry = registry.clone();
            Box::pin(async move {
                match registry.is_away.load(SeqCst) {
                    true => Err("nobody listens".to_owned()),
                    false => Ok(Arc::new(registry) as Arc<dyn Registry>),
                }
            })
        })
    }

    /// A process that starts.
    fn start(&self, file: &Path) -> KeptRegistry {
        KeptRegistry::waiting(self.opening(), file, WITHIN)
    }
}

/// Which of these secrets open something.
async fn known(kept: &KeptRegistry, secrets: &[&str]) -> Vec<bool> {
    let directory = kept.directory().await.expect("a directory");
    secrets.iter().map(|secret| directory.authenticate(secret).is_some()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_kept_and_a_start_without_the_store_knows_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("directory");
    let store = Away::new().await;
    let kept = store.start(&file);
    assert_eq!(known(&kept, &["write", "later"]).await, [true, false]);
    store.put_key(&key("later", Scope::Read, false)).await.expect("put");
    store.put_key(&key("write", Scope::Write, true)).await.expect("revoked");
    assert_eq!(known(&kept, &["write", "later"]).await, [false, true]);
    drop(kept);

    store.is_away.store(true, SeqCst);
    let without = store.start(&file);
    assert_eq!(known(&without, &["write", "later"]).await, [false, true]);
    let age = without.age();
    tokio::time::sleep(WITHIN / 2).await;
    assert!(without.age() > age, "the age of a copy grows");
    assert!(without.put_key(&key("x", Scope::Read, false)).await.is_err(), "changes need the store");

    // When the store is back, what changed meanwhile is taken over.
    store.put_key(&key("newest", Scope::Server, false)).await.expect("put");
    store.is_away.store(false, SeqCst);
    assert_eq!(known(&without, &["later", "newest"]).await, [true, true]);
    assert!(without.age() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_goes_away_or_hangs_later_takes_nothing_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Away::new().await;
    let kept = store.start(&folder.path().join("directory"));
    assert_eq!(known(&kept, &["write"]).await, [true]);
    store.is_away.store(true, SeqCst);
    assert_eq!(known(&kept, &["write"]).await, [true]);
    store.is_away.store(false, SeqCst);
    store.hangs.store(true, SeqCst);
    assert_eq!(known(&kept, &["write"]).await, [true]);
    assert!(kept.age() >= WITHIN, "{:?}", kept.age());
}

#[tokio::test(flavor = "multi_thread")]
async fn salts_outlive_the_store_and_leave_the_file_when_their_time_is_over() {
    const LIVE: Micros = Micros(1_000);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("directory");
    let salt = |day: i32, secret: u8| DaySalt {
        zone: "UTC".into(),
        day: Day(day),
        until: Micros(1_000 * i64::from(day)),
        secret: [secret; 32],
    };
    let in_file = |secret: u8| {
        let text = std::fs::read_to_string(&file).expect("the file");
        text.contains(&blake3::Hash::from_bytes([secret; 32]).to_hex().to_string())
    };
    let store = Away::new().await;
    let kept = store.start(&file);
    kept.directory().await.expect("a directory");
    let both = [salt(2, 0xa2), salt(3, 0xa3)];
    assert_eq!(kept.share_salts(&both, LIVE).await.expect("shared"), both);
    assert!(in_file(0xa2) && in_file(0xa3));
    drop(kept);

    store.is_away.store(true, SeqCst);
    let without = store.start(&file);
    assert_eq!(without.directory().await.expect("a directory").sites().len(), 1);
    let offered = [salt(4, 0xa4)];
    assert_eq!(without.share_salts(&offered, LIVE).await.expect("the copy"), both, "a salt that nobody shares is none");
    assert_eq!(without.share_salts(&[], both[0].until).await.expect("the copy"), both[1..]);
    assert!(!in_file(0xa2) && in_file(0xa3), "destroyed while the store is away");
    assert!(without.share_salts(&[], both[1].until).await.is_err());
    assert!(!in_file(0xa3));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_store_and_copy_or_with_a_damaged_copy_the_start_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("directory");
    let store = Away::new().await;
    store.is_away.store(true, SeqCst);
    let none = store.start(&file).directory().await.expect_err("refused").to_string();
    assert!(none.contains("nobody listens") && none.contains("no copy"), "{none}");
    std::fs::write(&file, "pistats directory 1\ncrc32c 00000000\n").expect("written");
    let damaged = store.start(&file).directory().await.expect_err("refused").to_string();
    assert!(damaged.contains("damaged") && damaged.contains(&file.display().to_string()), "{damaged}");
    store.is_away.store(false, SeqCst);
    assert_eq!(known(&store.start(&file), &["write"]).await, [true]);
    store.is_away.store(true, SeqCst);
    assert_eq!(known(&store.start(&file), &["write"]).await, [true], "the damaged file was replaced");
}
