//! How a browser gets the instance key: by a link that opens once and not for long.
//!
//! ```text
//!   create ─▶ waits ──redeem──▶ used       waits 15 minutes ─▶ forgotten       used, 15 minutes later ─▶ forgotten
//! ```
//!
//! Why not a password: there would have to be a first one. Why not the key itself in the link: links stay in histories and
//! are pasted into chats; one that was used is worth nothing. Tokens live in this process's memory and are held as hashes:
//! a restart voids them, and `pistats sign-in` makes another.

use crate::keys::random_text;
use pistats_core::Micros;
use pistats_core::directory::KeyHash;
use pistats_rpc::status::exhausted;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tonic::Status;

/// How long a token waits to be used: as long as it takes to walk to the other computer.
pub const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);
/// Tokens that wait at once.
const MOST_WAITING: usize = 100;
/// Used ones that are remembered, so that a second use is told from a wrong token; the oldest go first.
const MOST_USED: usize = 100;

/// The tokens of a process, and what they open.
pub struct SignIns {
    instance_key: String,
    tokens: Mutex<Vec<Token>>,
}

struct Token {
    hash: KeyHash,
    expires: Micros,
    is_used: bool,
}

impl SignIns {
    pub fn new(instance_key: String) -> SignIns {
        SignIns { instance_key, tokens: Mutex::default() }
    }

    /// Makes a token, and tells until when it opens.
    ///
    /// Status: RESOURCE_EXHAUSTED too many wait already; INTERNAL the system has no randomness.
    pub fn create(&self) -> Result<(String, Micros), Status> {
        self.create_at(now())
    }

    fn create_at(&self, now: Micros) -> Result<(String, Micros), Status> {
        let mut tokens = self.living(now);
        let waiting = || tokens.iter().filter(|token| !token.is_used);
        if waiting().count() >= MOST_WAITING {
            // In order of their making, so the first one ends first.
            let first = waiting().next().map_or(0, |token| token.expires.0 - now.0);
            let what = format!("{MOST_WAITING} sign-in links wait to be used; use one, or wait until one has ended");
            return Err(exhausted(what, Duration::from_micros(first.max(0) as u64)));
        }
        let token = random_text()?;
        let expires = now.plus(TOKEN_LIFE.as_micros() as i64);
        tokens.push(Token { hash: KeyHash::of(&token), expires, is_used: false });
        Ok((token, expires))
    }

    /// The instance key for a token that was not used yet.
    ///
    /// Status: UNAUTHENTICATED, and why.
    pub(crate) fn redeem(&self, token: &str) -> Result<String, Status> {
        self.redeem_at(token, now())
    }

    fn redeem_at(&self, token: &str, now: Micros) -> Result<String, Status> {
        let mut tokens = self.living(now);
        let hash = KeyHash::of(token.trim());
        let Some(at) = tokens.iter().position(|token| token.hash == hash) else {
            return Err(Status::unauthenticated(
                "this sign-in link opens nothing: it is older than 15 minutes, the server was started again since, or it is \
                 not whole; `pistats sign-in` makes a new one",
            ));
        };
        if tokens[at].is_used {
            return Err(Status::unauthenticated(
                "this sign-in link was used already, and each opens once; `pistats sign-in` makes a new one",
            ));
        }
        tokens[at].is_used = true;
        if tokens.iter().filter(|token| token.is_used).count() > MOST_USED
            && let Some(oldest) = tokens.iter().position(|token| token.is_used)
        {
            tokens.remove(oldest);
        }
        Ok(self.instance_key.clone())
    }

    /// The tokens without those whose time is over.
    fn living(&self, now: Micros) -> MutexGuard<'_, Vec<Token>> {
        // The list is whole after every step, so a panic elsewhere leaves nothing half done.
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|token| now < token.expires);
        tokens
    }
}

fn now() -> Micros {
    Micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    const START: Micros = Micros(1_700_000_000_000_000);

    fn sign_ins() -> SignIns {
        SignIns::new("the instance key".to_owned())
    }

    #[test]
    fn a_token_opens_once_and_then_says_that_it_was_used() {
        let sign_ins = sign_ins();
        let (token, _) = sign_ins.create_at(START).unwrap();
        assert_eq!(sign_ins.redeem_at(&token, START).unwrap(), "the instance key");
        let again = sign_ins.redeem_at(&token, START).unwrap_err();
        assert!(again.code() == Code::Unauthenticated && again.message().contains("was used already"), "{again}");
        let wrong = sign_ins.redeem_at("0123", START).unwrap_err();
        assert!(wrong.code() == Code::Unauthenticated && wrong.message().contains("opens nothing"), "{wrong}");
    }

    #[test]
    fn a_token_opens_to_the_end_of_its_time_and_not_at_it() {
        let sign_ins = sign_ins();
        let (token, expires) = sign_ins.create_at(START).unwrap();
        assert_eq!(expires, START.plus(15 * Micros::MINUTE));
        assert!(sign_ins.redeem_at(&token, expires).is_err());
        let (token, expires) = sign_ins.create_at(START).unwrap();
        assert!(sign_ins.redeem_at(&token, expires.plus(-1)).is_ok());
    }

    #[test]
    fn a_hundred_tokens_wait_and_one_more_is_refused_until_one_is_used_or_has_ended() {
        let sign_ins = sign_ins();
        let (first, _) = sign_ins.create_at(START).unwrap();
        for _ in 1..MOST_WAITING {
            sign_ins.create_at(START.plus(1)).unwrap();
        }
        let refused = sign_ins.create_at(START.plus(Micros::MINUTE)).unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        use tonic_types::StatusExt as _;
        let delay = refused.get_details_retry_info().unwrap().retry_delay;
        assert_eq!(delay, Some(Duration::from_secs(14 * 60)), "until the first of them ends");
        sign_ins.redeem_at(&first, START.plus(Micros::MINUTE)).unwrap();
        sign_ins.create_at(START.plus(Micros::MINUTE)).unwrap();
        assert!(sign_ins.create_at(START.plus(Micros::MINUTE)).is_err());
        assert!(sign_ins.create_at(START.plus(15 * Micros::MINUTE + 1)).is_ok());
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let sign_ins = sign_ins();
        for _ in 0..3 * MOST_USED {
            let (token, _) = sign_ins.create_at(START).unwrap();
            sign_ins.redeem_at(&token, START).unwrap();
        }
        assert_eq!(sign_ins.living(START).len(), MOST_USED);
        assert_eq!(sign_ins.living(START.plus(15 * Micros::MINUTE)).len(), 0);
    }
}
