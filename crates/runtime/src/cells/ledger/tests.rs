//! Whose checkpoint is read, whatever anybody else writes.

use bellwether_engine::Settings;
use parking_lot::Mutex;

use super::*;
use crate::cells::objects::MemoryObjects;

const FOLDER: &str = "cells/metrics/0";

fn at() -> TopicPartition {
    TopicPartition { topic: "metrics".into(), partition: 0 }
}

fn snapshot(next: i64) -> Snapshot {
    Snapshot {
        next,
        last_received: Timestamp::from_ms(next),
        settings: Arc::new(Settings::default()),
        engine: vec![next as u8; 100],
        firing: Vec::new(),
        marks: format!("at {next}"),
        undelivered: b"waits".to_vec(),
    }
}

fn claim_at(objects: &Arc<dyn Objects>, name: &str) -> Result<(Ledger, Base), LedgerError> {
    let claimant =
        Claimant { name: name.to_owned(), now: Timestamp::from_ms(0), generations_kept: 2 };
    let marks = || Ok(format!("fresh, of {name}"));
    Ledger::claim(Arc::clone(objects), &at(), FOLDER.to_owned(), &claimant, marks)
}

fn claim(objects: &Arc<dyn Objects>, name: &str) -> (Ledger, Base) {
    claim_at(objects, name).unwrap()
}

fn write(ledger: &mut Ledger, next: i64) -> Result<u64, LedgerError> {
    ledger.write(&snapshot(next), Timestamp::from_ms(0))
}

#[track_caller]
fn begins_with(base: &Base, next: Option<i64>) {
    assert_eq!(base.snapshot.as_ref().map(|snapshot| snapshot.next), next);
    if let Some(next) = next {
        assert_eq!(base.snapshot, Some(snapshot(next)));
        assert_eq!(base.marks, format!("at {next}"));
    }
}

fn names(objects: &Arc<dyn Objects>) -> Vec<String> {
    let mut names = objects.list(FOLDER).unwrap();
    names.retain(|name| name != CREATED_ONCE);
    names.sort();
    names
}

type Act = Box<dyn FnOnce() + Send>;

/// Objects with somebody else at work: what `before` does happens before the object of that name is created.
struct Busy {
    objects: Arc<dyn Objects>,
    before: Mutex<Option<(&'static str, Act)>>,
}

impl Busy {
    fn before(
        objects: &Arc<dyn Objects>,
        name: &'static str,
        act: impl FnOnce() + Send + 'static,
    ) -> Arc<dyn Objects> {
        let before = Mutex::new(Some((name, Box::new(act) as Act)));
        Arc::new(Self { objects: Arc::clone(objects), before })
    }
}

impl Objects for Busy {
    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectsError> {
        self.objects.list(folder)
    }

    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, ObjectsError> {
        self.objects.get(path)
    }

    fn create(&self, path: &str, content: &[u8]) -> Result<bool, ObjectsError> {
        let act = self.before.lock().take_if(|(name, _)| path.ends_with(*name));
        if let Some((_, act)) = act {
            act();
        }
        self.objects.create(path, content)
    }

    fn remove(&self, path: &str) -> Result<(), ObjectsError> {
        self.objects.remove(path)
    }
}

#[test]
fn whoever_comes_next_begins_with_the_newest_and_older_ones_go() {
    let objects: Arc<dyn Objects> = Arc::new(MemoryObjects::default());
    let (mut first, base) = claim(&objects, "a");
    begins_with(&base, None);
    assert_eq!(base.marks, "fresh, of a");
    for next in 1..=3 {
        write(&mut first, next).unwrap();
    }
    let of_first = ["checkpoint-0000000001-0000000002", "checkpoint-0000000001-0000000003"];
    assert_eq!(names(&objects), [of_first[0], of_first[1], "claim-0000000001"]);

    let (mut second, base) = claim(&objects, "b");
    begins_with(&base, Some(3));
    write(&mut second, 4).unwrap();
    let of_second = "checkpoint-0000000002-0000000001";
    let claims = ["claim-0000000001", "claim-0000000002"];
    assert_eq!(names(&objects), [of_first[1], of_second, claims[0], claims[1]]);
    write(&mut second, 5).unwrap();
    assert_eq!(names(&objects), [of_second, "checkpoint-0000000002-0000000002", claims[1]]);
    begins_with(&claim(&objects, "c").1, Some(5));
}

#[test]
fn what_a_stale_owner_writes_is_read_by_nobody() {
    let objects: Arc<dyn Objects> = Arc::new(MemoryObjects::default());
    let (mut stale, _) = claim(&objects, "a");
    write(&mut stale, 1).unwrap();
    let (mut second, base) = claim(&objects, "b");
    begins_with(&base, Some(1));
    let refused = write(&mut stale, 99).unwrap_err();
    assert!(matches!(refused, LedgerError::Fenced { epoch: 1, highest: 2 }), "{refused}");
    // As of somebody who was stopped right before the object was created.
    let name = CheckpointName { epoch: 1, generation: 2 };
    let content = snapshot(99).encode(&at(), name.number(), Timestamp::from_ms(0)).unwrap();
    assert!(objects.create(&path(FOLDER, &name.text()), &content).unwrap());
    let (mut third, base) = claim(&objects, "c");
    begins_with(&base, Some(1));
    assert!(write(&mut second, 2).is_err());
    write(&mut third, 3).unwrap();
    assert!(!names(&objects).contains(&name.text()), "and it goes");
    begins_with(&claim(&objects, "d").1, Some(3));
}

#[test]
fn a_checkpoint_that_comes_while_somebody_claims_does_not_count_for_its_owner() {
    let objects: Arc<dyn Objects> = Arc::new(MemoryObjects::default());
    let others = Arc::clone(&objects);
    let busy = Busy::before(&objects, "-0000000002", move || {
        begins_with(&claim(&others, "b").1, Some(1));
    });
    let (mut first, _) = claim(&busy, "a");
    write(&mut first, 1).unwrap();
    let refused = write(&mut first, 2).unwrap_err();
    assert!(matches!(refused, LedgerError::Fenced { .. }), "{refused}");
    begins_with(&claim(&objects, "c").1, Some(1));
}

#[test]
fn of_two_that_claim_at_once_each_has_an_epoch_and_the_later_begins_with_the_same() {
    let objects: Arc<dyn Objects> = Arc::new(MemoryObjects::default());
    let (mut first, _) = claim(&objects, "a");
    write(&mut first, 1).unwrap();
    let others = Arc::clone(&objects);
    let busy = Busy::before(&objects, "claim-0000000002", move || {
        assert_eq!(claim(&others, "b").0.epoch(), 2);
    });
    let (third, base) = claim(&busy, "c");
    assert_eq!(third.epoch(), 3);
    begins_with(&base, Some(1));
}

#[test]
fn who_may_not_have_finished_is_who_made_the_checkpoint_and_who_came_since() {
    let objects: Arc<dyn Objects> = Arc::new(MemoryObjects::default());
    let (mut first, base) = claim(&objects, "a");
    assert!(base.claimants.is_empty(), "nobody was there before");
    write(&mut first, 1).unwrap();
    assert_eq!(claim(&objects, "b").1.claimants, ["a"]);
    let (mut third, base) = claim(&objects, "c");
    assert_eq!(base.claimants, ["a", "b"]);
    write(&mut third, 2).unwrap();
    assert_eq!(claim(&objects, "d").1.claimants, ["c"]);
    for number in 0..CLAIMANTS_MAX {
        claim(&objects, &number.to_string());
    }
    assert_eq!(
        claim(&objects, "e").1.claimants,
        (0..CLAIMANTS_MAX).map(|n| n.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn a_damaged_checkpoint_is_passed_over_and_told_of() {
    let objects: Arc<dyn Objects> = Arc::new(MemoryObjects::default());
    let (mut first, _) = claim(&objects, "a");
    write(&mut first, 1).unwrap();
    write(&mut first, 2).unwrap();
    let newest = path(FOLDER, "checkpoint-0000000001-0000000002");
    let mut content = objects.get(&newest).unwrap().unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    objects.remove(&newest).unwrap();
    objects.create(&newest, &content).unwrap();
    let (_, base) = claim(&objects, "b");
    begins_with(&base, Some(1));
    assert_eq!(base.rejected.len(), 1);
    assert_eq!(base.rejected[0].0, newest);
    // That was decided once: whoever comes now does not begin with it either.
    begins_with(&claim(&objects, "c").1, Some(1));
}

#[test]
fn without_a_checkpoint_the_marks_of_the_first_claim_count() {
    let objects: Arc<dyn Objects> = Arc::new(MemoryObjects::default());
    for name in ["a", "b", "c"] {
        assert_eq!(claim(&objects, name).1.marks, "fresh, of a");
    }
}

#[test]
fn a_checkpoint_of_another_partition_or_version_is_not_passed_over() {
    let objects: Arc<dyn Objects> = Arc::new(MemoryObjects::default());
    let (_, _) = claim(&objects, "a");
    let name = CheckpointName { epoch: 1, generation: 1 };
    let other = TopicPartition { partition: 1, ..at() };
    let content = snapshot(9).encode(&other, name.number(), Timestamp::from_ms(0)).unwrap();
    objects.create(&path(FOLDER, &name.text()), &content).unwrap();
    let refused = claim_at(&objects, "b").map(|_| ()).unwrap_err();
    assert!(matches!(refused, LedgerError::NotUnderstood { .. }), "{refused}");
    assert_eq!(names(&objects).len(), 2, "and nothing was claimed");
}

/// A store that passes over the condition: whoever creates an object has it.
#[derive(Default)]
struct Overwriting(MemoryObjects);

impl Objects for Overwriting {
    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectsError> {
        self.0.list(folder)
    }

    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, ObjectsError> {
        self.0.get(path)
    }

    fn create(&self, path: &str, content: &[u8]) -> Result<bool, ObjectsError> {
        self.0.remove(path)?;
        self.0.create(path, content)
    }

    fn remove(&self, path: &str) -> Result<(), ObjectsError> {
        self.0.remove(path)
    }
}

#[test]
fn nothing_is_claimed_in_a_store_that_creates_what_is_there() {
    let objects: Arc<dyn Objects> = Arc::new(Overwriting::default());
    for _ in 0..2 {
        let error = claim_at(&objects, "a").map(drop).unwrap_err();
        assert!(matches!(error, LedgerError::Overwrites { .. }), "{error}");
        assert_eq!(names(&objects), Vec::<String>::new());
    }
}

#[test]
fn only_names_that_we_give_are_names() {
    assert!(parse_claim("claim-0000000007") == Some(7));
    for name in ["claim-7", "claim-000000000x", "claim-4294967296", "claim-+000000007"] {
        assert_eq!(parse_claim(name), None, "{name}");
    }
    for name in ["checkpoint-0000000001", "checkpoint-1-1", "checkpoint-0000000001-0000000001.tmp"]
    {
        assert_eq!(CheckpointName::parse(name), None, "{name}");
    }
}
