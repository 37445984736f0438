//! What the alert about health said last, in a file: a process that ends without notice leaves an alert that the next one
//! goes on with.
//!
//! Whatever is told is written down before, and marked as told a while later. So nothing is told under another id after a
//! restart, and what the process may have died over is told again under the same one.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bellwether_engine::{ChangeKind, Event};
use bellwether_runtime::storage::sync_folder;
use serde::{Deserialize, Serialize};

/// Its name in the data folder.
const FILE: &str = "health-alert.json";
/// Longest wait for the disk: what is to be told may be that it hangs.
const WRITE_MAX: Duration = Duration::from_secs(1);

/// Keeps the alert, where there is a folder.
#[derive(Debug)]
pub(crate) struct AlertFile {
    path: Option<PathBuf>,
    newest: Option<KeptAlert>,
}

impl AlertFile {
    /// In `folder`; without one the alert ends with the process.
    pub(crate) fn within(folder: Option<&Path>) -> Self {
        Self { path: folder.map(|folder| folder.join(FILE)), newest: None }
    }

    /// What the process before left.
    pub(super) fn left_behind(&mut self) -> Option<KeptAlert> {
        let path = self.path.as_ref()?;
        self.newest = read(path).unwrap_or_else(|error| {
            tracing::warn!(%error, path = %path.display(), "alert about health cannot be read");
            None
        });
        self.newest.clone()
    }

    /// Takes in what is about to be told.
    pub(super) async fn tell(&mut self, event: Event) {
        self.keep(KeptAlert { event, is_told: false }).await;
    }

    /// What was told before has been taken by now.
    pub(super) async fn told(&mut self) {
        if let Some(kept) = self.newest.take_if(|kept| !kept.is_told) {
            self.keep(KeptAlert { is_told: true, ..kept }).await;
        }
    }

    async fn keep(&mut self, kept: KeptAlert) {
        self.newest = Some(kept.clone());
        let Some(path) = self.path.clone() else { return };
        let shown = path.display().to_string();
        let writing = tokio::task::spawn_blocking(move || write(&path, &kept));
        let error = match tokio::time::timeout(WRITE_MAX, writing).await {
            Ok(Ok(Ok(()))) => return,
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the disk does not answer".to_owned(),
        };
        tracing::warn!(error, path = shown, "alert about health is not kept for the next start");
    }
}

/// The newest event of the alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptAlert {
    pub(super) event: Event,
    /// Whether sinks have had time to take it.
    pub(super) is_told: bool,
}

impl KeptAlert {
    /// Whether there is nothing more to say about it.
    fn is_over(&self) -> bool {
        self.is_told && self.event.change == ChangeKind::Resolved
    }
}

/// What is at `path`, if anything.
///
/// # Errors
/// When it cannot be read, or is something else.
fn read(path: &Path) -> io::Result<Option<KeptAlert>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts `kept` at `path`, durably, or nothing if it is over. At no time is half of it there.
///
/// # Errors
/// When the disk refuses.
fn write(path: &Path, kept: &KeptAlert) -> io::Result<()> {
    if kept.is_over() {
        return match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let draft = path.with_extension("json.new");
    let mut file = File::create(&draft)?;
    file.write_all(&serde_json::to_vec(kept)?)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    match path.parent() {
        Some(folder) => sync_folder(folder),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use bellwether_detect::Severity;

    use super::*;
    use crate::events::tests::event;

    fn kept(change: ChangeKind, is_told: bool) -> KeptAlert {
        KeptAlert { event: event("up", 5, change, Severity::Warning), is_told }
    }

    #[test]
    fn what_is_written_is_read_back_until_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(read(&path).unwrap(), None);
        for (change, is_told) in [
            (ChangeKind::Firing, false),
            (ChangeKind::Firing, true),
            (ChangeKind::Escalated, false),
            (ChangeKind::Resolved, false),
        ] {
            let kept = kept(change, is_told);
            write(&path, &kept).unwrap();
            assert_eq!(read(&path).unwrap(), Some(kept));
        }
        for _ in 0..2 {
            write(&path, &kept(ChangeKind::Resolved, true)).unwrap();
            assert_eq!(read(&path).unwrap(), None);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn the_next_process_hears_what_was_told_and_whether_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let left = || AlertFile::within(Some(folder.path())).left_behind();
        let mut file = AlertFile::within(Some(folder.path()));
        assert_eq!(left(), None);
        let (firing, resolved) =
            (kept(ChangeKind::Firing, false), kept(ChangeKind::Resolved, false));
        file.told().await;
        assert_eq!(left(), None);
        file.tell(firing.event.clone()).await;
        assert_eq!(left(), Some(firing));
        file.told().await;
        assert_eq!(left(), Some(kept(ChangeKind::Firing, true)));
        file.tell(resolved.event.clone()).await;
        assert_eq!(left(), Some(resolved));
        file.told().await;
        assert_eq!(left(), None);
        let mut nowhere = AlertFile::within(None);
        nowhere.tell(kept(ChangeKind::Firing, false).event).await;
        assert_eq!(nowhere.left_behind(), None);
    }

    #[test]
    fn what_is_no_alert_is_an_error_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        fs::write(&path, "{\"event\":").unwrap();
        assert!(read(&path).is_err());
        let kept = kept(ChangeKind::Firing, true);
        write(&path, &kept).unwrap();
        assert_eq!(read(&path).unwrap(), Some(kept));
    }
}
