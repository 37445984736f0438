//! What is next, and what is not.

use super::*;

fn record(offset: i64) -> Record {
    Record { offset, value: Some(vec![0; 36]), ..Record::default() }
}

fn line(taken_next: Option<i64>) -> Line {
    let mut line = Line::new(taken_next);
    line.assign();
    line
}

/// Judges all that waits.
fn judge(line: &mut Line, kind: impl Fn(i64) -> Kind) {
    while let Some(offset) = line.unjudged(usize::MAX).map(|record| record.offset) {
        line.judged(kind(offset), true);
    }
}

fn submit(line: &mut Line, tenant: Option<Arc<str>>) -> Option<i64> {
    judge(line, |_| Kind::Heartbeat);
    line.head()?;
    Some(line.submit(tenant)?.record.offset)
}

fn offsets(line: &mut Line) -> Vec<i64> {
    std::iter::from_fn(|| submit(line, None)).collect()
}

#[test]
fn records_are_submitted_in_order_and_what_was_taken_before_is_left_out() {
    let mut line = line(Some(5));
    let read: Vec<_> = [3, 4, 5, 6, 9].map(|offset| line.read(record(offset))).into();
    assert_eq!(read, [Read::Known, Read::Known, Read::Waits, Read::Waits, Read::Waits]);
    assert_eq!(line.read(record(6)), Read::Known);
    assert_eq!(line.waiting_bytes(), 300);
    assert_eq!(submit(&mut line, None), Some(5));
    assert_eq!((line.submit_next(), line.taken_next()), (Some(6), Some(5)));
    assert_eq!(offsets(&mut line), [6, 9]);
    assert_eq!(line.waiting_bytes(), 0);
    for offset in [5, 6, 9] {
        line.answered(offset, true);
    }
    assert_eq!((line.taken_next(), line.must_read_again()), (Some(10), None));
}

#[test]
fn when_one_is_refused_it_is_read_again_from_there_once_all_are_answered() {
    let mut line = line(None);
    for offset in 0..6 {
        line.read(record(offset));
    }
    for _ in 0..4 {
        submit(&mut line, None).unwrap();
    }
    line.answered(0, true);
    // Whoever is out of turn hears it before the one that has failed.
    line.answered(2, false);
    assert!(line.head().is_none() && line.waiting_bytes() == 0);
    assert_eq!(line.read(record(6)), Read::NotNow);
    line.answered(3, false);
    assert_eq!(line.must_read_again(), None);
    line.answered(1, false);
    assert_eq!(line.must_read_again(), Some(1));
    line.read_again(1);
    assert_eq!((line.submit_next(), line.must_read_again()), (Some(1), None));
    for offset in [0, 1, 2] {
        line.read(record(offset));
    }
    assert_eq!(offsets(&mut line), [1, 2]);
}

#[test]
fn a_partition_that_comes_back_goes_on_behind_what_is_under_way() {
    let mut line = line(Some(0));
    for offset in 0..4 {
        line.read(record(offset));
    }
    submit(&mut line, None).unwrap();
    line.revoke();
    assert_eq!((line.read(record(4)), line.waiting_bytes()), (Read::NotNow, 0));
    line.assign();
    assert_eq!(line.read_next(), Some(1));
    line.read(record(1));
    line.answered(0, false);
    assert_eq!(line.must_read_again(), Some(0));
    line.revoke();
    assert_eq!(line.must_read_again(), None);
}

#[test]
fn tenants_do_not_follow_each_other_while_one_is_under_way() {
    let tenants = ["a", "b"].map(Arc::<str>::from);
    let mut line = line(None);
    line.read(record(0));
    assert!(line.may_follow(Some(&tenants[0])));
    submit(&mut line, Some(Arc::clone(&tenants[0]))).unwrap();
    assert!(line.may_follow(Some(&tenants[0])) && !line.may_follow(Some(&tenants[1])));
    line.answered(0, true);
    assert!(line.may_follow(Some(&tenants[1])));
}

fn is_poison_every_third(offset: i64) -> Kind {
    if offset % 3 == 0 { Kind::Poison(Poison::NoValue) } else { Kind::Heartbeat }
}

/// Sends what is due.
fn send(line: &mut Line) -> Vec<(i64, bool)> {
    let next = || {
        let due = line.letter_due().map(|due| (due.record.offset, due.form.without_value()))?;
        line.letter_sent();
        Some(due)
    };
    std::iter::from_fn(next).collect()
}

#[test]
fn letters_are_sent_ahead_in_order_and_what_is_behind_one_waits_until_it_is_confirmed() {
    let mut line = line(None);
    for offset in 1..8 {
        line.read(record(offset));
    }
    judge(&mut line, is_poison_every_third);
    assert_eq!(send(&mut line), [(3, false), (6, false)]);
    assert_eq!((offsets(&mut line), line.letters()), (vec![1, 2], 2));
    line.letter_confirmed(6);
    line.letter_confirmed(7);
    assert!(offsets(&mut line).is_empty());
    line.letter_confirmed(3);
    assert_eq!((offsets(&mut line), line.letters()), (vec![3, 4, 5, 6, 7], 0));
}

#[test]
fn a_letter_that_is_refused_is_sent_again_without_its_value_if_that_was_too_large() {
    let mut line = line(None);
    for offset in 0..4 {
        line.read(record(offset));
    }
    judge(&mut line, is_poison_every_third);
    assert_eq!(send(&mut line), [(0, false), (3, false)]);
    let too_large = Some(Refusal::TooLarge);
    assert!(matches!(line.letter_failed(3, too_large), Next::Send(_)));
    assert_eq!(line.letter_failed(0, None), Next::Again);
    assert_eq!(send(&mut line), [(0, false), (3, true)]);
    assert!(matches!(line.letter_failed(3, too_large), Next::Send(_)));
    assert_eq!(send(&mut line), [(3, true)]);
    assert_eq!(line.letter_failed(1, too_large), Next::Again, "it is no letter");
    assert_eq!(line.letter_failed(3, too_large), Next::GiveUp);
    assert!(send(&mut line).is_empty() && line.head().is_none());
    line.letter_confirmed(0);
    assert_eq!(offsets(&mut line), [0, 1, 2, 3]);
}

#[test]
fn letters_from_before_a_partition_went_and_came_back_confirm_nothing_that_is_not_sent() {
    let mut line = line(None);
    line.read(record(0));
    judge(&mut line, is_poison_every_third);
    assert_eq!(send(&mut line).len(), 1);
    line.revoke();
    line.assign();
    assert_eq!(line.letters(), 0);
    line.read(record(0));
    judge(&mut line, is_poison_every_third);
    line.letter_confirmed(0);
    assert!(line.head().is_none());
    assert_eq!(send(&mut line).len(), 1);
}

#[test]
fn so_many_letters_are_under_way_and_so_many_bytes_judged_and_no_more() {
    let mut line = line(None);
    let count = 3 * (LETTERS_MAX as i64 + 1);
    for offset in 0..count {
        line.read(record(offset));
    }
    judge(&mut line, is_poison_every_third);
    assert_eq!((send(&mut line).len(), line.letters()), (LETTERS_MAX, LETTERS_MAX + 1));
    line.letter_confirmed(0);
    assert_eq!(send(&mut line), [(count - 3, false)]);
    line.read(record(count));
    assert!(line.unjudged(1000).is_none());
    line.revoke();
    line.assign();
    line.read(record(count));
    assert!(line.unjudged(0).is_some(), "the head is judged in any case");
}

#[test]
fn where_nobody_takes_letters_poison_may_be_left_out_at_once() {
    let mut line = line(None);
    line.read(record(0));
    line.judged(Kind::Poison(Poison::NoValue), false);
    assert!(line.letter_due().is_none() && line.head().is_some());
}

#[test]
fn a_partition_that_is_paused_gives_back_what_is_more_than_its_share_and_is_not_judged() {
    let mut line = line(None);
    for offset in 0..10 {
        line.read(record(offset));
    }
    line.judged(Kind::Heartbeat, true);
    line.pause(1000);
    assert_eq!((line.is_paused(), line.waiting_bytes(), line.resumes_at()), (true, 1000, None));
    line.pause(450);
    assert_eq!((line.waiting_bytes(), line.resumes_at()), (400, Some(4)));
    line.pause(0);
    assert_eq!((line.waiting_bytes(), line.resumes_at()), (100, Some(1)));
    assert_eq!(line.read(record(10)), Read::NotNow);
    line.resume();
    assert_eq!([0, 1].map(|offset| line.read(record(offset))), [Read::Known, Read::Waits]);
    assert_eq!(offsets(&mut line), [0, 1]);
    line.pause(0);
    line.revoke();
    assert!(!line.is_paused());
}
