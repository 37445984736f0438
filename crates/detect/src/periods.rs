//! Finds the periods of a series that has no calendar, or another one than ours.
//!
//! Method. The values are clipped at three robust deviations, freed of a straight line, and correlated with
//! themselves. A peak of the autocorrelation at lag `p`, 2 to a third of the length, is a period if the same series
//! without that season, as an autoregressive process of order one, would hardly reach it: the bar is what
//! such a process correlates at `p` plus five standard errors by Bartlett (1946), "On the theoretical
//! specification and sampling properties of autocorrelated time-series". A trend, a random walk or slow noise
//! has no peak that stands out of that. The peak must come again at `2 p`, and among peaks of about equal height the
//! shortest is the period. It is then sharpened on its multiples. Its season is taken out, and a second period
//! is looked for in what is left.
//!
//! State: none; the caller owns the ring: `seasonal_residual`. Cost: some 0.6 ms for 2,016 values, to
//! be spent once in a thousand samples or more.
//! Blind spot: a season that explains less than a fifth of the variance; three cycles must be seen.

/// Values that are looked at, the newest ones: two weeks of ten minutes.
pub(crate) const VALUES_MAX: usize = 2016;
/// Fewer values say nothing.
const VALUES_MIN: usize = 24;
/// Values are clipped at so many robust deviations.
const CLIP: f64 = 3.0;
/// Median absolute deviation of a standard normal.
const NORMAL_MAD: f64 = 0.674_489_750_196_082;
/// Standard errors that a peak stands out of the background: hundreds of lags are tried.
const STANDARD_ERRORS: f64 = 5.0;
/// Share of the variance that a series without its season must keep to have a background of its own.
const REST_MIN: f64 = 0.01;
/// Autocorrelation below which a season is not worth following.
const CORRELATION_MIN: f64 = 0.2;
/// A peak of this share of the highest one is as high.
const EQUAL_SHARE: f64 = 0.8;
/// Share of its height that a peak keeps at twice the lag.
const REPEATED_SHARE: f64 = 0.5;
/// Products that are summed side by side.
const LANES: usize = 16;
/// A peak is sharpened within this share of its lag.
const SHARPEN_SHARE: usize = 12;

/// The periods of `values`, in samples, oldest value first, the shorter period first. NaN stands for a missing value.
///
/// ```
/// use bellwether_detect::periods::find_periods;
/// let wave: Vec<f32> = (0..600).map(|i| (i % 24) as f32).collect();
/// assert_eq!(find_periods(&wave), [Some(24), None]);
/// assert_eq!(find_periods(&[1.0; 600]), [None, None]);
/// ```
pub fn find_periods(values: &[f32]) -> [Option<u16>; 2] {
    let newest = &values[values.len().saturating_sub(VALUES_MAX)..];
    let Some(mut values) = prepared(newest) else { return [None, None] };
    let Some(first) = strongest_period(&values) else { return [None, None] };
    remove_season(&mut values, first);
    let second = strongest_period(&values).filter(|&second| second != first);
    let [short, long] = second
        .map_or([Some(first), None], |second| [Some(first.min(second)), Some(first.max(second))]);
    [short, long].map(|period| period.and_then(|period| u16::try_from(period).ok()))
}

/// Clipped, without missing values and without a straight line; `None` if nothing can be said.
fn prepared(values: &[f32]) -> Option<Vec<f64>> {
    let present = values.iter().filter(|value| value.is_finite()).count();
    if present < VALUES_MIN || 2 * present < values.len() {
        return None;
    }
    let mut last = values.iter().copied().find(|value| value.is_finite())?;
    let filled = |&value: &f32| {
        last = if value.is_finite() { value } else { last };
        f64::from(last)
    };
    let mut values: Vec<f64> = values.iter().map(filled).collect();
    // Twice: what sticks out of a trend is seen once the trend is out.
    for _ in 0..2 {
        clip(&mut values)?;
        remove_line(&mut values);
    }
    Some(values)
}

/// Centres and clips `values`, in robust deviations; `None` if they are all the same.
fn clip(values: &mut [f64]) -> Option<()> {
    let center = median(values);
    let distances: Vec<f64> = values.iter().map(|value| (value - center).abs()).collect();
    let mean_distance = distances.iter().sum::<f64>() / distances.len() as f64;
    // Where most values are equal, the others make the season.
    let deviation = match median(&distances) / NORMAL_MAD {
        spread if spread > 0.0 => spread,
        _ => 4.0 * mean_distance,
    };
    if deviation <= 1e-7 * center.abs() {
        return None;
    }
    for value in values {
        *value = ((*value - center) / deviation).clamp(-CLIP, CLIP);
    }
    Some(())
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// Takes out the least-squares line.
fn remove_line(values: &mut [f64]) {
    let count = values.len() as f64;
    let middle = 0.5 * (count - 1.0);
    let mean = values.iter().sum::<f64>() / count;
    let slope = values.iter().enumerate().map(|(i, v)| (i as f64 - middle) * v).sum::<f64>()
        / (count * (count * count - 1.0) / 12.0);
    for (index, value) in values.iter_mut().enumerate() {
        *value -= mean + slope * (index as f64 - middle);
    }
}

/// Takes out the mean of each phase.
fn remove_season(values: &mut [f64], period: usize) {
    for phase in 0..period {
        let visits = values.iter().skip(phase).step_by(period);
        let (count, sum) = visits.fold((0.0, 0.0), |(count, sum), v| (count + 1.0, sum + v));
        values.iter_mut().skip(phase).step_by(period).for_each(|v| *v -= sum / count);
    }
}

fn strongest_period(values: &[f64]) -> Option<usize> {
    let correlation = autocorrelation(values, values.len() / 2)?;
    let longest = values.len() / 3;
    let peaks: Vec<usize> = (2..=longest)
        .filter(|&lag| is_peak(&correlation, lag))
        .filter(|&lag| stands_out(values, &correlation, lag))
        .collect();
    let highest = peaks.iter().map(|&lag| correlation[lag]).fold(0.0, f64::max);
    let shortest = peaks.into_iter().find(|&lag| correlation[lag] >= EQUAL_SHARE * highest)?;
    Some(sharpened(&correlation, shortest))
}

/// Autocorrelation at lags 0 to `lags`, corrected for the overlap; `None` without variance.
fn autocorrelation(values: &[f64], lags: usize) -> Option<Vec<f64>> {
    let count = values.len() as f64;
    let at =
        |lag: usize| product(&values[lag..], &values[..values.len() - lag]) / (count - lag as f64);
    let variance = at(0);
    (variance > 1e-9).then(|| (0..=lags).map(|lag| at(lag) / variance).collect())
}

/// The scalar product, in sums side by side: one sum would wait for itself.
fn product(one: &[f64], other: &[f64]) -> f64 {
    let (ones, one_rest) = one.as_chunks::<LANES>();
    let (others, other_rest) = other.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (one, other) in ones.iter().zip(others) {
        for lane in 0..LANES {
            sums[lane] += one[lane] * other[lane];
        }
    }
    let rest = one_rest.iter().zip(other_rest).map(|(one, other)| one * other);
    rest.chain(sums).sum()
}

/// Whether no lag within an eighth of `lag` correlates better, and the valley before it is deep.
fn is_peak(correlation: &[f64], lag: usize) -> bool {
    let reach = (lag / 8).max(1);
    let height = correlation[lag];
    let around = &correlation[lag - reach..=(lag + reach).min(correlation.len() - 1)];
    let valley = correlation[lag / 4..=lag - lag / 4].iter().copied().fold(f64::MAX, f64::min);
    height >= CORRELATION_MIN
        && around.iter().all(|&other| other <= height)
        && valley <= REPEATED_SHARE * height
}

/// Whether the peak is beyond what the series without that season would show by chance, twice.
fn stands_out(values: &[f64], correlation: &[f64], lag: usize) -> bool {
    let mut rest = values.to_vec();
    remove_season(&mut rest, lag);
    let energy = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>();
    // What is left of a perfect season is rounding, not a series of its own.
    let persistence = match autocorrelation(&rest, 1) {
        Some(lagged) if energy(&rest) > REST_MIN * energy(values) => lagged[1].clamp(0.0, 0.999),
        _ => 0.0,
    };
    let (expected, error) = background(persistence, lag, values.len());
    let bar = expected + STANDARD_ERRORS * error;
    let height = correlation[lag];
    let reach = (lag / 8).max(1);
    let last = correlation.len() - 1;
    let again = correlation[(2 * lag - reach).min(last)..=(2 * lag + reach).min(last)]
        .iter()
        .copied()
        .fold(f64::MIN, f64::max);
    height > bar && (2 * lag > last || again > REPEATED_SHARE * height)
}

/// Autocorrelation at `lag` of an autoregressive process, and its standard error in `count` values.
fn background(persistence: f64, lag: usize, count: usize) -> (f64, f64) {
    let expected = libm::pow(persistence, lag as f64);
    let squared = persistence * persistence;
    let error = (1.0 + squared) * (1.0 - expected * expected) / (1.0 - squared)
        - 2.0 * lag as f64 * expected * expected;
    (expected, (error.max(1.0) / (count - lag) as f64).sqrt())
}

/// The lag near `lag` whose multiples correlate best.
fn sharpened(correlation: &[f64], lag: usize) -> usize {
    let multiples = ((correlation.len() - 1) / (lag + lag / SHARPEN_SHARE)).max(1);
    let fit = |lag: usize| (1..=multiples).map(|times| correlation[times * lag]).sum::<f64>();
    let near = (lag - lag / SHARPEN_SHARE).max(2)..=lag + lag / SHARPEN_SHARE;
    near.fold((lag, f64::MIN), |best, lag| if fit(lag) > best.1 { (lag, fit(lag)) } else { best }).0
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::Noise;

    const COUNT: usize = 1600;

    fn series(seed: u64, value: impl Fn(usize, &mut Noise) -> f64) -> Vec<f32> {
        let mut noise = Noise::new(seed);
        (0..COUNT).map(|index| value(index, &mut noise) as f32).collect()
    }

    fn autoregressive(seed: u64, persistence: f64) -> Vec<f32> {
        let (mut noise, mut level) = (Noise::new(seed), 0.0);
        let next = |_| {
            level = persistence * level + noise.normal();
            level as f32
        };
        (0..COUNT).map(next).collect()
    }

    #[test]
    fn a_noisy_wave_has_its_period() {
        for period in [7, 24, 60, 144, 288, 440] {
            let wave = series(period as u64, |index, noise| {
                libm::sin(TAU * index as f64 / period as f64) + 0.5 * noise.normal()
            });
            let [found, second] = find_periods(&wave);
            let found = usize::from(found.expect("a period"));
            assert!(found.abs_diff(period) <= period / 50, "{found} {period}");
            assert_eq!(second, None, "{period}");
        }
    }

    #[test]
    fn a_job_every_hour_is_a_season() {
        let job = series(1, |index, noise| {
            let level = if index % 60 < 3 { 50.0 } else { 10.0 };
            level + 0.3 * noise.normal()
        });
        assert_eq!(find_periods(&job), [Some(60), None]);
        let counts = series(2, |index, _| f64::from(u8::from(index % 60 == 7)));
        assert_eq!(find_periods(&counts), [Some(60), None]);
    }

    #[test]
    fn day_and_week_are_both_found() {
        let shop = series(3, |hour, noise| {
            let weekend = if hour / 24 % 7 >= 5 { 0.5 } else { 1.0 };
            100.0 * weekend * (1.2 + libm::sin(TAU * hour as f64 / 24.0)) + 5.0 * noise.normal()
        });
        assert_eq!(find_periods(&shop), [Some(24), Some(168)]);
    }

    #[test]
    fn trend_outliers_and_gaps_do_not_hide_a_season() {
        let busy = series(4, |index, noise| {
            let wave = libm::sin(TAU * index as f64 / 48.0) + 0.003 * index as f64;
            match noise.normal() {
                rare if rare > 2.3 => 1e6,
                rare if rare < -2.3 => f64::NAN,
                rare => wave + 0.3 * rare,
            }
        });
        assert_eq!(find_periods(&busy), [Some(48), None]);
    }

    #[test]
    fn what_has_no_season_has_no_period() {
        let mut found = 0;
        for seed in 0..20 {
            for persistence in [0.0, 0.9, 0.99, 1.0] {
                let periods = find_periods(&autoregressive(seed, persistence));
                found += usize::from(periods[0].is_some());
            }
            let trend = series(seed, |index, noise| 0.01 * index as f64 + noise.normal());
            found += usize::from(find_periods(&trend)[0].is_some());
            let step = series(seed, |index, noise| {
                let level = if index > 900 + seed as usize { 10.0 } else { 0.0 };
                level + noise.normal()
            });
            found += usize::from(find_periods(&step)[0].is_some());
        }
        assert!(found <= 1, "{found} of 120");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn any_input_is_ordinary(values in proptest::collection::vec(any::<f32>(), 0..120)) {
            for period in find_periods(&values).into_iter().flatten() {
                prop_assert!((2..=values.len() / 3 + values.len() / 30).contains(&usize::from(period)));
            }
        }

        #[test]
        fn unit_and_origin_do_not_matter(seed in 0..50_u64, scale in 1e-3..1e3_f64, origin in -1e2..1e2_f64) {
            let wave = |index: usize, noise: &mut Noise| libm::sin(TAU * index as f64 / 30.0) + noise.normal();
            let ours = series(seed, wave);
            let theirs = series(seed, |index, noise| origin * scale + scale * wave(index, noise));
            prop_assert_eq!(find_periods(&ours), find_periods(&theirs));
        }
    }
}
