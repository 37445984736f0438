//! Folders that a crash of the machine does not forget.

use std::fs::File;
use std::io;
use std::path::Path;

/// Creates `folder`, and those above it that there are not. Each is durable in the one above it.
pub(crate) fn create(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().unwrap_or(Path::new(""));
    create(above)?;
    match std::fs::create_dir(folder) {
        // Somebody else may have made it meanwhile.
        Err(error) if !folder.is_dir() => Err(error),
        _ => sync(above),
    }
}

/// Makes durable which files `folder` has, which is the present one if it is empty.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_created_with_those_above_them_and_what_is_no_folder_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b/c");
        create(&deep).unwrap();
        create(&deep).unwrap();
        assert!(deep.is_dir());
        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(create(&file).is_err() && create(&file.join("below")).is_err());
        create(Path::new("")).unwrap();
        sync(Path::new("")).unwrap();
    }
}
