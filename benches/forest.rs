//! The isolation forest beside the crate `extended-isolation-forest`: CPU time to fit 100 trees over 256 of 50,000 records of four
//! columns, and to score all of them, in turns. `forest.py` says what scikit-learn takes for the same.
//!
//! ```sh
//! cargo run --release -p bellwether-benches --example forest
//! ```

use std::hint::black_box;

use bellwether_benches::{Noise, cpu_ns};
use bellwether_detect::isolation_forest::Forest;
use extended_isolation_forest as extended;
use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use ndarray::{Array1, Array2};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RECORDS: usize = 50_000;
const COLUMNS: usize = 4;
const TREES: usize = 100;
const SAMPLE: usize = 256;
const ROUNDS: usize = 9;
/// Fits of a round: the clock does not tick often.
const FITS: usize = 25;
/// Records that the other crate scores, which is slow.
const OTHERS: usize = 5_000;

/// CPU time of `work` in nanoseconds.
fn cost<T>(work: impl FnOnce() -> T) -> f64 {
    let start = cpu_ns();
    black_box(work());
    (cpu_ns() - start) as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> anyhow::Result<()> {
    let mut noise = Noise::new(7);
    let rows: Vec<[f64; COLUMNS]> =
        (0..RECORDS).map(|_| std::array::from_fn(|_| noise.normal())).collect();
    let records = Array2::from_shape_fn((RECORDS, COLUMNS), |(row, column)| rows[row][column]);
    let dataset = DatasetBase::from(records.clone());
    let options = extended::ForestOptions {
        n_trees: TREES,
        sample_size: SAMPLE,
        max_tree_depth: None,
        extension_level: 1,
    };
    let [mut fits, mut scores, mut other_fits, mut other_scores] = [const { Vec::new() }; 4];
    for round in 0..ROUNDS {
        let params = Forest::params().trees(TREES).sample(SAMPLE).seed(round as u64);
        fits.push(
            cost(|| (0..FITS).filter(|_| params.fit(&dataset).is_ok()).count()) / FITS as f64,
        );
        let forest = params.fit(&dataset)?;
        let score = cost(|| {
            let scores: Array1<f64> = forest.predict(&records);
            scores
        });
        scores.push(score / RECORDS as f64);
        let fit = || extended::Forest::from_slice(&rows, &options).is_ok();
        other_fits.push(cost(|| (0..FITS).filter(|_| fit()).count()) / FITS as f64);
        let other = extended::Forest::from_slice(&rows, &options)
            .map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let score = cost(|| rows[..OTHERS].iter().map(|row| other.score(row)).sum::<f64>());
        other_scores.push(score / OTHERS as f64);
    }
    let [fit, score, other_fit, other_score] = [fits, scores, other_fits, other_scores].map(median);
    println!("{TREES} trees over {SAMPLE} of {RECORDS} records of {COLUMNS} columns, CPU time");
    println!("bellwether: fit {:.2} ms, score {:.3} us a record", fit / 1e6, score / 1e3);
    println!(
        "extended-isolation-forest: fit {:.2} ms, {:.1} times as much; score {:.2} us, {:.1} times",
        other_fit / 1e6,
        other_fit / fit,
        other_score / 1e3,
        other_score / score,
    );
    Ok(())
}
