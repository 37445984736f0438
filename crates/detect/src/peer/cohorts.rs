//! Which members are alike, by DBSCAN over their last value and their recent mean.

use linfa::ParamGuard;
use linfa::traits::Transformer;
use linfa_clustering::Dbscan;
use ndarray::Array2;

use super::member::{Member, in_units, median};

/// Cohorts beyond these are not told apart: their members are judged by the nearest one that is.
pub(super) const COHORTS_MAX: usize = 16;
/// Members that are alike are a cohort from so many on.
const ALIKE_MIN: usize = 3;
/// Members nearer than this, in deviations of members that are alike, are alike.
const TOLERANCE: f64 = 1.5;
/// Members whose pairwise distances are looked at, at most.
const PAIRED_MAX: usize = 64;
/// Standard deviation of a normal distribution over the first quartile of pairwise distances.
const QUARTILE_TO_DEVIATION: f64 = 2.2219;

/// Assigns each present member to a cohort or to none and says how many cohorts there are, [`COHORTS_MAX`] at most.
/// Who is missing belongs to none. `unit_min`: distances below it mean nothing.
pub(super) fn assign(members: &mut [Member], unit_min: f64) -> usize {
    let column = |feature: fn(&Member) -> f64| {
        let mut column: Vec<f64> =
            members.iter().filter(|member| member.is_present).map(feature).collect();
        standardise(&mut column, unit_min);
        column
    };
    let (values, means) = (column(|member| member.value), column(|member| member.recent_mean));
    let points = Array2::from_shape_fn((values.len(), 2), |(index, feature)| {
        if feature == 0 { values[index] } else { means[index] }
    });
    for member in members.iter_mut() {
        member.cohort = None;
    }
    // These parameters are always within their ranges.
    let Ok(dbscan) = Dbscan::params(ALIKE_MIN).tolerance(TOLERANCE).check() else { return 0 };
    let mut cohorts = 0;
    let present = members.iter_mut().filter(|member| member.is_present);
    for (member, cohort) in present.zip(dbscan.transform(&points)) {
        member.cohort = cohort.filter(|&cohort| cohort < COHORTS_MAX).map(|cohort| cohort as u8);
        cohorts = cohorts.max(member.cohort.map_or(0, |cohort| usize::from(cohort) + 1));
    }
    cohorts
}

/// Puts departures from the median in place of `values`, in deviations of members that are alike.
fn standardise(values: &mut [f64], unit_min: f64) {
    let unit = deviation(values).max(unit_min);
    let Some(middle) = median(&mut values.to_vec()) else { return };
    for value in values {
        *value = in_units(*value - middle, unit, middle);
    }
}

/// The deviation among members that are alike, though there may be up to three cohorts of them.
fn deviation(values: &[f64]) -> f64 {
    let stride = values.len().div_ceil(PAIRED_MAX).max(1);
    let some = || values.iter().step_by(stride);
    let mut distances: Vec<f64> = some()
        .enumerate()
        .flat_map(|(index, value)| some().skip(index + 1).map(move |other| (value - other).abs()))
        .collect();
    if distances.is_empty() {
        return 0.0;
    }
    let quarter = (distances.len() - 1) / 4;
    QUARTILE_TO_DEVIATION * *distances.select_nth_unstable_by(quarter, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cohorts(values: &[f64]) -> (usize, Vec<Option<u8>>) {
        let member = |&value: &f64| Member {
            value,
            recent_mean: value,
            is_present: value.is_finite(),
            ..Member::default()
        };
        let mut members: Vec<Member> = values.iter().map(member).collect();
        let count = assign(&mut members, 0.0);
        (count, members.iter().map(|member| member.cohort).collect())
    }

    #[test]
    fn three_that_are_alike_are_a_cohort_and_two_are_not() {
        let (count, cohort) = cohorts(&[1.0, 1.1, 1.2, 9.0, 9.1, 9.2, 30.0, 30.1, f64::NAN]);
        assert_eq!(count, 2);
        let expected = [Some(0), Some(0), Some(0), Some(1), Some(1), Some(1), None, None, None];
        assert_eq!(cohort, expected);
    }

    #[test]
    fn who_is_equal_is_alike_however_many_they_are() {
        assert_eq!(cohorts(&[3.0; 256]), (1, vec![Some(0); 256]));
        let (count, cohort) = cohorts(&[3.0, 3.0, 3.0, 3.0, 4.0]);
        assert_eq!((count, cohort[4]), (1, None));
        assert_eq!(cohorts(&[]), (0, vec![]));
        assert_eq!(cohorts(&[f64::NAN, 1.0]).0, 0);
    }

    #[test]
    fn cohorts_beyond_the_last_are_none() {
        let large = (0..150).map(|index| f64::from(index) / 150.0);
        let small = (0..51).map(|index| f64::from(index / 3 + 1) * 1e3);
        let (count, cohort) = cohorts(&large.chain(small).collect::<Vec<f64>>());
        assert_eq!(count, COHORTS_MAX);
        assert_eq!((cohort[0], cohort[194], cohort[195]), (Some(0), Some(15), None));
    }
}
