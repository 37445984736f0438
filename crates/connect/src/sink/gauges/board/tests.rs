//! What the board keeps, shows and sends.

use std::collections::BTreeMap;

use bellwether_series::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const STALE_AFTER_MS: i64 = 1_000;

fn labels(instance: &str) -> LabelSet {
    LabelSet::from_pairs([("__name__", "load"), ("instance", instance)]).unwrap()
}

/// News of `instance` by `rule`; without a surprise it is the end.
fn gauge(instance: &str, rule: &str, at_ms: i64, surprise: Option<f64>) -> Gauge {
    let labels = labels(instance);
    Gauge {
        fingerprint: labels.fingerprint(),
        labels,
        rule: Arc::from(rule),
        at: Timestamp::from_ms(at_ms),
        reading: surprise.map(|surprise| GaugeReading {
            surprise,
            expected: 2.0,
            lower: 1.0,
            upper: 3.0,
        }),
    }
}

fn reading(instance: &str, at_ms: i64) -> Gauge {
    gauge(instance, "r", at_ms, Some(0.5))
}

fn end(instance: &str, at_ms: i64) -> Gauge {
    gauge(instance, "r", at_ms, None)
}

/// A board with what came out of it, as `instance@time`, with `!` behind an end.
struct Scene {
    board: Board,
    points: Vec<Point>,
}

impl Scene {
    fn new(series_max: usize) -> Self {
        Self { board: Board::new(series_max, STALE_AFTER_MS), points: Vec::new() }
    }

    fn note(&mut self, gauge: &Gauge, now_ms: i64) -> String {
        self.board.note(gauge, now_ms, &mut self.points);
        self.sent()
    }

    fn sent(&mut self) -> String {
        let text = |point: Point| {
            let stale = point.values.iter().all(|value| value.to_bits() == STALE_NAN_BITS);
            let instance = point.series.labels[0].get("instance").unwrap().to_owned();
            format!("{instance}@{}{}", point.at_ms, if stale { "!" } else { "" })
        };
        self.points.drain(..).map(text).collect::<Vec<_>>().join(" ")
    }

    fn shown(&self, now_ms: i64) -> usize {
        self.board.shown(now_ms).len()
    }
}

#[test]
fn the_latest_reading_is_shown_and_every_reading_sent() {
    let mut scene = Scene::new(1);
    scene.board.note(&reading("a", 10), 0, &mut scene.points);
    scene.board.note(&gauge("a", "r", 20, Some(7.0)), 0, &mut scene.points);
    assert_eq!(
        scene.points[1].values.map(f64::to_bits),
        [7.0, 2.0, 1.0, 3.0_f64].map(f64::to_bits)
    );
    assert!(Arc::ptr_eq(&scene.points[0].series, &scene.points[1].series), "named once");
    let shown = scene.board.shown(0);
    assert_eq!((shown.len(), shown[0].0.reading.surprise), (1, 7.0));
    assert_eq!(shown[0].0.labels[0], ("instance".to_owned(), "a".to_owned()));
}

#[test]
fn series_beyond_the_limit_are_counted_and_go_nowhere() {
    let mut scene = Scene::new(2);
    let at_once = ["a", "b", "c", "c"].map(|instance| scene.note(&reading(instance, 10), 0));
    assert_eq!(at_once, ["a@10", "b@10", "", ""]);
    assert_eq!((scene.board.len(), scene.board.refused(), scene.shown(0)), (2, 2, 2));
    assert_eq!(scene.note(&end("c", 20), 0), "", "nobody knows it");
    assert_eq!(scene.note(&end("a", 20), 0), "a@20!");
    assert_eq!(scene.note(&reading("c", 30), 0), "c@30");
    assert_eq!((scene.board.len(), scene.board.refused()), (2, 2));
}

#[test]
fn silent_series_are_not_shown_and_yield_their_places_when_one_is_needed() {
    let mut scene = Scene::new(2);
    scene.note(&reading("a", 10), 0);
    scene.note(&reading("b", 10), 1);
    assert_eq!((scene.shown(STALE_AFTER_MS), scene.shown(STALE_AFTER_MS + 1)), (2, 1));
    assert_eq!(
        scene.note(&reading("c", 10), STALE_AFTER_MS),
        "",
        "nobody has been silent too long"
    );
    assert_eq!((scene.board.len(), scene.board.refused()), (2, 1));
    assert_eq!(scene.note(&reading("c", 20), 2 * STALE_AFTER_MS), "b@11! a@11! c@20");
    assert_eq!(scene.note(&reading("a", 30), 2 * STALE_AFTER_MS), "a@30");
    assert_eq!((scene.board.len(), scene.board.refused()), (2, 1));
}

#[test]
fn the_end_comes_after_the_last_reading_and_what_comes_back_after_the_end() {
    let mut scene = Scene::new(1);
    assert_eq!(scene.note(&reading("a", 10), 0), "a@10");
    assert_eq!(scene.note(&reading("a", 10), 0), "");
    assert_eq!(scene.note(&reading("a", 9), 0), "");
    assert_eq!(scene.note(&end("a", 5), 0), "a@11!");
    assert_eq!(scene.note(&end("a", 50), 0), "", "it ends once");
    assert_eq!(scene.note(&reading("a", 11), 0), "");
    assert_eq!(scene.board.out_of_order(), 3);
    assert_eq!(scene.note(&reading("a", 12), 0), "a@12");
    assert_eq!(scene.note(&end("a", 50), 0), "a@50!");
    assert_eq!(scene.note(&reading("a", 50), 0), "");
    assert_eq!(scene.note(&reading("a", 51), 0), "a@51");
}

#[test]
fn another_rule_makes_other_gauges() {
    let mut scene = Scene::new(1);
    scene.note(&gauge("a", "one", 10, Some(1.0)), 0);
    scene.board.note(&gauge("a", "two", 20, Some(1.0)), 0, &mut scene.points);
    let rules: Vec<_> =
        scene.points.iter().map(|point| point.series.labels[0].get("rule").unwrap()).collect();
    assert_eq!(rules, ["one", "two"]);
    assert_eq!(scene.sent(), "a@11! a@20");
    assert_eq!((scene.board.len(), scene.board.refused()), (1, 0));
}

#[test]
fn a_reading_is_never_a_stale_marker() {
    let mut scene = Scene::new(1);
    let odd = [f64::from_bits(STALE_NAN_BITS), f64::NAN, f64::INFINITY, -0.0];
    let [surprise, expected, lower, upper] = odd;
    let reading = Some(GaugeReading { surprise, expected, lower, upper });
    scene.board.note(&Gauge { reading, ..end("a", 10) }, 0, &mut scene.points);
    let bits = scene.points[0].values.map(f64::to_bits);
    let expected =
        [NORMAL_NAN_BITS, NORMAL_NAN_BITS, f64::INFINITY.to_bits(), (-0.0_f64).to_bits()];
    assert_eq!(bits, expected);
}

#[test]
fn everything_ends_at_once_even_at_the_end_of_time() {
    let mut scene = Scene::new(2);
    scene.note(&reading("a", 10), 0);
    scene.note(&reading("b", i64::MAX), 0);
    scene.board.end_all(&mut scene.points);
    assert_eq!(scene.sent(), "a@11!", "there is no time after the last one");
    assert_eq!(scene.board.len(), 0);
    assert_eq!(scene.note(&reading("b", i64::MAX), 0), "");
}

/// Whether the times of each gauge increase from point to point.
fn in_order(points: &[Point]) -> bool {
    let mut last = BTreeMap::new();
    points.iter().all(|point| {
        let before = last.insert(&point.series.labels[0], point.at_ms);
        before.is_none_or(|before_ms| before_ms < point.at_ms)
    })
}

proptest! {
    #[test]
    fn times_of_a_gauge_increase_whatever_comes(
        news in vec(
            (0..3_usize, 0..2_usize, prop_oneof![9 => 0..20_i64, 1 => any::<i64>()], any::<bool>()),
            0..60,
        ),
    ) {
        let mut scene = Scene::new(3);
        for (instance, rule, at_ms, reads) in news {
            let (instance, rule) = (["a", "b", "c"][instance], ["one", "two"][rule]);
            let gauge = gauge(instance, rule, at_ms, reads.then_some(1.0));
            scene.board.note(&gauge, 0, &mut scene.points);
        }
        scene.board.end_all(&mut scene.points);
        prop_assert!(in_order(&scene.points), "{}", scene.sent());
    }

    #[test]
    fn places_are_never_more_than_allowed_however_often_they_change_hands(
        series_max in 1..3_usize,
        news in vec((0..5_usize, 2..9_i64, any::<bool>(), 0..700_i64), 0..60),
    ) {
        let mut scene = Scene::new(series_max);
        let (mut at_ms, mut now_ms) = (0, 0);
        for (instance, step_ms, reads, wait_ms) in news {
            (at_ms, now_ms) = (at_ms + step_ms, now_ms + wait_ms);
            let gauge = gauge(["a", "b", "c", "d", "e"][instance], "r", at_ms, reads.then_some(1.0));
            scene.board.note(&gauge, now_ms, &mut scene.points);
            prop_assert!(scene.board.len() <= series_max);
            prop_assert!(scene.shown(now_ms) <= scene.board.len());
        }
        scene.board.end_all(&mut scene.points);
        prop_assert!(in_order(&scene.points), "{}", scene.sent());
    }
}
