//! From where the topic of events is to be asked what it has.
//!
//! Events of which it is not known whether the topic has them are told again with the same id, and whoever asks from too late a
//! place produces them twice. So a place counts only if everything of which that may ever be asked is behind it.

use std::time::{Duration, Instant};

use super::taken::Ends;

/// Where the topic ends is noted this often.
const NOTE_EVERY: Duration = Duration::from_mins(1);

/// Places in the topic.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Where the process before said that it could be asked from; `None`: from the beginning.
    returned_to: Option<Ends>,
    /// Where it ended before this process produced anything.
    beginning: Option<Ends>,
    /// Whether anything was told that a process before may have produced.
    was_told_again: bool,
    /// Whether nothing more will be told that a process before may have produced.
    is_caught_up: bool,
    /// Where it ended when nothing was under way or in doubt last.
    at_rest: Option<Ends>,
    /// When that was asked last.
    asked: Option<Instant>,
    /// What the next checkpoint is to keep, if it is not what all keep.
    of_checkpoint: Option<Ends>,
}

impl Places {
    /// Of a process that goes on with what another one did, and tells that again.
    pub(super) fn of_successor() -> Self {
        Self::default()
    }

    /// Of a process of which it is decided elsewhere what it need not tell again.
    pub(super) fn of_worker() -> Self {
        Self { is_caught_up: true, ..Self::default() }
    }

    /// A process before this one can be asked for from `ends` on.
    pub(super) fn return_to(&mut self, ends: Ends) {
        self.returned_to = Some(ends);
    }

    /// Something is told that a process before may have produced.
    pub(super) fn told_again(&mut self) {
        self.was_told_again = true;
    }

    /// Whether the beginning is not known.
    pub(super) fn lacks_beginning(&self) -> bool {
        self.beginning.is_none()
    }

    /// The topic ends at `ends`, and this process has produced nothing.
    pub(super) fn begin(&mut self, ends: Ends) {
        self.beginning = Some(ends);
    }

    /// Whether it is time to say where the topic ends while nothing is under way or in doubt. What is told from then on that may
    /// be in the topic already was produced later.
    pub(super) fn wants_rest(&self) -> bool {
        self.is_caught_up && self.asked.is_none_or(|asked| asked.elapsed() >= NOTE_EVERY)
    }

    /// The topic ends at `ends`, and nothing is under way or in doubt. When nobody answers what is known is not wrong.
    pub(super) fn rest(&mut self, ends: Option<Ends>) {
        self.asked = Some(Instant::now());
        self.at_rest = ends.or(self.at_rest.take());
    }

    /// From where the topic is to be asked for what is in doubt now; empty: from its beginning.
    pub(super) fn of_doubts(&self) -> Ends {
        self.at_rest.as_ref().or(self.of_process()).cloned().unwrap_or_default()
    }

    /// What a checkpoint is to keep whose state was saved before now; `None`: the topic is to be read from its beginning. That is
    /// where the process was at rest by the checkpoint before: what waits now was told later, and so is what this one does not know.
    pub(super) fn bookmark(&mut self) -> Option<Ends> {
        self.is_caught_up = true;
        let kept = self.of_checkpoint.take().or_else(|| self.of_process().cloned());
        self.of_checkpoint = self.at_rest.clone();
        kept
    }

    /// The place behind which everything is that this process tells.
    fn of_process(&self) -> Option<&Ends> {
        let beginning = self.beginning.as_ref().filter(|_| !self.was_told_again);
        beginning.or(self.returned_to.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(offset: i64) -> Ends {
        Ends::from([(0, offset)])
    }

    #[test]
    fn what_is_told_again_is_behind_where_the_process_before_said_however_many_checkpoints_come() {
        let mut places = Places::of_successor();
        places.return_to(ends(5));
        places.told_again();
        places.begin(ends(9));
        assert_eq!(places.of_doubts(), ends(5));
        assert!(!places.wants_rest(), "more may be told again");
        assert_eq!(places.bookmark(), Some(ends(5)));
        assert_eq!(places.bookmark(), Some(ends(5)), "something is still in doubt");
        assert!(places.wants_rest());
        places.rest(Some(ends(12)));
        assert!(!places.wants_rest());
        assert_eq!(places.of_doubts(), ends(12));
        assert_eq!(places.bookmark(), Some(ends(5)), "told while the checkpoint was made");
        places.rest(Some(ends(15)));
        places.rest(None);
        assert_eq!(places.bookmark(), Some(ends(12)));
        assert_eq!(places.bookmark(), Some(ends(15)));
    }

    #[test]
    fn without_a_place_of_before_the_topic_is_read_from_its_beginning_if_anything_is_told_again() {
        let mut places = Places::of_successor();
        places.begin(ends(9));
        assert_eq!(places.of_doubts(), ends(9));
        places.told_again();
        assert_eq!((places.of_doubts(), places.bookmark()), (Ends::new(), None));
    }

    #[test]
    fn a_process_that_tells_nothing_again_is_asked_for_from_where_it_began() {
        let mut places = Places::of_successor();
        places.return_to(ends(5));
        assert_eq!(places.bookmark(), Some(ends(5)));
        places.begin(ends(9));
        assert_eq!(places.bookmark(), Some(ends(9)));
        let worker = Places::of_worker();
        assert!(worker.wants_rest());
        assert_eq!(worker.of_doubts(), Ends::new());
    }
}
