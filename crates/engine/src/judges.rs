//! A partition's banks of detectors: one for each way of judging that some rule asks for.
//!
//! Rules that judge alike share a bank, and a bank outlives a change of configuration as long as some
//! rule still asks for it. That is how a reload keeps the state of what did not change. A bank in which
//! nobody sits gives its memory back.

use bellwether_detect::Tables;
use bellwether_detect::{Bank, DetectorSpec, Direction, MinDeviation};

use crate::settings::Rule;

/// Everything about a rule that the state of a series depends on.
#[derive(Debug, Clone, PartialEq)]
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
}

/// Where the detector states of a series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    bank: u16,
    slot: u32,
}

#[derive(Debug)]
struct Judge {
    method: Method,
    bank: Bank,
    next: u32,
    free: Vec<u32>,
}

impl Judge {
    fn new(method: Method, tables: &Tables) -> Self {
        let Method { detectors, min_deviation, direction } = &method;
        let bank = Bank::new(detectors, *min_deviation, *direction, tables);
        Self { method, bank, next: 0, free: Vec::new() }
    }

    /// Whether every seat was given back.
    fn is_empty(&self) -> bool {
        self.free.len() == self.next as usize
    }
}

/// The banks of a partition.
#[derive(Debug)]
pub(crate) struct Judges {
    judges: Vec<Judge>,
    tables: Tables,
}

impl Judges {
    pub(crate) fn new(tables: Tables) -> Self {
        Self { judges: Vec::new(), tables }
    }

    /// A fresh seat for a series that `rule` judges.
    pub(crate) fn seat(&mut self, rule: &Rule) -> Seat {
        let method = Method::of(rule);
        let bank = self.judges.iter().position(|judge| judge.method == method);
        let bank = bank.unwrap_or_else(|| {
            let judge = Judge::new(method, &self.tables);
            if let Some(empty) = self.judges.iter().position(Judge::is_empty) {
                self.judges[empty] = judge;
                return empty;
            }
            self.judges.push(judge);
            self.judges.len() - 1
        });
        let judge = &mut self.judges[bank];
        let slot = judge.free.pop().unwrap_or_else(|| {
            judge.next += 1;
            judge.next - 1
        });
        judge.bank.reset(slot as usize);
        Seat { bank: bank as u16, slot }
    }

    /// Gives a seat back.
    pub(crate) fn leave(&mut self, seat: Seat) {
        let judge = &mut self.judges[usize::from(seat.bank)];
        judge.free.push(seat.slot);
        if judge.is_empty() {
            *judge = Judge::new(judge.method.clone(), &self.tables);
        }
    }

    /// Whether `seat` is where a series that `rule` judges would sit.
    pub(crate) fn fits(&self, seat: Seat, rule: &Rule) -> bool {
        self.judges[usize::from(seat.bank)].method == Method::of(rule)
    }

    /// The bank of a seat and the slot within it.
    #[inline]
    pub(crate) fn bank(&mut self, seat: Seat) -> (&mut Bank, usize) {
        (&mut self.judges[usize::from(seat.bank)].bank, seat.slot as usize)
    }

    /// Bytes that detector states occupy.
    pub(crate) fn state_bytes(&self) -> usize {
        self.judges.iter().map(|judge| judge.bank.state_bytes()).sum()
    }
}

#[cfg(test)]
mod tests {
    use bellwether_detect::zscore;

    use super::*;

    fn rule(detectors: Vec<DetectorSpec>) -> Rule {
        Rule { detectors, ..Rule::default() }
    }

    fn lone_zscore() -> Rule {
        rule(vec![DetectorSpec::Zscore(zscore::Params::default())])
    }

    #[test]
    fn rules_that_judge_alike_share_a_bank_whatever_they_are_called() {
        let mut judges = Judges::new(Tables::default());
        let renamed = Rule { name: "Renamed".into(), ..Rule::default() };
        let (a, b) = (judges.seat(&Rule::default()), judges.seat(&renamed));
        assert_eq!(a.bank, b.bank);
        assert_ne!(a.slot, b.slot);
        assert!(judges.fits(a, &renamed) && !judges.fits(a, &lone_zscore()));
        assert_ne!(judges.seat(&lone_zscore()).bank, a.bank);
    }

    #[test]
    fn a_seat_that_was_given_back_is_the_next_one_given_out() {
        let mut judges = Judges::new(Tables::default());
        let seats = [(); 3].map(|()| judges.seat(&Rule::default()));
        judges.leave(seats[1]);
        assert_eq!(judges.seat(&Rule::default()), seats[1]);
    }

    #[test]
    fn configurations_that_come_and_go_leave_no_memory_behind() {
        let mut judges = Judges::new(Tables::default());
        let mut seat = judges.seat(&Rule::default());
        let bytes = judges.state_bytes();
        for samples in 10..60 {
            let params = zscore::Params {
                warm_up_samples: samples.try_into().unwrap(),
                ..zscore::Params::default()
            };
            judges.leave(seat);
            assert_eq!(judges.state_bytes(), 0);
            seat = judges.seat(&rule(vec![DetectorSpec::Zscore(params)]));
        }
        judges.leave(seat);
        judges.seat(&Rule::default());
        assert_eq!(judges.state_bytes(), bytes);
        assert!(judges.judges.len() <= 2, "{}", judges.judges.len());
    }
}
