//! Trains the network of the detector `autoencoder` on synthetic signals and writes its file.
//!
//! `cargo run --release -p bellwether-detect --example train_autoencoder -- models/autoencoder/weights.bin`
//!
//! Deterministic: one seed, one thread, mathematics from `libm`. Takes about half a minute and ends with a table of how
//! well windows of signals that were not trained on are seen.

mod adam;
mod signals;

use std::process::ExitCode;

use bellwether_detect::autoencoder::{Layer, Network, NetworkError, WINDOW, squash};

use adam::Trainee;
use signals::{KINDS, Random, moments, spoil};

const SEED: u64 = 20_260_115;
/// Outputs of each layer.
const WIDTHS: [usize; 4] = [16, 6, 16, WINDOW];
const STEPS: usize = 40_000;
/// Windows in a step, each of another signal.
const BATCH: usize = 64;
/// Lengths of the first and of the last step.
const RATES: [f64; 2] = [3e-3, 3e-5];
/// Samples of a signal, and windows that are taken of it.
const LENGTH: usize = 1024;
const WINDOWS: usize = 32;
/// Share of windows that are spoilt before they are seen.
const SPOILT: f64 = 0.5;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: train_autoencoder FILE");
        return ExitCode::FAILURE;
    };
    let written = train().map_err(|error| error.to_string()).and_then(|network| {
        report(&network);
        std::fs::write(&path, network.to_bytes()).map_err(|error| format!("{path}: {error}"))
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn train() -> Result<Network, NetworkError> {
    let mut random = Random::new(SEED);
    let mut trainee = Trainee::new(beginning(&mut random));
    let mut pool: Vec<[f32; WINDOW]> = Vec::new();
    let weights: [f32; WINDOW] = std::array::from_fn(|lag| 1.0 / ((lag + 1) as f32).sqrt());
    for step in 0..STEPS {
        for _ in 0..BATCH {
            if pool.is_empty() {
                // Signals of all kinds, so that a step does not follow one of them.
                pool = (0..8 * KINDS.len())
                    .flat_map(|n| windows(n % KINDS.len(), &mut random))
                    .collect();
            }
            let target = pool.swap_remove(random.below(pool.len()));
            let mut input = target;
            if random.unit() < SPOILT {
                spoil(&mut input, &mut random);
            }
            trainee.learn(&input, &target, &weights);
        }
        let done = step as f64 / STEPS as f64;
        trainee.step((RATES[0] * libm::pow(RATES[1] / RATES[0], done)) as f32, BATCH);
    }
    Network::new(trainee.layers)
}

/// Weights before training (Glorot & Bengio 2010).
fn beginning(random: &mut Random) -> Vec<Layer> {
    let mut inputs = WINDOW;
    let mut layer = |&outputs: &usize| {
        let most = (6.0 / (inputs + outputs) as f64).sqrt();
        let weights = (0..inputs * outputs).map(|_| random.between(-most, most) as f32).collect();
        inputs = outputs;
        Layer { weights, biases: vec![0.0; outputs] }
    };
    WIDTHS.iter().map(&mut layer).collect()
}

/// Windows of a new signal as the detector has them, newest first.
fn windows(kind: usize, random: &mut Random) -> Vec<[f32; WINDOW]> {
    let values = KINDS[kind].1(random, LENGTH);
    let (mean, deviation) = moments(&values);
    let standard = |value: &f64| squash((value - mean) / deviation.max(1e-9));
    let values: Vec<f32> = values.iter().map(standard).collect();
    let window = |_| {
        let end = WINDOW + random.below(LENGTH - WINDOW);
        std::array::from_fn(|lag| values[end - 1 - lag])
    };
    (0..WINDOWS).map(window).collect()
}

/// Prints how much of the variance of unseen windows is not seen, as they are and spoilt, per kind.
fn report(network: &Network) {
    println!("{:<16} {:>8} {:>8}", "unseen variance", "clean", "spoilt");
    let mut random = Random::new(!SEED);
    for (kind, (name, _)) in KINDS.iter().enumerate() {
        let (mut all, mut clean, mut spoilt) = (0.0, 0.0, 0.0);
        for window in (0..64).flat_map(|_| windows(kind, &mut random)).collect::<Vec<_>>() {
            let mut input = window;
            spoil(&mut input, &mut random);
            all += distance(&window, &[0.0; WINDOW]);
            clean += distance(&window, &network.reconstruct(&window));
            spoilt += distance(&input, &network.reconstruct(&input));
        }
        println!("{name:<16} {:>8.3} {:>8.3}", clean / all, spoilt / all);
    }
}

fn distance(one: &[f32; WINDOW], other: &[f32; WINDOW]) -> f64 {
    one.iter().zip(other).map(|(one, other)| f64::from(one - other)).map(|x| x * x).sum()
}
