//! When a visitor's message is due: pure functions of a schedule, a zone and the moment from which it counts.

use pistats_core::push::{Content, QuietHours, Schedule};
use pistats_core::{Micros, Zone};
use pistats_push::when::{Quiet, WallTime, at_usual_hour};

/// Clocks are at most so far ahead of UTC, and behind it.
const AHEAD: i64 = 14 * Micros::HOUR;
const BEHIND: i64 = 12 * Micros::HOUR;
/// A moment of everybody's next day has come after so long, whatever clocks do in between.
const A_DAY: i64 = 26 * Micros::HOUR;
/// How long after the last due moment messages may still be sent, where nothing is said.
const LINGER: i64 = 7 * Micros::DAY;

/// When messages of a campaign may be due at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) opens: Micros,
    /// None: it goes on.
    pub(super) closes: Option<Micros>,
}

impl Window {
    /// Of a campaign that was started then.
    pub(super) fn of(schedule: Schedule, started: Micros) -> Window {
        let (opens, closes) = match schedule {
            Schedule::Now => (started, Some(started)),
            Schedule::At(at) => (at, Some(at)),
            Schedule::Local { minute, day: Some(day) } => {
                let utc = Micros(i64::from(day.0) * Micros::DAY + i64::from(minute) * Micros::MINUTE);
                (utc.plus(-AHEAD).max(started), Some(utc.plus(BEHIND)))
            }
            Schedule::Local { .. } | Schedule::UsualHour => (started, Some(started.plus(A_DAY))),
            Schedule::OnEnter => (started, None),
        };
        Window { opens, closes }
    }

    /// From when on nothing is sent any more; none: never.
    pub(super) fn expires(self, content: &Content) -> Option<Micros> {
        content.expires.or(self.closes.map(|closes| closes.plus(LINGER)))
    }
}

/// When somebody in this zone is to get a message, counted from `from`; quiet hours not counted. `usual` is the visitor's usual hour.
/// The moment may be before `from` where the schedule names a day.
pub(super) fn due(schedule: Schedule, zone: &Zone, from: Micros, usual: u8) -> Micros {
    match schedule {
        Schedule::Now | Schedule::OnEnter => from,
        Schedule::At(at) => at,
        Schedule::Local { minute, day } => {
            let Ok(wall) = WallTime::of_minutes(minute.into()) else { return from };
            day.map_or_else(|| wall.next(zone, from), |day| wall.on(zone, day))
        }
        Schedule::UsualHour => at_usual_hour(usual, zone, from),
    }
}

/// The first moment from `at` on that is not in the quiet hours.
pub(super) fn not_quiet(quiet: Option<QuietHours>, zone: &Zone, at: Micros) -> Micros {
    let wall = |minute: u16| WallTime::of_minutes(minute.into());
    let quiet = quiet.and_then(|hours| Quiet::new(wall(hours.from_minute).ok()?, wall(hours.to_minute).ok()?).ok());
    quiet.map_or(at, |quiet| quiet.allowed_from(zone, at))
}

/// The local hour of a moment.
pub(super) fn hour(zone: &Zone, at: Micros) -> usize {
    let local = at.plus(zone.stretch(at).offset_us).0.rem_euclid(Micros::DAY);
    usize::try_from(local / Micros::HOUR).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_core::Day;

    fn at(text: &str) -> Micros {
        let (day, clock) = text.split_once('T').unwrap();
        let parts: Vec<i64> = clock.split(':').map(|part| part.parse().unwrap()).collect();
        Micros(
            i64::from(Day::parse(day).unwrap().0) * Micros::DAY + parts[0] * Micros::HOUR + parts[1] * Micros::MINUTE,
        )
    }

    fn zone(name: &str) -> Zone {
        Zone::named(name).unwrap()
    }

    fn local(minute: u16, day: Option<&str>) -> Schedule {
        Schedule::Local { minute, day: day.map(|day| Day::parse(day).unwrap()) }
    }

    #[test]
    fn the_same_time_of_day_is_another_moment_at_every_place_and_around_every_change_of_the_clock() {
        let nine = local(540, Some("2026-03-29"));
        // Berlin springs forward on this day at 02:00.
        for (name, utc) in [
            ("Europe/Berlin", "2026-03-29T07:00"),
            ("America/New_York", "2026-03-29T13:00"),
            ("Pacific/Kiritimati", "2026-03-28T19:00"),
            ("Asia/Kolkata", "2026-03-29T03:30"),
        ] {
            assert_eq!(due(nine, &zone(name), at("2026-03-01T00:00"), 0), at(utc), "{name}");
        }
        // 02:30 is skipped there: the first moment after the gap; and comes twice in autumn: the first of both.
        let skipped = local(150, Some("2026-03-29"));
        assert_eq!(due(skipped, &zone("Europe/Berlin"), at("2026-03-01T00:00"), 0), at("2026-03-29T01:00"));
        let twice = local(150, Some("2026-10-25"));
        assert_eq!(due(twice, &zone("Europe/Berlin"), at("2026-03-01T00:00"), 0), at("2026-10-25T00:30"));
    }

    #[test]
    fn without_a_day_it_is_the_first_such_moment_after_the_start() {
        let berlin = zone("Europe/Berlin");
        let nine = local(540, None);
        assert_eq!(due(nine, &berlin, at("2026-03-28T07:00"), 0), at("2026-03-28T08:00"));
        assert_eq!(due(nine, &berlin, at("2026-03-28T08:00"), 0), at("2026-03-28T08:00"));
        // The clock springs forward in the night: 23 hours later.
        assert_eq!(due(nine, &berlin, at("2026-03-28T08:01"), 0), at("2026-03-29T07:00"));
        assert_eq!(due(nine, &berlin, at("2026-10-24T07:01"), 0), at("2026-10-25T08:00"), "25 hours later");
    }

    #[test]
    fn the_usual_hour_is_on_the_visitors_clock_before_and_after_a_change() {
        let berlin = zone("Europe/Berlin");
        let usual = |from| due(Schedule::UsualHour, &berlin, at(from), 18);
        assert_eq!(usual("2026-03-28T10:00"), at("2026-03-28T17:00"));
        assert_eq!(usual("2026-03-28T17:20"), at("2026-03-28T17:20"), "it is that hour");
        assert_eq!(usual("2026-03-28T18:00"), at("2026-03-29T16:00"), "summer time began meanwhile");
        assert_eq!(usual("2026-10-24T17:00"), at("2026-10-25T17:00"), "and ended");
    }

    #[test]
    fn every_moment_lies_within_the_window() {
        let started = at("2026-03-28T12:34");
        for name in ["Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"] {
            let zone = zone(name);
            for minute in (0..1_440).step_by(30) {
                for schedule in
                    [local(minute, None), local(minute, Some("2026-04-05")), local(minute, Some("2026-03-29"))]
                {
                    let (window, due) = (Window::of(schedule, started), due(schedule, &zone, started, 0));
                    let is_within = due <= window.closes.unwrap() && (due >= window.opens || due < started);
                    assert!(is_within, "{name} {schedule:?}: {due:?} in {window:?}");
                }
                let usual = (minute / 60) as u8;
                let due = due(Schedule::UsualHour, &zone, started, usual);
                assert!(due >= started && due <= Window::of(Schedule::UsualHour, started).closes.unwrap());
            }
        }
    }

    #[test]
    fn quiet_hours_hold_a_message_until_they_end_on_the_visitors_clock() {
        let night = Some(QuietHours { from_minute: 1_320, to_minute: 420 });
        let berlin = zone("Europe/Berlin");
        assert_eq!(not_quiet(night, &berlin, at("2026-03-28T20:59")), at("2026-03-28T20:59"));
        assert_eq!(not_quiet(night, &berlin, at("2026-03-28T21:00")), at("2026-03-29T05:00"), "summer time began");
        assert_eq!(not_quiet(night, &zone("UTC"), at("2026-03-29T06:59")), at("2026-03-29T07:00"));
        assert_eq!(not_quiet(None, &berlin, at("2026-03-28T21:00")), at("2026-03-28T21:00"));
        assert_eq!(hour(&berlin, at("2026-03-29T05:00")), 7);
    }
}
