//! Answers of the API and the memory that they take: all of it counts until they are sent or given up, so that clients
//! who ask for much and read nothing cannot make the process grow.

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::ApiError;
use crate::service::App;

/// Why an answer was refused. Indexes [`Answers::refused`].
pub(super) const REFUSALS: [&str; 3] = ["too_large", "memory", "busy"];

/// Whoever has waited so long for a turn is told to come back.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Memory of a short answer.
const FIRST_BYTES: usize = 16 * 1024;

/// Who may be answered, and how much all answers take.
pub(crate) struct Answers {
    /// One for each byte that answers may take.
    room: Arc<Semaphore>,
    /// Most bytes of one answer.
    one_bytes_max: usize,
    views: Arc<Semaphore>,
    events: Arc<Semaphore>,
    refused: [AtomicU64; REFUSALS.len()],
}

/// What an answer is made of. One at a time is made of each.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    /// What the engine has, which waits meanwhile.
    Views,
    /// The events that are kept.
    Events,
}

/// See [`REFUSALS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    TooLarge,
    Memory,
    Busy,
}

impl Answers {
    /// Answers that take `bytes_max` at most, and one of them half of it.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(bytes_max.min(Semaphore::MAX_PERMITS))),
            one_bytes_max: bytes_max / 2,
            views: Arc::new(Semaphore::new(1)),
            events: Arc::new(Semaphore::new(1)),
            refused: Default::default(),
        }
    }

    /// How many were refused since the start, in the order of [`REFUSALS`].
    pub(super) fn refused(&self) -> [u64; REFUSALS.len()] {
        self.refused.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// A turn to make an answer, if there is one within `wait_max`.
    async fn turn(&self, of: Of, wait_max: Duration) -> Result<OwnedSemaphorePermit, ApiError> {
        let turns = match of {
            Of::Views => &self.views,
            Of::Events => &self.events,
        };
        let turn = timeout(wait_max, Arc::clone(turns).acquire_owned()).await;
        turn.map_err(|_| self.refuse(Refusal::Busy))?.map_err(|_| stopping())
    }

    /// `value` as JSON that counts until it is dropped.
    fn json(&self, value: &impl Serialize) -> Result<Bytes, ApiError> {
        let mut text = Counted { bytes: Vec::new(), room: None, answers: self, refusal: None };
        match serde_json::to_writer(&mut text, value) {
            Ok(()) => Ok(text.finish()),
            Err(error) => Err(match text.refusal {
                Some(refusal) => self.refuse(refusal),
                None => ApiError(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            }),
        }
    }

    fn refuse(&self, refusal: Refusal) -> ApiError {
        self.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
        let (status, text) = match refusal {
            Refusal::TooLarge => (
                StatusCode::BAD_REQUEST,
                "answer is larger than half of `server.answers_bytes_max`: ask for fewer, with `limit`",
            ),
            Refusal::Memory => (
                StatusCode::SERVICE_UNAVAILABLE,
                "others have not read their answers yet: ask again later",
            ),
            Refusal::Busy => {
                (StatusCode::SERVICE_UNAVAILABLE, "others are being answered: ask again later")
            }
        };
        ApiError(status, text.to_owned())
    }
}

/// The answer that says what `make`, which may block, comes to.
pub(super) async fn give<T: Serialize + 'static>(
    app: Arc<App>,
    of: Of,
    make: impl FnOnce(&App) -> Result<T, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let turn = app.answers.turn(of, WAIT_MAX).await?;
    let making = tokio::task::spawn_blocking(move || {
        // Over when it is made, whether anybody still wants to hear of it or not.
        let _turn = turn;
        make(&app).and_then(|value| app.answers.json(&value))
    });
    let text = making.await.map_err(|error| match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(_) => stopping(),
    })??;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

pub(super) fn stopping() -> ApiError {
    ApiError(StatusCode::SERVICE_UNAVAILABLE, "engine is stopping".to_owned())
}

/// A text that grows within the room that there is for answers.
struct Counted<'a> {
    bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
    answers: &'a Answers,
    refusal: Option<Refusal>,
}

impl Counted<'_> {
    /// Makes place for `more` bytes.
    fn grow(&mut self, more: usize) -> Result<(), Refusal> {
        let (needed, capacity) = (self.bytes.len() + more, self.bytes.capacity());
        let most = self.answers.one_bytes_max;
        if needed > most {
            return Err(Refusal::TooLarge);
        }
        if needed > capacity {
            let grown = needed.max(2 * capacity).max(FIRST_BYTES).min(most);
            let room = Arc::clone(&self.answers.room);
            let missing = u32::try_from(grown - capacity).map_err(|_| Refusal::TooLarge)?;
            let room = room.try_acquire_many_owned(missing).map_err(|_| Refusal::Memory)?;
            match &mut self.room {
                Some(has) => has.merge(room),
                has => *has = Some(room),
            }
            self.bytes.reserve_exact(grown - self.bytes.len());
        }
        Ok(())
    }

    fn finish(mut self) -> Bytes {
        self.bytes.shrink_to_fit();
        if let Some(room) = &mut self.room {
            let surplus = room.num_permits().saturating_sub(self.bytes.len());
            drop(room.split(surplus));
        }
        Bytes::from_owner(Kept { bytes: self.bytes, _room: self.room })
    }
}

impl io::Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(refusal) = self.grow(bytes.len()) {
            self.refusal = Some(refusal);
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A text, and the room that it takes until whoever sends it drops it: the server drops its body long before.
struct Kept {
    bytes: Vec<u8>,
    _room: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 256 * 1024;

    fn text(bytes: usize) -> String {
        "x".repeat(bytes)
    }

    #[test]
    fn answers_take_room_until_the_last_of_them_is_dropped() {
        let answers = Answers::new(MAX);
        let first = answers.json(&text(MAX / 3)).unwrap();
        let second = answers.json(&text(MAX / 3)).unwrap();
        assert_eq!(answers.room.available_permits(), MAX - first.len() - second.len());
        assert_eq!((&first[..3], first.len()), (&b"\"xx"[..], MAX / 3 + 2));
        let refused = answers.json(&text(MAX / 2 - 2)).unwrap_err();
        assert_eq!(refused.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answers.refused(), [0, 1, 0]);
        // What is on its way holds on to it.
        let part = first.slice(1..2);
        drop(first);
        assert!(answers.json(&text(MAX / 2 - 2)).is_err());
        drop(part);
        answers.json(&text(MAX / 2 - 2)).unwrap();
        drop(second);
        assert_eq!(answers.room.available_permits(), MAX);
    }

    #[test]
    fn one_answer_takes_half_of_the_room_and_no_more() {
        let answers = Answers::new(MAX);
        assert_eq!(answers.json(&text(MAX / 2 - 2)).unwrap().len(), MAX / 2);
        assert_eq!(answers.json(&text(MAX / 2 - 1)).unwrap_err().0, StatusCode::BAD_REQUEST);
        assert_eq!(answers.json(&vec![1; MAX / 4]).unwrap_err().0, StatusCode::BAD_REQUEST);
        assert_eq!(answers.refused(), [2, 0, 0]);
        assert_eq!(answers.room.available_permits(), MAX);
    }

    #[tokio::test]
    async fn whoever_has_waited_long_for_a_turn_is_told_to_come_back() {
        let answers = Answers::new(MAX);
        let first = answers.turn(Of::Views, WAIT_MAX).await.unwrap();
        let refused = answers.turn(Of::Views, Duration::ZERO).await.map(drop).unwrap_err();
        assert_eq!(refused.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answers.refused(), [0, 0, 1]);
        answers.turn(Of::Events, Duration::ZERO).await.map(drop).unwrap();
        drop(first);
        answers.turn(Of::Views, Duration::ZERO).await.map(drop).unwrap();
    }
}
