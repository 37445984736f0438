//! A small file system in memory that can be filled.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted tmpfs; it is unmounted when this is dropped.
pub(crate) struct Volume {
    path: PathBuf,
}

impl Volume {
    /// Mounts one of `bytes` at `path`.
    ///
    /// # Panics
    /// When the system refuses, which it does to whoever is not root.
    pub(crate) fn mount(path: &Path, bytes: u64) -> Self {
        fs::create_dir(path).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(path)
            .output()
            .unwrap();
        let why = String::from_utf8_lossy(&mount.stderr);
        assert!(mount.status.success(), "this row needs root, to mount a tmpfs: {why}");
        Self { path: path.to_owned() }
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes all the room that there is, besides what it took before.
    pub(crate) fn fill(&self) {
        let mut ballast =
            OpenOptions::new().create(true).append(true).open(self.ballast()).unwrap();
        let mut bytes = 1 << 20;
        while bytes > 0 {
            // Less and less fits, until not a byte does.
            if !matches!(ballast.write(&vec![0xba; bytes]), Ok(1..)) {
                bytes /= 2;
            }
        }
    }

    /// Takes all of it but `bytes`.
    pub(crate) fn fill_but(&self, bytes: u64) {
        self.fill();
        let ballast = OpenOptions::new().write(true).open(self.ballast()).unwrap();
        let taken = ballast.metadata().unwrap().len();
        ballast.set_len(taken.checked_sub(bytes).unwrap()).unwrap();
    }

    /// Gives the room back.
    pub(crate) fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Lazily: in a test that fails, the server that uses it may be dropped later.
        Command::new("umount").arg("--lazy").arg(&self.path).status().ok();
    }
}

#[test]
fn a_full_volume_takes_nothing_until_it_is_freed() {
    let dir = tempfile::tempdir().unwrap();
    let volume = Volume::mount(&dir.path().join("volume"), 1 << 20);
    volume.fill();
    let write = || File::create(volume.path().join("x")).unwrap().write_all(&[1; 4096]);
    assert_eq!(write().unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    volume.free();
    write().unwrap();
}
