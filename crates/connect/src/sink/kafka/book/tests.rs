//! What becomes of events.

use bellwether_detect::Severity;
use bellwether_engine::ChangeKind;
use bellwether_runtime::cells::Membership;

use super::*;
use crate::sink::testing;

fn event(episode: u128) -> Arc<Event> {
    Arc::new(testing::event(episode, ChangeKind::Firing, Severity::Warning, &[]))
}

fn next(book: &Book) -> Option<u64> {
    match book.next(Duration::ZERO) {
        Next::Event(number, _) => Some(number),
        Next::Doubtful(_) | Next::Nothing | Next::Pause | Next::End => None,
    }
}

#[test]
fn events_wait_until_they_are_confirmed_and_new_ones_find_no_room() {
    let book = Book::new(2);
    (0..3).for_each(|episode| book.push(&event(episode), Origin::default()));
    assert_eq!((next(&book), next(&book), next(&book)), (Some(0), Some(1), None));
    let episodes = |book: &Book| {
        let events = book.unconfirmed().into_iter();
        events.map(|event| event.episode_id.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(episodes(&book), [0, 1]);
    book.confirmed(0, 5);
    book.confirmed(0, 6);
    assert_eq!(episodes(&book), [1]);
    let stats = book.stats();
    assert_eq!((stats.delivered_events, stats.dropped_events, stats.waiting_events), (1, 1, 1));
    assert_eq!(stats.last_success_ms, Some(5));
}

#[test]
fn what_failed_is_due_after_a_pause_and_what_is_lost_never() {
    let book = Book::new(9);
    (0..3).for_each(|episode| book.push(&event(episode), Origin::default()));
    assert_eq!((next(&book), next(&book)), (Some(0), Some(1)));
    book.failed(0, "no such topic".to_owned());
    book.lost(1, "too large".to_owned());
    assert!(matches!(book.next(Duration::ZERO), Next::Pause));
    assert_eq!(book.stats().failures_in_a_row, 2);
    book.state.lock().due = None;
    assert_eq!((next(&book), next(&book), next(&book)), (Some(0), Some(2), None));
}

#[test]
fn what_was_with_a_producer_that_failed_for_good_is_in_doubt_and_what_was_not_is_not() {
    let book = Book::new(9);
    (0..4).for_each(|episode| book.push(&event(episode), Origin::default()));
    assert_eq!((next(&book), next(&book), next(&book)), (Some(0), Some(1), Some(2)));
    book.confirmed(0, 5);
    book.failed(2, "no such topic".to_owned());
    book.begin_again("out of order");
    assert!(matches!(book.next(Duration::ZERO), Next::Pause));
    book.state.lock().due = None;
    let Next::Doubtful(doubtful) = book.next(Duration::ZERO) else { panic!("no doubt") };
    assert_eq!(doubtful, Doubtful::from([(1, event(1).id.clone())]));
    book.clear_up(&doubtful, &BTreeSet::from([event(1).id.clone()]));
    assert_eq!((next(&book), next(&book), next(&book)), (Some(2), Some(3), None));
}

#[test]
fn it_is_over_when_all_is_confirmed_or_the_time_is_up() {
    let book = Book::new(9);
    book.push(&event(0), Origin::default());
    book.close(Instant::now() + Duration::from_hours(1));
    book.push(&event(1), Origin::default());
    assert_eq!(next(&book), Some(0));
    assert!(matches!(book.next(Duration::ZERO), Next::Nothing));
    book.confirmed(0, 1);
    assert!(matches!(book.next(Duration::ZERO), Next::End));
    let late = Book::new(9);
    late.push(&event(0), Origin::default());
    late.close(Instant::now());
    assert!(matches!(late.next(Duration::ZERO), Next::End));
    assert_eq!((late.abandon(), late.stats().dropped_events), (1, 1));
}

#[test]
fn what_waits_and_is_told_again_does_not_wait_twice() {
    let book = Book::new(2);
    let again = Origin { is_doubtful: true, ..Origin::default() };
    book.push(&event(0), Origin::default());
    book.push(&event(1), again.clone());
    book.push(&event(0), again.clone());
    book.push(&event(1), again.clone());
    let batch = book.take(9, |_| true);
    assert_eq!(batch.events.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(batch.doubtful, BTreeSet::from([0, 1]));
    assert_eq!(book.stats().dropped_events, 0);
    // Nor while it is under way; once it is confirmed it is for the topic to say.
    book.push(&event(0), again.clone());
    assert!(book.take(9, |_| true).events.is_empty());
    book.confirmed(0, 1);
    book.push(&event(0), again);
    assert_eq!(book.take(9, |_| true).events.len(), 1);
}

#[test]
fn what_is_in_doubt_is_produced_again_unless_the_topic_has_it() {
    let book = Book::new(9);
    (0..4).for_each(|episode| book.push(&event(episode), Origin::default()));
    assert_eq!((next(&book), next(&book), next(&book)), (Some(0), Some(1), Some(2)));
    book.doubt([0, 1]);
    (0..3).for_each(|number| book.failed(number, "timed out".to_owned()));
    book.state.lock().due = None;
    let Next::Doubtful(numbers) = book.next(Duration::ZERO) else { panic!("no doubt") };
    assert_eq!(
        numbers,
        Doubtful::from([0, 1].map(|number| (number, event(number.into()).id.clone())))
    );
    book.clear_up(&numbers, &BTreeSet::from([event(0).id.clone(), event(2).id.clone()]));
    let all: Vec<_> = std::iter::from_fn(|| next(&book)).collect();
    assert_eq!(all, [1, 2, 3], "the topic was asked for what is in doubt only");
    let stats = book.stats();
    assert_eq!((stats.waiting_events, stats.delivered_events), (3, 0));
}

fn tenure() -> Arc<Tenure> {
    let at = TopicPartition { topic: "metrics".into(), partition: 0 };
    Arc::new(Tenure::begin(at, Arc::new(Membership::begin(Duration::MAX))))
}

#[test]
fn what_is_of_a_partition_that_is_somebody_elses_is_not_produced_whether_it_was_before_or_not() {
    let book = Book::new(9);
    let tenure = tenure();
    let held = || Origin { tenure: Some(Arc::clone(&tenure)), is_doubtful: false };
    book.push(&event(0), held());
    book.push(&event(1), Origin::default());
    book.push(&event(2), held());
    assert_eq!(next(&book), Some(0));
    tenure.end();
    book.doubt([0]);
    book.failed(0, "timed out".to_owned());
    book.state.lock().due = None;
    assert_eq!((next(&book), next(&book)), (Some(1), None));
    let stats = book.stats();
    assert_eq!((stats.withdrawn_events, stats.waiting_events), (2, 1));
}

#[test]
fn of_two_tenures_that_tell_the_same_the_one_that_is_ours_waits() {
    let book = Book::new(9);
    let [before, now] = [tenure(), tenure()];
    for tenure in [&before, &now] {
        let origin = Origin { tenure: Some(Arc::clone(tenure)), is_doubtful: false };
        book.push(&event(0), origin);
    }
    before.end();
    let batch = book.take(9, |_| true);
    assert_eq!(batch.events.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1]);
}
