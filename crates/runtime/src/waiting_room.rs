//! Where what the recorder is told waits until it is taken: requests in the line of their tenant, and what concerns
//! everybody between those that came before it and those that come after it.
//!
//! Behind it there are queues in which tenants do not take turns, so few requests of a tenant may be under way there at a time:
//! the others wait here, where whoever comes later does not wait for them.

use std::collections::BTreeMap;

use crate::lines::{Lines, Owner};
use crate::recorder::{Errand, Submitted};

/// What has come and is not taken yet. How many requests there may be is [`crate::Options::queue_requests_max`].
#[derive(Default)]
pub(crate) struct WaitingRoom {
    requests: Lines<Submitted>,
    /// Taken after all requests that came before it.
    barrier: Option<Errand>,
    /// How many requests of whom were taken and have not been passed on to the shards; nobody with none.
    under_way: BTreeMap<Owner, usize>,
}

impl WaitingRoom {
    /// Whether more may be let in. While a barrier waits, nothing may: it would overtake.
    pub(crate) fn is_open(&self) -> bool {
        self.barrier.is_none()
    }

    /// Lets a request wait.
    pub(crate) fn wait(&mut self, submitted: Submitted) {
        self.requests.push(submitted.request.tenant.clone(), submitted);
    }

    /// Lets `errand` wait, or gives it back if it need not: parts of the state are told as of whichever record it is when
    /// somebody gets to it.
    pub(crate) fn admit(&mut self, errand: Errand) -> Option<Errand> {
        match errand {
            Errand::Configure(_) | Errand::View { .. } => {
                self.barrier = Some(errand);
                None
            }
            Errand::Usage(_)
            | Errand::Save(_)
            | Errand::Sync(_)
            | Errand::Covered(_)
            | Errand::DiskFull => Some(errand),
        }
    }

    /// Whether a request of `owner` that comes now has to wait because as many of it are under way, or wait already, as may be
    /// under way.
    pub(crate) fn is_held(&self, owner: &Owner, under_way_max: usize) -> bool {
        let under_way = self.under_way.get(owner).copied().unwrap_or(0);
        under_way + self.requests.len(owner) >= under_way_max
    }

    /// The next request, in turn, of somebody of whom fewer than `under_way_max` are under way. From now on it is.
    pub(crate) fn request(&mut self, under_way_max: usize) -> Option<(Owner, Submitted)> {
        let under_way = &self.under_way;
        let (owner, request) =
            self.requests.pop(|owner| has_room(under_way, owner, under_way_max))?;
        *self.under_way.entry(owner.clone()).or_default() += 1;
        Some((owner, request))
    }

    /// A request of `owner` is not under way any more.
    pub(crate) fn passed(&mut self, owner: &Owner) {
        if let Some(under_way) = self.under_way.get_mut(owner) {
            *under_way -= 1;
            if *under_way == 0 {
                self.under_way.remove(owner);
            }
        }
    }

    /// What concerns everybody, once it is its turn.
    pub(crate) fn barrier(&mut self) -> Option<Errand> {
        self.barrier.take_if(|_| self.requests.is_empty())
    }

    /// Whether there is something to be taken at once.
    pub(crate) fn has_next(&self, under_way_max: usize) -> bool {
        self.requests.has_next(|owner| has_room(&self.under_way, owner, under_way_max))
            || (self.barrier.is_some() && self.requests.is_empty())
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.barrier.is_none()
    }
}

fn has_room(under_way: &BTreeMap<Owner, usize>, owner: &Owner, max: usize) -> bool {
    under_way.get(owner).is_none_or(|&under_way| under_way < max)
}
