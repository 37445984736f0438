//! Who waits to be recorded, in one line for each tenant. The lines take turns, so that whoever sends much waits for
//! themselves and not others for them.
//!
//! How many may wait is bounded by whoever lets them in.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Whose line it is; all that have no tenant share one.
pub(crate) type Owner = Option<Arc<str>>;

/// Lines of `T`; none of them is empty.
#[derive(Debug)]
pub(crate) struct Lines<T> {
    lines: BTreeMap<Owner, VecDeque<T>>,
    /// Whose turn it is, and whose thereafter: everybody who has a line, once.
    turns: VecDeque<Owner>,
}

impl<T> Default for Lines<T> {
    fn default() -> Self {
        Self { lines: BTreeMap::new(), turns: VecDeque::new() }
    }
}

impl<T> Lines<T> {
    /// Puts it at the end of the line of `owner`. Who has had none gets the last turn.
    pub(crate) fn push(&mut self, owner: Owner, waiting: T) {
        if let Some(line) = self.lines.get_mut(&owner) {
            return line.push_back(waiting);
        }
        self.lines.insert(owner.clone(), VecDeque::from([waiting]));
        self.turns.push_back(owner);
    }

    /// Takes the first of the line whose turn it is, and says whose that is. Who `may` not be served now keeps the turn for
    /// later.
    pub(crate) fn pop(&mut self, mut may: impl FnMut(&Owner) -> bool) -> Option<(Owner, T)> {
        let next = self.turns.iter().position(&mut may)?;
        let owner = self.turns.remove(next)?;
        let line = self.lines.get_mut(&owner)?;
        let first = line.pop_front()?;
        if line.is_empty() {
            self.lines.remove(&owner);
        } else {
            self.turns.push_back(owner.clone());
        }
        Some((owner, first))
    }

    /// How many wait in the line of `owner`.
    pub(crate) fn len(&self, owner: &Owner) -> usize {
        self.lines.get(owner).map_or(0, VecDeque::len)
    }

    /// Whether `may` lets the first of some line be taken.
    pub(crate) fn has_next(&self, mut may: impl FnMut(&Owner) -> bool) -> bool {
        self.turns.iter().any(&mut may)
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn push<T>(lines: &mut Lines<T>, owner: &str, waiting: T) {
        lines.push(Some(Arc::from(owner)), waiting);
    }

    fn pop<T>(lines: &mut Lines<T>) -> Option<T> {
        lines.pop(|_| true).map(|(_, first)| first)
    }

    #[test]
    fn who_comes_late_waits_for_one_of_each_other_and_not_for_whole_lines() {
        let mut lines = Lines::default();
        (0..100).for_each(|number| push(&mut lines, "loud", ("loud", number)));
        (0..50).for_each(|number| push(&mut lines, "other", ("other", number)));
        assert_eq!(pop(&mut lines), Some(("loud", 0)));
        push(&mut lines, "calm", ("calm", 0));
        let next = std::array::from_fn(|_| pop(&mut lines));
        assert_eq!(next, [("other", 0), ("loud", 1), ("calm", 0), ("other", 1)].map(Some));
    }

    #[test]
    fn who_may_not_be_served_keeps_the_turn_for_later() {
        let mut lines = Lines::default();
        (0..3).for_each(|number| push(&mut lines, "loud", number));
        lines.push(None, 100);
        lines.push(None, 101);
        let not_loud = |owner: &Owner| owner.is_none();
        assert_eq!(lines.pop(not_loud), Some((None, 100)));
        assert!(lines.has_next(not_loud) && lines.has_next(|_| true));
        assert_eq!(pop(&mut lines), Some(0), "it was their turn");
        assert_eq!(lines.pop(not_loud), Some((None, 101)));
        assert!(!lines.has_next(not_loud) && lines.pop(not_loud).is_none());
        assert_eq!([pop(&mut lines), pop(&mut lines), pop(&mut lines)], [Some(1), Some(2), None]);
        assert!(lines.is_empty() && lines.lines.is_empty());
    }

    proptest! {
        /// However requests come and go: each line keeps its order, nothing is lost, and between the arrival of one and its
        /// service no other tenant is served more often than this one's own line was long.
        #[test]
        fn nobody_waits_for_more_than_one_round_for_each_of_their_own(
            steps in proptest::collection::vec(proptest::option::of(0_usize..4), 0..200),
        ) {
            let mut lines = Lines::default();
            let mut waiting: Vec<VecDeque<(usize, [usize; 4])>> = vec![VecDeque::new(); 4];
            let (mut number, mut served) = (0, [0_usize; 4]);
            let total = steps.iter().flatten().count();
            for step in steps.into_iter().chain(std::iter::repeat_n(None, total)) {
                if let Some(who) = step {
                    push(&mut lines, &who.to_string(), (who, number));
                    waiting[who].push_back((number, served));
                    number += 1;
                } else if let Some((who, taken)) = pop(&mut lines) {
                    let (expected, before) = waiting[who].pop_front().unwrap_or_default();
                    prop_assert_eq!(taken, expected);
                    let own = served[who] - before[who] + 1;
                    for other in (0..4).filter(|&other| other != who) {
                        prop_assert!(served[other] - before[other] <= own);
                    }
                    served[who] += 1;
                }
            }
            prop_assert!(lines.is_empty());
            prop_assert_eq!(served.iter().sum::<usize>(), total);
        }
    }
}
