//! What the calendar says at the time of a sample, remembered for as long as it holds.
//!
//! State: 32 bytes, and 24 for each maintenance window. Cost: 1 ns a sample, 4 ns more for a series with a window, as long
//! as an answer holds: until the next change of clocks, midnight (with holidays) or minute (a window with times of day).
//! 240 ns for each zone that has to be asked anew, so samples that come in no order of time cost that each.

use bellwether_detect::LocalTime;
use bellwether_series::{LabelSet, Timestamp};

use super::interval::Answer;
use super::windows::WindowSets;
use super::zone::Stretch;
use super::{Calendar, Maintenance, MaintenanceTime, WindowSet};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// Answers of one calendar. A calendar that changed needs a new clock.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    local: Held<Local>,
    /// By place in [`Calendar::maintenance`].
    windows: Vec<Held<bool>>,
    sets: WindowSets,
}

/// The offset of local time from UTC, and whether the day is a holiday.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Local {
    offset_ms: i64,
    is_holiday: bool,
}

/// What holds from one time until just before another.
#[derive(Debug, Clone, Copy, Default)]
struct Held<T> {
    from_ms: i64,
    until_ms: i64,
    what: T,
}

impl<T: Copy> Held<T> {
    #[inline]
    fn holds(&self, at_ms: i64) -> bool {
        self.from_ms <= at_ms && at_ms < self.until_ms
    }
}

impl Clock {
    /// What clocks and calendar say at `at`.
    #[inline]
    pub(crate) fn local(&mut self, calendar: &Calendar, at: Timestamp) -> LocalTime {
        let at_ms = at.as_ms();
        if !self.local.holds(at_ms) {
            self.local = local(calendar, at_ms);
        }
        let Local { offset_ms, is_holiday } = self.local.what;
        LocalTime { ms: at_ms.saturating_add(offset_ms), is_holiday }
    }

    /// The maintenance windows that are about a series with these labels.
    pub(crate) fn windows_of(&mut self, calendar: &Calendar, labels: &LabelSet) -> WindowSet {
        self.sets.place(calendar.maintenance_of(labels))
    }

    /// The first window that is about a series and in force at `at`, as a place in [`Calendar::maintenance`]. `windows` are
    /// what [`Clock::windows_of`] said of these labels.
    pub(crate) fn in_force(
        &mut self,
        calendar: &Calendar,
        windows: WindowSet,
        labels: &LabelSet,
        at: Timestamp,
    ) -> Option<usize> {
        let windows = self.sets.at(windows).unwrap_or_else(|| calendar.maintenance_of(labels));
        windows.iter().find(|&index| self.is_in_force(calendar, index, at.as_ms()))
    }

    fn is_in_force(&mut self, calendar: &Calendar, index: usize, at_ms: i64) -> bool {
        let Some(window) = calendar.maintenance.get(index) else { return false };
        if index >= self.windows.len() {
            self.windows.resize(index + 1, Held::default());
        }
        let held = &mut self.windows[index];
        if !held.holds(at_ms) {
            *held = in_force(window, at_ms);
        }
        held.what
    }
}

#[cold]
fn local(calendar: &Calendar, at_ms: i64) -> Held<Local> {
    let stretch = calendar.zone.stretch(at_ms);
    let Stretch { from_ms, until_ms, offset_ms } = stretch;
    if calendar.holidays.is_empty() {
        return Held { from_ms, until_ms, what: Local { offset_ms, is_holiday: false } };
    }
    let (from_ms, until_ms) = stretch.within(at_ms, DAY_MS);
    let is_holiday = calendar.is_holiday(stretch.clocks(at_ms).date());
    Held { from_ms, until_ms, what: Local { offset_ms, is_holiday } }
}

#[cold]
fn in_force(window: &Maintenance, at_ms: i64) -> Held<bool> {
    let mut all = Held { from_ms: i64::MIN, until_ms: i64::MAX, what: false };
    for time in &window.times {
        let one = takes(time, at_ms);
        all.from_ms = all.from_ms.max(one.from_ms);
        all.until_ms = all.until_ms.min(one.until_ms);
        all.what |= one.what;
    }
    all
}

fn takes(time: &MaintenanceTime, at_ms: i64) -> Held<bool> {
    let interval = match time {
        MaintenanceTime::Recurring(interval) => interval,
        &MaintenanceTime::Once { start, end } => {
            let (start_ms, end_ms) = (start.as_ms(), end.as_ms());
            let (from_ms, until_ms, what) = if at_ms < start_ms {
                (i64::MIN, start_ms, false)
            } else if at_ms < end_ms {
                (start_ms, end_ms, true)
            } else {
                (end_ms, i64::MAX, false)
            };
            return Held { from_ms, until_ms, what };
        }
    };
    let stretch = interval.zone.stretch(at_ms);
    let (what, length_ms) = match interval.takes(stretch.clocks(at_ms)) {
        Answer::Day(what) => (what, DAY_MS),
        Answer::Minute(what) => (what, MINUTE_MS),
    };
    let (from_ms, until_ms) = stretch.within(at_ms, length_ms);
    Held { from_ms, until_ms, what }
}

#[cfg(test)]
mod tests;
