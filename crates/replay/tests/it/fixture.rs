//! The corpus itself: three small series in which something happens, generated here and committed, so that
//! it can be looked at. With `UPDATE_FIXTURES` set it is written anew.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::golden::fixtures;

const START_SECONDS: u64 = 1_750_032_000;

/// Ids of the series, in the order of the manifest; each is the path of its file, too.
pub(crate) const IDS: [&str; 3] = ["queue.csv.gz", "orders.csv", "host.csv"];

#[test]
fn the_committed_corpus_is_what_is_generated_here() {
    for (id, text) in IDS.into_iter().zip([queue(), orders(), host()]) {
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            write(id, &text);
        }
        assert!(read(id) == text, "{id} is not what its generator gives");
    }
}

/// The text of a committed series.
pub(crate) fn read(id: &str) -> String {
    let file = File::open(fixtures().join(id)).expect("the series is committed");
    let mut text = String::new();
    if is_gzip(id) {
        GzDecoder::new(file).read_to_string(&mut text)
    } else {
        { file }.read_to_string(&mut text)
    }
    .expect("text");
    text
}

fn write(id: &str, text: &str) {
    let file = File::create(fixtures().join(id)).expect("the series can be written");
    if is_gzip(id) {
        let mut encoder = GzEncoder::new(file, Compression::best());
        encoder.write_all(text.as_bytes()).expect("the series can be written");
        encoder.finish().expect("the series can be written");
    } else {
        { file }.write_all(text.as_bytes()).expect("the series can be written");
    }
    let manifest = IDS.map(|id| format!(r#"    {{"id": "{id}", "path": "{id}"}}"#)).join(",\n");
    let manifest = format!("{{\n  \"series\": [\n{manifest}\n  ]\n}}\n");
    fs::write(fixtures().join("manifest.json"), manifest).expect("the manifest can be written");
}

fn is_gzip(id: &str) -> bool {
    Path::new(id).extension().is_some_and(|extension| extension == "gz")
}

/// A queue every five minutes over four days: a daily wave, a spike, a gap, a level shift, and rows that
/// are refused: one twice, one with another value for the same time, one too late, one that is no number.
fn queue() -> String {
    let mut noise = Noise(1);
    let mut text = "timestamp,value,label\n".to_owned();
    for index in 0..1152_u64 {
        let seconds = START_SECONDS + index * 300;
        let wave = 40.0 * triangle(index % 288, 288);
        let is_odd = matches!(index, 700..712 | 900..960);
        let value = 100.0 + wave + 3.0 * noise.next() + if is_odd { 80.0 } else { 0.0 };
        if !(760..800).contains(&index) {
            row(&mut text, seconds, &[value], is_odd);
        }
        match index {
            300 => row(&mut text, seconds, &[value], is_odd),
            301 => row(&mut text, seconds, &[value + 50.0], is_odd),
            302 => row(&mut text, seconds - 600, &[value], is_odd),
            303 => writeln!(text, "{},NaN,0", seconds + 1).expect("a string"),
            _ => {}
        }
    }
    text
}

/// A counter every minute that is reset twice and stands still for a while.
fn orders() -> String {
    let mut noise = Noise(2);
    let mut text = "timestamp,orders_total,label\n".to_owned();
    let mut count = 5_000.0_f64;
    for index in 0..700_u64 {
        let is_odd = (500..530).contains(&index);
        if !is_odd {
            count += (60.0 + 6.0 * noise.next()).max(0.0).round();
        }
        if matches!(index, 200 | 640) {
            count = 7.0;
        }
        row(&mut text, START_SECONDS + index * 60, &[count], is_odd);
    }
    text
}

/// Three columns of one host every minute: a ratio that hits its bound together with a latency, and a constant.
/// Some cells are empty.
fn host() -> String {
    let mut noise = Noise(3);
    let mut text = "timestamp,m00,m01,m02,label\n".to_owned();
    for index in 0..600_u64 {
        let is_odd = (400..420).contains(&index);
        let busy = if is_odd { 1.0 } else { 0.3 + 0.03 * noise.next() };
        let latency = (1.0 + 0.1 * noise.next()) * if is_odd { 9.0 } else { 1.0 };
        let mut line = String::new();
        row(&mut line, START_SECONDS + index * 60, &[busy, latency, 8.0], is_odd);
        if index % 50 == 49 {
            let cells: Vec<_> = line.split(',').collect();
            line = format!("{},,{},{},{}", cells[0], cells[2], cells[3], cells[4]);
        }
        text.push_str(&line);
    }
    text
}

fn row(text: &mut String, seconds: u64, values: &[f64], is_odd: bool) {
    write!(text, "{seconds}").expect("a string");
    for value in values {
        write!(text, ",{value:.3}").expect("a string");
    }
    writeln!(text, ",{}", u8::from(is_odd)).expect("a string");
}

/// From -1 up to 1 and back, once in `period`.
fn triangle(at: u64, period: u64) -> f64 {
    let phase = at as f64 / period as f64;
    1.0 - 4.0 * (phase - 0.5).abs()
}

/// Roughly normal noise without transcendental functions: the sum of four uniform numbers (splitmix64).
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    /// Mean 0, deviation 1.
    pub(crate) fn next(&mut self) -> f64 {
        (0..4).map(|_| self.uniform()).sum::<f64>() * 1.75
    }

    /// From -0.5 to 0.5.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    }
}
