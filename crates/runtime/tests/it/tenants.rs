//! Tenants: whose a request is goes through the journal, and nobody gets in as one that there is not.

use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

use bellwether_engine::{Outcome, RejectReason, Settings, TenantLimits, Tenants};
use bellwether_runtime::testing::Stepped;
use bellwether_runtime::{Ingest, Options, Received, Request, Runtime, Source, SubmitError};
use bellwether_wire::Format;
use bellwether_wire::remote_write::compress;

use crate::durable::{copy, durability};
use crate::support::{SERIES, StoppedClock, Told, options, request_body, start_durable};

fn settings(limits: &[(&str, usize)]) -> Settings {
    let limit = |&(name, series_max): &(&str, usize)| (name.into(), TenantLimits { series_max });
    let limits = limits.iter().map(limit).collect();
    let tenants = Some(Tenants { limits, ..Tenants::default() });
    let digest = format!("{tenants:?}").into();
    Settings { tenants, digest, ..Settings::default() }
}

fn request(tenant: Option<&str>, step: usize) -> Request {
    let (write, received_at, body) = request_body(step);
    let (source, format) = (Source::Address("test".into()), Format::REMOTE_WRITE_1);
    let received = Some(Received { source, format, body: compress(&body) });
    Request { tenant: tenant.map(Arc::from), write, received_at, received }
}

/// What becomes of one sample of each series, sent by `tenant`.
fn send(runtime: &Runtime, tenant: Option<&str>, step: usize) -> Result<Outcome, SubmitError> {
    let (reply, answer) = mpsc::channel();
    let reply = Box::new(move |outcome| reply.send(outcome).expect("somebody waits"));
    runtime.handle().submit(request(tenant, step), reply)?;
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

/// A server in which nothing moves by itself.
fn stepped(settings: Settings, queue_requests_max: usize, shards: usize, folder: &Path) -> Stepped {
    stepped_with(settings, Options { queue_requests_max, ..options(shards) }, folder)
}

fn stepped_with(settings: Settings, options: Options, folder: &Path) -> Stepped {
    let (stepped, _) = Stepped::open(
        &Arc::new(settings),
        options,
        Arc::new(StoppedClock),
        Box::new(|_| {}),
        durability(folder),
    )
    .expect("a start");
    stepped
}

/// Who is answered, in this order, if ten of the bank wait, then an operator changes the configuration to `then` if there is
/// one, then come one of the shop and one more of the bank. Each group is `|`.
fn order_of_service(settings: Settings, then: Option<Settings>) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stepped = stepped(settings, 13, 2, folder.path());
    let answered = Arc::new(Mutex::new(String::new()));
    let line = stepped.line();
    let mut step = 0;
    let mut submit = |tenant: &'static str| {
        let answered = Arc::clone(&answered);
        let reply = Box::new(move |outcome: Result<Outcome, SubmitError>| {
            outcome.expect("taken");
            answered.lock().expect("no panic").push_str(&tenant[..1]);
        });
        step += 1;
        line.handle().submit(request(Some(tenant), step), reply)
    };
    for _ in 0..10 {
        submit("bank").expect("room");
    }
    if let Some(then) = then {
        line.handle().configure(Arc::new(then)).expect("room");
    }
    submit("shop").expect("room");
    submit("bank").expect("room");
    let mut groups = Vec::new();
    for _ in 0..7 {
        line.record(64, 0);
        line.drain();
        groups.push(std::mem::take(&mut *answered.lock().expect("no panic")));
    }
    assert_eq!(line.handle().stats().queue_depth(), 0);
    groups.join("|")
}

#[test]
fn whoever_sends_little_waits_for_one_round_of_those_who_send_much() {
    let tenants = || settings(&[("bank", 99), ("shop", 99)]);
    assert_eq!(order_of_service(tenants(), None), "bsb|bb|bb|bb|bb|b|");
    // Without tenants nobody is told apart by the recorder's groups.
    assert_eq!(order_of_service(Settings::default(), None), "bsbbbbbbbbbb||||||");
}

#[test]
fn a_configuration_is_for_whoever_comes_after_it_and_not_before() {
    let larger = || settings(&[("bank", 100), ("shop", 100)]);
    let tenants = settings(&[("bank", 99), ("shop", 99)]);
    assert_eq!(order_of_service(tenants, Some(larger())), "bb|bb|bb|bb|bb|sb|");
}

#[test]
fn while_the_shards_are_behind_who_sends_much_waits_in_line_and_who_sends_little_goes_on() {
    for under_way_max in [1, 2, 3] {
        let folder = tempfile::tempdir().expect("a folder");
        let (settings, options) = (settings(&[("bank", 99), ("shop", 99)]), options(1));
        let options = Options { tenant_under_way_max: under_way_max, ..options };
        let mut stepped = stepped_with(settings, options, folder.path());
        let line = stepped.line();
        let submit = |line: &bellwether_runtime::testing::Line, tenant, step| {
            line.handle().submit(request(Some(tenant), step), Box::new(|_| {})).expect("room");
        };
        let max = under_way_max as u64;
        let first = line.committed_below();
        (0..6).for_each(|step| submit(line, "bank", step));
        for _ in 0..3 {
            line.record(64, 0);
        }
        assert_eq!(line.committed_below() - first, max, "the sequencer has not taken them");
        assert_eq!(line.handle().stats().tenant_requests_held(), 6 - max);
        submit(line, "shop", 0);
        line.record(64, 0);
        assert_eq!(line.committed_below() - first, max + 1);
        assert!(line.step(0), "the sequencer takes one of the bank");
        line.record(64, 0);
        assert_eq!(line.committed_below() - first, max + 2);
        while line.committed_below() - first < 7 {
            line.drain();
            line.record(64, 0);
        }
        assert_eq!(line.handle().stats().tenant_requests_held(), 6 - max, "none is counted twice");
    }
}

#[test]
fn no_more_wait_than_there_may_whether_in_the_queue_or_in_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stepped = stepped(settings(&[("bank", 99)]), 6, 1, folder.path());
    let line = stepped.line();
    let submit = |line: &bellwether_runtime::testing::Line, step| {
        line.handle().submit(request(Some("bank"), step), Box::new(|_| {}))
    };
    (0..6).for_each(|step| submit(line, step).expect("room"));
    assert_eq!(submit(line, 6), Err(SubmitError::Full));
    assert_eq!(line.handle().check(), Err(SubmitError::Full));
    line.record(2, 0);
    // Two were taken, and four moved on into a line.
    (6..8).for_each(|step| submit(line, step).expect("room"));
    assert_eq!(submit(line, 8), Err(SubmitError::Full));
    assert_eq!(line.handle().stats().queue_depth(), 6);
}
