//! An Alertmanager that was away has every firing alert soon after it is back, and nothing that is over; one that stays has the same
//! alerts whatever becomes of us.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use bellwether_series::LabelSet;
use bellwether_wire::remote_write::{RawSample, WriteRequestBuilder, compress};
use jiff::Timestamp;
use serde_json::Value;

use crate::alerts::Alertmanager;
use crate::figures::mix;
use crate::fleet::{LONG_AGO, STEP_MS};
use crate::peers::free_address;
use crate::poll::{seconds, until};
use crate::sender::Sender;
use crate::server::{BUDGET, Server};
use crate::setting;

const SERIES: usize = 60;
const LEARNING_STEPS: usize = 200;
/// Of a minute of event time each.
const OUTAGE_STEPS: usize = 30;
/// So many series fire before the outage, half of them are well again during it, and as many others fire then.
const STRUCK: usize = 20;
const JOB: &str = "outage";
const PRESENT_MAX: Duration = seconds(70);
/// How long it is watched afterwards, in short and in full: everything was sent again once, and what was not has expired.
const WATCHED: [Duration; 2] = [seconds(70), seconds(270)];

#[test]
fn an_alertmanager_that_was_away_has_everything_soon_and_nothing_that_is_over() {
    let outage = seconds(setting::pick(60, 180));
    let dir = tempfile::tempdir().unwrap();
    let address = free_address();
    let alerting =
        format!("alerting: {{ {BUDGET}, alertmanagers: [ {{ url: 'http://{address}' }} ] }}");
    // Each of the series is to ring by name.
    let configuration = format!("groups: {{ by: [] }}\n{alerting}");
    let alertmanager = Alertmanager::start_at(&dir.path().join("before"), address);
    let mut server = Server::start_in(dir.path(), "bellwether", &configuration);
    let sender = Sender::new(server.address());
    let mut step = 0;
    let mut send = |steps: usize, pause: Duration, high: &dyn Fn(usize) -> bool| {
        for _ in 0..steps {
            sender.deliver(&body(step, high), seconds(60));
            step += 1;
            thread::sleep(pause);
        }
    };
    send(LEARNING_STEPS, Duration::ZERO, &|_| false);
    send(6, Duration::ZERO, &|series| series < STRUCK);
    until(seconds(30), "the first alerts", || {
        let there = episodes(&alertmanager);
        (!there.is_empty() && there == firing(&server.data())).then_some(())
    });
    let before = episodes(&alertmanager);

    drop(alertmanager);
    let pause = outage / OUTAGE_STEPS as u32;
    send(OUTAGE_STEPS / 3, pause, &|series| series < 2 * STRUCK);
    send(2 * OUTAGE_STEPS / 3, pause, &|series| (STRUCK / 2..2 * STRUCK).contains(&series));
    // Nothing more is sent, so nothing changes any more.
    let expected = firing(&server.data());
    let resolved = before.difference(&expected).count();
    // It comes back knowing nothing.
    let back = Instant::now();
    let alertmanager = Alertmanager::start_at(&dir.path().join("after"), address);
    until(PRESENT_MAX, "all firing alerts", || {
        expected.is_subset(&episodes(&alertmanager)).then_some(())
    });
    let took = back.elapsed();
    let (mut false_resolves, mut false_alarms) = (BTreeSet::new(), BTreeSet::new());
    let watched = setting::pick(WATCHED[0], WATCHED[1]);
    while back.elapsed() < took + watched {
        let there = episodes(&alertmanager);
        false_resolves.extend(expected.difference(&there).cloned());
        false_alarms.extend(there.difference(&expected).cloned());
        thread::sleep(seconds(1));
    }
    let lost = server.total("bellwether_alerts_failed_total");
    server.stop();
    println!(
        "reliability alertmanager: away for {outage:?} and {OUTAGE_STEPS} simulated minutes, firing before {}, resolved meanwhile \
         {resolved}, firing after {}, all present after {took:.1?}, false resolves {}, false alarms {}, lost {lost}",
        before.len(),
        expected.len(),
        false_resolves.len(),
        false_alarms.len(),
    );
    assert!(resolved > 0 && expected.difference(&before).count() > 0, "nothing changed meanwhile");
    assert_eq!((false_resolves.len(), false_alarms.len()), (0, 0));
    assert!(lost.abs() < 0.5, "alerts were lost");
}

#[test]
fn what_fires_goes_on_as_the_same_alerts_when_we_are_killed() {
    let kills = setting::pick(3, 10);
    let dir = tempfile::tempdir().unwrap();
    let alertmanager = Alertmanager::start(dir.path());
    let folder = dir.path().join("bellwether");
    fs::create_dir(&folder).unwrap();
    let url = alertmanager.url();
    let mut server = Server::new(
        &folder,
        &format!(
            "groups: {{ by: [] }}\ncheckpoints: {{ every: 1s }}\nalerting: {{ {BUDGET}, alertmanagers: [ {{ url: '{url}' }} ] }}"
        ),
    );
    server.start();
    let mut step = 0;
    let mut send = |server: &Server, steps: usize, high: &dyn Fn(usize) -> bool| {
        let sender = Sender::new(server.address());
        for _ in 0..steps {
            sender.deliver(&body(step, high), seconds(60));
            step += 1;
        }
    };
    let is_struck = |series: usize| series < STRUCK;
    send(&server, LEARNING_STEPS, &|_| false);
    send(&server, 6, &is_struck);
    until(seconds(30), "the first alerts", || {
        let there = episodes(&alertmanager);
        (there.len() == STRUCK && there == firing(&server.data())).then_some(())
    });
    let before = begun(&alertmanager);
    let mut others = BTreeSet::new();
    for kill in 0..kills {
        server.kill();
        let killed_at = Timestamp::now();
        server.start();
        send(&server, kill % 2, &is_struck);
        // So that they do not expire.
        until(seconds(30), "all of them to be told again", || {
            let there = alertmanager.alerts(JOB);
            if begun(&alertmanager) != before {
                others.insert(format!("{there:?}"));
            }
            there.iter().all(|alert| alert.updated_at > killed_at).then_some(())
        });
    }
    let events = server.events();
    send(&server, 60, &|_| false);
    until(seconds(60), "all of them to be over", || {
        episodes(&alertmanager).is_empty().then_some(())
    });
    server.stop();
    println!(
        "reliability alerts: {} fire, kills {kills}, times that Alertmanager had others {}, events doubled {}",
        before.len(),
        others.len(),
        events.doubled,
    );
    assert!(others.is_empty(), "{before:?} {others:?}");
    assert_eq!(events.doubled, 0);
}

/// A request with one sample a series; those that are `high` are so for all to see.
fn body(step: usize, high: &dyn Fn(usize) -> bool) -> Vec<u8> {
    let timestamp = LONG_AGO.plus_ms(step as i64 * STEP_MS);
    let mut builder = WriteRequestBuilder::default();
    for series in 0..SERIES {
        let instance = format!("host-{series}:9100");
        let pairs = [("__name__", "queue_depth"), ("instance", instance.as_str()), ("job", JOB)];
        let noise = (mix((series << 32 | step) as u64) % 1000) as f64 / 100.0;
        let value = if high(series) { 1000.0 } else { 100.0 } + noise;
        builder.series(&LabelSet::from_pairs(pairs).unwrap(), &[RawSample { timestamp, value }]);
    }
    compress(&builder.encode())
}

/// When the alerts began that Alertmanager shows as firing, by their episodes.
fn begun(alertmanager: &Alertmanager) -> BTreeMap<String, String> {
    let alerts = alertmanager.alerts(JOB).into_iter();
    alerts
        .map(|alert| (alert.annotations["episode_id"].clone(), alert.starts_at.to_string()))
        .collect()
}

/// The episodes that Alertmanager shows as firing.
fn episodes(alertmanager: &Alertmanager) -> BTreeSet<String> {
    let alerts = alertmanager.alerts(JOB).into_iter();
    alerts.map(|alert| alert.annotations["episode_id"].clone()).collect()
}

/// The episodes that alerted and are not resolved, by the events written under `data_dir`.
fn firing(data_dir: &Path) -> BTreeSet<String> {
    let mut firing = BTreeSet::new();
    for line in fs::read_to_string(data_dir.join("events.jsonl")).unwrap_or_default().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let episode = event["episode_id"].as_str().unwrap().to_owned();
        match event["change"].as_str().unwrap() {
            "firing" | "escalated" if event["alert"] == true && event["labels"]["job"] == JOB => {
                firing.insert(episode);
            }
            "resolved" => {
                firing.remove(&episode);
            }
            _ => {}
        }
    }
    firing
}
