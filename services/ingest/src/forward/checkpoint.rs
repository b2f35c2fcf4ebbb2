//! How far each partition was forwarded, in a small text file that is replaced whole and durably.
//!
//! ```text
//!   pistats forwarded 1
//!   stream fluvio://sc:9003/events-v1
//!   0 9f3c…e1 1024 2210           partition, writer, next offset of the spool, offset of the last record in the stream
//!   1 77aa…03 0 -
//!   …
//!   crc32c 1a2b3c4d               of all lines above
//! ```
//!
//! An old file is harmless: what was forwarded since is sent once more and dropped as resends. A lost, damaged or foreign
//! one (another stream) makes every partition a new writer from the spool's beginning: then the ids of the events tell
//! what came before (P-2).

use super::random;
use crate::NoRandomNumbers;
use pistats_core::{Offset, PartitionId};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

const TITLE: &str = "pistats forwarded 1";

/// One partition's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Names the spool in this partition of the stream.
    pub(super) writer: u64,
    /// The first record of the spool that the stream did not acknowledge.
    pub(super) next: Offset,
    /// Where the record before it lies in the stream.
    pub(super) last: Option<Offset>,
}

impl Place {
    /// A writer that nobody knows yet.
    pub(super) fn new_writer(next: Offset) -> Result<Place, NoRandomNumbers> {
        Ok(Place { writer: random()?, next, last: None })
    }
}

/// Reads the places of all partitions; `None` if there is no file, an error says why it cannot be used.
pub(super) fn read(path: &Path, stream: &str) -> Result<Option<Vec<Place>>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    parse(&text, stream).map(Some)
}

/// Writes the places, whole or not at all, durably.
pub(super) fn write(path: &Path, stream: &str, places: &[Place]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let new = path.with_extension("new");
    let mut file = std::fs::File::create(&new)?;
    file.write_all(text(stream, places).as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    std::fs::File::open(folder)?.sync_all()
}

fn text(stream: &str, places: &[Place]) -> String {
    let mut text = format!("{TITLE}\nstream {stream}\n");
    for (partition, Place { writer, next, last }) in places.iter().enumerate() {
        let last = last.map_or("-".to_owned(), |last| last.0.to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{partition} {writer:016x} {} {last}", next.0);
    }
    let checksum = crc32c::crc32c(text.as_bytes());
    text + &format!("crc32c {checksum:08x}\n")
}

fn parse(text: &str, stream: &str) -> Result<Vec<Place>, String> {
    let damaged = || "the file is damaged".to_owned();
    let end = text.trim_end().rfind('\n').ok_or_else(damaged)? + 1;
    let (lines, checksum) = text.split_at(end);
    if checksum.trim_end() != format!("crc32c {:08x}", crc32c::crc32c(lines.as_bytes())) {
        return Err(damaged());
    }
    let mut lines = lines.lines();
    if lines.next() != Some(TITLE) {
        return Err("another version wrote the file".to_owned());
    }
    match lines.next().and_then(|line| line.strip_prefix("stream ")) {
        Some(of) if of == stream => {}
        of => return Err(format!("it is of another stream ({})", of.unwrap_or_default())),
    }
    let places: Option<Vec<Place>> = lines.enumerate().map(|(number, line)| place(number, line)).collect();
    places.filter(|places| places.len() == PartitionId::all().len()).ok_or_else(damaged)
}

fn place(number: usize, line: &str) -> Option<Place> {
    let mut words = line.split(' ');
    if words.next()?.parse() != Ok(number) {
        return None;
    }
    let writer = u64::from_str_radix(words.next()?, 16).ok()?;
    let next = Offset(words.next()?.parse().ok()?);
    let last = match words.next()? {
        "-" => None,
        last => Some(Offset(last.parse().ok()?)),
    };
    Some(Place { writer, next, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Vec<Place> {
        let place = |n: u64| Place { writer: n << 60 | n, next: Offset(n * 7), last: (n > 2).then_some(Offset(n)) };
        (0..8).map(place).collect()
    }

    #[test]
    fn a_file_comes_back_as_it_was_and_replaces_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("forwarded");
        assert_eq!(read(&path, "s"), Ok(None));
        write(&path, "s", &[Place { writer: 1, next: Offset(2), last: None }; 8]).unwrap();
        write(&path, "s", &places()).unwrap();
        assert_eq!(read(&path, "s"), Ok(Some(places())));
        assert!(read(&path, "t").unwrap_err().contains("another stream (s)"));
    }

    #[test]
    fn no_flipped_byte_and_no_cut_goes_unnoticed() {
        let text = text("stream", &places());
        for at in 0..text.len() - 1 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(parse(&String::from_utf8(bytes).unwrap(), "stream").is_err(), "byte {at}");
            assert!(parse(&text[..at], "stream").is_err(), "cut at {at}");
        }
    }
}
