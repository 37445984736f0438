//! Tenants: whose a request is goes through the journal, and nobody gets in as one that there is not.

use std::sync::{Arc, mpsc};

use bellwether_engine::{Outcome, RejectReason, Settings, TenantLimits, Tenants};
use bellwether_runtime::{Ingest, Received, Request, Runtime, SubmitError};
use bellwether_wire::remote_write::compress;

use crate::durable::{copy, durability};
use crate::support::{SERIES, Told, options, request_body, start_durable};

fn settings(limits: &[(&str, usize)]) -> Settings {
    let limit = |&(name, series_max): &(&str, usize)| (name.into(), TenantLimits { series_max });
    let limits = limits.iter().map(limit).collect();
    let tenants = Some(Tenants { limits, ..Tenants::default() });
    let digest = format!("{tenants:?}").into();
    Settings { tenants, digest, ..Settings::default() }
}

/// What becomes of one sample of each series, sent by `tenant`.
fn send(runtime: &Runtime, tenant: Option<&str>, step: usize) -> Result<Outcome, SubmitError> {
    let (write, received_at, body) = request_body(step);
    let received = Some(Received { source: Arc::from("test"), body: compress(&body) });
    let (reply, answer) = mpsc::channel();
    let reply = Box::new(move |outcome| reply.send(outcome).expect("somebody waits"));
    let tenant = tenant.map(Arc::from);
    runtime.handle().submit(Request { tenant, write, received_at, received }, reply)?;
    answer.recv().expect("an answer")
}

fn open(folder: &std::path::Path, settings: Settings) -> Runtime {
    let told = Told::default();
    let runtime = start_durable(settings, options(2), told.listener(), durability(folder));
    runtime.recovering().wait().expect("what was kept can be read");
    runtime
}

fn series(runtime: &Runtime) -> Vec<(String, usize)> {
    let counts = runtime.handle().stats().series_by_tenant();
    counts.into_iter().map(|(tenant, series)| (tenant.to_string(), series)).collect()
}

#[test]
fn a_restart_knows_whose_everything_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = [("bank", SERIES - 2), ("shop", 99)];
    let runtime = open(folder.path(), settings(&limits));
    let outcome = send(&runtime, Some("bank"), 0).expect("taken");
    assert_eq!(outcome.rejected_samples[RejectReason::TenantLimit.index()], 2);
    runtime.handle().checkpoint().expect("a checkpoint");
    send(&runtime, Some("shop"), 0).expect("taken");
    let expected = [("bank".to_owned(), SERIES - 2), ("shop".to_owned(), SERIES)];
    assert_eq!(series(&runtime), expected);

    let left = copy(folder.path());
    runtime.stop();
    let runtime = open(left.path(), settings(&limits));
    assert_eq!(series(&runtime), expected, "by a checkpoint and a record behind it");
    let outcome = send(&runtime, Some("bank"), 1).expect("taken");
    assert_eq!(outcome.accepted_samples, SERIES as u64 - 2);
    runtime.stop();
}

#[test]
fn who_is_no_tenant_under_the_configuration_in_force_is_asked_to_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = open(folder.path(), Settings::default());
    send(&runtime, Some("bank"), 0).expect("without tenants it does not matter");
    runtime.handle().configure(Arc::new(settings(&[("default", 99)]))).expect("running");
    for stranger in [None, Some("bank")] {
        assert_eq!(send(&runtime, stranger, 1), Err(SubmitError::UnknownTenant), "{stranger:?}");
    }
    send(&runtime, Some("default"), 1).expect("taken");
    runtime.handle().configure(Arc::new(settings(&[("bank", 99)]))).expect("running");
    send(&runtime, Some("bank"), 2).expect("taken");
    assert_eq!(series(&runtime), [("bank".to_owned(), SERIES)]);
    assert_eq!(
        runtime.handle().stats().series(),
        2 * SERIES,
        "until they have outlived themselves"
    );
    runtime.stop();
}
