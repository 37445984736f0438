//! Storage on a real folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{FileEntry, Space, Storage, StorageFile, StorageRead};

/// The files below one folder of a file system. Nothing is mapped into memory: a full disk would then be a signal
/// instead of an error.
#[derive(Debug, Clone)]
pub struct DiskStorage {
    root: PathBuf,
}

impl DiskStorage {
    /// The files below `root`, which is created with the first file.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where `path` is; paths come from this program, so one that leaves the root is a fault in it.
    fn locate(&self, path: &str) -> io::Result<PathBuf> {
        let fits = |part: &str| {
            let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
            !part.is_empty() && !part.starts_with('.') && part.bytes().all(letter)
        };
        if path.split('/').all(fits) {
            Ok(self.root.join(path))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not a path of this storage"))
        }
    }

    fn locate_folder(&self, folder: &str) -> io::Result<PathBuf> {
        if folder.is_empty() { Ok(self.root.clone()) } else { self.locate(folder) }
    }
}

impl Storage for DiskStorage {
    fn list(&self, folder: &str) -> io::Result<Vec<FileEntry>> {
        let entries = match fs::read_dir(self.locate_folder(folder)?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let metadata = match entry.metadata() {
                // Removed since the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            // A name that is not Unicode is none of ours.
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                files.push(FileEntry { name, bytes: metadata.len() });
            }
        }
        files.sort();
        Ok(files)
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn StorageRead>> {
        Ok(Box::new(DiskRead(File::open(self.locate(path)?)?)))
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn StorageFile>> {
        let path = self.locate(path)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
            create_folder(folder)?;
        }
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Box::new(DiskFile { file, bytes: 0 }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.locate(from)?, self.locate(to)?)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.locate(path)?)
    }

    fn sync_file(&self, path: &str) -> io::Result<()> {
        File::open(self.locate(path)?)?.sync_all()
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        File::open(self.locate_folder(folder)?)?.sync_all()
    }

    fn space(&self) -> io::Result<Space> {
        // Before the first file the root may not be there: ask about what it will be in.
        let there = self.root.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        let volume = rustix::fs::statvfs(there)?;
        Ok(Space {
            total_bytes: volume.f_blocks.saturating_mul(volume.f_frsize),
            free_bytes: volume.f_bavail.saturating_mul(volume.f_frsize),
        })
    }
}

/// Creates `folder` and what it is in, and makes the new names durable.
///
/// # Errors
/// Those of the file system.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|f| !f.is_dir()).collect();
    fs::create_dir_all(folder)?;
    for parent in missing.iter().filter_map(|folder| folder.parent()) {
        sync_folder(parent)?;
    }
    Ok(())
}

/// Makes durable which files `folder` has, which is the present one if it is empty.
///
/// # Errors
/// Those of the file system.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

struct DiskFile {
    file: File,
    /// That were appended with success.
    bytes: u64,
}

impl StorageFile for DiskFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(bytes);
        match written {
            Ok(()) => self.bytes += bytes.len() as u64,
            // On a full disk a part of it took the room that was left. That it goes is not certain, nor relied on.
            Err(_) => _ = self.file.set_len(self.bytes),
        }
        written
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

struct DiskRead(File);

impl StorageRead for DiskRead {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::read_whole;

    #[test]
    fn files_are_created_once_read_renamed_listed_and_removed() {
        let parent = tempfile::tempdir().unwrap();
        let storage = DiskStorage::new(parent.path().join("a/b"));
        assert_eq!(storage.list("c").unwrap(), []);
        let mut file = storage.create("c/one.tmp").unwrap();
        file.append(b"hello ").unwrap();
        file.append(b"world").unwrap();
        file.sync_data().unwrap();
        let again = storage.create("c/one.tmp").err().unwrap();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        storage.rename("c/one.tmp", "c/one").unwrap();
        storage.sync_folder("c").unwrap();
        let entry = FileEntry { name: "one".to_owned(), bytes: 11 };
        assert_eq!(storage.list("c").unwrap(), [entry]);
        let mut end = [0; 20];
        assert_eq!(storage.open("c/one").unwrap().read_at(6, &mut end).unwrap(), 5);
        assert_eq!(&end[..5], b"world");
        assert_eq!(read_whole(&storage, "c/one", 11).unwrap(), b"hello world");
        let long = read_whole(&storage, "c/one", 10).unwrap_err();
        assert_eq!(long.kind(), io::ErrorKind::FileTooLarge);
        storage.remove("c/one").unwrap();
        assert_eq!(storage.list("c").unwrap(), []);
    }

    #[test]
    fn no_path_leaves_the_root() {
        let parent = tempfile::tempdir().unwrap();
        let storage = DiskStorage::new(parent.path());
        for path in ["../x", "/x", "a/../x", "a//x", ".x", "", "a\\x", "a/"] {
            let error = storage.create(path).err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
        }
    }

    #[test]
    fn a_volume_has_a_size() {
        let parent = tempfile::tempdir().unwrap();
        let space = DiskStorage::new(parent.path().join("not/yet")).space().unwrap();
        assert!(space.total_bytes > 0 && space.free_bytes <= space.total_bytes, "{space:?}");
    }
}
