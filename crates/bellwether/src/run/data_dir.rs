//! The data folder: one process at a time, and where that one listens.

use std::convert::Infallible;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use bellwether_runtime::storage::create_folder;

const LOCK: &str = "lock";
const ADDRESS: &str = "listen.addr";

/// The data folder, held for as long as this lives; then the address is taken away.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// A file in it, which can be locked everywhere, and the folder itself, which cannot be locked on every file system, but whose
    /// lock nobody can remove.
    _locks: (File, Option<File>),
}

impl DataDir {
    /// Creates the folder at `path` if it is not there, and takes it for this process alone.
    ///
    /// # Errors
    /// When it cannot be written to or another process has it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let unusable = || format!("data folder cannot be used: path=`{}`", path.display());
        create_folder(path).with_context(unusable)?;
        let lock = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path.join(LOCK))
            .with_context(unusable)?;
        let in_use =
            || bail!("data folder is in use by another process: path=`{}`", path.display());
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return in_use(),
            Err(TryLockError::Error(error)) => return Err(error).with_context(unusable),
        }
        let whole = File::open(path).with_context(unusable)?;
        let whole = match whole.try_lock() {
            Ok(()) => Some(whole),
            Err(TryLockError::WouldBlock) => return in_use(),
            Err(TryLockError::Error(error)) => {
                tracing::debug!(%error, "only a file in the data folder is locked");
                None
            }
        };
        let folder = Self { path: path.to_owned(), _locks: (lock, whole) };
        // Of a process that was killed.
        folder.withdraw_address();
        Ok(folder)
    }

    /// Lets others find out where this process listens: `listen.addr` holds `host:port`.
    ///
    /// # Errors
    /// When it cannot be written.
    fn publish_address(&self, address: SocketAddr) -> anyhow::Result<()> {
        let (draft, file) = (self.path.join("listen.addr.new"), self.path.join(ADDRESS));
        File::create(&draft)
            .and_then(|mut draft| writeln!(draft, "{address}"))
            .and_then(|()| fs::rename(&draft, &file))
            .with_context(|| format!("file cannot be written: path=`{}`", file.display()))
    }

    /// Likewise; whether that worked is in the log as well.
    pub(super) fn publish_or_warn(&self, address: SocketAddr) -> bool {
        let published = self.publish_address(address);
        if let Err(error) = &published {
            tracing::warn!("nobody can look up where it listens: {error:#}");
        }
        published.is_ok()
    }

    /// Tries again, with a rest of `every` before each attempt, until it is written: the disk may be full. Then waits for ever.
    pub(super) async fn publish_later(&self, address: SocketAddr, every: Duration) -> Infallible {
        loop {
            tokio::time::sleep(every).await;
            if self.publish_address(address).is_ok() {
                return std::future::pending().await;
            }
        }
    }

    /// Takes `listen.addr` away.
    pub(super) fn withdraw_address(&self) {
        if let Err(error) = fs::remove_file(self.path.join(ADDRESS)) {
            tracing::debug!(%error, "listen.addr is gone already");
        }
    }

    /// Leaves the folder to the next process once this one is gone, and not before: threads may still be at work in it.
    pub(super) fn hold_to_the_end(self) {
        self.withdraw_address();
        std::mem::forget(self);
    }
}

/// However the process ends that has the folder, short of a kill.
impl Drop for DataDir {
    fn drop(&mut self) {
        self.withdraw_address();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_user_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let first = DataDir::open(&path).unwrap();
        let error = DataDir::open(&path).unwrap_err().to_string();
        assert!(error.contains("in use by another process") && error.contains("a/b"), "{error}");
        fs::remove_file(path.join(LOCK)).unwrap();
        let error = DataDir::open(&path).unwrap_err().to_string();
        assert!(error.contains("in use by another process"), "{error}");
        drop(first);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn the_address_is_there_until_it_is_withdrawn() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataDir::open(parent.path()).unwrap();
        folder.publish_address("127.0.0.1:2355".parse().unwrap()).unwrap();
        let file = parent.path().join("listen.addr");
        assert_eq!(fs::read_to_string(&file).unwrap(), "127.0.0.1:2355\n");
        folder.withdraw_address();
        assert!(!file.exists());
    }

    #[test]
    fn the_address_goes_with_whoever_has_the_folder() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataDir::open(parent.path()).unwrap();
        assert!(folder.publish_or_warn("127.0.0.1:2355".parse().unwrap()));
        drop(folder);
        assert!(!parent.path().join(ADDRESS).exists());
        let folder = DataDir::open(parent.path()).unwrap();
        assert!(folder.publish_or_warn("127.0.0.1:2355".parse().unwrap()));
        folder.hold_to_the_end();
        assert!(!parent.path().join(ADDRESS).exists());
        DataDir::open(parent.path()).unwrap_err();
    }

    #[tokio::test]
    async fn an_address_for_which_there_was_no_room_is_there_once_there_is() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataDir::open(parent.path()).unwrap();
        let in_the_way = parent.path().join("listen.addr.new");
        fs::create_dir(&in_the_way).unwrap();
        let address = "127.0.0.1:2355".parse().unwrap();
        assert!(!folder.publish_or_warn(address));
        let file = parent.path().join(ADDRESS);
        let mut publishing =
            std::pin::pin!(folder.publish_later(address, Duration::from_millis(1)));
        let pause = || tokio::time::sleep(Duration::from_millis(20));
        tokio::select! {
            never = &mut publishing => match never {},
            () = pause() => assert!(!file.exists()),
        }
        fs::remove_dir(&in_the_way).unwrap();
        while !file.exists() {
            tokio::select! {
                never = &mut publishing => match never {},
                () = pause() => {}
            }
        }
    }

    #[test]
    fn the_address_of_a_process_that_was_killed_is_taken_away() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join(ADDRESS), "127.0.0.1:1\n").unwrap();
        let _folder = DataDir::open(parent.path()).unwrap();
        assert!(!parent.path().join(ADDRESS).exists());
    }
}
