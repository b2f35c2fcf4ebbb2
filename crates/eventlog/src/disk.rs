//! The file system as the log sees it: few calls, each with a stated durability.
//!
//! The log never touches `std::fs` itself, so that its fault tests run the very same code on `SimDisk`, a disk that
//! loses what was not synced. It is not a general file abstraction: files are written at positions, never appended.

mod real;
#[cfg(feature = "testing")]
mod sim;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use real::RealDisk;
#[cfg(feature = "testing")]
pub use sim::{Call, SimDisk, Syncs};

/// A directory tree. Names become durable with [`FileSystem::sync_dir`], not before.
pub trait FileSystem: Send + Sync + 'static {
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the directory for this process alone, until the guard is dropped. `WouldBlock` if another has it.
    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Send + Sync>>;
    /// The names in a directory, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes a new, empty file; `AlreadyExists` if the name is taken.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens a file to read and write.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creates, renames and removes in this directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes that may still be written to this file system.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
}

/// An open file. Written bytes are durable after [`File::sync_data`] answered `Ok`, not before.
pub trait File: Send + Sync + 'static {
    /// Writes all parts one after another from `position` on. On an error any part of them may have been written.
    fn write_at(&self, position: u64, parts: &mut [io::IoSlice<'_>]) -> io::Result<()>;
    /// Reads up to `buffer.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// `fdatasync`: bytes and size, not times.
    fn sync_data(&self) -> io::Result<()>;
    fn size(&self) -> io::Result<u64>;
}
