//! What becomes of a panic: a fault of this program, which no input should reach.
//!
//! A thread of the engine that has panicked is missed by all others, and what it held may be half changed. So the process ends
//! at once, as if it had been killed: whoever keeps it running starts it again, from checkpoint and journal, and nothing that
//! was acknowledged is lost. Tasks that deliver do the same by themselves. A request that panics is answered 500 and costs nobody
//! else anything.

use std::panic::{self, PanicHookInfo};
use std::{process, thread};

/// Threads that a sample, or what is found in it, passes through; those that end in a dash are numbered.
const ENGINE_THREADS: [&str; 9] = [
    "recorder",
    "sequencer",
    "shard-",
    "collector",
    "checkpointer",
    "cell-",
    "save-",
    "kafka-source",
    "kafka-events",
];

/// From now on a panic on a thread of the engine ends the process.
pub(crate) fn end_the_process() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        report(panic);
        let thread = thread::current();
        if thread.name().is_some_and(is_of_the_engine) && !is_held(panic) {
            process::abort();
        }
    }));
}

fn is_of_the_engine(thread: &str) -> bool {
    ENGINE_THREADS
        .iter()
        .any(|name| if name.ends_with('-') { thread.starts_with(name) } else { thread == *name })
}

/// Panics of the Arrow library become errors where it is used.
fn is_held(panic: &PanicHookInfo<'_>) -> bool {
    panic.location().is_some_and(|place| place.file().contains("/arrow-"))
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::{Command, Stdio};

    use super::*;

    /// Whose turn it is to panic, in a process of its own.
    const THREAD: &str = "BELLWETHER_PANICKING_THREAD";

    #[test]
    fn a_panic_of_the_engine_ends_the_process() {
        if let Some(name) = env::var_os(THREAD) {
            end_the_process();
            let name = name.into_string().unwrap();
            let thread = thread::Builder::new().name(name).spawn(|| panic!("on purpose"));
            assert!(thread.unwrap().join().is_err());
            return;
        }
        let ends_well = |thread: &str| {
            let mut test = Command::new(env::current_exe().unwrap());
            test.args(["--exact", "panics::tests::a_panic_of_the_engine_ends_the_process"]);
            test.env(THREAD, thread).stdout(Stdio::null()).stderr(Stdio::null());
            test.status().unwrap().success()
        };
        assert!(!ends_well("shard-3") && !ends_well("recorder"));
        assert!(ends_well("tokio-rt-worker"), "a request is answered, and that is all");
    }
}
