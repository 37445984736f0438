//! A Parquet file with history: first arbitrary bytes as one, then a whole one that the bytes damage.
#![no_main]

#[path = "shared/damage.rs"]
mod damage;

use std::backtrace::Backtrace;
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::panic;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use bellwether_replay::history::{Catalog, HistoryError, Input, Mapping};
use libfuzzer_sys::fuzz_target;

const MAGIC: &[u8] = b"PAR1";
/// A few bytes stand for any number of equal rows.
const ROWS_MAX: usize = 20_000;
/// How frames of the libraries begin; the program itself is called `parquet`, too.
const LIBRARIES: [&str; 4] = ["parquet::arrow::", "parquet::column::", "parquet::file::", "arrow_"];
/// Texts in dictionaries, and a number that is packed.
const WHOLE: &[u8] = include_bytes!("../../../fixtures/fuzz/parquet/long");

fuzz_target!(
    init: {
        // Of any other panic this is the end; those of the libraries become errors.
        let end = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !is_of_library(&Backtrace::force_capture().to_string()) {
                end(info);
            }
        }));
    },
    |bytes: &[u8]| {
        if bytes.starts_with(MAGIC) {
            read(bytes);
        }
        let mut bad = WHOLE.to_vec();
        damage::damage(&mut bad, bytes);
        if bad.starts_with(MAGIC) {
            read(&bad);
        }
    }
);

/// Whether a library is what panics, or called what does: a sum overflows in the standard library, whoever wants it.
fn is_of_library(frames: &str) -> bool {
    let is_ours = |frame: &&str| frame.contains("bellwether");
    let is_theirs = |frame: &str| LIBRARIES.iter().any(|library| frame.contains(library));
    frames.lines().take_while(|frame| !is_ours(frame)).any(is_theirs)
}

fn read(bytes: &[u8]) {
    let (file, path) = file();
    file.set_len(0).and_then(|()| file.write_all_at(bytes, 0)).expect("room");
    if let Err(error) = read_all(path) {
        assert!(error.to_string().contains(&path.display().to_string()), "{error} names no file");
    }
}

fn read_all(path: &PathBuf) -> Result<(), HistoryError> {
    let (input, stop) = (Input::look_at(path)?, AtomicBool::new(false));
    let (mut reader, _) = input.open(&Mapping::default(), &Arc::new(Catalog::default()), &stop)?;
    let (mut rows, mut count) = (Vec::new(), 0);
    while count < ROWS_MAX && reader.read(&mut rows)? {
        count += rows.len();
        rows.clear();
    }
    Ok(())
}

/// A file that is gone when this ends, and how to open it.
fn file() -> &'static (File, PathBuf) {
    static FILE: OnceLock<(File, PathBuf)> = OnceLock::new();
    FILE.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("bellwether-fuzz-{}", std::process::id()));
        let open = OpenOptions::new().create_new(true).read(true).write(true).open(&path);
        let file = open.expect("a temporary file");
        fs::remove_file(&path).expect("a temporary file");
        let again = format!("/proc/self/fd/{}", file.as_raw_fd());
        (file, again.into())
    })
}
