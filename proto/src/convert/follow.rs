//! `FollowSegment` ↔ what following a segment tells (`core::segment::follow`).

use super::{Invalid, segment};
use crate::aggregate::v1;
use pistats_core::segment::follow::{Cause, Moved, News, Told};
use pistats_core::segment::{Move, SegmentId};
use pistats_core::{EventId, Generation, Micros, Offset, PartitionId, SiteId, VisitorNo};

/// Reads a request.
pub fn follow_segment(request: &v1::FollowSegmentRequest) -> Result<(SiteId, SegmentId), Invalid> {
    Ok((SiteId(request.site_id), segment::id("segment_id", &request.segment_id)?))
}

/// What is told, as a message.
pub fn follow_answer(told: Told) -> v1::FollowSegmentResponse {
    use v1::follow_segment_response::News as Wire;
    let news = match told.news {
        News::Members(members) => {
            Wire::Members(v1::SegmentMembers { visitors: members.into_iter().map(|visitor| visitor.0).collect() })
        }
        News::Moves(moves) => Wire::Moves(v1::SegmentMoves { moves: moves.into_iter().map(moved_answer).collect() }),
        News::Gone => Wire::IsGone(true),
    };
    v1::FollowSegmentResponse {
        is_idle: false,
        version: told.version,
        generation: told.generation.0,
        next_offsets: told.next_offsets.into_iter().map(offset_answer).collect(),
        now_us: told.now.0,
        news: Some(news),
    }
}

fn offset_answer((partition, next): (PartitionId, Offset)) -> v1::LiveOffset {
    v1::LiveOffset { partition: u32::from(partition.0), next_offset: next.0 }
}

fn moved_answer(moved: Moved) -> v1::SegmentMove {
    let (cause, event) = match moved.cause {
        Cause::Event { id, time } => (v1::MoveCause::Event, Some((id, time))),
        Cause::Time => (v1::MoveCause::Time, None),
        Cause::Replay => (v1::MoveCause::Replay, None),
        Cause::Edit => (v1::MoveCause::Edit, None),
    };
    v1::SegmentMove {
        visitor: moved.visitor.0,
        entered: moved.moved == Move::Enter,
        cause: cause.into(),
        event_id: event.map(|(id, _)| id.0.to_vec().into()).unwrap_or_default(),
        event_us: event.map_or(0, |(_, time)| time.0),
    }
}

/// A message as what is told; nothing where it is a sign of life.
///
/// A cause that only a later version knows is taken for an edit: it triggers nothing.
pub fn followed(answer: v1::FollowSegmentResponse) -> Option<Told> {
    use v1::follow_segment_response::News as Wire;
    let news = match answer.news? {
        Wire::Members(members) => News::Members(members.visitors.into_iter().map(VisitorNo).collect()),
        Wire::Moves(moves) => News::Moves(moves.moves.into_iter().map(moved).collect()),
        Wire::IsGone(_) => News::Gone,
    };
    let offset = |of: v1::LiveOffset| Some((PartitionId(u16::try_from(of.partition).ok()?), Offset(of.next_offset)));
    Some(Told {
        version: answer.version,
        generation: Generation(answer.generation),
        next_offsets: answer.next_offsets.into_iter().filter_map(offset).collect(),
        now: Micros(answer.now_us),
        news,
    })
}

fn moved(wire: v1::SegmentMove) -> Moved {
    let cause = match wire.cause() {
        v1::MoveCause::Event => match EventId::from_slice(&wire.event_id) {
            Some(id) => Cause::Event { id, time: Micros(wire.event_us) },
            None => Cause::Edit,
        },
        v1::MoveCause::Time => Cause::Time,
        v1::MoveCause::Replay => Cause::Replay,
        v1::MoveCause::Edit | v1::MoveCause::Unspecified => Cause::Edit,
    };
    Moved { visitor: VisitorNo(wire.visitor), moved: if wire.entered { Move::Enter } else { Move::Leave }, cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read_as_it_was_told() {
        let event = Cause::Event { id: EventId::from_parts(7, 9), time: Micros(5) };
        let moves: Vec<Moved> = [event, Cause::Time, Cause::Replay, Cause::Edit]
            .into_iter()
            .zip([Move::Enter, Move::Leave, Move::Enter, Move::Leave])
            .map(|(cause, moved)| Moved { visitor: VisitorNo(3), moved, cause })
            .collect();
        for news in [News::Members(vec![VisitorNo(1), VisitorNo(9)]), News::Moves(moves), News::Gone] {
            let (generation, next_offsets) =
                (Generation(2), vec![(PartitionId(0), Offset(5)), (PartitionId(7), Offset(0))]);
            let told = Told { version: 4, generation, next_offsets, now: Micros(6), news };
            assert_eq!(followed(follow_answer(told.clone())), Some(told));
        }
        assert_eq!(followed(v1::FollowSegmentResponse { is_idle: true, ..Default::default() }), None);
        let later = v1::SegmentMove { visitor: 1, entered: true, cause: 99, ..Default::default() };
        assert!(!moved(later).triggers(Micros(0)), "what is not understood triggers nothing");
    }
}
