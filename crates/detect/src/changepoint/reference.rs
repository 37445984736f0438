//! The four sums against their definition: the most that the steps of any stretch up to now come to.

use proptest::prelude::*;

use super::*;

/// Sum of the stretch of steps that ends now and comes to the most; 0 if none comes to anything.
fn worst_stretch(steps: &[f64]) -> f64 {
    (0..steps.len()).map(|from| steps[from..].iter().sum::<f64>()).fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sums_are_those_of_the_worst_stretch(
        residuals in proptest::collection::vec((-5.0..5.0_f64, -4.0..4.0_f64, 0.0..0.2_f64), 1..40),
        slow_square in 0.5..4.0_f32,
    ) {
        let mut state = State { slow_square, ..State::default() };
        let wandering = f64::from(slow_square).max(1.0).sqrt();
        let mut steps: [Vec<f64>; 4] = Default::default();
        for (standardised, log_square, doubt) in residuals {
            let (difference, width, narrow) = (standardised, 1.0, 1.0);
            state.accumulate(&Departure { difference, standardised, doubt, log_square, width, narrow });
            let level = standardised.clamp(-3.0, 3.0) / wandering;
            let log = log_square.clamp(-2.5, 2.5);
            let all = [level - 0.75 - doubt, -level - 0.75 - doubt, log - 0.5, -log - 0.5];
            for (steps, step) in steps.iter_mut().zip(all) {
                steps.push(step);
            }
            let sums = steps.each_ref().map(|steps| worst_stretch(steps));
            // A sum that is full forgets what was too much, which is no stretch any more.
            if sums.iter().any(|sum| *sum >= SUM_MAX) {
                return Ok(());
            }
            for (ours, theirs) in state.sums.into_iter().zip(sums) {
                prop_assert!((f64::from(ours) - theirs).abs() < 1e-4, "{ours} {theirs}");
            }
            // Siegmund's approximation, of whichever of the four is the least likely.
            let tail = |reference: f64, sum: f64| -2.0 * reference * (sum + 0.583) / LN_10;
            let least = tail(0.75, sums[0].max(sums[1])).min(tail(0.5, sums[2].max(sums[3])));
            let theory = (-least - libm::log10(4.0)).max(0.0);
            prop_assert!((state.theory() - theory).abs() < 1e-3, "{} {theory}", state.theory());
        }
    }
}
