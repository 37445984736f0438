//! Passwords against their bcrypt hashes.
//!
//! bcrypt is slow on purpose, so it runs once for each user's right password; after that a keyed digest of
//! user, hash and password is recognised. The parts are framed by their lengths: joined by a separator, whoever
//! reads the hash could forge a key (CVE-2022-46146). One bcrypt runs at a time, also when clients go away before it
//! has ended, and an unknown user costs the same as a wrong password.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bcrypt::HashParts;
use hmac::{Hmac, Mac};
use parking_lot::Mutex;
use rustls::crypto::ring;
use sha2::Sha256;
use tokio::sync::Semaphore;

use crate::Secret;
use crate::http::options::{SecurityError, SecurityOptions};

/// Most work that a hash may ask for: twice as much for each step, about three seconds at this one.
const COST_MAX: u32 = 15;
/// What is beyond this takes no part in the hash, so it would not have to be right.
const PASSWORD_BYTES_MAX: usize = 72;

/// What became of an attempt to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    /// The password is known to be that of the user.
    Known,
    /// An attempt has shown that it is.
    Right,
    /// An attempt has shown that it is not, or there is no such user.
    Wrong,
    /// The client had failed too often by the time it was its turn.
    NotTried,
    /// Too many are waiting.
    Busy,
}

/// Whether `hash` can be what is stored of a password: bcrypt in one of its sound versions, of a cost from 4 to 15.
///
/// # Errors
/// What is wrong with it.
pub fn check_hash(hash: &Secret) -> Result<(), &'static str> {
    let text = hash.expose();
    if !["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
        return Err("it does not begin with $2a$, $2b$ or $2y$");
    }
    let parts = HashParts::from_str(text).map_err(|_| "it is not a bcrypt hash")?;
    match parts.get_cost() {
        4..=COST_MAX => Ok(()),
        _ => Err("its cost is not between 4 and 15"),
    }
}

/// A digest that only this process can make.
type Tag = [u8; 32];

/// Checks passwords.
pub(super) struct Passwords {
    key: [u8; 64],
    /// Tags of right passwords, oldest first.
    known: Mutex<VecDeque<Tag>>,
    turn: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Passwords {
    pub(super) fn new() -> Result<Self, SecurityError> {
        let mut key = [0; 64];
        let random = ring::default_provider().secure_random;
        random.fill(&mut key).map_err(|_| SecurityError::Random)?;
        Ok(Self {
            key,
            known: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Whether `password` is that of `user`, one of `options.users`. `may_try` is asked when it is this attempt's turn; if it
    /// says so there is an attempt, whatever becomes of whoever waits for it.
    pub(super) async fn check(
        &self,
        options: &SecurityOptions,
        user: String,
        password: Secret,
        may_try: impl Fn() -> bool,
    ) -> Checked {
        let users = &options.users;
        // For somebody unknown the most expensive hash that somebody known may have.
        let known_user = users.get(&user);
        let stand_in =
            || users.values().max_by_key(|hash| hash.expose().get(4..6).map(str::to_owned));
        let Some(hash) = known_user.or_else(stand_in) else {
            return if may_try() { Checked::Wrong } else { Checked::NotTried };
        };
        let tag = self.tag(&[&user, hash.expose(), password.expose()]);
        if known_user.is_some() && self.knows(&tag) {
            return Checked::Known;
        }
        let Some(_waits) = Waits::begin(&self.waiting, options.password_checks_max) else {
            return Checked::Busy;
        };
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return Checked::Busy };
        // Somebody with the same password may have been before.
        if known_user.is_some() && self.knows(&tag) {
            return Checked::Known;
        }
        if !may_try() {
            return Checked::NotTried;
        }
        let fits = password.expose().len() <= PASSWORD_BYTES_MAX;
        let hash = hash.clone();
        let verify = move || {
            let _turn = turn;
            bcrypt::verify(password.expose(), hash.expose()).unwrap_or(false)
        };
        // A panic within is nobody's log-in.
        let verified = tokio::task::spawn_blocking(verify).await.unwrap_or(false);
        if verified && fits && known_user.is_some() {
            self.learn(tag, users.len());
            Checked::Right
        } else {
            Checked::Wrong
        }
    }

    fn tag(&self, parts: &[&str]) -> Tag {
        let mut mac = Hmac::<Sha256>::new((&self.key).into());
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    fn knows(&self, tag: &Tag) -> bool {
        self.known.lock().contains(tag)
    }

    /// Remembers a right password, the newest of at most one for each of `users`. Nobody has two at a time, so what makes room is
    /// one that was right before the rules changed, or will be learned again.
    fn learn(&self, tag: Tag, users: usize) {
        let mut known = self.known.lock();
        while known.len() >= users.max(1) {
            known.pop_front();
        }
        known.push_back(tag);
    }
}

/// Counts one that waits, as long as it lives.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(waiting: &'a AtomicUsize, waiting_max: usize) -> Option<Self> {
        let waits = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < waiting_max.max(1)).then_some(waits)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
