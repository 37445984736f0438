//! Where durable files live: a folder of named files, behind a trait that a simulation can stand in for.
//!
//! The trait says what journal and checkpoints need and no more, and each call is one that a crash can fall
//! before or after. What is promised: bytes are durable once [`StorageFile::sync_data`] has succeeded, names once
//! [`Storage::sync_folder`] has. Anything else may be lost, or be there in part, after a crash.
//!
//! A *path* is `folder/file` or `file`, relative to the root of the storage; each part consists of ASCII letters,
//! digits, `.`, `_` and `-`, and does not begin with a dot.

mod disk;
mod reserve;
mod window;

use std::io;

pub use disk::{DiskStorage, create_folder, sync_folder};
pub use reserve::{Reserve, ReserveOptions};
pub(crate) use window::Window;

/// Most bytes that one read from storage asks for.
pub(crate) const READ_BYTES: usize = 256 * 1024;

/// A file in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileEntry {
    /// Its name, without the folder.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Room on the volume that a storage is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Size of the volume in bytes.
    pub total_bytes: u64,
    /// Bytes that this process may still write.
    pub free_bytes: u64,
}

/// The path of the file `name` in `folder`; of one at the root if that is empty.
pub(crate) fn path_in(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Whether `error` says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Named files in folders.
pub trait Storage: Send + Sync {
    /// The files of `folder`, by name; none when there is no such folder. Folders in it are left out.
    fn list(&self, folder: &str) -> io::Result<Vec<FileEntry>>;

    /// Opens the file at `path` for reading.
    fn open(&self, path: &str) -> io::Result<Box<dyn StorageRead>>;

    /// Creates an empty file, and its folder when that is missing, and opens it for appending.
    ///
    /// # Errors
    /// `AlreadyExists` when there is one.
    fn create(&self, path: &str) -> io::Result<Box<dyn StorageFile>>;

    /// Gives the file at `from` the name `to`, in one step; a file that had that name is gone.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes the file at `path`.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Makes what an earlier process wrote to the file at `path` durable.
    fn sync_file(&self, path: &str) -> io::Result<()>;

    /// Makes the names in `folder` durable: what was created, renamed and removed.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;

    /// Room on the volume.
    fn space(&self) -> io::Result<Space>;
}

/// A file open for appending. Dropping it makes nothing durable.
pub trait StorageFile: Send {
    /// Writes all of `bytes` behind what is there. When it fails, any part of them may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was appended durable. When it fails, what was appended since the last success is not to be
    /// trusted, even if a later call succeeds: the system may have dropped it (Rebello et al., "Can Applications
    /// Recover from fsync Failures?", ATC 2020).
    fn sync_data(&mut self) -> io::Result<()>;

    /// Takes room for `bytes` behind what is there, at once, whatever they hold then. `Unsupported`, with nothing changed, where
    /// that cannot be had without writing them.
    fn allocate(&mut self, _bytes: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A file open for reading.
pub trait StorageRead: Send {
    /// Its length in bytes at present.
    fn len(&self) -> io::Result<u64>;

    /// Whether it is empty at present.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buffer` from `offset` on; says how many bytes that were, fewer only where the file ends.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// The whole file at `path`.
///
/// # Errors
/// When it cannot be read, or is longer than `bytes_max` (`FileTooLarge`).
pub fn read_whole(storage: &dyn Storage, path: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = storage.open(path)?;
    let bytes = file.len()?;
    if bytes > bytes_max {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    let mut content = vec![0; bytes as usize];
    let got = file.read_at(0, &mut content)?;
    content.truncate(got);
    Ok(content)
}
