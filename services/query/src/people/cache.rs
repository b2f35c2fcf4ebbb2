//! Bitmaps that were fetched, kept as long as they fit.
//!
//! A key names the version of the day's sheet, and a version never changes its content: nothing ever has to be taken out
//! because it is wrong; bitmaps of versions that are gone are simply asked for no more and make room in time. A value that a
//! day does not have is kept too, as an empty bitmap.
//!
//! A bitmap is kept in the form that it was last calculated with: packed as it was read where it was only walked (lists), or
//! as a set (retention, uniques). Asked for in the other form, it is converted.

use crate::sheets::Packed;
use pistats_core::{Day, SiteId};
use pistats_store::SheetDimension;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use roaring::RoaringBitmap;
use std::sync::Arc;

/// What an entry takes beside its bitmap and its value, bytes: key, pointers, the cache's own lists. Estimated.
const ENTRY_BYTES: u64 = 160;
/// Expected size of an entry, bytes; only the initial size of a table depends on it.
const USUAL_BYTES: u64 = 16 << 10;
/// Parts of the cache, each with a lock and an equal share of the bytes: few, so that a share holds many large bitmaps.
const SHARDS: usize = 2;

/// Names a bitmap for ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BitmapKey {
    pub(crate) site: SiteId,
    pub(crate) day: Day,
    /// Of the day's sheet.
    pub(crate) version: i64,
    pub(crate) dimension: SheetDimension,
    pub(crate) value: Arc<str>,
    pub(crate) bot: bool,
}

/// Bitmaps by key, bounded by bytes. What is asked for again and again stays.
pub struct BitmapCache(Cache<BitmapKey, Form, Bytes>);

#[derive(Clone)]
enum Form {
    Packed(Arc<Packed>),
    Set(Arc<RoaringBitmap>),
}

#[derive(Clone)]
struct Bytes;

impl Weighter<BitmapKey, Form> for Bytes {
    fn weight(&self, key: &BitmapKey, visitors: &Form) -> u64 {
        let bytes = match visitors {
            Form::Packed(packed) => packed.bytes(),
            Form::Set(set) => set.serialized_size(),
        };
        bytes as u64 + key.value.len() as u64 + ENTRY_BYTES
    }
}

impl BitmapCache {
    /// A cache of at most so many bytes. 0 keeps nothing.
    pub fn of_bytes(bytes: u64) -> BitmapCache {
        let items = usize::try_from(bytes / USUAL_BYTES).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        let mut options = OptionsBuilder::new();
        options.estimated_items_capacity(items).weight_capacity(bytes).shards(SHARDS);
        let cache = match options.build() {
            Ok(options) => {
                Cache::with_options(options, Bytes, DefaultHashBuilder::default(), DefaultLifecycle::default())
            }
            // Unreachable: both capacities are given.
            Err(_) => Cache::with_weighter(items, bytes, Bytes),
        };
        BitmapCache(cache)
    }

    /// The bitmap of a key, where it is kept, as a set.
    pub(crate) fn get(&self, key: &BitmapKey) -> Option<Arc<RoaringBitmap>> {
        match self.0.get(key)? {
            Form::Set(set) => Some(set),
            Form::Packed(packed) => {
                let set = Arc::new(packed.to_set().ok()?);
                self.keep(key.clone(), set.clone());
                Some(set)
            }
        }
    }

    /// The bitmap of a key, where it is kept, to be walked.
    pub(crate) fn packed(&self, key: &BitmapKey) -> Option<Arc<Packed>> {
        match self.0.get(key)? {
            Form::Packed(packed) => Some(packed),
            // Stays a set: packing is cheap, and whoever calculated with it will again.
            Form::Set(set) => Some(Arc::new(Packed::of_set(&set))),
        }
    }

    /// Keeps a set, as long as it fits.
    pub(crate) fn keep(&self, key: BitmapKey, visitors: Arc<RoaringBitmap>) {
        self.0.insert(key, Form::Set(visitors));
    }

    /// Keeps a packed bitmap, as long as it fits. Returns the bytes that it takes.
    pub(crate) fn keep_packed(&self, key: BitmapKey, visitors: Arc<Packed>) -> u64 {
        let form = Form::Packed(visitors);
        let bytes = Bytes.weight(&key, &form);
        self.0.insert(key, form);
        bytes
    }

    /// Bytes that are kept.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        self.0.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(day: i32, version: i64) -> BitmapKey {
        let (dimension, value) = (SheetDimension::All, Arc::from(""));
        BitmapKey { site: SiteId(1), day: Day(day), version, dimension, value, bot: false }
    }

    #[test]
    fn a_bitmap_is_found_by_its_version_alone() {
        let cache = BitmapCache::of_bytes(1 << 20);
        cache.keep(key(1, 7), Arc::new(RoaringBitmap::from_iter([3])));
        assert_eq!(cache.get(&key(1, 7)).map(|visitors| visitors.len()), Some(1));
        assert_eq!(cache.get(&key(1, 8)), None);
    }

    #[test]
    fn a_bitmap_is_the_same_in_both_forms() {
        let cache = BitmapCache::of_bytes(1 << 20);
        let set: RoaringBitmap = (0..5_000).map(|number| number * 30).collect();
        let packed = Arc::new(Packed::of_set(&set));
        cache.keep_packed(key(1, 7), packed.clone());
        assert_eq!(cache.packed(&key(1, 7)), Some(packed.clone()));
        assert_eq!(cache.get(&key(1, 7)).as_deref(), Some(&set));
        assert_eq!(cache.packed(&key(1, 7)), Some(packed), "kept as a set, and asked for packed");
    }

    #[test]
    fn bytes_never_exceed_the_bound() {
        let cache = BitmapCache::of_bytes(64 << 10);
        for day in 0..1_000 {
            cache.keep(key(day, 1), Arc::new((0..2_000).map(|number| number * 2).collect()));
            assert!(cache.bytes() <= 64 << 10, "{} bytes after {day} days", cache.bytes());
        }
        assert!(cache.bytes() > 16 << 10, "it is used");
        let nothing = BitmapCache::of_bytes(0);
        nothing.keep(key(1, 1), Arc::default());
        assert_eq!((nothing.get(&key(1, 1)), nothing.bytes()), (None, 0));
    }
}
