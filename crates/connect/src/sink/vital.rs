//! Tasks without which nobody hears of alerts.
//!
//! The executor keeps a panic to the task that it is in. Nobody would miss a delivery that is gone, alerts would not arrive,
//! and all else would look well; so its panic ends the process, as one of a thread of the engine does. Whoever keeps it
//! running starts it again, and what had not been delivered is.

use std::{process, thread};

/// What `task` gives. A panic in it ends the process.
pub(super) async fn vital<T>(task: impl Future<Output = T>) -> T {
    let _guard = Guard;
    task.await
}

struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        if thread::panicking() {
            process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::{Command, Stdio};

    use tokio::runtime::Builder;

    use super::*;

    /// What becomes of a task, in a process of its own.
    const TASK: &str = "BELLWETHER_VITAL_TASK";

    #[test]
    fn a_panic_of_a_vital_task_ends_the_process() {
        if let Ok(what) = env::var(TASK) {
            let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
            let panics = async move { assert!(what == "ends", "on purpose") };
            let task = runtime.spawn(vital(panics));
            // That a task which is dropped is no panic, shows as well.
            drop(runtime.spawn(vital(std::future::pending::<()>())));
            _ = runtime.block_on(task);
            return;
        }
        let ends_well = |what: &str| {
            let mut test = Command::new(env::current_exe().unwrap());
            test.args(["--exact", "sink::vital::tests::a_panic_of_a_vital_task_ends_the_process"]);
            test.env(TASK, what).stdout(Stdio::null()).stderr(Stdio::null());
            test.status().unwrap().success()
        };
        assert!(ends_well("ends"));
        assert!(!ends_well("panics"));
    }
}
