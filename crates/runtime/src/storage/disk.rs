//! Storage on a real folder.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use super::{FileEntry, Space, Storage, StorageFile, StorageRead};

/// The files below one folder of a file system. Nothing is mapped into memory: a full disk would then be a signal
/// instead of an error.
#[derive(Debug, Clone)]
pub struct DiskStorage {
    root: PathBuf,
    /// Folders whose names are known to be durable, by what this process did.
    named: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl DiskStorage {
    /// The files below `root`, which is created with the first file.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), named: Arc::default() }
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

    /// Has `folder` there, under a name that is durable.
    fn hold_folder(&self, folder: &Path) -> io::Result<()> {
        let is_held = self.named.lock().contains(folder) && folder.is_dir();
        if !is_held {
            create_folder(folder)?;
            self.named.lock().insert(folder.to_owned());
        }
        Ok(())
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
        if let Some(folder) = path.parent() {
            self.hold_folder(folder)?;
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

/// Creates `folder` and what it is in, as far as that is missing, and makes all their names durable: also of those that are there,
/// because whoever created them may have been killed, or refused by the disk, before that. It takes a sync for each: to be called
/// once, not for each file.
///
/// # Errors
/// Those of the file system.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    create_folder_by(folder, sync_folder)
}

fn create_folder_by(
    folder: &Path,
    mut sync: impl FnMut(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let missing = folder.ancestors().take_while(|folder| !folder.is_dir()).count();
    fs::create_dir_all(folder)?;
    for (index, parent) in folder.ancestors().skip(1).enumerate() {
        match sync(parent) {
            Err(error) if index >= missing && is_of_others(&error) => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// Whether what the system says of a folder means that this program cannot have created anything in it.
fn is_of_others(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | InvalidInput | Unsupported)
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

    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), self.bytes, bytes) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            allocated => {
                allocated?;
                self.bytes += bytes;
                Ok(())
            }
        }
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
    fn the_names_of_folders_are_made_durable_up_to_the_root_whoever_created_them() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data/journal");
        let above: Vec<_> = folder.ancestors().skip(1).map(Path::to_owned).collect();
        for is_there in [false, true] {
            assert_eq!(folder.is_dir(), is_there);
            // An attempt that the disk refuses leaves the folder, and everything to be done for the next one.
            for refused in [true, false] {
                let mut synced = Vec::new();
                let done = create_folder_by(&folder, |folder| {
                    synced.push(folder.to_owned());
                    if refused { Err(io::Error::other("refused")) } else { Ok(()) }
                });
                assert_eq!((done.is_err(), folder.is_dir()), (refused, true));
                assert_eq!(synced, if refused { &above[..1] } else { &above[..] });
            }
        }
    }

    #[test]
    fn only_of_folders_that_were_there_it_does_not_matter_that_they_are_of_others() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        for missing in [2, 0] {
            for refused in 0..3 {
                let mut index = 0..;
                let done = create_folder_by(&folder, |_| {
                    let is_refused = index.next() == Some(refused);
                    if is_refused { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
                });
                assert_eq!(done.is_err(), refused < missing, "{missing} {refused}");
                if missing > 0 {
                    fs::remove_dir_all(parent.path().join("a")).unwrap();
                }
            }
            fs::create_dir_all(&folder).unwrap();
        }
    }

    #[test]
    fn a_process_sees_to_the_name_of_each_folder_before_its_first_file() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir(parent.path().join("journal")).unwrap();
        let storage = DiskStorage::new(parent.path());
        for path in ["journal/1", "journal/2", "reserve"] {
            storage.create(path).unwrap();
        }
        let named = [parent.path().to_owned(), parent.path().join("journal")];
        assert!(storage.named.lock().iter().eq(&named));
        // Somebody else may remove it.
        fs::remove_dir_all(&named[1]).unwrap();
        storage.create("journal/3").unwrap();
    }

    #[test]
    fn room_that_is_allocated_is_taken_and_what_is_appended_comes_behind_it() {
        const BYTES: u64 = 1 << 20;
        let parent = tempfile::tempdir().unwrap();
        let mut file = DiskStorage::new(parent.path()).create("x").unwrap();
        if let Err(error) = file.allocate(BYTES) {
            // Not every file system can.
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
            return;
        }
        let metadata = || fs::metadata(parent.path().join("x")).unwrap();
        assert_eq!(metadata().len(), BYTES);
        assert!(std::os::unix::fs::MetadataExt::blocks(&metadata()) * 512 >= BYTES);
        file.append(b"end").unwrap();
        assert_eq!(metadata().len(), BYTES + 3);
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
