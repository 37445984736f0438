//! Comparison with what is committed.

use std::fs;
use std::path::PathBuf;

/// The folder of the corpus. Cargo runs tests in the folder of their package.
pub(crate) fn fixtures() -> PathBuf {
    PathBuf::from("../../fixtures/replay")
}

/// Fails at the first line in which `actual` differs from the golden called `name`.
pub(crate) fn check(name: &str, actual: &str) {
    let path = fixtures().join("golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        fs::write(&path, actual).expect("the golden can be written");
        return;
    }
    let golden = fs::read_to_string(&path).expect("the golden is committed");
    for (number, (golden, actual)) in golden.lines().zip(actual.lines()).enumerate() {
        assert_eq!(golden, actual, "{name}, line {}", number + 1);
    }
    assert_eq!(golden.len(), actual.len(), "{name} has lines more or less");
}
