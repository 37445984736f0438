//! Population: how rarely series in general are this odd.
//!
//! A series that is a few hundred samples old cannot tell from its own past what is rare, and one that is broken half
//! of the time never can. What other series look like can: raw scores of detectors that know no unit are distributed
//! much alike on production metrics of different kinds. Where the [`crate::calibrate::Calibration`] of a series has
//! seen little, this ladder counts more; on a group of signals it is all that counts.
//!
//! Method: quantiles of the raw score over observations outside labelled events, every file weighing alike, at
//! 10^-1, 10^-1.5 … 10^-3.5, rounded; interpolated in the logarithm of the score. They are a learned artefact: what they
//! were fitted on, and by which command, stands in `models/population/README.md`.
//!
//! State: none. Cost: 10 ns.
//! Blind spot: a kind of series that is odder than most by nature, until its own past counts more.

use crate::tail::SURPRISE_MAX;

/// Rungs of a ladder, and the surprise between two of them.
const RUNGS: usize = 6;
const STEP: f64 = 0.5;
/// Surprise of the first rung.
const FIRST: f64 = 1.0;
/// Beyond the last rung, surprise grows by so much while the score grows as it does from the second rung to the last.
const TAIL_RISE: f64 = 2.0;

/// The raw scores of one detector that are exceeded by 10^-1, 10^-1.5 … 10^-3.5 of the observations of the population.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Population([f64; RUNGS]);

/// Shares of the observations that exceed the rungs.
const SHARES: [f64; RUNGS] = [
    0.1,
    0.031_622_776_601_683_79,
    0.01,
    0.003_162_277_660_168_379_4,
    0.001,
    0.000_316_227_766_016_837_94,
];

impl Population {
    /// [`crate::subspace::LagSubspace`].
    pub const LAG_SUBSPACE: Self = Self([1.4, 2.9, 5.2, 8.3, 16.0, 51.0]);
    /// [`crate::subspace::GroupSubspace`].
    pub const GROUP_SUBSPACE: Self = Self([0.85, 1.0, 1.2, 1.4, 1.7, 1.9]);
    /// [`crate::seasonal_residual::SeasonalResidual`].
    pub const SEASONAL_RESIDUAL: Self = Self([0.76, 1.1, 1.3, 1.7, 2.1, 3.0]);
    /// [`crate::random_cut_forest::RandomCutForest`].
    pub const RANDOM_CUT_FOREST: Self = Self([1.2, 1.6, 2.2, 3.4, 4.1, 4.8]);
    /// [`crate::isolation_forest::IsolationForest`].
    pub const ISOLATION_FOREST: Self = Self([2.2, 8.0, 29.0, 89.0, 260.0, 660.0]);
    /// [`crate::autoencoder::Autoencoder`].
    pub const AUTOENCODER: Self = Self([1.5, 2.6, 4.0, 5.8, 8.2, 12.0]);

    /// The ladder of the raw scores of many series, each of which weighs alike however many it has. `None` without scores,
    /// and when they have no tail: when they are 0 or alike.
    ///
    /// ```
    /// use bellwether_detect::population::Population;
    ///
    /// let long: Vec<f32> = (0..100_000).map(|score| score as f32 / 100_000.0).collect();
    /// let short = vec![0.0; 10];
    /// let fitted = Population::fit(&[long, short]).map(|ladder| ladder.rungs()[2]);
    /// // One in fifty of the long series is one in a hundred of both.
    /// assert!(fitted.is_some_and(|rung| (rung - 0.98).abs() < 1e-4));
    /// ```
    pub fn fit(series: &[Vec<f32>]) -> Option<Self> {
        let filled = series.iter().filter(|scores| !scores.is_empty());
        let total = filled.clone().count() as f64;
        let mut weighted: Vec<(f32, f32)> = filled
            .flat_map(|scores| scores.iter().map(|&score| (score, 1.0 / scores.len() as f32)))
            .collect();
        weighted.sort_unstable_by(|(one, _), (other, _)| other.total_cmp(one));
        let (mut rungs, mut next, mut above) = ([0.0; RUNGS], RUNGS, 0.0);
        for (score, weight) in weighted {
            above += f64::from(weight);
            while next > 0 && above >= SHARES[next - 1] * total {
                next -= 1;
                rungs[next] = f64::from(score);
            }
        }
        let has_tail = next == 0 && 0.0 < rungs[0] && rungs[1] < rungs[RUNGS - 1];
        has_tail.then_some(Self(rungs))
    }

    /// The raw scores that are exceeded by 10^-1, 10^-1.5 … 10^-3.5 of the observations.
    pub fn rungs(&self) -> [f64; RUNGS] {
        self.0
    }

    /// −log10 of the share of the population's observations that are at least as odd: 0 to [`SURPRISE_MAX`].
    pub fn surprise(&self, score: f64) -> f64 {
        let Self(rungs) = self;
        if score.is_nan() || score <= 0.0 {
            return 0.0;
        }
        if score < rungs[0] {
            return FIRST * score / rungs[0];
        }
        let above = rungs.iter().filter(|&&rung| rung <= score).count();
        let (last, level) = (rungs[above - 1], FIRST + STEP * (above - 1) as f64);
        let (rise, width) = match rungs.get(above) {
            Some(next) => (STEP, libm::log(next / last)),
            None => (TAIL_RISE, libm::log(last / rungs[1])),
        };
        (level + rise * libm::log(score / last) / width).min(SURPRISE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Population; 6] = [
        Population::LAG_SUBSPACE,
        Population::GROUP_SUBSPACE,
        Population::SEASONAL_RESIDUAL,
        Population::RANDOM_CUT_FOREST,
        Population::ISOLATION_FOREST,
        Population::AUTOENCODER,
    ];

    #[test]
    fn the_card_has_the_numbers_of_the_code() {
        let card = include_str!("../../../models/population/README.md");
        let numbers = |row: &str| -> Vec<f64> {
            row.split('|').filter_map(|cell| cell.trim().parse().ok()).collect()
        };
        let rows: Vec<_> = card
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|row| (row.split('|').nth(1).unwrap().trim(), numbers(row)))
            .collect();
        let names = [
            "`subspace`",
            "`subspace` of a group",
            "`seasonal_residual`",
            "`random_cut_forest`",
            "`isolation_forest`",
            "`autoencoder`",
        ];
        let expected: Vec<_> =
            names.into_iter().zip(ALL.map(|population| population.0.to_vec())).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn rungs_are_what_they_say() {
        for population in ALL {
            for (index, rung) in population.0.into_iter().enumerate() {
                let expected = 1.0 + 0.5 * index as f64;
                assert!((population.surprise(rung) - expected).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_fitted_ladder_gives_the_shares_back_and_every_series_weighs_alike() {
        let tail = |share: f64, scale: f64| -scale * libm::log(share);
        let series = |count: u32, scale: f64| {
            (0..count)
                .map(|n| tail((f64::from(n) + 0.5) / f64::from(count), scale) as f32)
                .collect()
        };
        let fitted = Population::fit(&[series(100_000, 1.0), series(50_000, 1.0), Vec::new()]);
        for (rung, share) in fitted.expect("a tail").rungs().into_iter().zip(SHARES) {
            assert!((rung / tail(share, 1.0) - 1.0).abs() < 0.01, "{rung} {share}");
        }
        // Half of the population is a hundred times as odd, whatever its length: e^(-x) = 2 share.
        let mixed = Population::fit(&[series(300_000, 1.0), series(20_000, 100.0)]);
        let top = mixed.expect("a tail").rungs()[2];
        assert!((top / tail(0.02, 100.0) - 1.0).abs() < 0.01, "{top}");
    }

    #[test]
    fn what_has_no_tail_is_not_fitted() {
        let alike = [vec![1.0_f32; 1000], vec![1.0; 10]];
        for series in [&[][..], &[Vec::new()], &[vec![0.0; 1000]], &alike] {
            assert_eq!(Population::fit(series), None);
        }
    }

    #[test]
    fn surprise_grows_with_the_score_and_stays_in_its_range() {
        for population in ALL {
            let nothing = [f64::NAN, -1.0, 0.0].map(|score| population.surprise(score));
            assert!(nothing.iter().all(|&surprise| surprise <= 0.0));
            let scores = (-30..300).map(|power| libm::exp10(f64::from(power) / 10.0));
            let surprises: Vec<_> = scores.map(|score| population.surprise(score)).collect();
            assert!(surprises.is_sorted() && surprises.iter().all(|s| (0.0..=100.0).contains(s)));
        }
    }
}
