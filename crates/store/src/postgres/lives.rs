//! Offsets as they are stored: with the life of the log that they are of.
//!
//! A log that went back gives its offsets a second time, and the rows of the records that are gone stay (S-9). An offset alone
//! would then no longer tell what was folded before what, which an export of several reads has to know. So each checkpoint that
//! goes back begins a new life of its partition:
//!
//! ```text
//!   life, 15 bits | offset, 48 bits      of a partition, what is folded later has the greater number, whatever its log did
//! ```
//!
//! DuckDB needs no lives: it gives the rows of the records that are gone another offset, which millions of rows in a server take
//! too long for.

use super::copy::narrow;
use crate::Error;
use crate::place::{LIFE, offset_of};
use pistats_core::Offset;

/// The offset that a stored number holds.
pub(super) fn offset(stored: i64) -> Offset {
    Offset(offset_of(stored))
}

/// The number of an offset in the life that another number is of.
pub(super) fn stored(like: i64, offset: u64) -> Result<i64, Error> {
    let offset: i64 = narrow(offset, "offset")?;
    if offset >= LIFE {
        return Err(Error::Engine(format!("offset {offset} is too large for its column")));
    }
    Ok(like - like % LIFE + offset)
}

/// The number of an offset in the life after that of another number.
pub(super) fn reborn(like: i64, offset: u64) -> Result<i64, Error> {
    let next = like.checked_add(LIFE).ok_or_else(|| Error::Engine("the log went back too often".to_owned()))?;
    stored(next, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_with_every_life_and_keep_their_offsets() {
        let first = stored(0, 9).expect("fits");
        let second = reborn(first, 4).expect("fits");
        let third = reborn(stored(second, 1_000).expect("fits"), 0).expect("fits");
        assert_eq!(first, 9, "a log that never went back: its offsets");
        assert!(
            first < second && second < stored(second, 5).expect("fits") && stored(second, 1_000).expect("fits") < third
        );
        assert_eq!([first, second, third].map(offset), [Offset(9), Offset(4), Offset(0)]);
        let most = LIFE.unsigned_abs() - 1;
        assert_eq!(offset(stored(third, most).expect("fits")), Offset(most));
        assert!(stored(third, most + 1).is_err() && reborn(i64::MAX, 0).is_err());
    }
}
