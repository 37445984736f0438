//! Threads change no event and no gauge, and the figures are those of what was told.

use std::sync::Arc;

use bellwether_engine::{
    ChangeKind, Engine, Event, Gauge, Intake, Outputs, Record, RecordBody, Settings, Usage,
};
use bellwether_runtime::{AlertFigures, Decided, Ingest};

use crate::support::{STEPS, Told, exporting, options, request, start, start_with};

fn through_the_engine() -> (Vec<Event>, Vec<Gauge>) {
    let mut engine = Engine::new(&Arc::new(exporting()), 1);
    let (mut outputs, mut events, mut gauges) = (Outputs::default(), Vec::new(), Vec::new());
    for step in 0..STEPS {
        let request = request(step);
        let body = RecordBody::request(&request.write);
        engine.apply(&Record { received_at: request.received_at, body }, &mut outputs);
        events.append(&mut outputs.events);
        gauges.append(&mut outputs.gauges);
    }
    (events, gauges)
}

#[test]
fn any_number_of_shards_gives_the_events_and_gauges_of_the_engine() {
    let (events, gauges) = through_the_engine();
    assert!(events.len() > 12, "{}", events.len());
    assert!(gauges.len() > 500, "{}", gauges.len());
    for shards in [1, 2, 5] {
        let told = Told::default();
        let runtime = start_with(exporting(), options(shards), told.listener());
        for step in 0..STEPS {
            runtime.handle().submit(request(step), Box::new(|_| {})).expect("room for all");
        }
        runtime.stop();
        // As text: what expects no value says NaN, which equals nothing.
        assert!(format!("{:?}", told.events()) == format!("{events:?}"), "{shards} shards");
        assert!(told.gauges() == gauges, "{shards} shards");
        assert!(!told.any_empty());
    }
}

#[test]
fn figures_agree_with_what_was_sent() {
    let told = Told::default();
    let runtime = start(options(3), told.listener());
    let handle = runtime.handle();
    for step in 0..STEPS {
        handle.submit(request(step), Box::new(|_| {})).expect("room for all");
    }
    let Usage { memory, metrics } = handle.usage().expect("it runs");
    let bytes = |kind| memory.iter().find(|(name, _)| *name == kind).map_or(0, |(_, bytes)| bytes);
    for kind in ["labels", "look_up", "series", "calibration", "zscore", "seasonal"] {
        assert!(bytes(kind) > 0, "{kind}: {memory:?}");
    }
    assert_eq!(memory.total(), memory.iter().map(|(_, bytes)| bytes).sum::<usize>());
    let series = metrics.iter().map(|metric| metric.series).sum::<usize>();
    assert_eq!(series, crate::support::SERIES, "{metrics:?}");
    runtime.stop();
    assert!(handle.usage().is_err());
    let (stats, samples) = (handle.stats(), (STEPS * crate::support::SERIES) as u64);
    assert_eq!(stats.samples_accepted(), samples);
    assert_eq!((stats.series(), stats.watched()), (crate::support::SERIES, crate::support::SERIES));
    assert_eq!(stats.queue_depth(), 0);
    let decided = stats.decided();
    assert_eq!(decided.counts.judged + decided.counts.warming_up, samples);
    assert_eq!(decided.latency_buckets.iter().sum::<u64>(), STEPS as u64);
    assert_eq!(decided.events.iter().sum::<u64>(), told.events().len() as u64);
    assert_eq!(decided.open_episodes, 0);
    assert!(decided.state_bytes > 0);
}

/// What was told and counted of the first `steps` steps with at most `cap_per_day` alerts a day.
fn alerts(steps: usize, cap_per_day: u32) -> (Vec<Event>, Decided) {
    let told = Told::default();
    let mut settings = Settings::default();
    settings.budget.cap_per_day = cap_per_day;
    let runtime = start_with(settings, options(2), told.listener());
    let handle = runtime.handle();
    for step in 0..steps {
        handle.submit(request(step), Box::new(|_| {})).expect("room for all");
    }
    runtime.stop();
    (told.events(), handle.stats().decided())
}

fn fired(events: &[Event], alert: bool) -> u64 {
    let fired = |event: &&Event| event.change == ChangeKind::Firing && event.alert == alert;
    events.iter().filter(fired).count() as u64
}

#[test]
fn alerts_are_counted_as_they_fire_and_until_they_are_over() {
    // By then the first three series have had their fault, and the first is well again.
    let (events, decided) = alerts(142, 50);
    let AlertFigures { fired: counted, held_back, firing } = decided.alerts;
    assert_eq!(counted.iter().sum::<u64>(), fired(&events, true));
    assert_eq!((counted[0], firing[0], held_back), (0, 0, 0));
    let resolved = events.iter().filter(|event| event.change == ChangeKind::Resolved).count();
    assert!(resolved > 0);
    assert_eq!(firing.iter().sum::<u64>(), fired(&events, true) - resolved as u64);
    assert!(firing.iter().sum::<u64>() > 1);

    let (events, decided) = alerts(STEPS, 50);
    assert_eq!(decided.alerts.fired.iter().sum::<u64>(), fired(&events, true));
    assert_eq!(decided.alerts.firing, [0; 3]);
}

#[test]
fn alerts_beyond_the_cap_are_counted_apart() {
    let (events, decided) = alerts(STEPS, 4);
    let AlertFigures { fired: counted, held_back, firing } = decided.alerts;
    assert_eq!(counted.iter().sum::<u64>(), 4 + 1, "four, and the cap's own");
    assert_eq!(fired(&events, true), 4 + 1);
    assert!(held_back > 4);
    assert_eq!(held_back, fired(&events, false));
    assert_eq!(firing.iter().sum::<u64>(), 1, "the cap's own lasts until the next day");
}

#[test]
fn the_firing_threshold_is_the_one_that_events_are_judged_by() {
    let told = Told::default();
    // What lasts for one sample gets no credit for lasting.
    let mut settings = Settings::default();
    settings.rules[0].alert.for_ms = 60_000;
    // Nor does anybody but the deep tier make claims that are worth something else.
    settings.deep.memory_bytes = 0;
    let unwatched = Intake::new(Arc::new(settings.clone()), 0).firing_threshold();
    let runtime = start_with(settings, options(2), told.listener());
    let handle = runtime.handle();
    assert!((handle.stats().firing_threshold() - unwatched).abs() < 1e-12);
    for step in 0..STEPS {
        handle.submit(request(step), Box::new(|_| {})).expect("room for all");
    }
    runtime.stop();
    let threshold = handle.stats().firing_threshold();
    assert!(threshold > unwatched);
    assert!(told.events().iter().all(|event| event.threshold.to_bits() == threshold.to_bits()));
}
