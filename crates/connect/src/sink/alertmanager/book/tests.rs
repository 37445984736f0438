//! The life of alerts as one target sees it, in simulated time.

use std::time::Duration;

use bellwether_detect::Severity;
use bellwether_engine::ChangeKind::{self, Escalated, Firing, Resolved};
use bellwether_runtime::TopicPartition;
use bellwether_runtime::cells::Membership;
use proptest::prelude::*;

use super::super::alert::Naming;
use super::*;
use crate::sink::testing::event;

const MINUTE: i64 = 60_000;
/// Time at which the tests begin: long after the event times of [`event`].
const T0: i64 = 1_000_000_000;
const FOUR_MINUTES_ON: &str = "1970-01-12T13:50:40.000Z";

fn book() -> AlertBook {
    AlertBook::new(&AlertmanagerOptions::default())
}

fn change(episode: u128, kind: ChangeKind, severity: Severity) -> Change {
    let host = format!("host-{episode}");
    let event = event(episode, kind, severity, &[("instance", &host)]);
    Change::of(&event, &Naming::new(None, false)).unwrap()
}

fn fire(book: &mut AlertBook, episode: u128, now_ms: i64) {
    book.note(&change(episode, Firing, Severity::Warning), now_ms);
}

fn resolve(book: &mut AlertBook, episode: u128, now_ms: i64) {
    book.note(&change(episode, Resolved, Severity::Warning), now_ms);
}

/// What is due at `now_ms`, or how long to wait.
fn due(book: &mut AlertBook, now_ms: i64) -> Result<Vec<Item>, i64> {
    match book.next(now_ms) {
        Next::Send(items) => Ok(items),
        Next::WaitMs(wait_ms) => Err(wait_ms),
    }
}

/// Sends everything that is due to a server that takes it.
fn send(book: &mut AlertBook, now_ms: i64) -> Vec<Item> {
    let mut sent = Vec::new();
    while let Ok(items) = due(book, now_ms) {
        book.taken(&items, now_ms);
        sent.extend(items);
    }
    sent
}

fn severities(items: &[Item]) -> Vec<(&str, bool)> {
    let mut all: Vec<_> =
        items.iter().map(|item| (item.post.labels["severity"].as_str(), item.firing)).collect();
    all.sort_unstable();
    all
}

#[test]
fn what_somebody_else_goes_on_telling_of_is_repeated_no_more_and_not_ended() {
    let mut book = book();
    let [before, after] = [tenure(), tenure()];
    note_held(&mut book, (1, Firing), &before);
    note_held(&mut book, (2, Firing), &before);
    assert_eq!(send(&mut book, T0).len(), 2);
    // Here as well, under way before the first one has ended.
    note_held(&mut book, (2, Firing), &after);
    assert_eq!(send(&mut book, T0).len(), 1);
    before.end();
    assert_eq!(severities(&send(&mut book, T0 + MINUTE)), [("warning", true)]);
    resolve(&mut book, 1, T0 + MINUTE);
    assert_eq!(send(&mut book, T0 + MINUTE), []);
    assert_eq!(book.len(), 1);
}

fn tenure() -> Arc<Tenure> {
    let at = TopicPartition { topic: "metrics".into(), partition: 0 };
    Arc::new(Tenure::begin(at, Arc::new(Membership::begin(Duration::MAX))))
}

/// Notes a change in the name of `tenure`.
fn note_held(book: &mut AlertBook, (episode, kind): (u128, ChangeKind), tenure: &Arc<Tenure>) {
    let change = change(episode, kind, Severity::Warning);
    book.note(&Change { tenure: Some(Arc::clone(tenure)), ..change }, T0);
}

#[test]
fn what_fires_in_a_partition_that_is_somebody_elses_is_not_sent_whoever_notices_first() {
    let mut book = book();
    let [lost, kept] = [tenure(), tenure()];
    note_held(&mut book, (1, Firing), &lost);
    note_held(&mut book, (2, Firing), &kept);
    assert_eq!(send(&mut book, T0).len(), 2);
    note_held(&mut book, (3, Firing), &lost);
    lost.end();
    let instances = |items: Vec<Item>| -> Vec<String> {
        items.iter().map(|item| item.post.labels["instance"].clone()).collect()
    };
    assert_eq!(book.changes(T0), [], "at the end of the process");
    assert_eq!(instances(send(&mut book, T0 + MINUTE)), ["host-2"]);
    assert_eq!((book.len(), book.dropped()), (1, 0));
    // It has the partition again.
    note_held(&mut book, (1, Firing), &kept);
    assert_eq!(instances(send(&mut book, T0 + MINUTE)), ["host-1"]);
}

#[test]
fn what_ended_in_a_partition_that_is_somebody_elses_is_told_and_not_repeated() {
    let mut book = book();
    let tenure = tenure();
    note_held(&mut book, (1, Firing), &tenure);
    send(&mut book, T0);
    note_held(&mut book, (1, Resolved), &tenure);
    tenure.end();
    assert_eq!(severities(&send(&mut book, T0)), [("warning", false)]);
    assert_eq!(send(&mut book, T0 + MINUTE), [], "whoever has it may let it fire again");
    assert_eq!(book.len(), 0);
}

#[test]
fn a_firing_alert_is_sent_at_once_and_then_every_minute() {
    let mut book = book();
    assert_eq!(due(&mut book, T0), Err(MINUTE));
    fire(&mut book, 1, T0);
    let items = send(&mut book, T0);
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].post.starts_at, "1970-01-01T00:16:40.000Z");
    assert_eq!(items[0].post.ends_at, FOUR_MINUTES_ON);
    for minute in 1..100 {
        let now = T0 + minute * MINUTE;
        assert_eq!(due(&mut book, now - 1), Err(1));
        assert_eq!(send(&mut book, now).len(), 1);
    }
}

#[test]
fn an_end_is_sent_at_once_and_repeated_for_15_minutes() {
    let mut book = book();
    fire(&mut book, 1, T0);
    send(&mut book, T0);
    resolve(&mut book, 1, T0 + 10_000);
    let end = send(&mut book, T0 + 10_000);
    assert_eq!((end.len(), end[0].firing), (1, false));
    assert_eq!(end[0].post.ends_at, "1970-01-01T00:17:40.000Z");
    for minute in 1..15 {
        assert_eq!(send(&mut book, T0 + 10_000 + minute * MINUTE).len(), 1, "{minute}");
    }
    assert_eq!(send(&mut book, T0 + 10_000 + 15 * MINUTE), []);
    assert_eq!((book.len(), book.dropped()), (0, 0));
}

#[test]
fn an_episode_that_ended_unsent_is_not_sent() {
    let mut book = book();
    fire(&mut book, 1, T0);
    resolve(&mut book, 1, T0 + 1);
    assert_eq!(due(&mut book, T0 + 1), Err(MINUTE));
    resolve(&mut book, 2, T0 + 1);
    assert_eq!((book.len(), book.changed_len()), (0, 0));
}

#[test]
fn an_end_is_sent_when_the_firing_may_have_arrived() {
    let mut book = book();
    fire(&mut book, 1, T0);
    let on_its_way = due(&mut book, T0).unwrap();
    resolve(&mut book, 1, T0 + 1);
    book.unsure(&on_its_way);
    assert_eq!(severities(&send(&mut book, T0 + 2)), [("warning", false)]);
}

#[test]
fn an_end_during_the_firing_request_is_sent_after_it() {
    let mut book = book();
    fire(&mut book, 1, T0);
    let on_its_way = due(&mut book, T0).unwrap();
    resolve(&mut book, 1, T0 + 1);
    book.taken(&on_its_way, T0);
    assert_eq!(severities(&send(&mut book, T0 + 2)), [("warning", false)]);
}

#[test]
fn an_escalation_ends_the_old_labels_in_the_request_that_fires_the_new_ones() {
    let mut book = book();
    fire(&mut book, 1, T0);
    send(&mut book, T0);
    for other in 2..300 {
        fire(&mut book, other, T0 + 1);
    }
    book.note(&change(1, Escalated, Severity::Critical), T0 + 2);
    let first_batch = due(&mut book, T0 + 2).unwrap();
    let of_1 = |item: &&Item| item.post.labels["instance"] == "host-1";
    let pair: Vec<Item> = first_batch.iter().filter(of_1).cloned().collect();
    assert_eq!(severities(&pair), [("critical", true), ("warning", false)]);
    assert_eq!(pair[0].post.starts_at, pair[1].post.starts_at);
    assert_eq!(pair[0].post.annotations["episode_id"], pair[1].post.annotations["episode_id"]);
    assert_eq!(first_batch.len(), 256);
    send(&mut book, T0 + 2);
    book.note(&change(1, Resolved, Severity::Critical), T0 + 3);
    assert_eq!(severities(&send(&mut book, T0 + 3)), [("critical", false)]);
}

#[test]
fn an_escalation_before_anything_was_sent_sends_the_new_labels_only() {
    let mut book = book();
    fire(&mut book, 1, T0);
    book.note(&change(1, Escalated, Severity::Critical), T0);
    assert_eq!(severities(&send(&mut book, T0)), [("critical", true)]);
}

#[test]
fn a_pair_is_not_split_at_the_end_of_a_batch() {
    let options = AlertmanagerOptions { alerts_per_request_max: 4, ..Default::default() };
    let mut book = AlertBook::new(&options);
    (1..=3).for_each(|episode| fire(&mut book, episode, T0));
    send(&mut book, T0);
    for episode in 1..=3 {
        book.note(&change(episode, Escalated, Severity::Critical), T0 + 1);
    }
    fire(&mut book, 4, T0 + 1);
    let batch = due(&mut book, T0 + 1).unwrap();
    assert_eq!(severities(&batch), [("critical", true), ("warning", false), ("warning", true)]);
}

#[test]
fn two_series_that_look_alike_to_the_target_are_over_when_both_are() {
    let same = |episode, kind| {
        let event = event(episode, kind, Severity::Warning, &[]);
        Change::of(&event, &Naming::new(None, false)).unwrap()
    };
    let mut book = book();
    book.note(&same(1, Firing), T0);
    book.note(&same(2, Firing), T0);
    assert_eq!(send(&mut book, T0).len(), 1);
    book.note(&same(1, Resolved), T0 + 1);
    assert_eq!(send(&mut book, T0 + 1), []);
    book.note(&same(2, Resolved), T0 + 2);
    assert_eq!(severities(&send(&mut book, T0 + 2)), [("warning", false)]);
}

#[test]
fn labels_that_fire_again_are_no_longer_resolved() {
    let mut book = book();
    let labels_of_1 = |episode, kind| {
        let event = event(episode, kind, Severity::Warning, &[("instance", "host-1")]);
        Change::of(&event, &Naming::new(None, false)).unwrap()
    };
    fire(&mut book, 1, T0);
    send(&mut book, T0);
    resolve(&mut book, 1, T0 + 1);
    send(&mut book, T0 + 1);
    book.note(&labels_of_1(2, Firing), T0 + 2);
    assert_eq!(severities(&send(&mut book, T0 + 2)), [("warning", true)]);
    assert_eq!(severities(&send(&mut book, T0 + 2 + MINUTE)), [("warning", true)]);
}

#[test]
fn labels_that_fire_again_and_end_unsent_are_not_sent() {
    let of_1 = |episode, kind| {
        let event = event(episode, kind, Severity::Warning, &[("instance", "host-1")]);
        Change::of(&event, &Naming::new(None, false)).unwrap()
    };
    let mut book = book();
    fire(&mut book, 1, T0);
    send(&mut book, T0);
    resolve(&mut book, 1, T0 + 1);
    let end = due(&mut book, T0 + 1).unwrap();
    // While the end of the first episode is on its way, and again after that:
    book.note(&of_1(2, Firing), T0 + 2);
    book.note(&of_1(2, Resolved), T0 + 3);
    book.taken(&end, T0 + 1);
    assert_eq!(send(&mut book, T0 + 3), []);
    fire(&mut book, 1, T0 + 4);
    send(&mut book, T0 + 4);
    resolve(&mut book, 1, T0 + 5);
    send(&mut book, T0 + 5);
    book.note(&of_1(3, Firing), T0 + 6);
    book.note(&of_1(3, Resolved), T0 + 7);
    assert_eq!(send(&mut book, T0 + 7), []);
}

#[test]
fn after_an_outage_what_fires_and_what_ended_lately_is_sent() {
    let mut book = book();
    (1..=3).for_each(|episode| fire(&mut book, episode, T0));
    send(&mut book, T0);
    resolve(&mut book, 1, T0 + MINUTE); // 29 minutes before the return: too old
    fire(&mut book, 4, T0 + 5 * MINUTE);
    fire(&mut book, 5, T0 + 5 * MINUTE);
    resolve(&mut book, 4, T0 + 20 * MINUTE); // never known
    resolve(&mut book, 2, T0 + 20 * MINUTE);
    let back = T0 + 30 * MINUTE;
    let mut hosts: Vec<_> = send(&mut book, back)
        .into_iter()
        .map(|item| (item.post.labels["instance"].clone(), item.firing))
        .collect();
    hosts.sort_unstable();
    let expected = [("host-2", false), ("host-3", true), ("host-5", true)];
    assert_eq!(hosts, expected.map(|(host, firing)| (host.to_owned(), firing)));
    assert_eq!(book.dropped(), 1);
}

#[test]
fn over_the_cap_resolved_goes_before_firing_and_older_before_newer() {
    let options = AlertmanagerOptions { alerts_max: 3, ..Default::default() };
    let mut book = AlertBook::new(&options);
    (1..=3).for_each(|episode| fire(&mut book, episode, T0));
    send(&mut book, T0);
    resolve(&mut book, 3, T0);
    fire(&mut book, 4, T0);
    fire(&mut book, 5, T0);
    assert_eq!((book.len(), book.dropped()), (3, 2));
    let mut left: Vec<_> =
        book.entries.values().map(|entry| entry.alert.labels["instance"].as_str()).collect();
    left.sort_unstable();
    assert_eq!(left, ["host-2", "host-4", "host-5"]);
    resolve(&mut book, 1, T0); // given up before: nothing happens
    assert_eq!(book.open.len(), 3);
}

#[test]
fn a_rejected_alert_is_given_up_unless_it_changed_meanwhile() {
    let mut book = book();
    fire(&mut book, 1, T0);
    fire(&mut book, 2, T0);
    let items = due(&mut book, T0).unwrap();
    book.note(&change(1, Firing, Severity::Warning), T0 + 1);
    for item in &items {
        book.rejected(item);
    }
    let rest = send(&mut book, T0 + 2);
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].post.labels["instance"], "host-1");
}

#[test]
fn an_end_is_never_before_its_start_nor_in_the_future() {
    let mut book = book();
    let mut early = change(1, Firing, Severity::Warning);
    book.note(&early, 500_000); // the wall clock is behind the sender's
    let firing = send(&mut book, 500_000);
    assert_eq!(firing[0].post.ends_at, "1970-01-01T00:20:40.000Z");
    early.fires = false;
    early.at_ms = 0;
    book.note(&early, 500_001);
    let ended = send(&mut book, 500_001);
    assert_eq!(ended[0].post.ends_at, ended[0].post.starts_at);
    let mut late = change(2, Firing, Severity::Warning);
    book.note(&late, T0);
    send(&mut book, T0);
    late.fires = false;
    late.at_ms = T0 + MINUTE;
    book.note(&late, T0);
    let ended = send(&mut book, T0);
    assert_eq!(ended[0].post.ends_at, "1970-01-12T13:46:40.000Z");
}

#[test]
fn a_clock_that_is_set_back_stops_no_repetition() {
    let mut book = book();
    fire(&mut book, 1, T0);
    send(&mut book, T0);
    assert_eq!(send(&mut book, T0 - 60 * MINUTE).len(), 1);
}

#[test]
fn what_fires_never_expires_at_once_whichever_clock_is_wrong() {
    for wall_ms in [T0 - 60 * MINUTE, T0, T0 + 60 * MINUTE] {
        let mut book = book();
        fire(&mut book, 1, T0);
        let Next::Send(items) = book.next(Now { steady_ms: T0, wall_ms }) else { panic!() };
        let alert = change(1, Firing, Severity::Warning).alert;
        let expires = PostableAlert::new(&alert, T0.max(wall_ms) + 4 * MINUTE).ends_at;
        assert_eq!(items[0].post.ends_at, expires);
    }
}

#[test]
fn at_shutdown_changes_are_sent_and_repetitions_are_not() {
    let mut book = book();
    fire(&mut book, 1, T0);
    send(&mut book, T0);
    fire(&mut book, 2, T0);
    let changes = book.changes(T0 + 5 * MINUTE);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].post.labels["instance"], "host-2");
}

#[test]
fn a_copy_for_another_target_holds_what_fires_and_nothing_as_sent() {
    let mut book = book();
    (1..=3).for_each(|episode| fire(&mut book, episode, T0));
    send(&mut book, T0);
    book.note(&change(1, Escalated, Severity::Critical), T0 + 1);
    resolve(&mut book, 2, T0 + 1);
    let mut copy = book.of_firing();
    let sent = send(&mut copy, T0 + 2);
    assert_eq!(severities(&sent), [("critical", true), ("warning", true)]);
    resolve(&mut copy, 1, T0 + 3);
    resolve(&mut copy, 2, T0 + 3);
    assert_eq!(severities(&send(&mut copy, T0 + 3)), [("critical", false)]);
    assert_eq!(send(&mut book, T0 + 3).len(), 3, "the original is as it was");
}

#[test]
fn what_is_to_be_repeated_is_due_at_once_even_if_it_is_on_its_way() {
    let mut book = book();
    fire(&mut book, 1, T0);
    fire(&mut book, 2, T0);
    send(&mut book, T0);
    resolve(&mut book, 2, T0 + 1);
    send(&mut book, T0 + 1);
    fire(&mut book, 3, T0 + 2);
    let on_its_way = due(&mut book, T0 + 2).unwrap();
    book.repeat_all();
    book.taken(&on_its_way, T0 + 2);
    assert_eq!(
        severities(&send(&mut book, T0 + 3)),
        [("warning", false), ("warning", true), ("warning", true)]
    );
}

#[test]
fn a_shorter_interval_and_a_lower_cap_count_from_now_on() {
    let mut book = book();
    fire(&mut book, 1, T0);
    fire(&mut book, 2, T0);
    send(&mut book, T0);
    let options = AlertmanagerOptions { resend_ms: 1000, alerts_max: 1, ..Default::default() };
    book.configure(&options);
    assert_eq!((book.len(), due(&mut book, T0)), (1, Err(1000)));
    assert_eq!(send(&mut book, T0 + 1000)[0].post.labels["instance"], "host-2");
}

/// A step of a run against a server that has its moods.
#[derive(Debug, Clone)]
enum Step {
    Fire(u128),
    Escalate(u128),
    Resolve(u128),
    Wait(i64),
    /// Takes a batch; what is noted until it is settled happens while it is on its way.
    Take,
    Settle(Mood),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Takes,
    TakesAndHangsUp,
    HangsUp,
    RefusesConnections,
}

fn any_step() -> impl Strategy<Value = Step> {
    let mood = prop_oneof![
        Just(Mood::Takes),
        Just(Mood::TakesAndHangsUp),
        Just(Mood::HangsUp),
        Just(Mood::RefusesConnections)
    ];
    prop_oneof![
        (0..4_u128).prop_map(Step::Fire),
        (0..4_u128).prop_map(Step::Escalate),
        (0..4_u128).prop_map(Step::Resolve),
        (1..2 * MINUTE).prop_map(Step::Wait),
        Just(Step::Take),
        mood.prop_map(Step::Settle),
    ]
}

/// What a server knows: labels, and whether they fire.
type Server = BTreeMap<Labels, bool>;

fn receive(server: &mut Server, items: &[Item]) {
    for item in items {
        server.insert(Arc::clone(&item.post.labels), item.firing);
    }
}

proptest! {
    #[test]
    fn whatever_fails_the_server_ends_up_knowing_what_fires(
        steps in prop::collection::vec(any_step(), 1..60)
    ) {
        let mut book = book();
        let (mut server, mut now) = (Server::new(), T0);
        // Per series: number of its open episode and severity. A new episode has a new number.
        let mut open: BTreeMap<u128, (u128, Severity)> = BTreeMap::new();
        let mut episodes = 0;
        let mut on_its_way: Option<(Vec<Item>, i64)> = None;
        let noted = |series: u128, episode, kind, severity| {
            let host = format!("host-{series}");
            let event = event(episode, kind, severity, &[("instance", &host)]);
            Change::of(&event, &Naming::new(None, false)).unwrap()
        };
        for step in steps.into_iter().chain([Step::Settle(Mood::HangsUp)]) {
            match step {
                Step::Fire(series) if !open.contains_key(&series) => {
                    episodes += 1;
                    open.insert(series, (episodes, Severity::Warning));
                    book.note(&noted(series, episodes, Firing, Severity::Warning), now);
                }
                Step::Escalate(series) => if let Some((episode, severity)) = open.get_mut(&series)
                    && *severity == Severity::Warning
                {
                    *severity = Severity::Critical;
                    book.note(&noted(series, *episode, Escalated, Severity::Critical), now);
                },
                Step::Resolve(series) => if let Some((episode, severity)) = open.remove(&series) {
                    book.note(&noted(series, episode, Resolved, severity), now);
                },
                Step::Wait(wait_ms) => now += wait_ms,
                Step::Take if on_its_way.is_none() => {
                    if let Ok(items) = due(&mut book, now) {
                        for item in &items {
                            let end: jiff::Timestamp = item.post.ends_at.parse().unwrap();
                            let in_future = end.as_millisecond() > now;
                            prop_assert_eq!(in_future, item.firing, "{:?}", item);
                            if !item.firing {
                                prop_assert!(
                                    server.contains_key(&item.post.labels)
                                        || book.entries[&item.post.labels].known
                                );
                            }
                        }
                        on_its_way = Some((items, now));
                    }
                }
                Step::Settle(mood) => if let Some((items, sent_ms)) = on_its_way.take() {
                    if matches!(mood, Mood::Takes | Mood::TakesAndHangsUp) {
                        receive(&mut server, &items);
                    }
                    match mood {
                        Mood::Takes => book.taken(&items, sent_ms),
                        Mood::TakesAndHangsUp | Mood::HangsUp => book.unsure(&items),
                        Mood::RefusesConnections => {}
                    }
                },
                _ => {}
            }
        }
        let last = send(&mut book, now);
        receive(&mut server, &last);
        let firing: BTreeSet<(String, String)> = server.into_iter().filter(|(_, fires)| *fires)
            .map(|(labels, _)| (labels["instance"].clone(), labels["severity"].clone())).collect();
        let expected: BTreeSet<(String, String)> = open.into_iter()
            .map(|(series, (_, severity))| (format!("host-{series}"), severity.to_string()))
            .collect();
        // Waits may add up to more than 15 minutes, after which an end is given up: the server's own
        // timer, 4 minutes, has long passed by then.
        if book.dropped() == 0 {
            prop_assert_eq!(firing, expected);
        } else {
            prop_assert!(firing.is_superset(&expected));
        }
        prop_assert_eq!(due(&mut book, now).map_err(|wait| wait > 0 && wait <= MINUTE), Err(true));
    }
}
