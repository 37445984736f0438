//! A child process that does not outlive the test, and whose log is shown when the test fails.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use crate::http;
use crate::poll::{seconds, until};

/// Lines of its log that a failing test shows of each process.
const LOG_LINES: usize = 40;

/// In which Linux counts CPU time, whatever the machine.
#[cfg(feature = "kafka")]
const TICKS_PER_SECOND: f64 = 100.0;

/// A running child process, with its output in a file.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output in `<dir>/<name>.log`.
    pub(crate) fn start(name: &'static str, dir: &Path, command: &mut Command) -> Self {
        let log = dir.join(format!("{name}.log"));
        let output = File::create(&log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start ({error}); see `.ci/peers`"));
        Self { name, child, log }
    }

    /// Everything it has written so far.
    pub(crate) fn log(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// What `probe` gives as soon as it gives something.
    ///
    /// # Panics
    /// When the process ends first, or after a minute.
    pub(crate) fn until<T>(&mut self, what: &str, mut probe: impl FnMut(&Self) -> Option<T>) -> T {
        until(seconds(60), &format!("{}: {what}", self.name), || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended early: {status}", self.name);
            }
            probe(self)
        })
    }

    /// The address that a server of the Prometheus family says it listens on.
    pub(crate) fn listening_address(&mut self) -> SocketAddr {
        self.until("its address", |process| {
            let log = process.log();
            let (_, rest) = log.split_once(r#"msg="Listening on" address="#)?;
            // A line that has no end yet may have only half an address.
            rest.split_once('\n')?.0.trim().parse().ok()
        })
    }

    /// Waits until the process answers at `address` that it is ready.
    pub(crate) fn until_ready(&mut self, address: SocketAddr) {
        self.until("readiness", |_| {
            http::get(address, "/-/ready").is_ok_and(|answer| answer.status == 200).then_some(())
        });
    }

    /// Sends the signal called `name` to the process.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// CPU time that it has used, in seconds.
    #[cfg(feature = "kafka")]
    pub(crate) fn cpu_seconds(&self) -> f64 {
        cpu_seconds(&self.child.id().to_string())
    }

    /// Asks the process to end and waits for it, at most for `limit`.
    pub(crate) fn terminate(&mut self, limit: Duration) -> ExitStatus {
        self.signal("TERM");
        until(limit, &format!("{} to end after SIGTERM", self.name), || {
            self.child.try_wait().unwrap()
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only when it has ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(LOG_LINES)..];
            eprintln!("--- last lines of {}\n{}", self.name, tail.join("\n"));
        }
    }
}

/// CPU time that the process with this number, or `self`, has used, in seconds.
#[cfg(feature = "kafka")]
pub(crate) fn cpu_seconds(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let ticks = rest.split_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS_PER_SECOND
}
