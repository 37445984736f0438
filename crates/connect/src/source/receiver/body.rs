//! Reads a body within bounds: one on the body, one on all bodies together, from the first byte that
//! is read until the engine has answered.

use std::sync::Arc;

use axum::body::Body;
use bellwether_wire::remote_write::DecodeError;
use bytes::Bytes;
use http_body_util::BodyExt;

use super::budget::BodyBudget;

/// Why a body could not be read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// It is larger than allowed, or cannot be decoded.
    Undecodable(DecodeError),
    /// The sender broke off, or its framing is invalid.
    Broken,
    /// Decoding it has panicked.
    Fault,
    /// The bodies being read, decoded and judged take too much memory already.
    NoMemory,
}

/// A part of the budget, given back when dropped.
pub(super) struct Share {
    budget: Arc<BodyBudget>,
    bytes: usize,
}

impl Share {
    /// Makes it `bytes` large.
    ///
    /// # Errors
    /// [`ReadError::NoMemory`] when the budget is exceeded then.
    pub(super) fn resize(&mut self, bytes: usize) -> Result<(), ReadError> {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if self.budget.resize(before, bytes) { Ok(()) } else { Err(ReadError::NoMemory) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.resize(self.bytes, 0);
    }
}

/// A body and the share of the budget that it takes.
pub(super) struct HeldBody {
    bytes: Vec<u8>,
    share: Share,
}

impl HeldBody {
    fn push(&mut self, chunk: &[u8]) -> Result<(), ReadError> {
        self.share.resize(self.bytes.len() + chunk.len())?;
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// The body, and its share.
    pub(super) fn into_parts(self) -> (Vec<u8>, Share) {
        (self.bytes, self.share)
    }
}

impl std::ops::Deref for HeldBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads `body`, at most `bytes_max` of it. What is refused is still read, unkept and within the same
/// bound again, so that the sender gets to hear the answer.
pub(super) async fn read(
    mut body: Body,
    bytes_max: usize,
    budget: &Arc<BodyBudget>,
) -> Result<HeldBody, ReadError> {
    let share = Share { budget: Arc::clone(budget), bytes: 0 };
    let mut held = HeldBody { bytes: Vec::new(), share };
    while let Some(chunk) = next_chunk(&mut body).await? {
        let bytes = held.len() + chunk.len();
        let kept = if bytes > bytes_max {
            let part = "compressed";
            let error = DecodeError::TooLarge { part, bytes, limit_bytes: bytes_max };
            Err(ReadError::Undecodable(error))
        } else {
            held.push(&chunk)
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
        assert!(matches!(refused, Err(ReadError::Undecodable(_))));
    }

    #[tokio::test]
    async fn bodies_share_a_budget_and_give_back_what_they_held() {
        let budget = BodyBudget::new(5);
        let first = read(Body::from("0123"), 4, &budget).await.unwrap();
        assert!(matches!(read(Body::from("45"), 4, &budget).await, Err(ReadError::NoMemory)));
        let (_, mut share) = first.into_parts();
        assert!(matches!(read(Body::from("45"), 4, &budget).await, Err(ReadError::NoMemory)));
        share.resize(3).unwrap();
        let second = read(Body::from("45"), 4, &budget).await.unwrap();
        assert!(matches!(share.resize(4), Err(ReadError::NoMemory)));
        drop(second);
        share.resize(6).expect("it is alone");
        assert!(matches!(read(Body::from("4"), 4, &budget).await, Err(ReadError::NoMemory)));
        drop(share);
        assert!(read(Body::from("45"), 4, &budget).await.is_ok());
        assert_eq!(budget.bytes(), 0);
    }

    #[tokio::test]
    async fn a_part_of_a_budget_is_bounded_by_itself_and_by_the_whole() {
        let whole = BodyBudget::new(6);
        let parts = [4, 4].map(|bytes_max| BodyBudget::within(&whole, bytes_max));
        let first = read(Body::from("0123"), 9, &parts[0]).await.unwrap();
        let is_full = |read: Result<HeldBody, ReadError>| matches!(read, Err(ReadError::NoMemory));
        assert!(is_full(read(Body::from("4"), 9, &parts[0]).await), "the part");
        assert!(is_full(read(Body::from("456"), 9, &parts[1]).await), "the whole");
        assert!(read(Body::from("45"), 9, &parts[1]).await.is_ok());
        drop(first);
        assert!(read(Body::from("456"), 9, &parts[1]).await.is_ok());
        let bytes = [&whole, &parts[0], &parts[1]].map(|each| each.bytes());
        assert_eq!(bytes, [0, 0, 0]);
    }
}
