//! Opening: which segments and records count, and making them as durable as they look.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::commit::Active;
use super::scan::{self, Recovered};
use super::segment::{self, Header, Index, PerPartition, Segment};
use super::shared::Shared;
use super::stock::{self, Spare};
use super::{Clock, Config};
use crate::Error;
use crate::disk::{File, FileSystem};

static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// Opens a directory as a log; makes the first segment if it holds none.
pub(super) fn open(
    disk: Arc<dyn FileSystem>,
    clock: Clock,
    dir: &Path,
    config: Config,
) -> Result<(Shared, Active), Error> {
    config.validate()?;
    let doing = |what: &str| format!("{what} {}", dir.display());
    disk.create_dir(dir).map_err(|error| Error::io(doing("making the directory"), error))?;
    let lock = disk.lock(dir).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => Error::Locked { dir: dir.to_owned() },
        _ => Error::io(doing("locking"), error),
    })?;
    let names = disk.list(dir).map_err(|error| Error::io(doing("listing"), error))?;
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| segment::number_of(name)).collect();
    numbers.sort_unstable();
    let mut spares = spares(&*disk, dir, &config, &names)?;

    let mut segments: Vec<Segment> = Vec::with_capacity(numbers.len());
    for number in numbers {
        let file = disk.open(&segment::path(dir, number));
        let file = file.map_err(|error| Error::io(format!("opening segment {number}"), error))?;
        let header = Header::read(&*file, number)?;
        if let Some(before) = segments.last() {
            follows(before, &header)?;
            before.end.store(header.previous_end, Ordering::Relaxed);
        }
        segments.push(Segment::new(header, file, None));
    }

    let recovered = match segments.last() {
        Some(last) => settle(last, scan::last(&last.file, &last.header)?)?,
        None => {
            let first = stock::first_segment(&*disk, dir, &config, spares.pop(), clock())?;
            let recovered = scan::last(&first.file, &first.header)?;
            segments.push(first);
            recovered
        }
    };
    // A rename that a crash left in the cache only would take a whole segment with it at the next one.
    disk.sync_dir(dir).map_err(|error| stock::failed(&doing("syncing"), &error))?;

    let Recovered { index, next, end, group, marked, appended_at, .. } = recovered;
    let segments: Vec<Arc<Segment>> = segments.into_iter().map(Arc::new).collect();
    let Some(last) = segments.last().cloned() else { return Err(Error::Closed) };
    *last.index.write() = Some(index);
    let shared = Shared::new(disk, clock, dir, config, lock, segments, spares, next);
    Ok((shared, Active { segment: last, end, group, next, marked, appended_at }))
}

/// Segments must follow one another without a gap: one that is missing is lost data, not less data.
fn follows(before: &Segment, header: &Header) -> Result<(), Error> {
    let damaged = |reason: &str| {
        let reason = reason.to_owned();
        Err(Error::Corrupt { segment: before.number() + 1, position: 0, reason })
    };
    if header.home.epoch != before.number() + 1 {
        return damaged("the segment is missing, though later ones are there");
    }
    let ordered = |(before, after): (&u64, &u64)| before <= after;
    if header.previous_end > before.header.bytes
        || header.first_group < before.header.first_group
        || !before.header.base.iter().zip(&header.base).all(ordered)
    {
        return damaged("the segment's header does not follow from the one before");
    }
    Ok(())
}

/// Cuts a torn end and makes sure that what is served from now on is really on the disk.
fn settle(last: &Segment, found: Recovered) -> Result<Recovered, Error> {
    let (file, number) = (&*last.file, last.number());
    let doing = || format!("settling the end of segment {number}");
    let io = |error| Error::io(doing(), error);
    if found.torn {
        tracing::warn!(
            segment = number,
            position = found.end,
            group = found.group + 1,
            "the last commit group is incomplete and was cut; nothing of it was acknowledged"
        );
        // Remains must never be taken for parts of the group that is written here next.
        zero(file, found.end, last.header.bytes).map_err(io)?;
    }
    // After a failed sync the kernel may show written bytes as clean that never reached the disk ("fsyncgate").
    // Only the last group can be in that state; writing it again makes the next sync mean it.
    let again = &found.group_at;
    if !again.is_empty() {
        let mut bytes = vec![0; (again.end - again.start) as usize];
        let read = file.read_at(again.start, &mut bytes).map_err(io)?;
        file.write_at(again.start, &mut [std::io::IoSlice::new(&bytes[..read])]).map_err(io)?;
    }
    file.sync_data().map_err(|error| stock::failed(&doing(), &error))?;
    Ok(found)
}

/// Overwrites a part of a file with zeros.
pub(super) fn zero(file: &dyn File, mut from: u64, to: u64) -> std::io::Result<()> {
    while from < to {
        let many = [ZEROS.as_slice(); 16];
        let mut left = to - from;
        let mut parts = Vec::with_capacity(many.len());
        for zeros in many {
            let take = left.min(zeros.len() as u64);
            parts.push(std::io::IoSlice::new(&zeros[..take as usize]));
            left -= take;
        }
        file.write_at(from, &mut parts)?;
        from = to - left;
    }
    Ok(())
}

/// The files that are ready for use; those of another size, or half written, are removed.
fn spares(disk: &dyn FileSystem, dir: &Path, config: &Config, names: &[String]) -> Result<Vec<Spare>, Error> {
    let mut spares = Vec::new();
    for number in names.iter().filter_map(|name| segment::spare_number_of(name)) {
        let path = segment::spare_path(dir, number);
        let io = |error| Error::io(format!("taking stock of {}", path.display()), error);
        let file = disk.open(&path).map_err(io)?;
        if file.size().map_err(io)? == config.segment_bytes && spares.len() < config.spare_segments {
            spares.push(Spare { number, file });
        } else {
            disk.remove(&path).map_err(io)?;
        }
    }
    Ok(spares)
}

/// The index of a sealed segment, made now if it was forgotten; `read` gets the places of a partition.
pub(super) fn with_index<T>(
    segment: &Segment,
    read: impl FnOnce(&Index) -> T,
    made: impl FnOnce(u64),
) -> Result<T, Error> {
    if let Some(index) = &*segment.index.read() {
        return Ok(read(index));
    }
    let mut slot = segment.index.write();
    // Another reader may have made it while this one waited.
    if let Some(index) = &*slot {
        return Ok(read(index));
    }
    let index = scan::sealed(segment, segment.end.load(Ordering::Acquire))?;
    made(index.memory());
    let answer = read(&index);
    *slot = Some(index);
    Ok(answer)
}

/// The offsets a log of these segments starts with.
pub(super) fn firsts(segments: &[Arc<Segment>]) -> PerPartition<u64> {
    segments.first().map_or([0; _], |segment| segment.header.base)
}
