//! The space that is searched, and candidates drawn from it by a seed.
//!
//! A candidate is the default with some of its keys drawn anew, each with a probability of a half: most keys matter
//! little, and what wins should not differ from the default for nothing.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::candidate::{Candidate, Chain, Side};

const PER_DAY: [f64; 8] = [10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05];
const PER_SERIES_PER_DAY: [f64; 4] = [1.0, 0.5, 0.2, 0.05];
const FOR_S: [u32; 7] = [0, 60, 120, 300, 600, 900, 1800];
const MIN_RELATIVE: [f64; 6] = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2];
const WINDOW_SAMPLES: [u32; 6] = [60, 120, 240, 360, 720, 1440];
/// Draws of one candidate before it is taken although another one is the same.
const ATTEMPTS: usize = 100;

/// The default, and `trials` - 1 others, all different as far as the space goes. Equal seeds give the same ones, and fewer
/// trials the first of them.
pub fn candidates(trials: usize, seed: u64) -> Vec<Candidate> {
    let mut dice = Dice(Xoshiro256PlusPlus::seed_from_u64(seed));
    let mut all = vec![Candidate::default()];
    while all.len() < trials {
        let mut drawn = dice.candidate();
        for _ in 0..ATTEMPTS {
            if !all.contains(&drawn) {
                break;
            }
            drawn = dice.candidate();
        }
        all.push(drawn);
    }
    all
}

struct Dice(Xoshiro256PlusPlus);

impl Dice {
    /// True with this probability.
    fn is(&mut self, probability: f64) -> bool {
        ((self.0.next_u64() >> 11) as f64) < probability * (1_u64 << 53) as f64
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        let index = self.0.next_u64() % values.len() as u64;
        values[index as usize]
    }

    fn candidate(&mut self) -> Candidate {
        let mut drawn = Candidate::default();
        if self.is(0.7) {
            drawn.per_day = self.one_of(&PER_DAY);
        }
        if self.is(0.5) {
            drawn.per_series_per_day = self.one_of(&PER_SERIES_PER_DAY);
        }
        if self.is(0.5) {
            drawn.for_s = self.one_of(&FOR_S);
        }
        if self.is(0.5) {
            drawn.min_relative = self.one_of(&MIN_RELATIVE);
        }
        if self.is(0.2) {
            drawn.direction = self.one_of(&[Side::Up, Side::Down]);
        }
        drawn.deep = self.is(0.75);
        if self.is(0.5) {
            drawn.detectors = Some(self.chain(drawn.deep));
        }
        drawn
    }

    fn chain(&mut self, deep: bool) -> Chain {
        loop {
            let chain = Chain {
                zscore: self.is(0.8).then(|| (self.one_of(&WINDOW_SAMPLES), self.is(0.5))),
                iqr: self.is(0.7).then(|| self.one_of(&WINDOW_SAMPLES)),
                seasonal: self.is(0.7).then(|| self.is(0.5)),
                forecast: self.is(0.7).then(|| self.one_of(&WINDOW_SAMPLES)),
                changepoint: self.is(0.2).then(|| self.one_of(&WINDOW_SAMPLES)),
                plain: self.plain(deep),
            };
            if chain.departures() >= 2 {
                return chain;
            }
        }
    }

    fn plain(&mut self, deep: bool) -> Vec<&'static str> {
        let base = [("scatter", 0.6), ("trend", 0.2)];
        let of_deep = [
            ("subspace", 0.8),
            ("seasonal_residual", 0.8),
            ("random_cut_forest", 0.8),
            ("isolation_forest", 0.2),
        ];
        let mut names = Vec::new();
        for (name, probability) in base.into_iter().chain(of_deep.into_iter().filter(|_| deep)) {
            if self.is(probability) {
                names.push(name);
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_and_more_trials_go_on_from_fewer() {
        let some = candidates(20, 7);
        assert_eq!(some, candidates(50, 7)[..20]);
        assert_ne!(some, candidates(20, 8));
        assert_eq!(some[0], Candidate::default());
        assert!((1..20).all(|index| !some[..index].contains(&some[index])));
    }

    #[test]
    fn every_key_is_searched_and_two_detectors_can_agree() {
        let all = candidates(400, 1);
        let default = Candidate::default();
        let differs = |by: fn(&Candidate, &Candidate) -> bool| {
            assert!(all.iter().filter(|one| by(one, &default)).count() > 20);
        };
        differs(|one, default| one.per_day.total_cmp(&default.per_day).is_ne());
        differs(|one, default| {
            one.per_series_per_day.total_cmp(&default.per_series_per_day).is_ne()
        });
        differs(|one, default| one.for_s != default.for_s);
        differs(|one, default| one.min_relative.total_cmp(&default.min_relative).is_ne());
        differs(|one, default| one.direction != default.direction);
        differs(|one, _| !one.deep);
        differs(|one, _| one.detectors.as_ref().is_some_and(|chain| chain.seasonal.is_none()));
        differs(|one, _| {
            one.detectors.as_ref().is_some_and(|chain| chain.zscore != Chain::default().zscore)
        });
        let chains: Vec<_> = all.iter().filter_map(|one| one.detectors.as_ref()).collect();
        assert!(chains.len() > 100 && chains.iter().all(|chain| chain.departures() >= 2));
    }
}
