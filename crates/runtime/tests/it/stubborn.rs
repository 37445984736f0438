//! A storage that will not have some of what is asked of it: what else goes on.

use std::io;
use std::sync::Arc;

use bellwether_engine::Settings;
use bellwether_runtime::Durability;
use bellwether_runtime::journal::JournalOptions;
use bellwether_runtime::storage::{FileEntry, Space, Storage, StorageFile, StorageRead};
use bellwether_runtime::testing::FaultyStorage;
use crossbeam_channel::{Receiver, bounded, never};
use parking_lot::Mutex;

use crate::durable::{durability, send};
use crate::support::{Told as Log, options, start_durable};

struct Stubborn {
    storage: FaultyStorage,
    /// The file that cannot be removed.
    stays: Mutex<Option<&'static str>>,
    /// The reserve is not written before this ends.
    reserve: Receiver<()>,
}

impl Stubborn {
    fn new(stays: Option<&'static str>, reserve: Receiver<()>) -> Arc<Self> {
        Arc::new(Self { storage: FaultyStorage::new(7), stays: Mutex::new(stays), reserve })
    }
}

impl Storage for Stubborn {
    fn list(&self, folder: &str) -> io::Result<Vec<FileEntry>> {
        self.storage.list(folder)
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn StorageRead>> {
        self.storage.open(path)
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn StorageFile>> {
        if path == "reserve.tmp" {
            _ = self.reserve.recv();
        }
        self.storage.create(path)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.storage.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        if *self.stays.lock() == Some(path) {
            return Err(io::Error::from_raw_os_error(1));
        }
        self.storage.remove(path)
    }

    fn sync_file(&self, path: &str) -> io::Result<()> {
        self.storage.sync_file(path)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.storage.sync_folder(folder)
    }

    fn space(&self) -> io::Result<Space> {
        self.storage.space()
    }
}

fn kept_in(storage: &Arc<Stubborn>) -> Durability {
    let storage = Arc::clone(storage) as Arc<dyn Storage>;
    let durability = durability("unused".as_ref());
    // Nothing stays that is covered.
    let journal = JournalOptions { retention_bytes_max: 0, ..durability.journal };
    Durability { storage, journal, ..durability }
}

#[test]
fn a_checkpoint_that_cannot_be_removed_is_named_and_keeps_nothing_else_from_going() {
    const OLDEST: &str = "checkpoint/00000000000000000001.checkpoint";
    let (end, reserve) = bounded(0);
    drop(end);
    let storage = Stubborn::new(Some(OLDEST), reserve);
    let listener = Log::default().listener();
    let runtime = start_durable(Settings::default(), options(2), listener, kept_in(&storage));
    runtime.recovering().wait().expect("nothing to recover");
    let handle = runtime.handle();
    for step in 0..200 {
        send(&runtime, step).expect("taken");
        if step % 40 == 39 {
            handle.checkpoint().expect("a checkpoint");
        }
    }
    let kept = handle.stats().kept();
    assert_eq!((kept.checkpoints, kept.checkpoint_failures, kept.checkpoint_error), (5, 0, None));
    let error = kept.checkpoint_removal_error.expect("an error");
    assert!(error.contains(OLDEST) && error.contains("(os error 1)"), "{error}");
    // Checkpoints 2 and 3 are gone, and what they needed.
    assert_eq!(storage.list("checkpoint").expect("a list").len(), 3);
    assert!(kept.journal.segments_removed > 0, "{:?}", kept.journal);

    *storage.stays.lock() = None;
    handle.checkpoint().expect("a checkpoint");
    assert_eq!(handle.stats().kept().checkpoint_removal_error, None);
    assert_eq!(storage.list("checkpoint").expect("a list").len(), 2);
    runtime.stop();
}

#[test]
fn whoever_sends_does_not_wait_for_the_reserve() {
    let (end, reserve) = bounded(0);
    let storage = Stubborn::new(None, reserve);
    let listener = Log::default().listener();
    let runtime = start_durable(Settings::default(), options(2), listener, kept_in(&storage));
    runtime.recovering().wait().expect("nothing to recover");
    for step in 0..20 {
        send(&runtime, step).expect("taken");
    }
    assert_eq!(storage.storage.content("reserve"), None);
    drop(end);
    // It is held before anything that is asked of the checkpointer.
    runtime.handle().checkpoint().expect("a checkpoint");
    assert!(storage.storage.content("reserve").is_some());
    runtime.stop();
}

#[test]
fn a_failure_of_the_journal_is_known_by_the_word_of_the_system() {
    let storage = Stubborn::new(None, never());
    let durability = Durability {
        reserve: bellwether_runtime::storage::ReserveOptions { bytes_max: 0, ..Default::default() },
        ..kept_in(&storage)
    };
    let runtime =
        start_durable(Settings::default(), options(2), Log::default().listener(), durability);
    runtime.recovering().wait().expect("nothing to recover");
    send(&runtime, 0).expect("taken");
    storage.storage.fail_next(0, io::ErrorKind::Other);
    send(&runtime, 1).expect_err("a sync that fails");
    let (_, error) = runtime.handle().stats().kept().journal_failure.expect("a failure");
    assert!(error.ends_with(".journal`: ordered fault"), "{error}");
    runtime.stop();
}
