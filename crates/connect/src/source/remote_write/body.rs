//! Reads a body within bounds: one on the body, one on all bodies together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bellwether_wire::remote_write::DecodeError;
use bytes::Bytes;
use http_body_util::BodyExt;

/// Memory that bodies may take together.
pub(super) struct BodyBudget {
    bytes_max: usize,
    bytes: AtomicUsize,
}

impl BodyBudget {
    pub(super) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, bytes: AtomicUsize::new(0) })
    }
}

/// Why a body could not be read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// It is larger than allowed.
    TooLarge(DecodeError),
    /// The sender broke off, or its framing is invalid.
    Broken,
    /// The bodies being read take too much memory already.
    NoMemory,
}

/// A body whose bytes count against the budget for as long as it lives.
#[derive(Default)]
pub(super) struct HeldBody {
    bytes: Vec<u8>,
    held: Option<Arc<BodyBudget>>,
    held_bytes: usize,
}

impl HeldBody {
    fn push(&mut self, chunk: &[u8], budget: &Arc<BodyBudget>) -> Result<(), ReadError> {
        let before = budget.bytes.fetch_add(chunk.len(), Ordering::Relaxed);
        self.held.get_or_insert_with(|| Arc::clone(budget));
        self.held_bytes += chunk.len();
        if before.saturating_add(chunk.len()) > budget.bytes_max {
            return Err(ReadError::NoMemory);
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }
}

impl std::ops::Deref for HeldBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        if let Some(budget) = &self.held {
            budget.bytes.fetch_sub(self.held_bytes, Ordering::Relaxed);
        }
    }
}

/// Reads `body`, at most `bytes_max` of it. What is refused is still read, unkept and within the same
/// bound again, so that the sender gets to hear the answer.
pub(super) async fn read(
    mut body: Body,
    bytes_max: usize,
    budget: &Arc<BodyBudget>,
) -> Result<HeldBody, ReadError> {
    let mut held = HeldBody::default();
    while let Some(chunk) = next_chunk(&mut body).await? {
        let bytes = held.len() + chunk.len();
        let kept = if bytes > bytes_max {
            let part = "compressed";
            Err(ReadError::TooLarge(DecodeError::TooLarge { part, bytes, limit_bytes: bytes_max }))
        } else {
            held.push(&chunk, budget)
        };
        if let Err(error) = kept {
            drop(held);
            discard(body, bytes_max).await;
            return Err(error);
        }
    }
    Ok(held)
}

/// Reads what is left of `body`, at most about `bytes_max`, and forgets it.
pub(super) async fn discard(mut body: Body, bytes_max: usize) {
    let mut bytes = 0;
    while bytes <= bytes_max
        && let Ok(Some(chunk)) = next_chunk(&mut body).await
    {
        bytes += chunk.len();
    }
}

async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>, ReadError> {
    match body.frame().await {
        None => Ok(None),
        Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
        Some(Err(_)) => Err(ReadError::Broken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_of_the_largest_size_is_read_and_one_byte_more_is_not() {
        let budget = BodyBudget::new(100);
        assert_eq!(&*read(Body::from("0123"), 4, &budget).await.unwrap(), b"0123");
        let refused = read(Body::from("01234"), 4, &budget).await;
        assert!(matches!(refused, Err(ReadError::TooLarge(_))));
    }

    #[tokio::test]
    async fn bodies_share_a_budget_and_give_back_what_they_held() {
        let budget = BodyBudget::new(5);
        let first = read(Body::from("0123"), 4, &budget).await.unwrap();
        assert!(matches!(read(Body::from("45"), 4, &budget).await, Err(ReadError::NoMemory)));
        drop(first);
        assert!(read(Body::from("45"), 4, &budget).await.is_ok());
        assert_eq!(budget.bytes.load(Ordering::Relaxed), 0);
    }
}
