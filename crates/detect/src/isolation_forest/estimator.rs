//! The forest over a table of records, as an estimator of linfa.

use linfa::traits::{Fit, PredictInplace};
use linfa::{DatasetBase, Float, ParamGuard};
use ndarray::{Array1, ArrayBase, Axis, Data, Ix2};

use super::perfect::{PerfectTree, Records};
use super::random::Random;
use super::tree::{Choice, FEATURES_MAX, POINTS_MAX, Soil, Tree, average_path, height_max};

/// Most values of a sample that are copied, so that a tree finds them close together.
const SAMPLE_VALUES_MAX: usize = 1 << 16;
/// Records that are scored at a time: with a tree they fit into the nearest cache as long as columns are few.
const BLOCK: usize = 512;

/// Parameters whose ranges were not checked yet; [`Fit`] checks them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ForestParams(ForestValidParams);

/// Parameters that are within their ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForestValidParams {
    trees: usize,
    sample: usize,
    seed: u64,
}

/// Why there is no forest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForestError {
    /// Parameters: give at least one tree.
    #[error("no trees: trees=`0`")]
    NoTrees,
    /// Parameters: give a sample of 2 to 32,768 records.
    #[error("sample is not from 2 to 32768: sample=`{sample}`")]
    Sample {
        /// What was asked for.
        sample: usize,
    },
    /// Data: at least one record with at least one column, at most 65,536 columns and 2^32 records.
    #[error("records do not fit a forest: rows=`{rows}`, columns=`{columns}`")]
    Records {
        /// Records.
        rows: usize,
        /// Columns of each.
        columns: usize,
    },
    /// What linfa says.
    #[error("linfa failed")]
    Linfa(#[from] linfa::Error),
}

impl Default for ForestValidParams {
    fn default() -> Self {
        Self { trees: 100, sample: 256, seed: 0 }
    }
}

impl ForestParams {
    /// How many trees; 100 unless set, at least 1.
    #[must_use]
    pub const fn trees(mut self, trees: usize) -> Self {
        self.0.trees = trees;
        self
    }

    /// How many records each tree is built from, chosen without replacement; 256 unless set, 2 to 32,768. All
    /// of them where there are fewer.
    #[must_use]
    pub const fn sample(mut self, sample: usize) -> Self {
        self.0.sample = sample;
        self
    }

    /// What all randomness follows from; 0 unless set.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }
}

impl ForestValidParams {
    /// How many trees.
    pub const fn trees(&self) -> usize {
        self.trees
    }

    /// How many records each tree is built from at most.
    pub const fn sample(&self) -> usize {
        self.sample
    }

    /// What all randomness follows from.
    pub const fn seed(&self) -> u64 {
        self.seed
    }
}

impl ParamGuard for ForestParams {
    type Checked = ForestValidParams;
    type Error = ForestError;

    fn check_ref(&self) -> Result<&ForestValidParams, ForestError> {
        if self.0.trees == 0 {
            return Err(ForestError::NoTrees);
        }
        if !(2..=POINTS_MAX).contains(&self.0.sample) {
            return Err(ForestError::Sample { sample: self.0.sample });
        }
        Ok(&self.0)
    }

    fn check(self) -> Result<ForestValidParams, ForestError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// A fitted forest: gives each record a score from 0 to 1, about 0.5 for what is ordinary and near 1 for what few
/// cuts set apart.
///
/// A value that is not a number counts as the lowest one.
///
/// ```
/// use bellwether_detect::isolation_forest::Forest;
/// use linfa::DatasetBase;
/// use linfa::traits::{Fit, Predict};
/// use ndarray::{Array1, Array2};
///
/// let mut records = Array2::from_shape_fn((500, 2), |(row, column)| ((row * (7 + column)) % 31) as f64);
/// records[(3, 1)] = 200.0;
/// let dataset = DatasetBase::from(records);
/// let forest = Forest::params().trees(50).seed(1).fit(&dataset)?;
/// let scores: Array1<f64> = forest.predict(&dataset);
/// assert!(scores.iter().all(|&score| score <= scores[3]));
/// # Ok::<(), bellwether_detect::isolation_forest::ForestError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Forest<F> {
    trees: Vec<PerfectTree<F>>,
    columns: usize,
    /// Average path among as many points as a tree was built from; positive.
    usual_path: f64,
}

impl Forest<f64> {
    /// Parameters as in the paper: 100 trees over 256 records each.
    pub fn params() -> ForestParams {
        ForestParams::default()
    }
}

impl<F: Float> Forest<F> {
    /// Columns of the records that it was fitted to.
    pub const fn columns(&self) -> usize {
        self.columns
    }
}

impl<F: Float, D: Data<Elem = F>, T> Fit<ArrayBase<D, Ix2>, T, ForestError> for ForestValidParams {
    type Object = Forest<F>;

    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<Forest<F>, ForestError> {
        let records = dataset.records();
        let (rows, columns) = records.dim();
        if rows == 0 || rows > u32::MAX as usize || !(1..=FEATURES_MAX).contains(&columns) {
            return Err(ForestError::Records { rows, columns });
        }
        let sample = self.sample.min(rows);
        let mut random = Random::new(self.seed);
        let mut indices: Vec<u32> = (0..rows as u32).collect();
        let mut features: Vec<u16> = (0..=u16::MAX).take(columns).collect();
        let mut grown = Tree::with_capacity(sample);
        let (mut points, mut copied) = (Vec::new(), Vec::new());
        let is_small = sample.saturating_mul(columns) <= SAMPLE_VALUES_MAX;
        let mut tree = || {
            random.choose(&mut indices, sample);
            let chosen = &indices[..sample];
            copied.clear();
            if is_small {
                let rows = chosen.iter().map(|&row| records.row(row as usize));
                rows.for_each(|row| copied.extend(row.iter().map(|&value| bounded(value))));
            }
            let value = |point: u32, column: u16| {
                let (point, column) = (point as usize, usize::from(column));
                let far = || bounded(records[(chosen[point] as usize, column)]);
                copied.get(point * columns + column).copied().unwrap_or_else(far)
            };
            let mut soil =
                Soil { value, features: &mut features, choice: Choice::Even, random: &mut random };
            points.clear();
            points.extend(0..sample as u32);
            grown.grow(&mut points, &mut soil);
            PerfectTree::new(&grown, height_max(sample))
        };
        let trees = (0..self.trees).map(|_| tree()).collect();
        // A forest over a single record knows no path; one cut stands for none.
        Ok(Forest { trees, columns, usual_path: average_path(sample.max(2)) })
    }
}

impl<F: Float, D: Data<Elem = F>> PredictInplace<ArrayBase<D, Ix2>, Array1<F>> for Forest<F> {
    /// # Panics
    ///
    /// When `records` have other columns than those that the forest was fitted to, or `scores` another length.
    fn predict_inplace<'a>(&'a self, records: &'a ArrayBase<D, Ix2>, scores: &mut Array1<F>) {
        assert_eq!(records.ncols(), self.columns, "records must have the columns of the fit");
        assert_eq!(records.nrows(), scores.len(), "there must be one score per record");
        let trees = self.trees.len() as f64;
        let (mut block, mut sums) = (Records::of(self.columns), Vec::new());
        let blocks = records.axis_chunks_iter(Axis(0), BLOCK);
        for (records, mut scores) in blocks.zip(scores.axis_chunks_iter_mut(Axis(0), BLOCK)) {
            block.clear();
            for record in records.rows() {
                block.push(record.iter().map(|&value| bounded(value)));
            }
            sums.clear();
            sums.resize(records.nrows(), F::zero());
            for tree in &self.trees {
                tree.add_paths(&block, &mut sums);
            }
            for (score, sum) in scores.iter_mut().zip(&sums) {
                let path = sum.to_f64().unwrap_or(0.0) / trees;
                *score = F::cast(libm::exp2(-path / self.usual_path));
            }
        }
    }

    fn default_target(&self, records: &ArrayBase<D, Ix2>) -> Array1<F> {
        Array1::zeros(records.nrows())
    }
}

/// `value` as a finite number: `max` takes the other one of a pair with one that is not a number.
fn bounded<F: Float>(value: F) -> F {
    value.max(F::min_value()).min(F::max_value())
}

#[cfg(test)]
mod tests {
    use linfa::traits::Predict;
    use ndarray::{Array2, Axis};
    use proptest::prelude::*;

    use super::*;

    fn scores(params: &ForestParams, records: &Array2<f64>) -> Vec<f64> {
        let dataset = DatasetBase::from(records.clone());
        let scores: Array1<f64> = params.fit(&dataset).unwrap().predict(records);
        scores.to_vec()
    }

    /// Four columns of data, then the scores of scikit-learn 1.9.1 with 4,000 trees over 256 and over 32 records.
    fn oracle() -> Array2<f64> {
        let text = include_str!("../../../../fixtures/detectors/isolation_forest/scikit_learn.csv");
        let cells: Vec<f64> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .flat_map(|line| line.split(',').map(|cell| cell.parse().unwrap()))
            .collect();
        Array2::from_shape_vec((cells.len() / 6, 6), cells).unwrap()
    }

    #[test]
    fn scores_are_those_of_scikit_learn() {
        let oracle = oracle();
        let records = oracle.select(Axis(1), &[0, 1, 2, 3]);
        for (sample, column) in [(256, 4), (32, 5)] {
            let scores = scores(&Forest::params().trees(4_000).sample(sample).seed(5), &records);
            for (score, expected) in scores.iter().zip(oracle.column(column)) {
                assert!((score - expected).abs() < 0.01, "{sample}: {score} {expected}");
            }
        }
    }

    #[test]
    fn parameters_and_records_out_of_range_are_refused() {
        let fit = |params: ForestParams, shape| {
            params.fit(&DatasetBase::from(Array2::<f64>::zeros(shape))).map(|_| ())
        };
        assert!(fit(Forest::params(), (1, 1)).is_ok());
        assert!(matches!(fit(Forest::params().trees(0), (9, 2)), Err(ForestError::NoTrees)));
        for sample in [0, 1, POINTS_MAX + 1] {
            let error = fit(Forest::params().sample(sample), (9, 2));
            assert!(matches!(error, Err(ForestError::Sample { .. })), "{sample}");
        }
        for shape in [(0, 2), (2, 0), (1, FEATURES_MAX + 1)] {
            let error = fit(Forest::params().trees(1), shape);
            assert!(matches!(error, Err(ForestError::Records { .. })), "{shape:?}");
        }
    }

    #[test]
    fn equal_seeds_give_equal_forests_and_checking_changes_nothing() {
        let dataset = DatasetBase::from(oracle());
        let fit = |seed| Forest::params().trees(5).seed(seed).fit(&dataset).unwrap();
        assert_eq!(fit(1), fit(1));
        assert_ne!(fit(1), fit(2));
        let checked = Forest::params().trees(5).seed(1).check().unwrap();
        assert_eq!((checked.trees(), checked.sample(), checked.seed()), (5, 256, 1));
        assert_eq!(checked.fit(&dataset).unwrap(), fit(1));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn any_records_score_from_0_to_1(
            cells in prop::collection::vec(
                prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(f64::MIN), Just(0.0)], 3..240,
            ),
            seed in any::<u64>(),
        ) {
            let rows = cells.len() / 3;
            let records = Array2::from_shape_vec((rows, 3), cells[..3 * rows].to_vec()).unwrap();
            let scores = scores(&Forest::params().trees(8).sample(64).seed(seed), &records);
            prop_assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)), "{scores:?}");
        }

        #[test]
        fn units_of_two_do_not_matter(seed in any::<u64>(), unit in -30_i32..30) {
            let records = oracle().select(Axis(1), &[0, 1]);
            let moved = &records * libm::ldexp(1.0, unit);
            let params = Forest::params().trees(5).seed(seed);
            prop_assert_eq!(scores(&params, &records), scores(&params, &moved));
        }
    }
}
