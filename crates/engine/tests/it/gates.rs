//! Every sample ends at exactly one gate, and the gates say what the counts and the events say.

use std::collections::BTreeMap;

use bellwether_engine::{
    CAP_RULE, ChangeKind, DropReason, Engine, Event, Gate, Outputs, Record, RejectReason,
    ResolveReason, Trace, Traces,
};
use bellwether_series::{Matchers, Timestamp};
use proptest::prelude::*;

use crate::world::{News, World};

const MINUTE_MS: i64 = 60_000;

/// What one record brought.
struct Brought {
    outputs: Outputs,
    /// Samples of the request.
    sent: usize,
    rejected: [u64; RejectReason::ALL.len()],
}

impl Brought {
    fn found(&self) -> &[Trace] {
        self.outputs.traces.as_ref().map_or(&[], |traces| traces.found())
    }

    /// Traces of series; those of groups have no class.
    fn of_series(&self) -> impl Iterator<Item = &Trace> {
        let is_group =
            |trace: &&Trace| trace.judged.as_ref().is_some_and(|judged| judged.class.is_none());
        self.found().iter().filter(move |trace| !is_group(trace))
    }

    /// How many samples ended at each gate.
    fn gates(&self) -> BTreeMap<Gate, u64> {
        let mut gates = BTreeMap::new();
        for trace in self.of_series() {
            *gates.entry(trace.gate).or_default() += 1;
        }
        gates
    }

    /// Series or group, time and whether it may alert, of all that began or became worse.
    fn rises(&self) -> Vec<(String, bool)> {
        let rises = |event: &&Event| {
            matches!(event.change, ChangeKind::Firing | ChangeKind::Escalated)
                && *event.rule != *CAP_RULE
        };
        let key = |event: &Event| (format!("{} {}", event.fingerprint, event.at_ms), event.alert);
        let mut rises: Vec<_> = self.outputs.events.iter().filter(rises).map(key).collect();
        rises.sort();
        rises
    }
}

/// Runs a world with every sample written down, and without; both must tell the same.
fn run(
    world: &World,
    mut look: impl FnMut(&Brought) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let settings = world.settings(0);
    let [mut engine, mut unasked] = [1, 2].map(|seed| Engine::new(&settings, seed));
    let (mut brought, mut plain) = (
        Brought { outputs: Outputs::default(), sent: 0, rejected: [0; RejectReason::ALL.len()] },
        Outputs::default(),
    );
    brought.outputs.traces = Some(Box::new(Traces::new(Matchers::default())));
    for (received_at, news) in world.news() {
        brought.sent = match &news {
            News::Request(request) => request.sample_count(),
            _ => 0,
        };
        let record = || Record { received_at, body: news.body() };
        brought.rejected = engine.apply(&record(), &mut brought.outputs).rejected_samples;
        unasked.apply(&record(), &mut plain);
        let told = |outputs: &Outputs| format!("{:?} {:?}", outputs.events, outputs.counts);
        prop_assert_eq!(told(&brought.outputs), told(&plain));
        look(&brought)?;
    }
    Ok(())
}

fn any_world(lateness_ms: i64) -> impl Strategy<Value = World> {
    any::<u64>().prop_map(move |seed| World {
        seed,
        steps: 290,
        step_ms: MINUTE_MS,
        lateness_ms,
        deep_per_partition: 2,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn every_sample_ends_at_one_gate_and_the_counts_agree(world in any_world(0)) {
        let mut seen = BTreeMap::<&str, u64>::new();
        run(&world, |brought| {
            let gates = brought.gates();
            let at = |gate: Gate| gates.get(&gate).copied().unwrap_or_default();
            let counts = &brought.outputs.counts;
            prop_assert_eq!(gates.values().sum::<u64>(), brought.sent as u64, "one each");
            for reason in DropReason::ALL {
                prop_assert_eq!(at(Gate::Dropped(reason)), counts.dropped[reason.index()]);
            }
            for reason in RejectReason::ALL {
                prop_assert_eq!(at(Gate::Refused(reason)), brought.rejected[reason.index()]);
            }
            prop_assert_eq!(at(Gate::SeriesEnded), counts.stale);
            prop_assert_eq!(at(Gate::Maintenance), counts.in_maintenance);
            prop_assert_eq!(at(Gate::NoRate) + at(Gate::WarmUp), counts.warming_up);
            let judged = gates.iter().filter(|(gate, _)| **gate > Gate::WarmUp);
            prop_assert_eq!(judged.map(|(_, count)| count).sum::<u64>(), counts.judged);
            for (gate, count) in gates {
                *seen.entry(gate.as_str()).or_default() += count;
            }
            Ok(())
        })?;
        prop_assert!(seen.len() >= 12, "{seen:?}");
    }

    #[test]
    fn what_passed_is_an_alert_and_what_is_over_is_resolved(world in any_world(0)) {
        let (mut alerts, mut ends) = (0, 0);
        run(&world, |brought| {
            let rises = brought.rises();
            for trace in brought.found() {
                let key = format!("{} {}", trace.fingerprint, trace.at);
                let alert = rises.iter().find(|(rise, _)| *rise == key).map(|(_, alert)| *alert);
                match trace.gate {
                    Gate::Passed => prop_assert_eq!(alert, Some(true), "{}", key),
                    // Whoever was held back stays so until it is over.
                    Gate::Cap => prop_assert_ne!(alert, Some(true), "{}", key),
                    gate => prop_assert!(alert.is_none() || !gate.is_taken(), "{gate:?} {key}"),
                }
            }
            let passed = brought.found().iter().filter(|trace| trace.gate == Gate::Passed).count();
            prop_assert_eq!(passed, rises.iter().filter(|(_, alert)| *alert).count());
            alerts += passed;
            let resolved = brought.outputs.events.iter().filter(|event| {
                event.reason == Some(ResolveReason::Normal) && *event.rule != *CAP_RULE
            });
            let mut resolved: Vec<_> = resolved.map(|event| (event.fingerprint, event.at_ms)).collect();
            let over = brought.found().iter().filter(|trace| trace.gate == Gate::Resolved);
            let mut over: Vec<_> = over.map(|trace| (trace.fingerprint, trace.at)).collect();
            resolved.sort();
            over.sort();
            prop_assert_eq!(&over, &resolved);
            ends += over.len();
            Ok(())
        })?;
        prop_assert!(alerts > 5 && ends > 5, "{alerts} {ends}");
    }

    #[test]
    fn what_is_held_back_for_order_ends_once_as_well(world in any_world(3 * MINUTE_MS)) {
        let mut ended = BTreeMap::<(String, Timestamp, u64), u64>::new();
        let (mut sent, mut traced) = (0, 0);
        run(&world, |brought| {
            sent += brought.sent;
            for trace in brought.of_series() {
                traced += 1;
                if trace.gate.is_taken() {
                    let key = (trace.labels.to_string(), trace.at, trace.sent.to_bits());
                    *ended.entry(key).or_default() += 1;
                }
            }
            Ok(())
        })?;
        prop_assert!(ended.values().all(|&times| times == 1));
        // Four of each series may be held at the end, or were when their series was forgotten.
        prop_assert!(traced <= sent && traced > sent * 9 / 10, "{traced} {sent}");
    }
}
