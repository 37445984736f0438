//! The cap on connections, and who makes room at it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::{Connection, Phase};

/// How long to wait for a connection to end before another one is asked to.
const EVICT_AGAIN: Duration = Duration::from_secs(1);

/// A place among the open connections.
pub(super) type Slot = OwnedSemaphorePermit;

/// The open connections, oldest first.
pub(super) struct Pool {
    slots: Arc<Semaphore>,
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    next_id: AtomicU64,
}

/// Keeps a connection's place; gives it back when dropped.
pub(super) struct Admitted {
    pool: Arc<Pool>,
    id: u64,
    _slot: Slot,
}

impl Pool {
    pub(super) fn new(connections_max: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(connections_max.clamp(1, Semaphore::MAX_PERMITS))),
            open: Mutex::default(),
            next_id: AtomicU64::new(0),
        }
    }

    /// Waits for a place; at the cap, closes a connection that waits for a request to make one.
    pub(super) async fn slot(&self) -> Slot {
        loop {
            if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                return slot;
            }
            self.evict();
            let freed = Arc::clone(&self.slots).acquire_owned();
            if let Ok(Ok(slot)) = tokio::time::timeout(EVICT_AGAIN, freed).await {
                return slot;
            }
        }
    }

    pub(super) fn insert(self: &Arc<Self>, slot: Slot, connection: Arc<Connection>) -> Admitted {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.open.lock().insert(id, connection);
        Admitted { pool: Arc::clone(self), id, _slot: slot }
    }

    /// Closes the oldest connection without a whole request head; if there is none, the oldest idle one.
    fn evict(&self) {
        let mut open = self.open.lock();
        let oldest_in =
            |phase| open.iter().find(|(_, conn)| conn.phase() == phase).map(|(&id, _)| id);
        let victim = oldest_in(Phase::Head).or_else(|| oldest_in(Phase::Idle));
        if let Some(connection) = victim.and_then(|id| open.remove(&id)) {
            connection.expire();
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.pool.open.lock().remove(&self.id);
    }
}
