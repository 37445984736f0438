//! The order of things, against a group and a topic that are made up.

use std::sync::atomic::{AtomicUsize, Ordering};

use bellwether_detect::Severity;
use bellwether_engine::ChangeKind;
use bellwether_runtime::TopicPartition;
use bellwether_runtime::cells::{Membership, Tenure};
use parking_lot::Mutex;

use super::*;
use crate::sink::kafka::book::Origin;
use crate::sink::testing;

/// What the brokers have, and what they are to answer.
#[derive(Default)]
struct World {
    topic: Mutex<Vec<String>>,
    offsets: Mutex<Vec<Taken>>,
    /// Answers of the next commits; then all of them succeed.
    answers: Mutex<Vec<Answer>>,
    producers: AtomicUsize,
    asked: AtomicUsize,
    /// Done in the middle of the next transaction.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Answer {
    /// The group has given partitions to somebody else.
    StalePass,
    /// It is committed, but nobody hears of it, and the producer is of no use any more.
    CommittedUnheard,
    /// It is not committed, and nobody hears of it.
    Lost,
}

struct Fake {
    world: Arc<World>,
    under_way: Mutex<Vec<String>>,
}

impl Transactions for Fake {
    type Pass = &'static str;

    fn begin(&self) -> Result<(), Uncommitted> {
        assert!(self.under_way.lock().is_empty());
        Ok(())
    }

    fn send(&self, _: u64, event: &Event) -> Result<(), Undelivered> {
        self.under_way.lock().push(event.id.clone());
        Ok(())
    }

    fn commit(&self, taken: &Taken, pass: Option<&&'static str>) -> Result<(), Uncommitted> {
        if let Some(meanwhile) = self.world.meanwhile.lock().take() {
            meanwhile();
        }
        let mut answers = self.world.answers.lock();
        let answer = if answers.is_empty() { None } else { Some(answers.remove(0)) };
        drop(answers);
        let sent = std::mem::take(&mut *self.under_way.lock());
        if matches!(answer, None | Some(Answer::CommittedUnheard)) {
            self.world.topic.lock().extend(sent);
            self.world.offsets.lock().extend(pass.map(|_| taken.clone()));
        }
        let is_fatal = answer != Some(Answer::StalePass);
        match answer {
            None => Ok(()),
            Some(_) => Err(Uncommitted { error: "no".to_owned(), is_fatal, is_in_doubt: is_fatal }),
        }
    }

    fn abort(&self) -> Result<(), Uncommitted> {
        Ok(())
    }

    fn too_large(&self) -> Vec<(u64, String)> {
        Vec::new()
    }
}

impl Origins for Arc<World> {
    type Producer = Fake;

    fn producer(&self) -> Result<Fake, String> {
        self.producers.fetch_add(1, Ordering::Relaxed);
        Ok(Fake { world: Arc::clone(self), under_way: Mutex::default() })
    }

    fn ids(&self) -> Result<BTreeSet<String>, String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.topic.lock().iter().cloned().collect())
    }

    fn note_place(&self) {}
}

fn at(partition: i32) -> TopicPartition {
    TopicPartition { topic: "metrics".into(), partition }
}

fn event(episode: u128) -> Arc<Event> {
    Arc::new(testing::event(episode, ChangeKind::Firing, Severity::Warning, &[]))
}

fn ids(episodes: &[u128]) -> Vec<String> {
    episodes.iter().map(|&episode| event(episode).id.clone()).collect()
}

fn taken(offsets: &[(i32, i64)]) -> Taken {
    offsets.iter().map(|&(partition, next)| (at(partition), next)).collect()
}

struct Setting {
    world: Arc<World>,
    transactor: Transactor<Arc<World>>,
}

impl Setting {
    fn new(is_shared: bool) -> Self {
        let world = Arc::<World>::default();
        let group = Arc::new(Group::new(is_shared));
        let transactor =
            Transactor::new(Arc::clone(&world), Arc::new(Book::new(2 * EVENTS_MAX)), group);
        Self { world, transactor }
    }

    fn push(&self, episode: u128, origin: Origin) {
        self.transactor.book.push(&event(episode), origin);
    }

    fn turn(&mut self) {
        self.transactor.turn();
    }

    fn topic(&self) -> Vec<String> {
        self.world.topic.lock().clone()
    }
}

fn tenure(partition: i32) -> (Arc<Membership>, Arc<Tenure>) {
    let membership = Arc::new(Membership::begin(Duration::MAX));
    (Arc::clone(&membership), Arc::new(Tenure::begin(at(partition), membership)))
}

fn held(tenure: &Arc<Tenure>) -> Origin {
    Origin { tenure: Some(Arc::clone(tenure)), is_doubtful: false }
}

#[test]
fn events_are_committed_with_what_was_taken_and_an_aborted_transaction_is_tried_again() {
    let mut setting = Setting::new(true);
    let (_, tenure) = tenure(0);
    let group = Arc::clone(&setting.transactor.group);
    group.begin(&at(0), 4);
    setting.push(1, held(&tenure));
    setting.turn();
    assert!(setting.topic().is_empty(), "nobody may commit without a pass");
    group.renew("first");
    group.offer(taken(&[(0, 5)]), false);
    setting.world.answers.lock().push(Answer::StalePass);
    setting.turn();
    setting.push(2, held(&tenure));
    group.renew("second");
    group.offer(taken(&[(0, 6)]), false);
    setting.turn();
    assert_eq!(setting.topic(), ids(&[1, 2]));
    assert_eq!(*setting.world.offsets.lock(), [taken(&[(0, 6)])]);
    assert_eq!(setting.world.producers.load(Ordering::Relaxed), 1);
    let stats = setting.transactor.book.stats();
    assert_eq!((stats.committed_transactions, stats.aborted_transactions), (1, 1));
    assert_eq!((stats.delivered_events, stats.withdrawn_events, stats.waiting_events), (2, 0, 0));
    // Offsets alone, once they are due.
    group.offer(taken(&[(0, 9)]), false);
    setting.turn();
    group.offer(taken(&[(0, 9)]), true);
    setting.turn();
    setting.turn();
    assert_eq!(*setting.world.offsets.lock(), [taken(&[(0, 6)]), taken(&[(0, 9)])]);
}

#[test]
fn events_that_come_after_what_was_taken_was_asked_for_are_in_the_same_transaction_or_a_later_one()
{
    let mut setting = Setting::new(true);
    let (_, tenure) = tenure(0);
    let group = Arc::clone(&setting.transactor.group);
    group.renew("pass");
    group.begin(&at(0), 4);
    setting.push(1, held(&tenure));
    // While the transaction is under way the record behind it is told of, and only then is it taken.
    let (book, of_group) = (Arc::clone(&setting.transactor.book), Arc::clone(&group));
    let later = held(&tenure);
    *setting.world.meanwhile.lock() = Some(Box::new(move || {
        book.push(&event(2), later);
        of_group.offer(taken(&[(0, 7)]), true);
    }));
    setting.turn();
    assert_eq!((setting.topic(), group.standing().is_due), (ids(&[1]), true));
    assert_eq!(*setting.world.offsets.lock(), [taken(&[(0, 4)])]);
    setting.turn();
    assert_eq!(setting.topic(), ids(&[1, 2]));
    assert_eq!(*setting.world.offsets.lock(), [taken(&[(0, 4)]), taken(&[(0, 7)])]);
}

#[test]
fn what_was_taken_is_committed_with_the_last_of_its_events() {
    let mut setting = Setting::new(true);
    let (_, tenure) = tenure(0);
    let group = Arc::clone(&setting.transactor.group);
    group.renew("pass");
    group.begin(&at(0), 4);
    group.offer(taken(&[(0, 7)]), true);
    let count = EVENTS_MAX as u128 + 1;
    (0..count).for_each(|episode| setting.push(episode, held(&tenure)));
    setting.turn();
    assert_eq!((setting.topic().len(), group.standing().is_due), (EVENTS_MAX, true));
    setting.turn();
    assert_eq!(setting.topic(), ids(&(0..count).collect::<Vec<_>>()));
    assert_eq!(*setting.world.offsets.lock(), [taken(&[(0, 4)]), taken(&[(0, 7)])]);
}

#[test]
fn events_of_a_partition_that_is_somebody_elses_are_withdrawn() {
    let mut setting = Setting::new(true);
    let (membership, first) = tenure(0);
    let handed_over = Arc::new(Tenure::begin(at(1), Arc::clone(&membership)));
    let (_, unknown) = tenure(2);
    let group = Arc::clone(&setting.transactor.group);
    group.renew("pass");
    group.offer(taken(&[(0, 5), (1, 5)]), false);
    setting.push(1, held(&first));
    setting.push(2, held(&handed_over));
    setting.push(3, held(&unknown));
    handed_over.end();
    setting.turn();
    assert_eq!(setting.topic(), ids(&[1]), "one is another's, one has no offset to be committed");
    // The process was stopped: what it was told, and what was under way, is of a membership that is over.
    setting.push(4, held(&first));
    setting.world.answers.lock().push(Answer::StalePass);
    setting.turn();
    membership.end();
    group.leave();
    group.renew("another");
    group.offer(taken(&[(0, 9), (2, 1)]), false);
    setting.turn();
    assert_eq!(setting.topic(), ids(&[1, 3]));
    let stats = setting.transactor.book.stats();
    assert_eq!((stats.withdrawn_events, stats.waiting_events), (2, 0));
}

#[test]
fn the_topic_is_asked_for_what_is_in_doubt() {
    for answer in [Answer::CommittedUnheard, Answer::Lost] {
        let mut setting = Setting::new(false);
        setting.push(1, Origin::default());
        setting.world.answers.lock().push(answer);
        setting.turn();
        assert_eq!(setting.world.asked.load(Ordering::Relaxed), 0);
        setting.turn();
        assert_eq!(setting.topic(), ids(&[1]), "once");
        assert_eq!(setting.world.producers.load(Ordering::Relaxed), 2);
        assert_eq!(setting.world.asked.load(Ordering::Relaxed), 1);
        assert!(setting.transactor.book.is_empty());
    }
}

#[test]
fn one_process_commits_what_the_topic_lacks_of_what_is_told_again_with_a_group_or_without() {
    let mut setting = Setting::new(false);
    setting.world.topic.lock().extend(ids(&[1, 2]));
    let again = Origin { is_doubtful: true, ..Origin::default() };
    for episode in 1..=3 {
        setting.push(episode, again.clone());
    }
    setting.push(4, Origin::default());
    setting.turn();
    assert_eq!(setting.topic(), ids(&[1, 2, 3, 4]));
    assert!(setting.world.offsets.lock().is_empty());
    setting.transactor.group.renew("pass");
    setting.transactor.group.offer(taken(&[(0, 5)]), true);
    setting.turn();
    assert_eq!(*setting.world.offsets.lock(), [taken(&[(0, 5)])]);
}

#[test]
fn what_this_process_has_committed_itself_is_known_when_it_is_told_again() {
    let mut setting = Setting::new(false);
    setting.world.topic.lock().extend(ids(&[1]));
    let again = Origin { is_doubtful: true, ..Origin::default() };
    // What the checkpoint had as undelivered, and then what the records behind it bring.
    setting.push(1, again.clone());
    setting.push(2, again.clone());
    setting.turn();
    for episode in 1..=3 {
        setting.push(episode, again.clone());
    }
    setting.turn();
    assert_eq!(setting.topic(), ids(&[1, 2, 3]));
    assert!(setting.transactor.book.is_empty());
}
