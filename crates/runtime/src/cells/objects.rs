//! Where checkpoints of cells are kept: objects with names, behind a trait that memory and a local folder can stand in for.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// A store of objects, such as a bucket. All calls block, and are made on threads of the runtime.
///
/// A *path* is `folder/name`, and a folder may have folders; each part consists of ASCII letters, digits, `.`, `_` and `-`.
/// What was created is there for whoever lists or reads after that, on any machine.
pub trait Objects: Send + Sync {
    /// The names of the objects in `folder`, in any order; none when there is no such folder.
    ///
    /// # Errors
    /// When the store does not say.
    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectsError>;

    /// The content of the object at `path`; `None` when there is none.
    ///
    /// # Errors
    /// When the store does not say.
    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, ObjectsError>;

    /// Creates the object at `path`, whole or not at all; false when there is one, which stays as it is. Of several that try at
    /// once one succeeds.
    ///
    /// # Errors
    /// When the store does not say; the object may be there then.
    fn create(&self, path: &str, content: &[u8]) -> Result<bool, ObjectsError>;

    /// Removes the object at `path`, if there is one.
    ///
    /// # Errors
    /// When the store does not say.
    fn remove(&self, path: &str) -> Result<(), ObjectsError>;
}

/// Why a store of objects did not do what it was asked to. To be tried again.
#[derive(Debug, thiserror::Error)]
#[error("object store failed: path=`{path}`: {reason}")]
pub struct ObjectsError {
    /// What it was about.
    pub path: String,
    /// What the store said.
    pub reason: String,
}

/// Objects in memory, which end with the process: for tests, and to try things out.
#[derive(Debug, Default)]
pub struct MemoryObjects(Mutex<BTreeMap<String, Vec<u8>>>);

impl Objects for MemoryObjects {
    fn list(&self, folder: &str) -> Result<Vec<String>, ObjectsError> {
        let all = self.0.lock();
        let names = all.keys().filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'));
        Ok(names.filter(|name| !name.contains('/')).map(str::to_owned).collect())
    }

    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, ObjectsError> {
        Ok(self.0.lock().get(path).cloned())
    }

    fn create(&self, path: &str, content: &[u8]) -> Result<bool, ObjectsError> {
        let mut all = self.0.lock();
        if all.contains_key(path) {
            return Ok(false);
        }
        all.insert(path.to_owned(), content.to_owned());
        Ok(true)
    }

    fn remove(&self, path: &str) -> Result<(), ObjectsError> {
        self.0.lock().remove(path);
        Ok(())
    }
}
