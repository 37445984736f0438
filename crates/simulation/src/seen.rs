//! What a run went through: a simulation in which nothing goes wrong proves nothing.

use std::ops::AddAssign;

macro_rules! seen {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// How often what happened.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Seen {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl AddAssign for Seen {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }

        impl Seen {
            /// Names and counts.
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

seen! {
    /// Records that count in the end.
    records,
    /// Events of the model.
    events,
    /// Alerts that fire in the end.
    firing,
    /// Requests that were acknowledged.
    acknowledged,
    /// Requests that were refused or got no place in the queue.
    refused,
    /// Requests that were taken before one of the same sender that had waited for longer.
    overtakes,
    /// Disks that were filled.
    full_disks,
    /// Requests that are in the journal more than once.
    duplicates,
    /// Samples that were too late, in the model.
    late,
    /// Samples of replicas that are not heard, in the model.
    unelected,
    /// Times that another replica took the place of the one that was heard, in the model.
    failovers,
    /// Ends of a process.
    kills,
    /// Crashes of the machine.
    crashes,
    /// Ends within an operation of the storage.
    ends_in_operations,
    /// Ends while a checkpoint was made.
    ends_in_checkpoints,
    /// Ends while it was recovered.
    ends_in_recovery,
    /// Ends as an operator wants them.
    stops,
    /// Starts with another number of shards.
    reshards,
    /// Series that left memory, came back, and were forgotten out of it, in the model.
    cold_evicted,
    /// As above.
    cold_reloaded,
    /// As above.
    cold_forgotten,
    /// Files of silent series that went.
    cold_segments_removed,
    /// Writes of silent series that failed.
    cold_failures,
    /// Checkpoints made.
    checkpoints,
    /// Checkpoints given up or failed.
    no_checkpoints,
    /// Checkpoints given up because the configuration changed.
    reconfigured,
    /// Checkpoints given up because a sink was not done.
    unsettled,
    /// States learned elsewhere that a process went on from.
    adoptions,
    /// Silent series in them.
    adopted_cold,
    /// Alerts that they ended.
    adopted_ends,
    /// Adoptions that failed, or within which the process ended.
    no_adoptions,
    /// Adopted states that are gone again, because their checkpoint is damaged or a crash took it.
    adoptions_undone,
    /// Starts from a checkpoint.
    restored,
    /// Starts from an older checkpoint because the newest was damaged.
    fallbacks,
    /// Records read again at a start.
    replayed,
    /// Events told again.
    told_again,
    /// Starts after which something that was acknowledged is gone, as the sync policy allows.
    losses,
    /// Gaps in the journal, as the sync policy allows.
    gaps,
    /// Segments that were damaged while no process ran.
    damages,
    /// Starts after which something is gone because of that.
    damage_losses,
    /// Times that the journal failed.
    journal_failures,
    /// Segments that retention removed.
    segments_removed,
    /// Segments kept for replay only that were given up on a full disk.
    segments_given_up,
    /// Jumps of the wall clock.
    jumps,
    /// Changes of the configuration.
    configurations,
}
