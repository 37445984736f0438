//! A clock of the system that a test sets for one process.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::server::Server;

/// What a server takes for the time of day. Its monotonic clock, which nobody sets, goes on as it does.
pub(crate) struct Clock {
    path: PathBuf,
}

impl Clock {
    /// That of `server` from its next start on; right at first. It is kept in `dir`.
    pub(crate) fn of(server: &mut Server, dir: &Path) -> Self {
        let clock = Self { path: dir.join("clock") };
        clock.set(0);
        for (name, value) in [
            ("LD_PRELOAD", libfaketime().to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", clock.path.to_str().unwrap()),
            // Or it would look only every ten seconds.
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ] {
            server.set_environment(name, value);
        }
        clock
    }

    /// Sets it so many seconds ahead of the true time.
    pub(crate) fn set(&self, ahead_s: i64) {
        // Renamed, so that it is never read half written.
        let draft = self.path.with_extension("draft");
        fs::write(&draft, format!("{ahead_s:+}")).unwrap();
        fs::rename(&draft, &self.path).unwrap();
    }
}

/// The library that lies to a process about the time: beside the peers, or installed.
fn libfaketime() -> PathBuf {
    let beside = env::var_os("BELLWETHER_PEERS").map(|bin| PathBuf::from(bin).join("../lib"));
    beside
        .into_iter()
        .chain([PathBuf::from("/usr/lib")])
        .find_map(|lib| in_a_folder_of(&lib))
        .expect("libfaketime is not there; see `.ci/peers`")
}

/// Debian keeps libraries in a folder that is called after the kind of machine.
fn in_a_folder_of(lib: &Path) -> Option<PathBuf> {
    let machines = fs::read_dir(lib).ok()?;
    let library = |machine: fs::DirEntry| machine.path().join("faketime/libfaketimeMT.so.1");
    machines.flatten().map(library).find(|path| path.exists())
}
