//! Cut at every byte, flipped at every byte: nothing wrong is read, and what is missing is named.

use super::*;

/// Bytes of the file that segment `number` would be with its first `bytes` only, beside the other segments.
fn cut(storage: &FaultyStorage, number: u64, whole: &[u8], bytes: usize) {
    storage.put(&segment_path(number), whole[..bytes].to_vec());
}

#[test]
fn the_newest_segment_cut_at_any_byte_gives_the_records_that_are_whole() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, JournalOptions { segment_bytes_max: 600, ..options() });
    journal.set_preamble(b"configuration".to_vec()).unwrap();
    write(&mut journal, 12);
    let newest = 2;
    assert_eq!(journal.figures().segments, newest);
    let first = journal.segment.first_sequence;
    let whole = storage.content(&segment_path(newest)).unwrap();
    // Ends of the header, of what is restated, and of each record.
    let mut ends = vec![HEADER_BYTES, HEADER_BYTES + FRAME_BYTES + b"configuration".len()];
    for sequence in first..=12 {
        ends.push(ends.last().unwrap() + FRAME_BYTES + payload(sequence).len());
    }
    assert_eq!(*ends.last().unwrap(), whole.len());
    for bytes in 0..=whole.len() {
        cut(&storage, newest, &whole, bytes);
        let records = ends[2..].iter().filter(|&&end| end <= bytes).count() as u64;
        let (mut journal, recovery) = open(&storage, options());
        assert_eq!(recovery.next_sequence, first + records, "{bytes}");
        assert_eq!(recovery.gaps, [], "{bytes}");
        let begun = bytes > HEADER_BYTES && !ends.contains(&bytes);
        let end = ends.iter().rev().find(|&&end| end <= bytes).copied();
        let torn = begun.then(|| TornTail {
            file: segment_path(newest),
            offset: end.unwrap() as u64,
            bytes: (bytes - end.unwrap()) as u64,
            is_damaged: false,
        });
        assert_eq!(recovery.torn_tail, torn, "{bytes}");
        // And it goes on from there, as if the tail had never been.
        write(&mut journal, 2);
        let read = read(&storage);
        assert_eq!(read.records, (1..first + records + 2).map(|s| (s, payload(s))).collect());
        assert_eq!((read.gaps, read.torn_tail), (Vec::new(), None), "{bytes}");
        storage.remove(&segment_path(newest + 1)).unwrap();
    }
    println!("reliability torn tail: cut at {} places of a segment, wrong 0", whole.len() + 1);
}

#[test]
fn a_large_record_cut_at_any_byte_is_a_torn_tail() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, JournalOptions::default());
    write(&mut journal, 1);
    let start = storage.content(&segment_path(1)).unwrap().len();
    let large: Vec<u8> =
        (0..70_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    journal.append(KIND, at(0), &[&large]).unwrap();
    journal.commit().unwrap();
    let whole = storage.content(&segment_path(1)).unwrap();
    for bytes in start + 1..whole.len() {
        cut(&storage, 1, &whole, bytes);
        let (_, recovery) = open(&storage, JournalOptions::default());
        assert_eq!(recovery.next_sequence, 2, "{bytes}");
        let torn = recovery.torn_tail.unwrap();
        assert_eq!((torn.offset, torn.bytes), (start as u64, (bytes - start) as u64));
        assert!(!torn.is_damaged, "{bytes}");
    }
    let cuts = whole.len() - start - 1;
    println!("reliability torn tail: cut at {cuts} places of the last record, wrong 0");
}

#[test]
fn no_flipped_byte_of_any_segment_goes_unnoticed_or_gives_anything_wrong() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, options());
    journal.set_preamble(b"configuration".to_vec()).unwrap();
    write(&mut journal, 14);
    let all: BTreeMap<u64, Vec<u8>> = (1..=14).map(|s| (s, payload(s))).collect();
    let segments = journal.figures().segments;
    assert!(segments >= 3);
    drop(journal);
    let mut flips = 0;
    for number in 1..=segments {
        let whole = storage.content(&segment_path(number)).unwrap();
        for (byte, mask) in (0..whole.len()).flat_map(|b| [(b, 0xff), (b, 1), (b, 0x80)]) {
            let mut bad = whole.clone();
            bad[byte] ^= mask;
            flips += 1;
            storage.put(&segment_path(number), bad);
            let context = format!("segment {number}, byte {byte}, mask {mask}");
            let (_, recovery) = open(&storage, options());
            let read = read(&storage);
            assert!(read.records.iter().all(|(s, p)| all.get(s) == Some(p)), "{context}");
            assert!(!read.gaps.is_empty() || read.torn_tail.is_some(), "unnoticed: {context}");
            // Whatever is missing is missing at the end, or counted.
            let counted: u64 = read.gaps.iter().filter_map(|gap| gap.missing).sum();
            let last = read.records.last_key_value().map_or(0, |(&last, _)| last);
            let at_the_end = number == segments;
            assert!(at_the_end || last == 14, "{context}");
            // What was lost before the first segment whose header can be read is not known to have been there.
            let first_unknown = number == 1 && byte < HEADER_BYTES;
            if !first_unknown {
                assert_eq!(read.records.len() as u64 + counted, last, "{context}");
            }
            if at_the_end {
                // Never taken for what a crash leaves: all of it was there once.
                let is_damaged = recovery.torn_tail.is_some_and(|tail| tail.is_damaged);
                assert!(is_damaged || !recovery.gaps.is_empty(), "{context}");
            }
        }
        storage.put(&segment_path(number), whole);
    }
    println!("reliability damage: {flips} flips in {segments} segments, unnoticed 0, wrong 0");
}

#[test]
fn damage_in_the_middle_is_a_gap_with_its_place_and_count() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, JournalOptions::default());
    write(&mut journal, 9);
    let mut bytes = storage.content(&segment_path(1)).unwrap();
    let start = HEADER_BYTES + 3 * (FRAME_BYTES + payload(1).len());
    for record in [3, 4] {
        bytes[HEADER_BYTES + record * (FRAME_BYTES + payload(1).len()) + HEAD] ^= 4;
    }
    storage.put(&segment_path(1), bytes);
    let gap =
        Gap { file: segment_path(1), offset: start as u64, first_missing: 4, missing: Some(2) };
    let (mut journal, recovery) = open(&storage, JournalOptions::default());
    assert_eq!((recovery.next_sequence, recovery.torn_tail), (10, None));
    assert_eq!(recovery.gaps, std::slice::from_ref(&gap));
    write(&mut journal, 1);
    let read = read(&storage);
    assert_eq!(read.gaps, [gap]);
    assert_eq!(read.records.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 6, 7, 8, 9, 10]);
    // A reader that begins behind the damage is not bothered, one that begins in it is told of the rest.
    assert_eq!(read_from(&storage, ReadFrom::Sequence(6), 99).gaps, []);
    let within = read_from(&storage, ReadFrom::Sequence(5), 99).gaps;
    assert_eq!((within[0].first_missing, within[0].missing), (5, Some(1)));
}

const HEAD: usize = record::HEAD_BYTES;

#[test]
fn a_segment_that_is_lost_as_a_whole_is_counted_by_the_one_behind_it() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, options());
    journal.set_preamble(b"configuration".to_vec()).unwrap();
    write(&mut journal, 9);
    let mut bytes = storage.content(&segment_path(2)).unwrap();
    bytes[30] ^= 1;
    storage.put(&segment_path(2), bytes);
    let read = read(&storage);
    let gap = &read.gaps[0];
    assert_eq!((&*gap.file, gap.offset), (&*segment_path(2), 0));
    let behind = gap.first_missing + gap.missing.unwrap();
    assert_eq!(read.records.len() as u64 + gap.missing.unwrap(), 9);
    assert_eq!(read.restated.last().unwrap().0, behind, "what it restates is news behind a gap");
}

#[test]
fn the_newest_segment_lost_as_a_whole_is_named_at_every_start() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, options());
    write(&mut journal, 9);
    let newest = journal.figures().segments;
    let first = journal.segment.first_sequence;
    drop(journal);
    let mut bytes = storage.content(&segment_path(newest)).unwrap();
    bytes[30] ^= 1;
    storage.put(&segment_path(newest), bytes);
    let gap = Gap { file: segment_path(newest), offset: 0, first_missing: first, missing: None };
    let (mut journal, recovery) = open(&storage, options());
    assert_eq!((recovery.next_sequence, recovery.gaps), (first, vec![gap.clone()]));
    write(&mut journal, 1);
    assert_eq!(read(&storage).gaps, [gap]);
    // A checkpoint knows better how far it went.
    let (_, recovery) = Journal::open(Arc::new(storage), options(), 10, 1).unwrap();
    assert_eq!(recovery.next_sequence, 10);
}

#[test]
fn zeros_behind_the_end_are_a_torn_tail() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, options());
    write(&mut journal, 2);
    let mut bytes = storage.content(&segment_path(1)).unwrap();
    bytes.resize(bytes.len() + 4096, 0);
    storage.put(&segment_path(1), bytes);
    let torn = open(&storage, options()).1.torn_tail.unwrap();
    assert_eq!((torn.bytes, torn.is_damaged), (4096, false));
}

#[test]
fn zeros_from_the_middle_of_the_last_record_on_are_a_torn_tail() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, JournalOptions::default());
    write(&mut journal, 2);
    let whole = storage.content(&segment_path(1)).unwrap();
    let last = HEADER_BYTES + FRAME_BYTES + payload(1).len();
    for from in last..whole.len() - 4 {
        let mut bytes = whole.clone();
        bytes[from..].fill(0);
        storage.put(&segment_path(1), bytes);
        let torn = read(&storage).torn_tail.unwrap();
        assert_eq!((torn.offset, torn.is_damaged), (last as u64, false), "{from}");
    }
}

#[test]
fn a_record_of_another_segment_does_not_verify_in_this_one() {
    let storage = FaultyStorage::new(1);
    let (mut journal, _) = open(&storage, JournalOptions::default());
    write(&mut journal, 2);
    let (mut other, _) = Journal::open(
        Arc::new(FaultyStorage::new(2)),
        JournalOptions { folder: "other".to_owned(), ..JournalOptions::default() },
        0,
        8,
    )
    .unwrap();
    write(&mut other, 1);
    let head = Head { payload_bytes: 1, sequence: 3, kind: 1, restated: false, received_at: at(0) };
    let mut bytes = storage.content(&segment_path(1)).unwrap();
    head.frame(crc_seed(other.segment.id), &[b"x"], &mut bytes);
    storage.put(&segment_path(1), bytes);
    assert_eq!(read(&storage).records.len(), 2);
    assert!(read(&storage).torn_tail.is_some());
}
