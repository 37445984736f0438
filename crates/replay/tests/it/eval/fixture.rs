//! The corpus, and results for it: made here and committed, so that they can be looked at.
//!
//! Seven series of three datasets with whatever makes a figure differ: windows in the probation, next to each other and
//! at both ends; a series without an event; times that repeat; several columns; alerts that last; steps of one minute to one hour. The
//! results of `results/` are complete and say which rows alert; those of `gaps/` do not say it, lack rows and one
//! series, and write times and files in other ways.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::folder;
use crate::fixture::Noise;

struct Series {
    id: &'static str,
    columns: usize,
    rows: u64,
    step_s: u64,
    score_from: usize,
    vus_window: usize,
    /// First and last rows that are labelled.
    windows: &'static [(u64, u64)],
    /// First and last row that alert without a pause, whatever is labelled.
    stuck: Option<(u64, u64)>,
}

const SERIES: [Series; 7] = [
    Series {
        id: "nab/steady/early.csv",
        columns: 1,
        rows: 400,
        step_s: 300,
        score_from: 60,
        vus_window: 20,
        windows: &[(20, 40), (50, 80), (200, 230), (232, 250)],
        stuck: None,
    },
    Series {
        id: "nab/steady/quiet.csv",
        columns: 1,
        rows: 300,
        step_s: 300,
        score_from: 45,
        vus_window: 30,
        windows: &[],
        stuck: Some((200, 260)),
    },
    Series {
        id: "nab/twice/repeats.csv",
        columns: 1,
        rows: 350,
        step_s: 300,
        score_from: 52,
        vus_window: 11,
        windows: &[(120, 150), (330, 349)],
        stuck: None,
    },
    Series {
        id: "hourly/orders.csv",
        columns: 1,
        rows: 500,
        step_s: 3600,
        score_from: 75,
        vus_window: 24,
        windows: &[(70, 78), (130, 130), (133, 133), (300, 312), (495, 499)],
        stuck: None,
    },
    Series {
        id: "hourly/visits.csv",
        columns: 1,
        rows: 420,
        step_s: 3600,
        score_from: 63,
        vus_window: 7,
        windows: &[(100, 104), (260, 261)],
        stuck: None,
    },
    Series {
        id: "hosts/a.csv",
        columns: 3,
        rows: 600,
        step_s: 60,
        score_from: 300,
        vus_window: 15,
        windows: &[(320, 339), (345, 350), (500, 519)],
        stuck: None,
    },
    Series {
        id: "hosts/b.csv",
        columns: 2,
        rows: 500,
        step_s: 60,
        score_from: 250,
        vus_window: 40,
        windows: &[(400, 440)],
        stuck: Some((255, 390)),
    },
];

const START_S: u64 = 1_700_000_000;

impl Series {
    fn dataset(&self) -> &str {
        self.id.split('/').next().expect("there is always one")
    }

    /// One time of each ten comes twice, in one of the series.
    fn times_s(&self) -> Vec<u64> {
        let repeats = self.id.contains("repeats");
        let row = |row: u64| if repeats && row % 10 == 9 { row - 1 } else { row };
        (0..self.rows).map(|at| START_S + row(at) * self.step_s).collect()
    }

    fn is_labelled(&self, row: u64) -> bool {
        self.windows.iter().any(|&(first, last)| (first..=last).contains(&row))
    }

    fn data(&self, seed: u64) -> String {
        let mut noise = Noise(seed);
        let mut text = "timestamp".to_owned();
        match self.columns {
            1 => text.push_str(",value"),
            columns => (0..columns).for_each(|column| write!(text, ",m{column:02}").expect("text")),
        }
        text.push_str(",label\n");
        for (row, time_s) in (0..).zip(self.times_s()) {
            write!(text, "{time_s}").expect("text");
            let is_odd = self.is_labelled(row);
            for _ in 0..self.columns {
                let value = 10.0 + noise.next() + if is_odd { 5.0 } else { 0.0 };
                write!(text, ",{value:.1}").expect("text");
            }
            writeln!(text, ",{}", u8::from(is_odd)).expect("text");
        }
        text
    }

    /// Scores that see a part of what is labelled and a little that is not, two digits, so that many are equal.
    fn result(&self, seed: u64) -> Vec<(u64, String, bool)> {
        let mut noise = Noise(seed);
        let (mut level, mut rows) = (0.0_f64, Vec::new());
        for (row, time_s) in (0..).zip(self.times_s()) {
            let burst = noise.uniform() > if self.is_labelled(row) { 0.37 } else { 0.49 };
            level = 0.7 * level + if burst { 0.55 } else { 0.0 };
            let score = (level + 0.12 * (noise.uniform() + 0.5)).clamp(0.0, 0.99);
            let is_stuck = self.stuck.is_some_and(|(first, last)| (first..=last).contains(&row));
            let score = if is_stuck { score.max(0.66) } else { score };
            let is_alert = is_stuck || burst && score > 0.5;
            rows.push((time_s, format!("{score:.2}"), is_alert));
        }
        rows
    }
}

/// All files of the fixture that are made here, by name.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = vec![
        ("manifest.json".to_owned(), manifest().into_bytes()),
        ("labels.json".to_owned(), labels(&SERIES, "", |time_s| time_s.to_string()).into_bytes()),
        ("nab/combined_windows.json".to_owned(), nab_labels().into_bytes()),
    ];
    for (seed, series) in (1..).zip(&SERIES) {
        files.push((series.id.to_owned(), series.data(seed).into_bytes()));
        let rows = series.result(seed + 100);
        files.push((format!("results/{}", series.id), complete(&rows).into_bytes()));
        files.extend(gaps(series, &rows));
    }
    files
}

fn complete(rows: &[(u64, String, bool)]) -> String {
    let mut text = "timestamp,score,is_alert\n".to_owned();
    for (time_s, score, is_alert) in rows {
        writeln!(text, "{time_s},{score},{}", u8::from(*is_alert)).expect("text");
    }
    text
}

/// The same without alerts: one series missing, one compressed, one with dates, the others with rows left out or moved.
fn gaps(series: &Series, rows: &[(u64, String, bool)]) -> Option<(String, Vec<u8>)> {
    let mut rows = rows.to_vec();
    let name = format!("gaps/{}", series.id);
    match series.id {
        "hourly/visits.csv" => return None,
        "hosts/a.csv" => rows.reverse(),
        "hosts/b.csv" => rows.truncate(420),
        "nab/twice/repeats.csv" => rows.retain(|(time_s, ..)| (time_s / 300) % 7 != 3),
        "nab/steady/early.csv" => "NaN".clone_into(&mut rows[210].1),
        "hourly/orders.csv" => rows[302].1.clear(),
        _ => {}
    }
    let is_dated = series.id == "nab/steady/quiet.csv";
    let mut text = "timestamp,value,anomaly_score\n".to_owned();
    for (time_s, score, _) in &rows {
        let time = if is_dated { date(*time_s) } else { format!("{time_s}.0") };
        writeln!(text, "{time},1,{score}").expect("text");
    }
    if series.id != "hourly/orders.csv" {
        return Some((name, text.into_bytes()));
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).expect("memory");
    Some((name + ".gz", encoder.finish().expect("memory")))
}

fn manifest() -> String {
    let entry = |series: &Series| {
        let Series { id, columns, step_s, score_from, vus_window, .. } = series;
        let kind = if *columns == 1 { "univariate" } else { "multivariate" };
        let dataset = series.dataset();
        format!(
            r#"    {{"id": "{id}", "path": "{id}", "dataset": "{dataset}", "kind": "{kind}", "step_s": {step_s}, "score_from": {score_from}, "vus_window": {vus_window}}}"#
        )
    };
    let entries: Vec<_> = SERIES.iter().map(entry).collect();
    format!("{{\n  \"series\": [\n{}\n  ]\n}}\n", entries.join(",\n"))
}

fn labels(series: &[Series], prefix: &str, bound: impl Fn(u64) -> String) -> String {
    let entry = |series: &Series| {
        let times = series.times_s();
        let window = |&(first, last): &(u64, u64)| {
            format!("[{}, {}]", bound(times[first as usize]), bound(times[last as usize]))
        };
        let windows: Vec<_> = series.windows.iter().map(window).collect();
        let id = series.id.strip_prefix(prefix).expect("the prefix of all");
        format!("  \"{id}\": [{}]", windows.join(", "))
    };
    let entries: Vec<_> = series.iter().map(entry).collect();
    format!("{{\n{}\n}}\n", entries.join(",\n"))
}

/// The windows of the dataset `nab` as NAB writes them.
fn nab_labels() -> String {
    labels(&SERIES[..3], "nab/", |time_s| format!("\"{}.000000\"", date(time_s)))
}

fn date(time_s: u64) -> String {
    let time = jiff::Timestamp::from_second(time_s as i64).expect("a time");
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[test]
fn the_committed_files_are_what_is_generated_here() {
    for (name, bytes) in files() {
        let path = folder().join(&name);
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            write(&path, &bytes);
        }
        // Compressors differ from version to version.
        let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
        let committed = fs::read(&path).unwrap_or_default();
        assert!(!committed.is_empty(), "{name} is missing");
        assert!(is_gzip || committed == bytes, "{name} is not what its generator gives");
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, bytes).expect("the file can be written");
}
