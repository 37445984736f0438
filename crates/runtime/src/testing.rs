//! For tests, here and in other crates (feature `testing`): a storage in memory that forgets what was not synced,
//! tears what was half written, fills up, and fails when it is told to. Equal seeds and calls give equal faults.
//! And [`Stepped`], a runtime without threads.

mod cold;
mod crash;
mod stepped;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::storage::{FileEntry, Space, Storage, StorageFile, StorageRead};
use crash::{Inode, NameChange};

pub use cold::{ColdKey, read_cold, write_cold};
pub use stepped::{Line, SavedParts, Stepped, ended_by_adoption};

/// A storage in memory with faults. Clones are the same storage.
#[derive(Clone)]
pub struct FaultyStorage(Arc<Mutex<Disk>>);

struct Disk {
    inodes: Vec<Inode>,
    /// Names as the process sees them.
    names: BTreeMap<String, usize>,
    /// Names that a crash leaves.
    durable_names: BTreeMap<String, usize>,
    /// What makes the first out of the second, oldest first.
    name_changes: Vec<NameChange>,
    random: u64,
    /// Number of crashes; file handles of before one are dead.
    epoch: u64,
    capacity_bytes: u64,
    operations: u64,
    /// Operations from `.0` on, `.1` of them, fail with `.2`.
    fault: Option<(u64, u64, ErrorKind)>,
    /// The operation whose bytes are silently damaged.
    damage: Option<u64>,
    /// The operation in which the process ends.
    stop: Option<u64>,
    /// The file that nobody can open.
    closed: Option<String>,
    /// What happens while a file is made durable.
    meanwhile: Option<Meanwhile>,
}

type Meanwhile = Box<dyn FnOnce() + Send>;

impl FaultyStorage {
    /// An empty storage whose faults follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Disk {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            random: seed,
            epoch: 0,
            capacity_bytes: 1 << 40,
            operations: 0,
            fault: None,
            damage: None,
            stop: None,
            closed: None,
            meanwhile: None,
        })))
    }

    /// The machine stops and starts again. Of what was not synced, any part of the bytes and any of the names may be
    /// there or not; open files are dead, and faults that were ordered are off.
    pub fn crash(&self) {
        self.0.lock().crash();
    }

    /// The process alone stops: what was written stays written; open files are dead.
    pub fn kill(&self) {
        let mut disk = self.0.lock();
        disk.epoch += 1;
        disk.fault = None;
        disk.stop = None;
    }

    /// After `operations` more that change something, the process ends within one: of what it writes some part is there,
    /// anything else is not done, and nothing after it, until [`FaultyStorage::kill`] or [`FaultyStorage::crash`].
    pub fn stop_next(&self, operations: u64) {
        let mut disk = self.0.lock();
        disk.stop = Some(disk.operations + operations);
    }

    /// Whether the process that uses it has ended: see [`FaultyStorage::stop_next`].
    pub fn has_stopped(&self) -> bool {
        let disk = self.0.lock();
        disk.is_ending()
    }

    /// After `operations` more that change something, one fails with `kind`.
    pub fn fail_next(&self, operations: u64, kind: ErrorKind) {
        let mut disk = self.0.lock();
        disk.fault = Some((disk.operations + operations, 1, kind));
    }

    /// After `operations` more that change something, one that writes succeeds with a wrong bit.
    pub fn damage_next(&self, operations: u64) {
        let mut disk = self.0.lock();
        disk.damage = Some(disk.operations + operations);
    }

    /// After `operations` more that change something, all fail with `kind`, until [`FaultyStorage::heal`].
    pub fn fail_from(&self, operations: u64, kind: ErrorKind) {
        let mut disk = self.0.lock();
        disk.fault = Some((disk.operations + operations, u64::MAX, kind));
    }

    /// When appended bytes are made durable next, `meanwhile` happens first.
    pub fn while_next_syncing(&self, meanwhile: impl FnOnce() + Send + 'static) {
        self.0.lock().meanwhile = Some(Box::new(meanwhile));
    }

    /// From now on the file at `path` cannot be opened for reading, as if too many were open.
    pub fn close(&self, path: Option<&str>) {
        self.0.lock().closed = path.map(str::to_owned);
    }

    /// No more faults are ordered.
    pub fn heal(&self) {
        self.0.lock().fault = None;
    }

    /// Bytes that all files together may have.
    pub fn set_capacity(&self, bytes: u64) {
        self.0.lock().capacity_bytes = bytes;
    }

    /// Bytes that all files together have.
    pub fn used_bytes(&self) -> u64 {
        self.0.lock().used_bytes()
    }

    /// Calls so far that change something.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// The content of the file at `path`, if there is one.
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let disk = self.0.lock();
        disk.names.get(path).map(|&inode| disk.inodes[inode].content.clone())
    }

    /// Puts a durable file with that content at `path`.
    pub fn put(&self, path: &str, content: Vec<u8>) {
        let mut disk = self.0.lock();
        let new = Inode { synced_bytes: content.len(), content, doubtful: Vec::new() };
        let inode = match disk.inode_at(path) {
            Ok(inode) => {
                disk.inodes[inode] = new;
                inode
            }
            Err(_) => disk.add(new),
        };
        disk.names.insert(path.to_owned(), inode);
        disk.durable_names.insert(path.to_owned(), inode);
    }
}

impl Disk {
    fn add(&mut self, inode: Inode) -> usize {
        self.inodes.push(inode);
        self.inodes.len() - 1
    }

    /// Counts an operation; fails when it is its turn to.
    fn operation(&mut self) -> io::Result<()> {
        let number = self.operations;
        self.operations += 1;
        if self.stop.is_some_and(|stop| stop <= number) {
            return Err(io::Error::other("the process has ended"));
        }
        match self.fault {
            Some((from, count, kind)) if number >= from && number - from < count => {
                Err(io::Error::new(kind, "ordered fault"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the process ends within the operation that was counted last, or ended before it.
    fn is_ending(&self) -> bool {
        self.stop.is_some_and(|stop| stop < self.operations)
    }

    /// Whether it ended before that.
    fn has_ended(&self) -> bool {
        self.stop.is_some_and(|stop| stop + 1 < self.operations)
    }

    fn used_bytes(&self) -> u64 {
        self.names.values().map(|&inode| self.inodes[inode].content.len() as u64).sum()
    }

    fn inode_at(&self, path: &str) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn sync(&mut self, inode: usize) -> io::Result<()> {
        let result = self.operation();
        if self.is_ending() {
            return result;
        }
        let inode = &mut self.inodes[inode];
        if result.is_err() {
            // The pages count as clean from now on, whether they got to the disk or not.
            inode.doubtful.push(inode.synced_bytes..inode.content.len());
        }
        inode.synced_bytes = inode.content.len();
        result
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl Storage for FaultyStorage {
    fn list(&self, folder: &str) -> io::Result<Vec<FileEntry>> {
        let disk = self.0.lock();
        let here = disk.names.iter().filter(|(path, _)| folder_of(path) == folder);
        Ok(here
            .map(|(path, &inode)| FileEntry {
                name: path.rsplit('/').next().unwrap_or_default().to_owned(),
                bytes: disk.inodes[inode].content.len() as u64,
            })
            .collect())
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn StorageRead>> {
        let disk = self.0.lock();
        if disk.closed.as_deref() == Some(path) {
            return Err(rustix::io::Errno::MFILE.into());
        }
        let inode = disk.inode_at(path)?;
        drop(disk);
        Ok(Box::new(FaultyRead { disk: Arc::clone(&self.0), inode }))
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn StorageFile>> {
        let mut disk = self.0.lock();
        disk.operation()?;
        if disk.names.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let inode = disk.add(Inode::default());
        disk.change(NameChange::Create { path: path.to_owned(), inode });
        Ok(Box::new(FaultyFile { disk: Arc::clone(&self.0), inode, epoch: disk.epoch }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.operation()?;
        let inode = disk.inode_at(from)?;
        disk.change(NameChange::Rename { from: from.to_owned(), to: to.to_owned(), inode });
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.operation()?;
        disk.inode_at(path)?;
        disk.change(NameChange::Remove { path: path.to_owned() });
        Ok(())
    }

    fn sync_file(&self, path: &str) -> io::Result<()> {
        let mut disk = self.0.lock();
        let inode = disk.inode_at(path)?;
        disk.sync(inode)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.operation()?;
        let changes = std::mem::take(&mut disk.name_changes);
        for change in changes {
            if folder_of(change.path()) == folder {
                change.apply(&mut disk.durable_names);
            } else {
                disk.name_changes.push(change);
            }
        }
        Ok(())
    }

    fn space(&self) -> io::Result<Space> {
        let disk = self.0.lock();
        let free_bytes = disk.capacity_bytes.saturating_sub(disk.used_bytes());
        Ok(Space { total_bytes: disk.capacity_bytes, free_bytes })
    }
}

struct FaultyFile {
    disk: Arc<Mutex<Disk>>,
    inode: usize,
    epoch: u64,
}

impl FaultyFile {
    fn is_dead(&self, disk: &Disk) -> io::Result<()> {
        if self.epoch == disk.epoch {
            Ok(())
        } else {
            Err(io::Error::other("file of before a crash"))
        }
    }
}

impl StorageFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.lock();
        self.is_dead(&disk)?;
        let room = disk.capacity_bytes.saturating_sub(disk.used_bytes()).min(bytes.len() as u64);
        let (fits, result) = match disk.operation() {
            Err(error) if disk.has_ended() => (0, Err(error)),
            // A part of it is written even so.
            Err(error) => (disk.below(room + 1), Err(error)),
            Ok(()) if room < bytes.len() as u64 => (room, Err(ErrorKind::StorageFull.into())),
            Ok(()) => (room, Ok(())),
        };
        let damaged = disk.damage == Some(disk.operations - 1);
        let content = &mut disk.inodes[self.inode].content;
        content.extend_from_slice(&bytes[..fits as usize]);
        if let Some(byte) = content.last_mut().filter(|_| damaged) {
            *byte ^= 1;
        }
        result
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let meanwhile = self.disk.lock().meanwhile.take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        let mut disk = self.disk.lock();
        self.is_dead(&disk)?;
        disk.sync(self.inode)
    }
}

struct FaultyRead {
    disk: Arc<Mutex<Disk>>,
    inode: usize,
}

impl StorageRead for FaultyRead {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.lock().inodes[self.inode].content.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let disk = self.disk.lock();
        let content = disk.inodes[self.inode].content.get(offset as usize..).unwrap_or_default();
        let bytes = content.len().min(buffer.len());
        buffer[..bytes].copy_from_slice(&content[..bytes]);
        Ok(bytes)
    }
}
