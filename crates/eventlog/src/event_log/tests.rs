use std::fs;

use bellwether_runtime::EventSink;

use super::*;
use crate::testing::{
    DAY_0_MS, DAY_MS, close, event, events, publish_all, read_all, sequences, wait_until,
};

fn options(folder: &Path) -> EventLogOptions {
    EventLogOptions {
        folder: folder.to_owned(),
        flush_interval_ms: 0,
        keep_ms: 0,
        queue_events_max: 10_000,
    }
}

fn start(options: EventLogOptions) -> FileSink {
    FileSink::event_log("event_log", options).unwrap()
}

/// Paths of all files below `folder`, relative to it.
fn files_below(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            files.extend(files_below(&path).into_iter().map(|file| format!("{name}/{file}")));
        } else {
            files.push(name);
        }
    }
    files.sort_unstable();
    files
}

#[test]
fn the_log_can_be_read_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let sink = start(options(folder.path()));
    publish_all(&sink, &events(0..3));
    wait_until(&sink, |stats| stats.delivered_events == 3);
    assert_eq!(sequences(folder.path()), [0, 1, 2]);
    publish_all(&sink, &events(3..5));
    wait_until(&sink, |stats| stats.delivered_events == 5);
    assert_eq!(sequences(folder.path()), [0, 1, 2, 3, 4]);
    assert_eq!(files_below(folder.path()), ["day=2026-01-05/events-00001.parquet"]);
    close(&sink);
}

#[test]
fn closing_flushes_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let sink = start(EventLogOptions { flush_interval_ms: 3_600_000, ..options(folder.path()) });
    publish_all(&sink, &events(0..3));
    let stats = close(&sink);
    assert_eq!((stats.delivered_events, stats.dropped_events), (3, 0));
    let read: Vec<_> =
        read_all(folder.path()).into_iter().map(Result::unwrap).map(Arc::new).collect();
    assert_eq!(read, events(0..3));
}

#[test]
fn events_are_filed_by_their_day() {
    let folder = tempfile::tempdir().unwrap();
    let sink = start(options(folder.path()));
    let days = [0, DAY_MS, -1, DAY_MS - 1];
    for (sequence, offset_ms) in (0..).zip(days) {
        sink.publish(&event(sequence, DAY_0_MS + offset_ms));
    }
    close(&sink);
    assert_eq!(sequences(folder.path()), [2, 0, 3, 1]);
    assert_eq!(
        files_below(folder.path()),
        [
            "day=2026-01-04/events-00001.parquet",
            "day=2026-01-05/events-00001.parquet",
            "day=2026-01-06/events-00001.parquet",
        ]
    );
}

#[test]
fn a_restart_begins_a_new_part_and_clears_what_a_crash_left() {
    let folder = tempfile::tempdir().unwrap();
    let sink = start(options(folder.path()));
    publish_all(&sink, &events(0..2));
    close(&sink);
    let day = folder.path().join("day=2026-01-05");
    let before = fs::read(day.join("events-00001.parquet")).unwrap();
    fs::write(day.join(".events-00001.parquet.tmp"), &before[..before.len() / 2]).unwrap();
    fs::write(day.join(".notes.tmp"), "not ours").unwrap();

    let sink = start(options(folder.path()));
    publish_all(&sink, &events(2..3));
    close(&sink);
    assert_eq!(fs::read(day.join("events-00001.parquet")).unwrap(), before);
    assert_eq!(files_below(&day), [".notes.tmp", "events-00001.parquet", "events-00002.parquet"]);
    assert_eq!(sequences(folder.path()), [0, 1, 2]);
}

#[test]
fn a_full_part_is_closed_and_the_next_begun() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::new(options(folder.path()), 4);
    let mut waiting = events(0..3);
    log.write(&mut waiting).unwrap();
    waiting.extend(events(3..9));
    log.write(&mut waiting).unwrap();
    assert!(waiting.is_empty());
    let day = folder.path().join("day=2026-01-05");
    let of_part = |number| sequences(&day.join(part_name(number)));
    assert_eq!((of_part(1), of_part(2), of_part(3)), (vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8]));
    assert_eq!(sequences(folder.path()), (0..9).collect::<Vec<_>>());
}

#[test]
fn a_part_that_was_damaged_is_left_and_the_next_begun() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::new(options(folder.path()), 100);
    log.write(&mut events(0..1)).unwrap();
    let part = folder.path().join("day=2026-01-05/events-00001.parquet");
    fs::write(&part, "PAR1 rubbish PAR1").unwrap();
    let mut waiting = events(1..2);
    assert!(log.write(&mut waiting).is_err());
    log.write(&mut waiting).unwrap();
    assert!(waiting.is_empty());
    assert_eq!(sequences(&part.with_file_name("events-00002.parquet")), [1]);
    assert_eq!(files_below(folder.path()).len(), 2);
}

#[test]
fn nothing_that_fits_the_queue_is_lost_while_the_disk_fails() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("events");
    fs::write(&home, "a file where the folder should be").unwrap();
    let sink = start(EventLogOptions { queue_events_max: 4, ..options(&home) });
    publish_all(&sink, &events(0..6));
    let stats = wait_until(&sink, |stats| stats.failures_in_a_row >= 2);
    assert_eq!((stats.waiting_events, stats.dropped_events), (4, 2));

    fs::remove_file(&home).unwrap();
    let stats = wait_until(&sink, |stats| stats.delivered_events == 4);
    assert_eq!((stats.failures_in_a_row, stats.last_error), (0, None));
    assert_eq!(sequences(&home), [0, 1, 2, 3]);

    fs::remove_dir_all(&home).unwrap();
    publish_all(&sink, &events(6..7));
    wait_until(&sink, |stats| stats.delivered_events == 5);
    close(&sink);
    assert_eq!(sequences(&home), [6]);
}

#[test]
fn days_that_are_too_old_go_and_only_what_is_ours() {
    let folder = tempfile::tempdir().unwrap();
    let day = |n: i64| event(0, DAY_0_MS + n * DAY_MS);
    let sink = start(options(folder.path()));
    publish_all(&sink, &[day(0), day(1), day(2)]);
    close(&sink);
    fs::write(folder.path().join("day=2026-01-06/notes.txt"), "").unwrap();
    fs::create_dir(folder.path().join("day=2020")).unwrap();
    fs::write(folder.path().join("day=2020/events-00001.parquet"), "").unwrap();

    let keep_ms = 2 * DAY_MS as u64;
    let sink = start(EventLogOptions { keep_ms, ..options(folder.path()) });
    publish_all(&sink, &[day(3)]);
    let stats = wait_until(&sink, |stats| stats.delivered_events == 1);
    assert_eq!(stats.removed_files, 1);
    // 2026-01-05 began three days before the newest day did.
    let kept = |day: &str| folder.path().join(day).exists();
    assert!(!kept("day=2026-01-05"));
    assert!(kept("day=2026-01-06/events-00001.parquet"));

    publish_all(&sink, &[day(4)]);
    assert_eq!(close(&sink).removed_files, 2);
    assert_eq!(
        files_below(folder.path()),
        [
            "day=2020/events-00001.parquet",
            "day=2026-01-06/notes.txt",
            "day=2026-01-07/events-00001.parquet",
            "day=2026-01-08/events-00001.parquet",
            "day=2026-01-09/events-00001.parquet",
        ]
    );
}

#[test]
fn a_single_day_far_ahead_of_all_others_makes_none_of_them_old() {
    const KEEP_MS: u64 = 90 * 86_400_000;
    let days = |days: &[i64]| days.iter().map(|day| Day::of(day * 86_400_000)).collect::<Vec<_>>();
    let newest = |of: &[i64]| trusted_newest(&days(of), KEEP_MS);
    assert_eq!(newest(&[]), None);
    assert_eq!(newest(&[5]), days(&[5]).pop());
    assert_eq!(newest(&[5, 60]), days(&[60]).pop());
    assert_eq!(newest(&[5, 60, 30_000]), days(&[60]).pop());
    // Two days in a row are time that has passed.
    assert_eq!(newest(&[5, 60, 30_000, 30_001]), days(&[30_001]).pop());
}
