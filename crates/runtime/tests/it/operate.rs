//! What operators do to a running engine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwether_engine::{DropReason, Selection, Settings};
use bellwether_runtime::{Ingest, Options};
use bellwether_signal::parse_selector;

use crate::support::{SERIES, Told, labels, options, request, start};

#[test]
fn a_view_has_the_wanted_series_in_order_of_their_labels_and_no_more_than_the_limit() {
    let runtime = start(options(3), Told::default().listener());
    let handle = runtime.handle();
    for step in 0..130 {
        handle.submit(request(step), Box::new(|_| {})).expect("room for all");
    }
    let all = handle.view(Arc::new(|_| true), 100).expect("views");
    let seen: Vec<_> = all.iter().map(|view| view.labels.clone()).collect();
    assert_eq!(seen, (0..SERIES).map(labels).collect::<Vec<_>>());
    assert!(all.iter().all(|view| view.interval_ms == 60_000 && view.surprise.is_some()));
    assert!(all[0].severity.is_some(), "{:?}", all[0]);
    assert!(all[SERIES - 1].severity.is_none());

    let wanted =
        Arc::new(|labels: &bellwether_series::LabelSet| labels.get("instance") > Some("host-08"));
    let some = handle.view(wanted, 100).expect("views");
    assert_eq!(some.len(), SERIES - 9);
    assert_eq!(handle.view(Arc::new(|_| true), 5).expect("views").len(), 5);
    assert!(handle.view(Arc::new(|_| true), 0).expect("views").is_empty());
    runtime.stop();
}

#[test]
fn a_configuration_counts_from_the_next_record_on() {
    let runtime = start(options(2), Told::default().listener());
    let handle = runtime.handle();
    let exclude = vec![parse_selector(r#"{instance=~"host-0[0-4]"}"#).expect("a selector")];
    let selection = Selection { exclude, ..Selection::default() };
    let send = |from: usize, to: usize| {
        for step in from..to {
            handle.submit(request(step), Box::new(|_| {})).expect("room for all");
        }
    };
    send(0, 10);
    let settings = Settings { selection, ..Settings::default() };
    handle.configure(Arc::new(settings)).expect("running");
    send(10, 13);
    assert_eq!(handle.view(Arc::new(|_| true), 100).expect("views").len(), SERIES - 5);
    handle.configure(Arc::default()).expect("running");
    send(13, 20);
    assert_eq!(handle.view(Arc::new(|_| true), 100).expect("views").len(), SERIES);
    runtime.stop();
    let dropped = handle.stats().decided().counts.dropped;
    assert_eq!(dropped[DropReason::Excluded.index()], 3 * 5);
    assert_eq!(handle.stats().records(), 22);
}

#[test]
fn asking_for_series_does_not_put_the_heartbeat_off() {
    let heartbeat = Duration::from_millis(20);
    let runtime = start(Options { heartbeat, ..options(2) }, Box::new(|_| {}));
    let handle = runtime.handle();
    let deadline = Instant::now() + Duration::from_secs(30);
    while handle.stats().records() < 3 {
        assert!(Instant::now() < deadline, "no heartbeat was recorded");
        handle.view(Arc::new(|_| true), 1).unwrap();
    }
    runtime.stop();
}
