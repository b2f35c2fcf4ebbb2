//! A file, plain or gzipped, in chunks of whole lines.

use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the longest line that is read whole; a longer one is cut, which no parser takes.
const LINE_BYTES: usize = 1 << 20;

/// Lines that follow each other.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Number of the first line, from 1.
    pub first_line: u64,
    pub bytes: Vec<u8>,
    /// Where each line ends in `bytes`, without its line break.
    pub ends: Vec<usize>,
}

impl Chunk {
    /// The lines with their numbers.
    pub fn lines(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let spans = starts.zip(&self.ends);
        spans.enumerate().map(|(index, (from, to))| (self.first_line + index as u64, &self.bytes[from..*to]))
    }
}

/// A file that is being read.
pub struct Source {
    reader: Box<dyn BufRead + Send>,
    /// BLAKE3 of the file as it lies on disk.
    pub digest: [u8; 32],
    /// Bytes of the file, and how many of them are read.
    pub bytes: u64,
    pub read: Arc<AtomicU64>,
    next_line: u64,
}

impl Source {
    /// Opens a file and digests it.
    pub fn open(path: &Path) -> io::Result<Source> {
        let mut file = File::open(path)?;
        let mut hasher = blake3::Hasher::new();
        let bytes = io::copy(&mut file, &mut hasher)?;
        file.rewind()?;
        let read = Arc::new(AtomicU64::new(0));
        let mut plain = BufReader::with_capacity(1 << 20, Counted { file, read: read.clone() });
        let gzipped = plain.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn BufRead + Send> = if gzipped {
            Box::new(BufReader::with_capacity(1 << 20, MultiGzDecoder::new(plain)))
        } else {
            Box::new(plain)
        };
        Ok(Source { reader, digest: *hasher.finalize().as_bytes(), bytes, read, next_line: 1 })
    }

    /// The first bytes, to tell the format from.
    pub fn peek(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    /// The next lines, at most so many; nothing at the end of the file.
    pub fn chunk(&mut self, lines: usize) -> io::Result<Option<Chunk>> {
        let mut chunk = Chunk { first_line: self.next_line, ..Chunk::default() };
        while chunk.ends.len() < lines && read_line(&mut *self.reader, &mut chunk.bytes)? {
            chunk.ends.push(chunk.bytes.len());
        }
        self.next_line += chunk.ends.len() as u64;
        Ok((!chunk.ends.is_empty()).then_some(chunk))
    }
}

/// Appends the next line without its line break, cut at [`LINE_BYTES`]; false at the end of the file.
fn read_line(reader: &mut dyn BufRead, into: &mut Vec<u8>) -> io::Result<bool> {
    let start = into.len();
    let mut any = false;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(any);
        }
        any = true;
        let newline = buffer.iter().position(|byte| *byte == b'\n');
        let line = &buffer[..newline.unwrap_or(buffer.len())];
        let room = (LINE_BYTES + 1).saturating_sub(into.len() - start);
        into.extend_from_slice(&line[..line.len().min(room)]);
        let used = line.len() + usize::from(newline.is_some());
        reader.consume(used);
        if newline.is_some() {
            if into.len() > start && into.last() == Some(&b'\r') {
                into.pop();
            }
            return Ok(true);
        }
    }
}

struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn lines(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("written");
        let mut source = Source::open(file.path()).expect("opened");
        let mut found = Vec::new();
        while let Some(chunk) = source.chunk(2).expect("read") {
            found.extend(chunk.lines().map(|(number, line)| (number, line.to_vec())));
        }
        found
    }

    #[test]
    fn lines_keep_their_numbers_over_chunks_and_a_missing_last_break() {
        let expected = vec![(1, b"a".to_vec()), (2, b"".to_vec()), (3, b"bc".to_vec()), (4, b"d".to_vec())];
        assert_eq!(lines(b"a\r\n\nbc\nd"), expected);
        assert_eq!(lines(b""), Vec::new());
    }

    #[test]
    fn a_gzipped_file_reads_the_same_and_has_its_own_digest() {
        let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        zipped.write_all(b"a\nb\n").expect("zipped");
        assert_eq!(lines(&zipped.finish().expect("zipped")), lines(b"a\nb\n"));
    }

    #[test]
    fn an_endless_line_is_cut() {
        let long = lines(&vec![b'x'; LINE_BYTES + 5]);
        assert_eq!(long[0].1.len(), LINE_BYTES + 1);
        assert_eq!(lines(&vec![b'x'; LINE_BYTES])[0].1.len(), LINE_BYTES);
    }
}
