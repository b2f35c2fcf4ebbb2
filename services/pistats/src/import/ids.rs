//! Ids of imported events.

use pistats_core::EventId;

/// Makes the ids of one file's lines.
#[derive(Clone, Debug)]
pub struct FileIds {
    digest: [u8; 32],
}

impl FileIds {
    /// `digest` is BLAKE3 of the file's bytes as they lie on disk.
    pub fn new(digest: [u8; 32]) -> FileIds {
        FileIds { digest }
    }

    /// The id of a line: its event's time (in the id's 48 bits of milliseconds) and hash(digest, line number).
    pub fn id(&self, time_us: i64, line: u64) -> EventId {
        let mut hasher = blake3::Hasher::new_keyed(&self.digest);
        hasher.update(&line.to_be_bytes());
        let mut entropy = [0u8; 16];
        entropy.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        EventId::from_parts(time_us.max(0) as u64 / 1_000, u128::from_be_bytes(entropy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identical_lines_differ_and_the_same_line_of_the_same_file_does_not() {
        let file = FileIds::new([1; 32]);
        assert_ne!(file.id(5_000_000, 1), file.id(5_000_000, 2));
        assert_eq!(file.id(5_000_000, 1), FileIds::new([1; 32]).id(5_000_000, 1));
        assert_ne!(file.id(5_000_000, 1), FileIds::new([2; 32]).id(5_000_000, 1));
        assert_eq!(file.id(5_000_000, 1).created_ms(), 5_000);
    }
}
