//! What the source of a process and its transactional producer share: how far the source is, and in whose name it says so.
//!
//! A transaction commits events together with how far the topics had been taken (KIP-447). It is fenced by the *pass*, what the
//! consumer knew of the group when it was certainly a member: once the group has given the partitions to somebody else, the
//! brokers refuse it, and nobody who reads what is committed ever sees what was in that transaction.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bellwether_runtime::{Stats, TopicPartition};
use parking_lot::{Condvar, Mutex};
use rdkafka::consumer::ConsumerGroupMetadata;

/// Longest wait between two looks at whether all is told and committed.
const LOOK_MAX: Duration = Duration::from_millis(20);

/// How far partitions are taken: the offset that comes next.
pub(crate) type Taken = BTreeMap<TopicPartition, i64>;

/// What a source and a transactional producer share. `P` is the pass.
pub struct Group<P = ConsumerGroupMetadata> {
    is_shared: bool,
    member: String,
    /// Of an engine that takes a record before everybody was told what it brings; never of cells.
    engine: OnceLock<Arc<Stats>>,
    state: Mutex<State<P>>,
    committed: Condvar,
}

struct State<P> {
    pass: Option<Arc<P>>,
    /// Of the partitions that are ours; everybody was told what records below bring.
    taken: Taken,
    /// The same, but of records that everybody will have been told of once so many are.
    ripening: Option<(u64, Taken)>,
    /// They are to be committed even if there are no events.
    is_due: bool,
    committed: Taken,
    /// The same, or where a partition was begun.
    before: Taken,
}

/// What a transaction commits besides events, and in whose name.
pub(crate) struct Standing<P> {
    pub(crate) pass: Option<Arc<P>>,
    pub(crate) taken: Taken,
    /// What is right to commit as long as not all events are: nothing new.
    pub(crate) before: Taken,
    /// Whether it is wanted even if there are no events.
    pub(crate) is_due: bool,
}

impl<P> Group<P> {
    /// Nothing is taken yet. `is_shared` says whether other processes are members of the group, which get partitions of ours.
    pub(crate) fn new(is_shared: bool) -> Self {
        let random = RandomState::new().build_hasher().finish();
        Self {
            is_shared,
            member: format!("{}-{random:016x}", std::process::id()),
            engine: OnceLock::new(),
            state: Mutex::new(State::new()),
            committed: Condvar::new(),
        }
    }

    /// The figures of an `engine` that takes records before everybody was told what they bring: they say when that is so.
    pub fn follow(&self, engine: Arc<Stats>) {
        _ = self.engine.set(engine);
    }

    /// Whether other processes are members of the group.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Who this process is: no other process says the same. Whoever goes on for it must know, so that it can end what this one
    /// leaves under way.
    pub fn member(&self) -> &str {
        &self.member
    }

    /// What the consumer knows of the group, as it knew it when it was a member.
    pub(crate) fn renew(&self, pass: P) {
        self.state.lock().pass = Some(Arc::new(pass));
    }

    /// The partition `at` is ours, and read from `next` on.
    pub(crate) fn begin(&self, at: &TopicPartition, next: i64) {
        let mut state = self.state.lock();
        state.taken.insert(at.clone(), next);
        state.before.insert(at.clone(), next);
    }

    /// So far the engine has taken our partitions. They are to be committed with the next events, and without any if that `is_due`.
    pub(crate) fn offer(&self, taken: Taken, is_due: bool) {
        let mut state = self.state.lock();
        state.is_due |= is_due;
        let Some(engine) = self.engine.get() else {
            state.taken.extend(taken);
            return;
        };
        state.ripen(engine.told_records());
        if state.ripening.is_none() {
            // Read after the records were taken, so these are among them.
            state.ripening = Some((engine.records(), taken));
            state.ripen(engine.told_records());
        }
    }

    /// These partitions are not ours any more.
    pub(crate) fn revoke(&self, all: &[TopicPartition]) {
        let mut state = self.state.lock();
        for at in all {
            state.taken.remove(at);
            state.committed.remove(at);
            state.before.remove(at);
            if let Some((_, ripening)) = &mut state.ripening {
                ripening.remove(at);
            }
        }
    }

    /// The consumer is no member any more.
    pub(crate) fn leave(&self) {
        let mut state = self.state.lock();
        *state = State::new();
    }

    /// What the next transaction commits besides events. To be asked for before the events: then each event of a record that is
    /// committed is in that transaction, or was in one before.
    pub(crate) fn standing(&self) -> Standing<P> {
        let state = self.state.lock();
        let is_due = state.is_due && state.pass.is_some() && !state.is_settled();
        Standing {
            pass: state.pass.clone(),
            taken: state.taken.clone(),
            before: state.before.clone(),
            is_due,
        }
    }

    /// So far it is committed.
    pub(crate) fn committed(&self, taken: &Taken) {
        let mut state = self.state.lock();
        let ours = taken.iter().filter(|(at, _)| state.taken.contains_key(at));
        let ours: Vec<_> = ours.map(|(at, &next)| (at.clone(), next)).collect();
        state.before.extend(ours.iter().cloned());
        state.committed.extend(ours);
        state.is_due &= !state.is_settled();
        self.committed.notify_all();
    }

    /// Blocks until all that was offered is committed, for `limit` at the most; whether it is.
    pub(crate) fn settle(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.state.lock();
        loop {
            if let Some(engine) = self.engine.get() {
                state.ripen(engine.told_records());
            }
            state.is_due = true;
            if state.ripening.is_none() && state.is_settled() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            self.committed.wait_for(&mut state, LOOK_MAX);
        }
    }
}

impl<P> State<P> {
    fn new() -> Self {
        Self {
            pass: None,
            taken: Taken::new(),
            ripening: None,
            is_due: false,
            committed: Taken::new(),
            before: Taken::new(),
        }
    }

    /// Everybody was told of so many records.
    fn ripen(&mut self, told_records: u64) {
        if let Some((_, taken)) = self.ripening.take_if(|(records, _)| told_records >= *records) {
            self.taken.extend(taken);
        }
    }

    fn is_settled(&self) -> bool {
        self.taken.iter().all(|(at, next)| self.committed.get(at) == Some(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32) -> TopicPartition {
        TopicPartition { topic: "metrics".into(), partition }
    }

    fn taken(offsets: &[(i32, i64)]) -> Taken {
        offsets.iter().map(|&(partition, next)| (at(partition), next)).collect()
    }

    #[test]
    fn offsets_alone_are_committed_when_they_are_due_and_have_changed() {
        let group = Group::new(true);
        group.begin(&at(0), 5);
        group.offer(taken(&[(0, 7)]), false);
        group.renew("first");
        assert!(!group.standing().is_due);
        group.offer(taken(&[(0, 8)]), true);
        assert!(group.standing().is_due);
        let standing = group.standing();
        assert_eq!(
            (standing.pass.as_deref(), &standing.taken),
            (Some(&"first"), &taken(&[(0, 8)]))
        );
        group.offer(taken(&[(0, 9)]), false);
        group.committed(&standing.taken);
        assert!(group.standing().is_due, "what came meanwhile is not committed");
        group.committed(&taken(&[(0, 9)]));
        assert!(!group.standing().is_due && group.settle(Duration::ZERO));
        group.offer(taken(&[(0, 9)]), true);
        assert!(!group.standing().is_due);
    }

    #[test]
    fn partitions_that_went_are_not_committed_and_without_a_pass_nothing_is() {
        let group = Group::new(true);
        group.renew(());
        group.offer(taken(&[(0, 8), (1, 3)]), true);
        group.revoke(&[at(0)]);
        assert_eq!(group.standing().taken, taken(&[(1, 3)]));
        // A transaction that was under way.
        group.committed(&taken(&[(0, 8), (1, 3)]));
        assert!(!group.standing().is_due);
        group.begin(&at(0), 8);
        assert!(!group.settle(Duration::ZERO), "somebody else may have committed another");
        group.leave();
        assert!(group.standing().taken.is_empty() && group.standing().pass.is_none());
        group.offer(taken(&[(1, 4)]), true);
        assert!(!group.standing().is_due);
    }

    #[test]
    fn what_nobody_was_told_of_yet_is_not_committed() {
        let mut state = State::<()> { taken: taken(&[(0, 5)]), ..State::new() };
        state.ripening = Some((40, taken(&[(0, 8)])));
        state.ripen(39);
        assert_eq!(state.taken, taken(&[(0, 5)]));
        state.ripen(40);
        assert_eq!((state.taken, state.ripening), (taken(&[(0, 8)]), None));
    }
}
