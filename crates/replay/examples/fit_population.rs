//! Fits the population of `detect` to a labelled corpus and prints it as a table and as constants.
//!
//! `cargo run --release -p bellwether-replay --example fit_population -- CORPUS/manifest.json`
//!
//! Every column of every file is a gauge that is streamed through a bank of its own, as the engine would: by the default
//! rule, with the interval learned, seeds from fingerprints, and the rows of a file as a group. Rows inside the events of
//! the `labels.json` beside the manifest are judged and learned like all others, but their raw scores are left out; labels
//! serve nothing else. Deterministic: the digests that it prints, and this program, make the numbers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bellwether_detect::population::Population;
use bellwether_detect::subspace::GroupSubspace;
use bellwether_detect::{Bank, DetectorSpec, GroupDetector, Judgement, LocalTime, Tables};
use bellwether_engine::{GroupRule, Rule};
use bellwether_replay::corpus::{CorpusError, CorpusSeries, Row, SeriesFile, list_series};
use bellwether_series::{LabelSet, Sample, Timestamp};
use bellwether_signal::Interval;
use sha2::{Digest, Sha256};

/// The deep tier. The population takes part in no raw score, so fitting it anew changes none.
const DEEP: [(DetectorSpec, &str, Population); 5] = [
    (DetectorSpec::Subspace, "LAG_SUBSPACE", Population::LAG_SUBSPACE),
    (DetectorSpec::SeasonalResidual, "SEASONAL_RESIDUAL", Population::SEASONAL_RESIDUAL),
    (DetectorSpec::RandomCutForest, "RANDOM_CUT_FOREST", Population::RANDOM_CUT_FOREST),
    (DetectorSpec::IsolationForest, "ISOLATION_FOREST", Population::ISOLATION_FOREST),
    (DetectorSpec::Autoencoder, "AUTOENCODER", Population::AUTOENCODER),
];

/// Id of a series to its events: first and last second, both inside.
type Labels = BTreeMap<String, Vec<[f64; 2]>>;
/// Raw scores of one file or group.
type Scores = Vec<f32>;

#[derive(Debug, thiserror::Error)]
enum FitError {
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    #[error("file cannot be read: path=`{}`", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("labels are not valid: path=`{}`", path.display())]
    Labels { path: PathBuf, source: serde_json::Error },
    #[error("file is not the one of the manifest: path=`{}`", path.display())]
    Changed { path: PathBuf },
    #[error("series has no labels: id=`{id}`")]
    Unlabelled { id: String },
    #[error("corpus is too small or has no tail: detector=`{name}`")]
    NoTail { name: String },
}

fn main() -> ExitCode {
    let Some(manifest) = std::env::args_os().nth(1) else {
        eprintln!("usage: fit_population CORPUS/manifest.json");
        return ExitCode::FAILURE;
    };
    match fit(Path::new(&manifest)) {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn fit(manifest: &Path) -> Result<String, FitError> {
    let (list, path) = (list_series(manifest)?, manifest.with_file_name("labels.json"));
    let labels: Labels = serde_json::from_slice(&read(&path)?)
        .map_err(|source| FitError::Labels { path: path.clone(), source })?;
    let streamed = stream_all(&list, &labels)?;
    let mut fits = Vec::new();
    for (place, (spec, constant, shipped)) in DEEP.iter().enumerate() {
        let name = format!("`{}`", spec.name());
        let scores: Vec<Scores> = streamed.iter().map(|file| file.signals[place].clone()).collect();
        fits.push(Fit::new(name, constant, *shipped, &scores)?);
    }
    let scores: Vec<Scores> = streamed.iter().map(|file| file.group.clone()).collect();
    let (name, shipped) = ("`subspace` of a group".to_owned(), Population::GROUP_SUBSPACE);
    fits.insert(1, Fit::new(name, "GROUP_SUBSPACE", shipped, &scores)?);

    let lines = |of: fn(&Fit) -> String| fits.iter().map(of).collect::<Vec<_>>().join("\n");
    Ok(format!(
        "manifest.json: SHA-256 `{}`\nlabels.json: SHA-256 `{}`\n\n\
         | detector | | 10^-1 | 10^-1.5 | 10^-2 | 10^-2.5 | 10^-3 | 10^-3.5 | scores | files |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n{}\n\n{}\n",
        digest(&read(manifest)?),
        digest(&read(&path)?),
        lines(Fit::rows),
        lines(Fit::constant),
    ))
}

fn read(path: &Path) -> Result<Vec<u8>, FitError> {
    std::fs::read(path).map_err(|source| FitError::File { path: path.to_owned(), source })
}

fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// What a file of the corpus gives.
#[derive(Debug, Default)]
struct Streamed {
    /// The raw scores of each of [`DEEP`], of all columns: they belong to one system, which weighs as much as another.
    signals: [Scores; DEEP.len()],
    group: Scores,
}

/// Streams all files, on every core, in the order of the manifest.
fn stream_all(list: &[CorpusSeries], labels: &Labels) -> Result<Vec<Streamed>, FitError> {
    let (next, tables) = (AtomicUsize::new(0), Tables::default());
    let done = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(series) = list.get(index) else { break };
            let streamed = stream(series, labels, &tables);
            eprintln!("{}", series.id);
            if let Ok(mut done) = done.lock() {
                done.insert(index, streamed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    done.into_inner().unwrap_or_default().into_values().collect()
}

fn stream(series: &CorpusSeries, labels: &Labels, tables: &Tables) -> Result<Streamed, FitError> {
    let CorpusSeries { id, path, sha256 } = series;
    if let Some(sha256) = sha256
        && digest(&read(path)?) != *sha256
    {
        return Err(FitError::Changed { path: path.clone() });
    }
    let events = labels.get(id).ok_or_else(|| FitError::Unlabelled { id: id.clone() })?;
    let mut file = SeriesFile::open(path, id)?;
    let mut signals: Vec<Signal> =
        file.labels().map(|labels| Signal::new(labels, tables)).collect();
    let mut group = GroupSubspace.begin(signals.len(), 0);
    let mut streamed = Streamed::default();
    while let Some(Row { at, values, .. }) = file.next_row()? {
        let seconds = at.as_ms() as f64 / 1000.0;
        let is_event = events.iter().any(|[first, last]| (*first..=*last).contains(&seconds));
        let mut row = vec![f64::NAN; signals.len()];
        for (column, signal) in signals.iter_mut().enumerate() {
            let Some(value) = values[column].filter(|value| value.is_finite()) else { continue };
            if !signal.judge(Sample { timestamp: at, value }) {
                continue;
            }
            row[column] = value;
            for (name, raw) in signal.bank.raw_scores().filter(|_| !is_event) {
                if let Some(place) = DEEP.iter().position(|(spec, ..)| spec.name() == name) {
                    streamed.signals[place].push(raw as f32);
                }
            }
        }
        // As in the engine, what was judged makes a row.
        if signals.len() >= GroupRule::default().members_min
            && row.iter().any(|value| value.is_finite())
        {
            let raw = GroupSubspace.score(&mut group, &row, 1.0).filter(|_| !is_event);
            streamed.group.extend(raw.map(|raw| raw as f32));
        }
    }
    Ok(streamed)
}

/// One column with the detectors of the default rule and the whole deep tier.
struct Signal {
    bank: Bank,
    interval: Interval,
    last: Option<Timestamp>,
}

impl Signal {
    fn new(labels: &LabelSet, tables: &Tables) -> Self {
        let Rule { mut detectors, min_deviation, direction, .. } = Rule::default();
        detectors.retain(|spec| DEEP.iter().all(|(deep, ..)| deep.name() != spec.name()));
        detectors.extend(DEEP.map(|(spec, ..)| spec));
        let mut bank = Bank::new(&detectors, min_deviation, direction, tables);
        bank.reset(0, Some(labels.fingerprint().as_u128() as u64));
        Self { bank, interval: Interval::default(), last: None }
    }

    /// Judges a sample; whether both tiers could.
    fn judge(&mut self, sample: Sample) -> bool {
        if self.last.is_some_and(|last| sample.timestamp <= last) {
            return false;
        }
        if let Some(last) = self.last.replace(sample.timestamp) {
            self.interval.learn(last, sample.timestamp);
        }
        let local = LocalTime::utc(sample.timestamp);
        let judgement = self.bank.observe(0, sample, local, self.interval.as_ms());
        matches!(judgement, Judgement::Scored { deep: Some(_), .. })
    }
}

/// A ladder, and the one that is shipped.
struct Fit {
    name: String,
    constant: &'static str,
    fitted: Population,
    shipped: Population,
    scores: usize,
    series: usize,
}

impl Fit {
    fn new(
        name: String,
        constant: &'static str,
        shipped: Population,
        scores: &[Scores],
    ) -> Result<Self, FitError> {
        let Some(fitted) = Population::fit(scores) else { return Err(FitError::NoTail { name }) };
        let series = scores.iter().filter(|scores| !scores.is_empty()).count();
        let scores = scores.iter().map(Vec::len).sum();
        Ok(Self { name, constant, fitted, shipped, scores, series })
    }

    fn rows(&self) -> String {
        let cells = |of: Population| of.rungs().map(rounded).join(" | ");
        let (fitted, shipped) = (cells(self.fitted), cells(self.shipped));
        let Self { name, scores, series, .. } = self;
        format!(
            "| {name} | fitted | {fitted} | {scores} | {series} |\n| | shipped | {shipped} | | |"
        )
    }

    fn constant(&self) -> String {
        let rungs = self.fitted.rungs().map(rounded).join(", ");
        format!("pub const {}: Self = Self([{rungs}]);", self.constant)
    }
}

/// `value` to two significant digits, as Rust writes a number that is no integer.
fn rounded(value: f64) -> String {
    let unit = libm::floor(libm::log10(value)) - 1.0;
    let digits = libm::round(value / libm::exp10(unit));
    format!("{:.*}", (-unit).max(1.0) as usize, digits * libm::exp10(unit))
}
