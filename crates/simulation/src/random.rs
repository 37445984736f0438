//! Seeded randomness: equal seeds and purposes give equal numbers.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// What a stream of numbers is for. One more draw in one of them changes no other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Plan = 1,
    World = 2,
    Events = 3,
    Sinks = 4,
    Cold = 5,
    Damage = 6,
    Deep = 7,
    Order = 8,
    Replicas = 9,
    Full = 10,
    Adoption = 11,
}

/// A stream of random numbers.
#[derive(Debug)]
pub(crate) struct Random(Xoshiro256PlusPlus);

impl Random {
    pub(crate) fn new(seed: u64, purpose: Purpose) -> Self {
        let root = Xoshiro256PlusPlus::seed_from_u64(seed).next_u64();
        Self(Xoshiro256PlusPlus::seed_from_u64(root.wrapping_add(purpose as u64)))
    }

    /// Any number.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform over `0..bound`, 0 if that is empty; `bound` is small, so the bias does not matter.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.bits() % (bound as u64).max(1)) as usize
    }

    /// Uniform over `low..=high`.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as usize) as i64
    }

    /// True once in `times`.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of `choices`, of which there is at least one.
    pub(crate) fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}
