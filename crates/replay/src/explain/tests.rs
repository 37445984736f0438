//! What is said agrees with what a plain run of the same records told.

use std::sync::Arc;

use bellwether_detect::{DetectorSpec, zscore};
use bellwether_engine::{Engine, Event, Outputs, Record, Rule, Settings};
use bellwether_runtime::stored::{StoredBody, limits};
use bellwether_series::{LabelSet, MatchOp, Matcher, Matchers, STALE_NAN_BITS, Timestamp};
use bellwether_wire::remote_write::{RawSample, WriteRequest, WriteRequestBuilder};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::*;

const START: Timestamp = Timestamp::from_ms(1_750_000_020_000);
const MINUTE_MS: i64 = 60_000;
const MINUTES: i64 = 260;
/// Events that are looked at one by one: each takes two replays.
const EVENTS_MAX: usize = 10;

fn labels(series: i64) -> LabelSet {
    let name = ["depth", "width", "jobs_total"][(series % 3) as usize];
    let instance = format!("i-{}", series / 6);
    let pairs = [
        ("__name__", name),
        ("instance", &instance),
        ("zone", ["a", "b"][(series / 3 % 2) as usize]),
    ];
    LabelSet::from_pairs(pairs).unwrap()
}

/// Series with faults, gaps, repetitions and ends at random, in two groups if the default chain judges; once the configuration
/// changes.
fn records(seed: u64, series: i64, settings: &Settings) -> Vec<Recorded> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut below = |bound: u64| (random.next_u64() % bound) as i64;
    let fates: Vec<_> = (0..series).map(|_| (100 + below(120), 3 + below(20), below(4))).collect();
    let mut counts = vec![0.0; series as usize];
    let mut all = Vec::new();
    for minute in 0..MINUTES {
        let at = START.plus_ms(minute * MINUTE_MS);
        let mut builder = WriteRequestBuilder::default();
        for index in 0..series {
            let (fault, lasts, kind) = fates[index as usize];
            let is_broken = (fault..fault + lasts).contains(&minute);
            let mut value = 100.0 + below(1000) as f64 / 100.0;
            if is_broken && kind < 3 {
                value *= 1.0 + 3.0 * (1 + kind) as f64;
            } else if is_broken {
                continue;
            }
            if index % 3 == 2 {
                counts[index as usize] += value;
                value = counts[index as usize];
            }
            if kind == 1 && minute == fault + lasts - 2 {
                value = f64::from_bits(STALE_NAN_BITS);
            }
            let sample = RawSample { timestamp: at, value };
            let repeated = if below(30) == 0 { vec![sample; 2] } else { vec![sample] };
            builder.series(&labels(index), &repeated);
        }
        let request = WriteRequest::decode(builder.encode(), &limits()).unwrap();
        let received_at = at.plus_ms(300);
        all.push(Recorded {
            received_at,
            body: StoredBody::Request { tenant: "".into(), record: None, write: request }.into(),
        });
        if minute == 170 {
            let mut other = Settings { digest: "other".into(), ..settings.clone() };
            other.budget.per_day *= 3.0;
            let body = StoredBody::Configuration(Arc::new(other)).into();
            all.push(Recorded { received_at, body });
        }
    }
    for minutes in 1..10 {
        let received_at = START.plus_ms((MINUTES + minutes) * MINUTE_MS);
        all.push(Recorded { received_at, body: StoredBody::Heartbeat.into() });
    }
    all
}

/// The records again, as input.
fn input(records: &[Recorded]) -> impl Iterator<Item = Result<Recorded, RecordsError>> {
    records.iter().map(|recorded| {
        let RecordedBody::Stored(body) = &recorded.body else { panic!("no record of a journal") };
        let body = match body {
            StoredBody::Heartbeat => StoredBody::Heartbeat,
            StoredBody::Configuration(settings) => StoredBody::Configuration(Arc::clone(settings)),
            StoredBody::Request { tenant, write: request, .. } => {
                let mut builder = WriteRequestBuilder::default();
                for series in request.series() {
                    builder.wire_series(series.labels, series.samples);
                }
                let write = WriteRequest::decode(builder.encode(), &limits())?;
                StoredBody::Request { tenant: Arc::clone(tenant), record: None, write }
            }
        };
        Ok(Recorded { received_at: recorded.received_at, body: body.into() })
    })
}

/// What a plain run tells.
fn told(settings: &Arc<Settings>, records: &[Recorded]) -> Vec<Event> {
    let (mut engine, mut outputs) = (Engine::new(settings, 9), Outputs::default());
    let mut events = Vec::new();
    for Recorded { received_at, body } in records {
        let record = Record { received_at: *received_at, body: body.as_record_body() };
        engine.apply(&record, &mut outputs);
        events.append(&mut outputs.events);
    }
    events
}

fn quick() -> Arc<Settings> {
    let detectors = vec![DetectorSpec::Zscore(zscore::Params::default())];
    let rules = vec![Rule { detectors, ..Rule::default() }];
    let mut settings = Settings { rules, ..Settings::default() };
    settings.budget.cap_per_day = 5;
    Arc::new(settings)
}

fn exactly(labels: &LabelSet) -> Matchers {
    let equal = |(name, value)| Matcher::new(name, MatchOp::Equal, value).unwrap();
    Matchers::new(labels.iter().map(equal).collect())
}

/// Every event comes out again as it was, and a moment tells of it.
fn holds(settings: &Arc<Settings>, records: &[Recorded]) -> usize {
    let events = told(settings, records);
    for event in events.iter().take(EVENTS_MAX) {
        let again = recompute(settings, &mut input(records), event).unwrap().unwrap();
        assert_eq!(again.differences, [], "{event:#?}");
        assert_eq!(again.event.id, event.id);
        let Some(trace) = again.trace else { continue };
        assert!(trace.gate.is_taken());
        let wanted = exactly(&event.labels);
        let answer = why_not(settings, &mut input(records), &wanted, event.at_ms, 9).unwrap();
        let mut its = answer.series.iter().filter(|line| line.fingerprint == event.fingerprint);
        let line = its.next().unwrap();
        assert_eq!((line.gate, line.at_ms), (trace.gate.as_str(), event.at_ms));
        assert!(line.events.contains(&event.id), "{line:?}");
        assert!(!line.why.is_empty() && !line.why.contains('\n'));
    }
    events.len()
}

#[test]
fn every_event_of_a_replay_is_recomputed_equal_and_its_moment_tells_of_it() {
    for seed in 1..=3 {
        let settings = quick();
        let events = holds(&settings, &records(seed, 6, &settings));
        assert!(events > 4, "{seed}: {events}");
    }
}

#[test]
fn so_is_every_event_of_groups_and_of_the_default_chain() {
    let settings = Arc::new(Settings::default());
    let records = records(5, 6, &settings);
    assert!(holds(&settings, &records) > 1);
}

#[test]
fn a_moment_has_one_line_for_each_series_that_matches_and_counts_the_others() {
    let settings = quick();
    let records = records(1, 6, &settings);
    let at = START.plus_ms(90 * MINUTE_MS + 59_000);
    let every = why_not(&settings, &mut input(&records), &Matchers::default(), at, 99).unwrap();
    assert_eq!((every.series.len(), every.more), (6, 0));
    assert!(every.series.iter().all(|line| line.age_ms == Some(59_000)));
    assert!(every.series.is_sorted_by_key(|line| line.labels.to_string()));
    let few = why_not(&settings, &mut input(&records), &Matchers::default(), at, 2).unwrap();
    assert_eq!((&few.series[..], few.more), (&every.series[..2], 4));
    let before = START.plus_ms(-1);
    let none = why_not(&settings, &mut input(&records), &Matchers::default(), before, 9);
    assert!(matches!(none, Err(ExplainError::NoSeries { .. })), "{none:?}");
}

#[test]
fn nothing_is_read_that_cannot_matter_any_more() {
    let settings = quick();
    let records = records(1, 2, &settings);
    let mut read = 0;
    let at = START.plus_ms(20 * MINUTE_MS);
    let mut counted = input(&records).inspect(|_| read += 1);
    why_not(&settings, &mut counted, &Matchers::default(), at, 9).unwrap();
    drop(counted);
    assert!((80..85).contains(&read), "an hour of receipt behind it: {read}");
}

#[test]
fn an_event_is_found_by_the_beginning_of_its_id_if_only_one_episode_begins_so() {
    let settings = quick();
    let records = records(2, 6, &settings);
    let all = told(&settings, &records);
    let choose = |text: &str| EventQuery::parse(text).unwrap().choose(all.iter().cloned());
    for event in &all {
        assert_eq!(choose(&event.id).unwrap().as_ref(), Some(event));
    }
    let fired = all.iter().find(|event| event.sequence > 0 && event.alert).unwrap();
    let of = all.iter().filter(|event| event.episode_id == fired.episode_id);
    let expected = of.clone().find(|event| event.change == bellwether_engine::ChangeKind::Firing);
    let chosen = choose(&fired.episode_id.to_string().to_uppercase()).unwrap();
    assert_eq!(chosen.as_ref(), expected.or_else(|| of.clone().next()));
    assert_eq!(choose("ffffffffffffffffffffffffffffffff").unwrap(), None);
    let recorded =
        find_recorded(&settings, &mut input(&records), &EventQuery::parse(&fired.id).unwrap());
    assert_eq!(recorded.unwrap(), *fired);
    let twins = [("abcd1", 1), ("abcd2", 2)].map(|(id, number)| Event {
        id: format!("{id}-0"),
        episode_id: bellwether_series::Fingerprint::from_u128(number),
        ..fired.clone()
    });
    let ambiguous = EventQuery::parse("abcd").unwrap().choose(twins).unwrap_err();
    assert!(ambiguous.to_string().contains("abcd1-0, abcd2-0; give more digits"), "{ambiguous}");
    for text in ["", "abc", "xyz0", "abcd-x", &"a".repeat(33)] {
        assert!(EventQuery::parse(text).is_err(), "{text}");
    }
}

#[test]
fn stored_events_are_found_in_a_file_and_in_a_folder_of_results() {
    let settings = quick();
    let all = told(&settings, &records(2, 6, &settings));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.jsonl");
    let mut text = String::from("not an event\n");
    for event in &all {
        text += &(serde_json::to_string(event).unwrap() + "\n");
    }
    std::fs::write(&file, text).unwrap();
    let query = EventQuery::parse(&all[3].id).unwrap();
    for path in [&file, folder.path()] {
        let found = find_stored(path, &query).unwrap();
        assert_eq!((found.event, found.unreadable), (all[3].clone(), 1));
    }
    let other = EventQuery::parse("00000000").unwrap();
    let missing = find_stored(&file, &other).unwrap_err();
    assert!(missing.to_string().contains("one of 1 parts that cannot be read"), "{missing}");
    std::fs::write(&file, "nothing here\n").unwrap();
    let nothing = find_stored(&file, &other).unwrap_err();
    assert!(matches!(nothing, ExplainError::Events(_)), "{nothing:?}");
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("x"), "").unwrap();
    let nothing = find_stored(elsewhere.path(), &other).unwrap_err();
    assert!(nothing.to_string().contains("name a file of JSON lines"), "{nothing}");
}

#[test]
fn differences_are_named_with_the_way_to_them() {
    let settings = quick();
    let event = told(&settings, &records(2, 6, &settings)).remove(0);
    assert_eq!(differences(&event, &event), []);
    let mut other = event.clone();
    other.surprise = f64::from_bits(event.surprise.to_bits() + 1);
    other.detectors[0].upper = f64::NAN;
    other.alert = !event.alert;
    let fields: Vec<_> = differences(&event, &other).into_iter().map(|found| found.field).collect();
    assert_eq!(fields, ["alert", "detectors.0.upper", "surprise"]);
    other = event.clone();
    other.ends_at_ms = Some(START);
    let found = differences(&event, &other);
    assert_eq!((found[0].field.as_str(), &found[0].stored), ("ends_at_ms", &None));
}
