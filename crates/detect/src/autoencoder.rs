//! Shapes that signals do not have: reconstruction error of a small network that was trained offline.
//!
//! Method: a denoising autoencoder (Vincent et al. 2008, "Extracting and composing robust features with denoising
//! autoencoders"; Hinton & Salakhutdinov 2006) over the last 32 samples, newest first, standardised by the signal's own
//! past and compressed by arsinh: 32-16-6-16-32 with tanh. It was trained to see the clean window in a spoilt one, on
//! synthetic signals only; `models/autoencoder` has the weights, the card and the command. All series share them.
//!
//! Score: the squared error at each lag by how large it usually is there on this series, the k-th newest sample
//! weighted by 1/k; 1 on average, less where errors are below a tenth of a deviation, at most 100. As for `subspace`,
//! most of it is an average over two hours, at most 32 samples.
//!
//! State: 320 bytes a series, and 5 KiB for the network. Cost: some 1,000 ns. Memory: 20,000 samples. Blind spot: what is
//! odd on this series only but a common shape elsewhere (`subspace`, `random_cut_forest`); slow drifts; noise, of which
//! six numbers say little.

mod network;

use std::sync::Arc;

use bellwether_series::Timestamp;
use serde::{Deserialize, Serialize};

pub use network::{Layer, Network, NetworkError, WINDOW};

use crate::deep::DeepDetector;
use crate::saved::completed;
use crate::subspace::follow::{Follow, follow_gain};
use crate::subspace::standard::Standard;
use crate::verdict::Observation;

/// The weights that come with a release.
const WEIGHTS: &[u8] = include_bytes!("../../../models/autoencoder/weights.bin");
/// Samples that only locate and scale the signal.
const SETTLING_SAMPLES: u32 = 24;
/// Windows whose errors must be known before one is judged.
const WARM_UP_WINDOWS: u32 = 32;
/// A window does not reach back across a gap of this many intervals.
const GAP_INTERVALS: i64 = 24;
/// Values enter the window as at most this many deviations from the mean.
const DEPARTURE_MAX: f64 = 10.0;
/// Memory of the usual errors in samples.
const ERROR_MEMORY: f64 = 20_000.0;
/// An error is judged as at most this many times the usual one, squared: one lag, or one channel of many, must not be
/// all that counts. They are learned as they are, so that a series with gross ones soon expects them.
const SQUARE_MAX: f64 = 100.0;
/// The least usual error, squared: a tenth of a deviation.
const SQUARE_FLOOR: f64 = 1e-2;

/// What enters the network of a value `departure` deviations from the mean: −3 to 3.
pub fn squash(departure: f64) -> f32 {
    libm::asinh(departure.clamp(-DEPARTURE_MAX, DEPARTURE_MAX)) as f32
}

/// Judges the shape of a signal's recent past against the shapes that signals have.
///
/// ```
/// use bellwether_detect::autoencoder::Autoencoder;
/// use bellwether_detect::{DeepDetector, LocalTime, Observation};
/// use bellwether_series::Timestamp;
///
/// let detector = Autoencoder::shipped()?;
/// let mut state = detector.begin(0);
/// let mut score = |index: i64, value: f64| {
///     let timestamp = Timestamp::from_ms(index * 60_000);
///     let local = LocalTime::utc(timestamp);
///     let observation =
///         Observation { timestamp, local, value, interval_ms: 60_000, scale_floor: 0.0 };
///     detector.score(&mut state, &observation, 1.0)
/// };
/// assert_eq!(score(0, 0.0), None);
/// let usual = (1..1_000).map(|index| score(index, (index % 7) as f64)).last().flatten();
/// let odd = score(1_000, 30.0);
/// assert!(odd > usual);
/// # Ok::<(), bellwether_detect::autoencoder::NetworkError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Autoencoder {
    network: Arc<Network>,
}

impl Autoencoder {
    /// A detector with the network of this release.
    ///
    /// # Errors
    /// When the weights were damaged before the release was built.
    pub fn shipped() -> Result<Self, NetworkError> {
        Ok(Self::new(Arc::new(Network::parse(WEIGHTS)?)))
    }

    /// A detector with a network of one's own.
    pub fn new(network: Arc<Network>) -> Self {
        Self { network }
    }
}

/// The window of one signal, and how well its windows are seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct AutoencoderState {
    standard: Standard,
    follow: Follow,
    /// Standardised and squashed, newest first.
    window: [f32; WINDOW],
    /// Mean squares of errors at each lag.
    squares: [f32; WINDOW],
    /// How many of `window` are there.
    filled: u32,
    settled: u32,
    /// Windows whose errors are in `squares`.
    windows: f32,
    last: Option<Timestamp>,
}

completed!(AutoencoderState);

impl DeepDetector for Autoencoder {
    type State = AutoencoderState;

    fn begin(&self, _seed: u64) -> AutoencoderState {
        AutoencoderState {
            standard: Standard::default(),
            follow: Follow::default(),
            window: [0.0; WINDOW],
            squares: [0.0; WINDOW],
            filled: 0,
            settled: 0,
            windows: 0.0,
            last: None,
        }
    }

    fn score(
        &self,
        state: &mut AutoencoderState,
        observation: &Observation,
        weight: f64,
    ) -> Option<f64> {
        if !observation.value.is_finite() {
            return None;
        }
        if state.settled < SETTLING_SAMPLES {
            state.settled += 1;
            state.standard.learn(observation.value, weight);
            return None;
        }
        state.enter(observation);
        state.standard.learn(observation.value, weight);
        if (state.filled as usize) < WINDOW {
            return None;
        }
        let seen = self.network.reconstruct(&state.window);
        let errors = state.window.iter().zip(seen).map(|(value, seen)| f64::from(value - seen));
        let mut squares = [0.0; WINDOW];
        squares.iter_mut().zip(errors).for_each(|(square, error)| *square = error * error);
        let is_warm = f64::from(state.windows) >= f64::from(WARM_UP_WINDOWS);
        let score = is_warm.then(|| {
            let gain = follow_gain(observation.interval_ms);
            state.follow.score(state.oddity(&squares), gain)
        });
        state.learn(&squares, weight);
        score
    }

    fn state_bytes(&self, _state: &AutoencoderState) -> usize {
        size_of::<AutoencoderState>()
    }
}

impl AutoencoderState {
    fn completed(self) -> Option<Self> {
        (self.filled as usize <= WINDOW).then_some(self)
    }

    /// Puts the observation into the window, which starts anew after a gap.
    fn enter(&mut self, observation: &Observation) {
        let (now, last) = (observation.timestamp, self.last.replace(observation.timestamp));
        let reach = GAP_INTERVALS.saturating_mul(observation.interval_ms.max(1));
        if last.is_some_and(|last| now.ms_since(last) > reach) {
            self.filled = 0;
        }
        self.window.rotate_right(1);
        let floor = observation.scale_floor;
        self.window[0] = squash(self.standard.standardise(observation.value, floor));
        self.filled = (self.filled + 1).min(WINDOW as u32);
    }

    /// Mean of squared errors by how large they usually are, the k-th weighted by 1/k; 1 on average.
    fn oddity(&self, squares: &[f64; WINDOW]) -> f64 {
        let (mut sum, mut weights) = (0.0, 0.0);
        for (index, (square, usual)) in squares.iter().zip(self.squares).enumerate() {
            let weight = 1.0 / (index + 1) as f64;
            sum += weight * (square / (f64::from(usual) + SQUARE_FLOOR)).min(SQUARE_MAX);
            weights += weight;
        }
        sum / weights
    }

    fn learn(&mut self, squares: &[f64; WINDOW], weight: f64) {
        self.windows = (f64::from(self.windows) + weight).min(ERROR_MEMORY) as f32;
        let gain = weight / f64::from(self.windows).max(1.0);
        for (usual, &square) in self.squares.iter_mut().zip(squares) {
            let before = f64::from(*usual);
            *usual = (before + gain * (square - before)) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Noise, mean, score_at, scores, silent, waves};

    fn shipped() -> Autoencoder {
        Autoencoder::shipped().expect("weights are sound")
    }

    fn run(values: &[f64]) -> Vec<Option<f64>> {
        scores(&shipped(), 0, values)
    }

    #[test]
    fn the_weights_are_those_of_the_card() {
        let network = Network::parse(WEIGHTS).expect("weights are sound");
        let widths: Vec<usize> = network.layers().iter().map(|layer| layer.biases.len()).collect();
        assert_eq!(widths, [16, 6, 16, WINDOW]);
        assert_eq!(network.to_bytes(), WEIGHTS);
        assert!(network.bytes() < 8 * 1024 && WEIGHTS.len() < 50 * 1024);
    }

    #[test]
    fn the_network_has_learned_what_waves_look_like() {
        let network = Network::parse(WEIGHTS).expect("weights are sound");
        let error = |window: [f32; WINDOW]| {
            let seen = network.reconstruct(&window);
            window
                .iter()
                .zip(seen)
                .map(|(value, seen)| (value - seen) * (value - seen))
                .sum::<f32>()
        };
        let wave = std::array::from_fn(|lag| libm::sinf(lag as f32 / 8.0));
        let all: f32 = wave.iter().map(|value| value * value).sum();
        let mut spike = wave;
        spike[0] += 3.0;
        assert!(error(wave) < 0.1 * all, "{} {all}", error(wave));
        // Of the spike's square, 9, a good part is not believed.
        assert!(error(spike) > error(wave) + 2.0, "{}", error(spike));
    }

    #[test]
    fn ordinary_scores_are_one() {
        let mut noise = Noise::new(1);
        let noise: Vec<f64> = (0..4_000).map(|_| noise.normal()).collect();
        let usual = |values: &[f64]| mean(&run(values)[2_000..]);
        assert!((usual(&noise) - 1.0).abs() < 0.1, "{}", usual(&noise));
        // Errors below a tenth of a deviation are less than usual ones.
        let wave = usual(&waves(4_000, 5.0, 0.5, 2));
        assert!((0.4..1.1).contains(&wave), "{wave}");
    }

    #[test]
    fn it_speaks_after_some_hundred_samples() {
        assert_eq!(silent(&run(&waves(200, 5.0, 1.0, 1))), 24 + WINDOW - 1 + 32);
    }

    #[test]
    fn a_wave_that_stalls_is_odd_though_no_value_is() {
        let mut values = waves(3_000, 5.0, 0.2, 2);
        values[2_500..2_530].fill(4.0);
        let scores = run(&values);
        assert!(mean(&scores[2_510..2_530]) > 2.0 * mean(&scores[2_000..2_500]));
    }

    #[test]
    fn a_gap_begins_a_new_window() {
        let (detector, values) = (shipped(), waves(600, 5.0, 0.5, 3));
        let mut state = detector.begin(0);
        let minute = |index: i64| if index < 500 { index } else { index + 60 };
        let mut score =
            |(&value, index)| score_at(&detector, &mut state, minute(index), value, 1.0);
        let scores: Vec<_> = values.iter().zip(0..).map(&mut score).collect();
        assert!(scores[499].is_some());
        assert!(scores[500..531].iter().all(Option::is_none));
        assert!(scores[531].is_some());
    }

    #[test]
    fn the_state_fits() {
        let detector = shipped();
        assert!(detector.state_bytes(&detector.begin(0)) <= 320);
    }
}
