//! The cap on connections, and who makes room at it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::{Connection, Phase};
use super::network::network;

/// How long to wait for a connection to end before another one is asked to.
const EVICT_AGAIN: Duration = Duration::from_secs(1);

/// Whoever has taken so long for a body or an answer makes room for others: at the cap a client that is slow on purpose would
/// keep everybody out.
const SLOW: Duration = Duration::from_secs(1);

/// A place among the open connections.
pub(super) type Slot = OwnedSemaphorePermit;

/// The open connections, oldest first.
pub(super) struct Pool {
    slots: Arc<Semaphore>,
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    next_id: AtomicU64,
    per_address_max: usize,
    /// How many each address, or network, has; those that are being closed are still counted.
    per_address: Mutex<HashMap<IpAddr, usize>>,
}

/// Keeps a connection's place; gives it back when dropped.
pub(super) struct Admitted {
    pool: Arc<Pool>,
    id: u64,
    address: IpAddr,
    _slot: Slot,
}

impl Pool {
    pub(super) fn new(connections_max: usize, per_address_max: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(connections_max.clamp(1, Semaphore::MAX_PERMITS))),
            open: Mutex::default(),
            next_id: AtomicU64::new(0),
            per_address_max,
            per_address: Mutex::default(),
        }
    }

    /// Whether `client` may have one more connection. At its cap one of its own that waits for a request,
    /// or is slow, makes room; when all of them are being served it may not.
    pub(super) fn allows(&self, client: IpAddr) -> bool {
        let address = network(client);
        let has = self.per_address.lock().get(&address).copied().unwrap_or_default();
        has < self.per_address_max
            || self.evict(|connection| network(connection.client().ip()) == address)
    }

    /// Waits for a place; at the cap, closes a connection that waits for its client to make one.
    pub(super) async fn slot(&self) -> Slot {
        loop {
            if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                return slot;
            }
            self.evict(|_| true);
            let freed = Arc::clone(&self.slots).acquire_owned();
            if let Ok(Ok(slot)) = tokio::time::timeout(EVICT_AGAIN, freed).await {
                return slot;
            }
        }
    }

    pub(super) fn insert(self: &Arc<Self>, slot: Slot, connection: Arc<Connection>) -> Admitted {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let address = network(connection.client().ip());
        self.open.lock().insert(id, connection);
        *self.per_address.lock().entry(address).or_default() += 1;
        Admitted { pool: Arc::clone(self), id, address, _slot: slot }
    }

    /// Of those that `may` be closed, closes the oldest one without a whole request head; if there is none, the
    /// oldest idle one; if there is none either, the one whose client has taken longest to send a body or to read an answer, if
    /// that is [`SLOW`]. Answers whether there was one.
    fn evict(&self, may: impl Fn(&Connection) -> bool) -> bool {
        let mut open = self.open.lock();
        let oldest_in = |phases: &[Phase]| {
            let waits = |conn: &Connection| phases.contains(&conn.phase()) && may(conn);
            open.iter().find(|(_, conn)| waits(conn)).map(|(&id, _)| id)
        };
        let slowest = || {
            let slow =
                |conn: &Connection| conn.client_takes().filter(|&time| time >= SLOW && may(conn));
            let slow = open.iter().filter_map(|(&id, conn)| Some((slow(conn)?, id)));
            slow.max().map(|(_, id)| id)
        };
        let victim = oldest_in(&[Phase::Handshake, Phase::Head])
            .or_else(|| oldest_in(&[Phase::Idle]))
            .or_else(slowest);
        let victim = victim.and_then(|id| open.remove(&id));
        if let Some(connection) = &victim {
            connection.expire();
        }
        victim.is_some()
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.pool.open.lock().remove(&self.id);
        let mut per_address = self.pool.per_address.lock();
        if let Some(has) = per_address.get_mut(&self.address) {
            *has -= 1;
            if *has == 0 {
                per_address.remove(&self.address);
            }
        }
    }
}
