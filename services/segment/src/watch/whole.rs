//! The parts of a followed segment, put together: who is in it, once every partition is in one part.

use super::State;
use pistats_core::ids::PARTITIONS;
use pistats_core::report::AsOf;
use pistats_core::segment::follow::{Cause, News, Part, Told};
use pistats_core::segment::{Move, SegmentId};
use pistats_core::{Offset, VisitorNo};
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::sync::Arc;
use tonic::Status;

/// Moves by what caused them, since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Causes {
    pub(crate) edits: u64,
    pub(crate) events: u64,
    pub(crate) midnights: u64,
}

/// What the parts told, by their numbers.
#[derive(Default)]
pub(super) struct Whole {
    parts: BTreeMap<usize, Known>,
    causes: Causes,
}

/// What a part told last, and who is in it.
struct Known {
    told: Told,
    members: RoaringBitmap,
}

impl Whole {
    /// Takes a message.
    ///
    /// Errors: NOT_FOUND the segment is gone; INTERNAL a visitor is beyond the numbers of a set.
    pub(super) fn take(&mut self, segment: SegmentId, part: Part) -> Result<(), Status> {
        let Part { number, mut told } = part;
        let news = std::mem::replace(&mut told.news, News::Gone);
        match (news, self.parts.get_mut(&number)) {
            (News::Gone, _) => return Err(Status::not_found(format!("id: the site has no segment {segment}"))),
            (News::Members(members), _) => {
                let members = members.into_iter().map(small).collect::<Result<RoaringBitmap, Status>>()?;
                self.parts.insert(number, Known { told, members });
            }
            (News::Moves(moves), Some(known)) => {
                for moved in moves {
                    let visitor = small(moved.visitor)?;
                    match moved.moved {
                        Move::Enter => known.members.insert(visitor),
                        Move::Leave => known.members.remove(visitor),
                    };
                    match moved.cause {
                        Cause::Event { .. } | Cause::Replay => self.causes.events += 1,
                        Cause::Time => self.causes.midnights += 1,
                        Cause::Edit => self.causes.edits += 1,
                    }
                }
                known.told = told;
            }
            // Never promised: without a beginning it says nothing.
            (News::Moves(_), None) => {}
        }
        Ok(())
    }

    /// The whole as it is; nothing while a partition is in no part or in two, or parts are of several generations or versions.
    pub(super) fn state(&self) -> Option<State> {
        let first = &self.parts.values().find(|known| !known.told.next_offsets.is_empty())?.told;
        let mut next_offsets: Vec<Option<Offset>> = vec![None; usize::from(PARTITIONS)];
        let (mut members, mut now) = (RoaringBitmap::new(), first.now);
        for Known { told, members: some } in self.parts.values() {
            if (told.generation, told.version) != (first.generation, first.version) && !told.next_offsets.is_empty() {
                return None;
            }
            for (partition, next) in &told.next_offsets {
                if next_offsets.get_mut(partition.index())?.replace(*next).is_some() {
                    return None;
                }
            }
            members |= some;
            now = now.max(told.now);
        }
        let next_offsets = next_offsets.into_iter().collect::<Option<Vec<Offset>>>()?;
        let as_of = AsOf { generation: first.generation, next_offsets };
        let (version, causes) = (first.version, self.causes);
        Some(State { members: Arc::new(members), as_of, version, now, causes })
    }
}

fn small(visitor: VisitorNo) -> Result<u32, Status> {
    let refused = |_| Status::internal(format!("visitor {} is beyond the numbers of a set", visitor.0));
    u32::try_from(visitor.0).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_core::segment::follow::Moved;
    use pistats_core::{Generation, Micros, PartitionId};

    fn part(number: usize, partitions: std::ops::Range<u16>, generation: u64, news: News) -> Part {
        let next_offsets = partitions.map(|partition| (PartitionId(partition), Offset(3))).collect();
        Part {
            number,
            told: Told { version: 1, generation: Generation(generation), next_offsets, now: Micros(0), news },
        }
    }

    fn members(of: &[u64]) -> News {
        News::Members(of.iter().map(|no| VisitorNo(*no)).collect())
    }

    fn found(whole: &Whole) -> Option<Vec<u32>> {
        whole.state().map(|state| state.members.iter().collect())
    }

    #[test]
    fn the_whole_is_known_when_every_partition_is_in_one_part() {
        let (mut whole, id) = (Whole::default(), SegmentId(1));
        assert_eq!(found(&whole), None);
        whole.take(id, part(0, 0..5, 1, members(&[1, 2]))).unwrap();
        assert_eq!(found(&whole), None, "partitions 5 to 7 are missing");
        whole.take(id, part(1, 4..8, 1, members(&[7]))).unwrap();
        assert_eq!(found(&whole), None, "partition 4 changes hands");
        whole.take(id, part(1, 5..8, 1, members(&[7]))).unwrap();
        assert_eq!(found(&whole), Some(vec![1, 2, 7]));
        let leave = Moved { visitor: VisitorNo(2), moved: Move::Leave, cause: Cause::Time };
        whole.take(id, part(0, 0..5, 1, News::Moves(vec![leave]))).unwrap();
        assert_eq!(found(&whole), Some(vec![1, 7]));
        assert_eq!(whole.causes, Causes { midnights: 1, ..Causes::default() });
        whole.take(id, part(0, 0..5, 2, members(&[1]))).unwrap();
        assert_eq!(found(&whole), None, "the other is still in the generation before");
        whole.take(id, part(1, 0..0, 2, members(&[]))).unwrap();
        whole.take(id, part(0, 0..8, 2, members(&[1, 9]))).unwrap();
        assert_eq!(found(&whole), Some(vec![1, 9]), "one has all, the other none");
        assert_eq!(whole.take(id, part(0, 0..8, 2, News::Gone)).unwrap_err().code(), tonic::Code::NotFound);
        assert!(whole.take(id, part(0, 0..8, 2, members(&[1 << 32]))).is_err());
    }
}
