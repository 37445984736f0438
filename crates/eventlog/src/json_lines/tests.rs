use std::fs;

use super::*;
use crate::testing::{close, event, events, publish_all, read_all, sequences, wait_until};

fn options(path: &Path) -> JsonLinesOptions {
    JsonLinesOptions {
        path: path.to_owned(),
        rotate_bytes: 1 << 20,
        files_max: 10,
        queue_events_max: 1000,
    }
}

fn start(options: JsonLinesOptions) -> FileSink {
    FileSink::json_lines("json_lines", options).unwrap()
}

fn line_bytes() -> u64 {
    serde_json::to_vec(&*events(1..2)[0]).unwrap().len() as u64 + 1
}

fn names_in(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn each_event_is_a_line_of_json_behind_those_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/events.jsonl");
    for range in [0..2, 2..3] {
        let sink = start(options(&path));
        publish_all(&sink, &events(range));
        close(&sink);
    }
    let lines = fs::read_to_string(&path).unwrap();
    let expected: String =
        events(0..3).iter().map(|event| serde_json::to_string(&**event).unwrap() + "\n").collect();
    assert_eq!(lines, expected);
}

#[test]
fn the_file_is_rotated_before_it_exceeds_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let rotate_bytes = 3 * line_bytes();
    let sink = start(JsonLinesOptions { rotate_bytes, files_max: 3, ..options(&path) });
    publish_all(&sink, &events(0..5));
    wait_until(&sink, |stats| stats.delivered_events == 5);
    assert_eq!(names_in(folder.path()), ["events.jsonl", "events.jsonl.1"]);
    publish_all(&sink, &events(5..9));
    let stats = wait_until(&sink, |stats| stats.delivered_events == 9);
    assert_eq!(stats.removed_files, 0);
    assert_eq!(sequences(&path), [0, 1, 2, 3, 4, 5, 6, 7, 8]);

    publish_all(&sink, &events(9..10));
    assert_eq!(close(&sink).removed_files, 1);
    assert_eq!(names_in(folder.path()), ["events.jsonl", "events.jsonl.1", "events.jsonl.2"]);
    assert_eq!(sequences(&path), [3, 4, 5, 6, 7, 8, 9]);
    for name in names_in(folder.path()) {
        assert!(fs::metadata(folder.path().join(name)).unwrap().len() <= rotate_bytes);
    }
}

#[test]
fn fewer_files_are_kept_when_fewer_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    for (range, files_max) in [(0..8, 5), (8..11, 2), (11..12, 1)] {
        let sink = start(JsonLinesOptions { rotate_bytes: 1, files_max, ..options(&path) });
        publish_all(&sink, &events(range));
        close(&sink);
        assert_eq!(names_in(folder.path()).len(), files_max);
    }
    assert_eq!(sequences(&path), [11]);
}

#[test]
fn nothing_that_fits_the_queue_is_lost_while_the_disk_fails() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let path = home.join("events.jsonl");
    // A file where the folder should be.
    fs::write(&home, "").unwrap();
    let sink = start(JsonLinesOptions { queue_events_max: 4, ..options(&path) });
    publish_all(&sink, &events(0..6));
    let stats = wait_until(&sink, |stats| stats.failures_in_a_row >= 2);
    assert_eq!((stats.waiting_events, stats.dropped_events), (4, 2));
    assert!(stats.last_error.is_some());

    fs::remove_file(&home).unwrap();
    let stats = wait_until(&sink, |stats| stats.delivered_events == 4);
    assert_eq!((stats.failures_in_a_row, stats.last_error), (0, None));
    assert_eq!(sequences(&path), [0, 1, 2, 3]);

    fs::remove_dir_all(&home).unwrap();
    publish_all(&sink, &events(6..7));
    close(&sink);
    assert_eq!(sequences(&path), [6]);
}

#[test]
fn a_full_disk_keeps_the_events_waiting_and_the_file_is_opened_anew() {
    // Whatever is written to it, the disk is full.
    let full = Path::new("/dev/full");
    let mut lines = Lines { options: options(full), open: None, removed_files: 0 };
    let mut waiting = events(0..2);
    assert!(lines.write(&mut waiting).is_err());
    assert_eq!(waiting.len(), 2);
    assert!(lines.open.is_none());
}

#[test]
fn a_file_that_was_moved_away_or_emptied_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let moved = folder.path().join("moved");
    let sink = start(JsonLinesOptions { rotate_bytes: 3 * line_bytes(), ..options(&path) });
    publish_all(&sink, &events(0..2));
    wait_until(&sink, |stats| stats.delivered_events == 2);
    fs::rename(&path, &moved).unwrap();
    publish_all(&sink, &events(2..3));
    wait_until(&sink, |stats| stats.delivered_events == 3);
    assert_eq!((sequences(&moved), sequences(&path)), (vec![0, 1], vec![2]));

    OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    publish_all(&sink, &events(3..6));
    close(&sink);
    assert_eq!(sequences(&path), [3, 4, 5]);
    assert_eq!(names_in(folder.path()), ["events.jsonl", "moved"]);
}

#[test]
fn a_line_cut_short_by_a_crash_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let whole = serde_json::to_string(&*event(0, 0)).unwrap();
    fs::write(&path, format!("{whole}\n{}", &whole[..whole.len() / 2])).unwrap();
    let sink = start(options(&path));
    publish_all(&sink, &events(1..2));
    close(&sink);
    let read = read_all(&path);
    assert_eq!(read.len(), 3);
    assert_eq!(read[0].as_ref().unwrap().sequence, 0);
    assert!(matches!(&read[1], Err(crate::ReadError::Line { line: 2, .. })), "{:?}", read[1]);
    assert_eq!(read[2].as_ref().unwrap().sequence, 1);
}
