//! What an answer of a push service means for a message: kept, given up, or tried again, and when.

use pistats_core::Micros;
use pistats_core::push::Reason;
use pistats_push::{NotSent, Outcome};
use pistats_store::Settled;
use std::time::Duration;

/// How often a message is begun at most.
const MOST_TRIES: u32 = 8;
/// The wait after a first try; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// Nobody is waited for longer than that at a time.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// What becomes of a message that was begun so many times before, by its last outcome.
pub(super) fn settled(outcome: &Outcome, endpoint: &str, tries_before: u32, now: Micros) -> Settled {
    let failed = |reason| Settled::Failed { reason };
    match outcome {
        Outcome::Accepted => Settled::Accepted,
        Outcome::Gone => Settled::Gone { endpoint: endpoint.to_owned() },
        Outcome::Uncertain(_) => Settled::Uncertain,
        Outcome::TooLarge => failed(Reason::TooLarge),
        Outcome::Rejected { status: 401 | 403, .. } => failed(Reason::Unauthorized),
        Outcome::Rejected { .. } => failed(Reason::Rejected),
        Outcome::NotSent(NotSent::Address(_) | NotSent::Plain) => failed(Reason::RefusedAddress),
        _ if tries_before + 1 >= MOST_TRIES => failed(exhausted(outcome)),
        _ => Settled::Again { until: now.plus(micros(wait(outcome, tries_before))) },
    }
}

/// How long nothing goes to the push service that answered so.
pub(super) fn hold(outcome: &Outcome) -> Option<i64> {
    match outcome {
        Outcome::RateLimited { .. } | Outcome::TryLater { .. } => Some(micros(wait(outcome, 0))),
        _ => None,
    }
}

fn wait(outcome: &Outcome, tries_before: u32) -> Duration {
    let own = FIRST_WAIT.saturating_mul(1 << tries_before.min(16));
    outcome.retry_after().unwrap_or_default().max(own).min(LONGEST_WAIT)
}

fn exhausted(outcome: &Outcome) -> Reason {
    match outcome {
        Outcome::RateLimited { .. } => Reason::RateLimited,
        Outcome::TryLater { .. } => Reason::Unavailable,
        _ => Reason::Unreachable,
    }
}

fn micros(wait: Duration) -> i64 {
    i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)
}

/// One sentence about an outcome, for whoever sent a test.
pub(super) fn explained(outcome: &Outcome) -> (String, u32, String) {
    let failed = |reason: Reason| reason.name().to_owned();
    match outcome {
        Outcome::Accepted => {
            ("accepted".into(), 201, "The push service took it; the browser shows it when it is there.".into())
        }
        Outcome::Gone => ("gone".into(), 410, "The push service says that this subscription is no more.".into()),
        Outcome::TooLarge => (failed(Reason::TooLarge), 413, "The push service takes only shorter messages.".into()),
        Outcome::RateLimited { .. } => {
            (failed(Reason::RateLimited), 429, "The push service takes no more for the moment; try again later.".into())
        }
        Outcome::TryLater { status, .. } => {
            let told = "The push service does not work for the moment; try again later.";
            (failed(Reason::Unavailable), (*status).into(), told.into())
        }
        Outcome::Rejected { status, reason } => {
            let name = if matches!(status, 401 | 403) { Reason::Unauthorized } else { Reason::Rejected };
            (failed(name), (*status).into(), format!("The push service refused it ({status}): {reason}"))
        }
        Outcome::Uncertain(doubt) => ("uncertain".into(), 0, format!("Nobody knows whether it arrived: {doubt}.")),
        Outcome::NotSent(why @ (NotSent::Address(_) | NotSent::Plain)) => {
            (failed(Reason::RefusedAddress), 0, format!("It was not sent: {why}."))
        }
        Outcome::NotSent(why) => (failed(Reason::Unreachable), 0, format!("It was not sent: {why}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pistats_push::Doubt;

    const NOW: Micros = Micros(1_000);

    fn of(outcome: Outcome, tries_before: u32) -> Settled {
        settled(&outcome, "https://push.example/1", tries_before, NOW)
    }

    #[test]
    fn what_is_certain_ends_a_message_and_what_may_have_arrived_is_never_sent_again() {
        let failed = |reason| Settled::Failed { reason };
        let rejected = |status| Outcome::Rejected { status, reason: String::new() };
        assert_eq!(of(Outcome::Accepted, 0), Settled::Accepted);
        assert_eq!(of(Outcome::Gone, 0), Settled::Gone { endpoint: "https://push.example/1".to_owned() });
        assert_eq!(of(Outcome::TooLarge, 0), failed(Reason::TooLarge));
        assert_eq!(
            (of(rejected(403), 0), of(rejected(400), 0)),
            (failed(Reason::Unauthorized), failed(Reason::Rejected))
        );
        assert_eq!(of(Outcome::NotSent(NotSent::Plain), 0), failed(Reason::RefusedAddress));
        for doubt in [Doubt::Deadline, Doubt::Broken, Doubt::Failed(500)] {
            assert_eq!(of(Outcome::Uncertain(doubt), 0), Settled::Uncertain);
        }
    }

    #[test]
    fn who_asks_to_wait_is_waited_for_longer_each_time_and_not_for_ever() {
        let limited = |seconds| Outcome::RateLimited { retry_after: Some(Duration::from_secs(seconds)) };
        let after = |seconds: i64| Settled::Again { until: NOW.plus(seconds * Micros::SECOND) };
        assert_eq!((of(limited(0), 0), of(limited(0), 3), of(limited(30), 0)), (after(2), after(16), after(30)));
        assert_eq!(of(limited(9_999), 0), after(3_600));
        assert_eq!(of(limited(1), 6), after(128));
        assert_eq!(of(limited(1), 7), Settled::Failed { reason: Reason::RateLimited });
        let away = || Outcome::NotSent(NotSent::Connect("refused".to_owned()));
        assert_eq!((of(away(), 0), of(away(), 7)), (after(2), Settled::Failed { reason: Reason::Unreachable }));
        let later = Outcome::TryLater { status: 503, retry_after: None };
        assert_eq!(of(later.clone(), 7), Settled::Failed { reason: Reason::Unavailable });
        assert_eq!((hold(&later), hold(&Outcome::Accepted)), (Some(2 * Micros::SECOND), None));
    }
}
