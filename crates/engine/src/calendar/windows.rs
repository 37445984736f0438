//! Which maintenance windows are about a series, in the two bytes that its record has to spare.
//!
//! Few sets of windows occur, however many series there are, so a record holds the place of its set in a list.

use std::collections::BTreeMap;

use super::Calendar;

/// Entries of [`Calendar::maintenance`], as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Windows(u64);

impl Windows {
    /// Their places, in order.
    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        (0..Calendar::MAINTENANCE_MAX).filter(move |index| self.0 >> index & 1 == 1)
    }
}

impl FromIterator<usize> for Windows {
    /// Places beyond [`Calendar::MAINTENANCE_MAX`] are left out.
    fn from_iter<I: IntoIterator<Item = usize>>(places: I) -> Self {
        let bit = |place| u32::try_from(place).ok().and_then(|place| 1_u64.checked_shl(place));
        Self(places.into_iter().filter_map(bit).fold(0, |bits, bit| bits | bit))
    }
}

/// The place of a set of windows among [`WindowSets`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct WindowSet(u16);

impl WindowSet {
    /// No windows, as for most series.
    pub(crate) const EMPTY: Self = Self(0);
    /// A set that the list had no room for.
    const UNLISTED: Self = Self(u16::MAX);
}

/// The sets of windows that occur; at most 65,534 of them and the empty one.
#[derive(Debug, Default)]
pub(super) struct WindowSets {
    /// By place, from 1 on.
    sets: Vec<Windows>,
    places: BTreeMap<Windows, WindowSet>,
}

impl WindowSets {
    /// The place of `windows`, which are listed if they are not yet.
    pub(super) fn place(&mut self, windows: Windows) -> WindowSet {
        if windows == Windows::default() {
            return WindowSet::EMPTY;
        }
        let next = u16::try_from(self.sets.len() + 1).map_or(WindowSet::UNLISTED, WindowSet);
        if let Some(&place) = self.places.get(&windows) {
            return place;
        }
        if next != WindowSet::UNLISTED {
            self.sets.push(windows);
            self.places.insert(windows, next);
        }
        next
    }

    /// The windows at `place`; `None` when they had to be left out of the list.
    pub(super) fn at(&self, place: WindowSet) -> Option<Windows> {
        match place {
            WindowSet::EMPTY => Some(Windows::default()),
            WindowSet(place) => self.sets.get(usize::from(place) - 1).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_one_place_and_is_found_there() {
        let mut sets = WindowSets::default();
        assert_eq!(sets.place(Windows::default()), WindowSet::EMPTY);
        let all: Vec<Windows> = (0..64).map(|place| Windows::from_iter([place, 3])).collect();
        let places: Vec<WindowSet> = all.iter().map(|&windows| sets.place(windows)).collect();
        for (&windows, &place) in all.iter().zip(&places) {
            assert_eq!((sets.place(windows), sets.at(place)), (place, Some(windows)));
        }
        assert_eq!(sets.at(WindowSet::EMPTY), Some(Windows::default()));
        assert_eq!(sets.sets.len(), 64);
        assert_eq!(Windows::from_iter([64, 1000, 5]).iter().collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn a_set_for_which_there_is_no_room_is_said_to_be_unknown() {
        let mut sets = WindowSets::default();
        let last = (1..=70_000).map(|bits| sets.place(Windows(bits))).last();
        assert_eq!(last, Some(WindowSet::UNLISTED));
        assert_eq!(sets.sets.len(), usize::from(u16::MAX) - 1);
        assert_eq!(sets.at(WindowSet::UNLISTED), None);
        assert_eq!(
            sets.at(sets.sets.len().try_into().map(WindowSet).unwrap()),
            Some(Windows(65_534))
        );
    }
}
