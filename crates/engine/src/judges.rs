//! A partition's banks of detectors: one for each way of judging that some rule asks for.
//!
//! Rules that judge alike share a bank, and a bank outlives a change of configuration as long as some
//! rule still asks for it. That is how a reload keeps the state of what did not change. A bank in which
//! nobody sits gives its memory back. The deep tier is given to those who come first, while there is memory for it.

use std::collections::BTreeSet;

use bellwether_detect::{Bank, DetectorSpec, Direction, MinDeviation, SavedSeries, Tables};
use bellwether_series::Fingerprint;
use serde::{Deserialize, Deserializer, Serialize};

use crate::settings::Rule;

/// Everything about a rule that the state of a series depends on.
#[derive(Debug, Clone)]
struct Method {
    detectors: Vec<DetectorSpec>,
    min_deviation: MinDeviation,
    direction: Direction,
}

impl Method {
    fn of(rule: &Rule) -> Self {
        Self {
            detectors: rule.detectors.clone(),
            min_deviation: rule.min_deviation,
            direction: rule.direction,
        }
    }

    /// Whether it is [`Method::of`] this rule.
    fn is_of(&self, rule: &Rule) -> bool {
        let Self { detectors, min_deviation, direction } = self;
        (min_deviation, direction) == (&rule.min_deviation, &rule.direction)
            && *detectors == rule.detectors
    }
}

/// Where the detector states of a series are. Whoever is restored gets another seat, so only its tier is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seat {
    #[serde(skip)]
    slot: u32,
    #[serde(skip)]
    bank: u16,
    /// Whether the deep tier judges the series.
    pub(crate) is_deep: bool,
}

#[derive(Debug)]
struct Judge {
    method: Method,
    bank: Bank,
    /// What a series takes at most in the deep tier.
    deep_bytes: usize,
    next: u32,
    /// Seats below `next` that were given back: the lowest is the next one to be taken, so that what is behind the others
    /// gets empty.
    free: BTreeSet<u32>,
}

impl Judge {
    fn new(method: Method, tables: &Tables) -> Self {
        let Method { detectors, min_deviation, direction } = &method;
        let bank = Bank::new(detectors, *min_deviation, *direction, tables);
        let deep_bytes = detectors.iter().map(DetectorSpec::deep_bytes).sum();
        Self { method, bank, deep_bytes, next: 0, free: BTreeSet::new() }
    }

    /// Whether every seat was given back.
    fn is_empty(&self) -> bool {
        self.next == 0
    }

    /// Takes a seat back, and gives back the memory of those at the end that nobody needs.
    fn take_back(&mut self, slot: u32) {
        self.free.insert(slot);
        let before = self.next;
        while self.next > 0 && self.free.last() == Some(&(self.next - 1)) {
            self.free.pop_last();
            self.next -= 1;
        }
        if self.next < before {
            self.bank.truncate(self.next as usize);
        }
    }
}

/// The banks of a partition.
#[derive(Debug)]
pub(crate) struct Judges {
    all: Vec<Judge>,
    tables: Tables,
    /// Bytes that the deep tier may take, and those that it has.
    deep_max_bytes: usize,
    deep_bytes: usize,
}

impl Judges {
    /// Banks whose deep tier takes at most `deep_max_bytes`.
    pub(crate) fn new(tables: Tables, deep_max_bytes: usize) -> Self {
        Self { all: Vec::new(), tables, deep_max_bytes, deep_bytes: 0 }
    }

    /// Changes the limit for those who come from now on.
    pub(crate) fn limit_deep(&mut self, deep_max_bytes: usize) {
        self.deep_max_bytes = deep_max_bytes;
    }

    /// A fresh seat for the series `fingerprint` that `rule` judges.
    pub(crate) fn seat(&mut self, rule: &Rule, fingerprint: Fingerprint) -> Seat {
        let (bank, slot) = self.vacancy(rule);
        let judge = &mut self.all[bank];
        let wanted = self.deep_bytes + judge.deep_bytes;
        let is_deep = judge.deep_bytes > 0 && wanted <= self.deep_max_bytes;
        if is_deep {
            self.deep_bytes = wanted;
        }
        judge.bank.reset(slot as usize, is_deep.then_some(fingerprint.as_u128() as u64));
        Seat { slot, bank: bank as u16, is_deep }
    }

    /// A seat for a series that is restored, which `rule` judges; `None` if the deep tier did and there is none.
    pub(crate) fn reserve(&mut self, rule: &Rule, is_deep: bool) -> Option<Seat> {
        let (bank, slot) = self.vacancy(rule);
        let deep_bytes = if is_deep { self.all[bank].deep_bytes } else { 0 };
        self.deep_bytes += deep_bytes;
        (deep_bytes > 0 || !is_deep).then_some(Seat { slot, bank: bank as u16, is_deep })
    }

    /// A bank and a slot of it where nobody sits, for somebody whom `rule` judges.
    fn vacancy(&mut self, rule: &Rule) -> (usize, u32) {
        let bank = self.all.iter().position(|judge| judge.method.is_of(rule));
        let bank = bank.unwrap_or_else(|| {
            let judge = Judge::new(Method::of(rule), &self.tables);
            if let Some(empty) = self.all.iter().position(Judge::is_empty) {
                self.all[empty] = judge;
                return empty;
            }
            self.all.push(judge);
            self.all.len() - 1
        });
        let judge = &mut self.all[bank];
        let slot = judge.free.pop_first().unwrap_or_else(|| {
            judge.next += 1;
            judge.next - 1
        });
        (bank, slot)
    }

    /// Asks for the states of whoever sits on `seat`, which will be needed soon.
    #[inline]
    pub(crate) fn prefetch(&self, seat: Seat) {
        self.all[usize::from(seat.bank)].bank.prefetch(seat.slot as usize);
    }

    /// The states of the detectors of whoever sits on `seat`, to be written.
    pub(crate) fn saved(&self, seat: Seat) -> SavedSeries<'_> {
        self.all[usize::from(seat.bank)].bank.saved(seat.slot as usize)
    }

    /// Reads them.
    pub(crate) fn restore<'de, D: Deserializer<'de>>(
        &mut self,
        seat: Seat,
        deserializer: D,
    ) -> Result<(), D::Error> {
        let bank = &mut self.all[usize::from(seat.bank)].bank;
        bank.restore(seat.slot as usize, seat.is_deep, deserializer)
    }

    /// Whether a series would be judged by the deep tier if there were memory for it, which there is for some.
    pub(crate) fn is_refused(&self, seat: Seat) -> bool {
        let wanted = self.all[usize::from(seat.bank)].deep_bytes;
        !seat.is_deep && wanted > 0 && self.deep_max_bytes > 0
    }

    /// Gives a seat back.
    pub(crate) fn leave(&mut self, seat: Seat) {
        let judge = &mut self.all[usize::from(seat.bank)];
        if seat.is_deep {
            self.deep_bytes -= judge.deep_bytes;
            judge.bank.reset(seat.slot as usize, None);
        }
        judge.take_back(seat.slot);
        if judge.is_empty() {
            *judge = Judge::new(judge.method.clone(), &self.tables);
        }
    }

    /// Gives a seat back whose series will want one again. What it may take in the deep tier stays reserved, so that it
    /// finds everything as if it had never left: so many bytes, for [`Judges::release`].
    pub(crate) fn leave_for_a_while(&mut self, seat: Seat) -> usize {
        let before = self.deep_bytes;
        self.leave(seat);
        let reserved = before - self.deep_bytes;
        self.reserve_deep(reserved);
        reserved
    }

    /// Reserves so much of the deep tier for whoever will want a seat again.
    pub(crate) fn reserve_deep(&mut self, deep_bytes: usize) {
        self.deep_bytes += deep_bytes;
    }

    /// Ends that.
    pub(crate) fn release(&mut self, deep_bytes: usize) {
        self.deep_bytes = self.deep_bytes.saturating_sub(deep_bytes);
    }

    /// Whether `seat` is where a series that `rule` judges would sit.
    pub(crate) fn fits(&self, seat: Seat, rule: &Rule) -> bool {
        self.all[usize::from(seat.bank)].method.is_of(rule)
    }

    /// The bank of a seat and the slot within it.
    #[inline]
    pub(crate) fn bank(&mut self, seat: Seat) -> (&mut Bank, usize) {
        (&mut self.all[usize::from(seat.bank)].bank, seat.slot as usize)
    }

    /// Gives `add` the bytes that detector states occupy: see [`Bank::memory`].
    pub(crate) fn memory(&self, add: &mut dyn FnMut(&'static str, usize)) {
        self.all.iter().for_each(|judge| judge.bank.memory(add));
    }
}

#[cfg(test)]
mod tests {
    use bellwether_detect::zscore;

    use super::*;

    const ANY: Fingerprint = Fingerprint::from_u128(7);

    fn rule(detectors: Vec<DetectorSpec>) -> Rule {
        Rule { detectors, ..Rule::default() }
    }

    fn lone_zscore() -> Rule {
        rule(vec![DetectorSpec::Zscore(zscore::Params::default())])
    }

    #[test]
    fn rules_that_judge_alike_share_a_bank_whatever_they_are_called() {
        let mut judges = Judges::new(Tables::default(), 0);
        let renamed = Rule { name: "Renamed".into(), ..Rule::default() };
        let (a, b) = (judges.seat(&Rule::default(), ANY), judges.seat(&renamed, ANY));
        assert_eq!(a.bank, b.bank);
        assert_ne!(a.slot, b.slot);
        assert!(judges.fits(a, &renamed) && !judges.fits(a, &lone_zscore()));
        assert_ne!(judges.seat(&lone_zscore(), ANY).bank, a.bank);
    }

    #[test]
    fn a_seat_that_was_given_back_is_the_next_one_given_out() {
        let mut judges = Judges::new(Tables::default(), 0);
        let seats = [(); 3].map(|()| judges.seat(&Rule::default(), ANY));
        judges.leave(seats[1]);
        assert_eq!(judges.seat(&Rule::default(), ANY), seats[1]);
    }

    fn state_bytes(judges: &Judges) -> usize {
        let mut sum = 0;
        judges.memory(&mut |_, bytes| sum += bytes);
        sum
    }

    #[test]
    fn configurations_that_come_and_go_leave_no_memory_behind() {
        let mut judges = Judges::new(Tables::default(), 0);
        let mut seat = judges.seat(&Rule::default(), ANY);
        let bytes = state_bytes(&judges);
        for samples in 10..60 {
            let params = zscore::Params {
                warm_up_samples: samples.try_into().unwrap(),
                ..zscore::Params::default()
            };
            judges.leave(seat);
            assert_eq!(state_bytes(&judges), 0);
            seat = judges.seat(&rule(vec![DetectorSpec::Zscore(params)]), ANY);
        }
        judges.leave(seat);
        judges.seat(&Rule::default(), ANY);
        assert_eq!(state_bytes(&judges), bytes);
        assert!(judges.all.len() <= 2, "{}", judges.all.len());
    }

    #[test]
    fn the_deep_tier_goes_to_those_who_come_first_while_there_is_memory() {
        let each: usize = DetectorSpec::defaults().iter().map(DetectorSpec::deep_bytes).sum();
        let mut judges = Judges::new(Tables::default(), 2 * each);
        let mut seat = || judges.seat(&Rule::default(), ANY);
        let seats = [seat(), seat(), seat()];
        assert_eq!(seats.map(|seat| seat.is_deep), [true, true, false]);
        judges.leave(seats[2]);
        assert!(!judges.seat(&Rule::default(), ANY).is_deep);
        judges.leave(seats[0]);
        assert!(judges.seat(&Rule::default(), ANY).is_deep);
        let shallow = judges.seat(&lone_zscore(), ANY);
        assert!(!shallow.is_deep && !judges.is_refused(shallow), "it has no deep detectors");
        let refused = judges.seat(&Rule::default(), ANY);
        assert!(judges.is_refused(refused) && !judges.is_refused(seats[1]));
        judges.limit_deep(0);
        assert!(!judges.is_refused(refused), "the deep tier is off");
    }
}
