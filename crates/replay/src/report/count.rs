//! Counting: from episodes to the rows of a report.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use bellwether_engine::Budget;
use bellwether_series::Fingerprint;

use super::episodes::{Episode, Outcome, Scene};
use super::model::{
    BudgetUse, DayRow, EpisodeCounts, FlappingRow, LongRow, MetricRow, OwnRow, REPORT_VERSION,
    Report, ResolveTimes, RuleRow, SeriesRow, SeverityCounts, Top,
};
use super::period::{DAY_MS, day_text};
use super::tune;

/// Rows of a table.
const ROWS_MAX: usize = 10;
/// Rows of the table of series that alerted most.
const SERIES_MAX: usize = 20;
/// Rows of the table of alerts that fired for longest.
const LONGEST_MAX: usize = 5;
const HOUR_MS: i64 = 3_600_000;
/// Alerts of a series within a day from which it flaps.
const FLAPPING_MIN: u32 = 3;
/// An alert that fires within this long after the one before was resolved fires again.
pub(super) const AGAIN_MS: i64 = HOUR_MS;

/// The report on `scene`.
pub(super) fn report(scene: &Scene, budget: &Budget) -> Report {
    let episodes = counts(scene);
    let days = days(scene);
    let fired_per_day = f64::from(episodes.fired) / scene.period.days();
    Report {
        version: REPORT_VERSION,
        period: scene.period,
        read: scene.read,
        episodes,
        severities: severities(scene),
        budget: BudgetUse {
            per_day: budget.per_day,
            cap_per_day: budget.cap_per_day,
            fired_per_day,
            used: fired_per_day / budget.per_day,
            busiest_day: days.iter().map(|day| day.fired).max().unwrap_or(0),
            days_over_cap: days.iter().filter(|day| day.held_back > 0).count() as u32,
        },
        days,
        hours: hours(scene),
        rules: rules(scene),
        series: series(scene),
        metrics: metrics(scene),
        flapping: flapping(scene),
        longest: longest(scene),
        resolve_times: resolve_times(scene),
        own_alerts: own_alerts(scene),
        suggestions: tune::suggestions(scene, budget),
    }
}

impl<T> Top<T> {
    /// The `rows_max` first rows in the order of `key`.
    fn new<K: Ord>(mut rows: Vec<T>, rows_max: usize, key: impl FnMut(&T) -> K) -> Self {
        let total = rows.len();
        rows.sort_by_cached_key(key);
        rows.truncate(rows_max);
        Self { rows, total }
    }
}

/// The value at `share` of `values`, by the nearest rank; `None` when there are none.
pub(super) fn quantile<T: Copy>(
    values: &mut [T],
    share: f64,
    compare: impl FnMut(&T, &T) -> std::cmp::Ordering,
) -> Option<T> {
    values.sort_by(compare);
    let rank = (share * values.len() as f64).ceil() as usize;
    values.get(rank.max(1) - 1).copied()
}

/// How often alerts fired again within an hour after the one before of the same series was resolved.
/// `episodes` are those of one series, oldest first.
pub(super) fn fired_again<'a>(
    episodes: &'a [&'a Episode],
) -> impl Iterator<Item = (&'a Episode, &'a Episode)> {
    episodes.windows(2).map(|pair| (pair[0], pair[1])).filter(|(before, after)| {
        before
            .resolved
            .is_some_and(|resolved| after.at_ms().saturating_sub(resolved.at_ms) <= AGAIN_MS)
    })
}

/// Those of `episodes` that alert, by series, each oldest first.
pub(super) fn by_series<'a>(
    episodes: impl IntoIterator<Item = &'a Episode>,
) -> BTreeMap<Fingerprint, Vec<&'a Episode>> {
    let mut series: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for episode in episodes.into_iter().filter(|episode| episode.alerts()) {
        series.entry(episode.fingerprint).or_default().push(episode);
    }
    series
}

fn counts(scene: &Scene) -> EpisodeCounts {
    let mut counts = EpisodeCounts::default();
    for episode in &scene.episodes {
        match episode.outcome() {
            Outcome::Fired => counts.fired += 1,
            Outcome::HeldBack => counts.held_back += 1,
            Outcome::NoticedOnly => counts.noticed_only += 1,
            Outcome::CarriedOver => counts.carried_over += 1,
        }
        if episode.fired() {
            counts.open += u32::from(episode.is_open());
            counts.lost += u32::from(episode.is_lost());
        }
    }
    counts
}

fn severities(scene: &Scene) -> SeverityCounts {
    let mut severities = SeverityCounts::default();
    for episode in scene.episodes.iter().filter(|episode| episode.fired()) {
        let count =
            if episode.is_critical() { &mut severities.critical } else { &mut severities.warning };
        *count += 1;
    }
    severities
}

fn days(scene: &Scene) -> Vec<DayRow> {
    let numbers = scene.period.day_numbers();
    let first = *numbers.start();
    let empty =
        |day| DayRow { day: day_text(day), fired: 0, critical: 0, held_back: 0, noticed_only: 0 };
    let mut days: Vec<DayRow> = numbers.map(empty).collect();
    for episode in &scene.episodes {
        let index = (episode.at_ms().div_euclid(DAY_MS) - first) as usize;
        let Some(day) = days.get_mut(index) else { continue };
        match episode.outcome() {
            Outcome::Fired => {
                day.fired += 1;
                day.critical += u32::from(episode.is_critical());
            }
            Outcome::HeldBack => day.held_back += 1,
            Outcome::NoticedOnly => day.noticed_only += 1,
            Outcome::CarriedOver => {}
        }
    }
    days
}

fn hours(scene: &Scene) -> [u32; 24] {
    let mut hours = [0; 24];
    for episode in scene.episodes.iter().filter(|episode| episode.fired()) {
        hours[(episode.at_ms().rem_euclid(DAY_MS) / HOUR_MS) as usize] += 1;
    }
    hours
}

fn rules(scene: &Scene) -> Top<RuleRow> {
    let mut rules: BTreeMap<&str, RuleRow> = BTreeMap::new();
    for episode in scene.episodes.iter().filter(|episode| episode.alerts()) {
        let row = rules.entry(&episode.rule).or_insert_with(|| RuleRow {
            rule: episode.rule.to_string(),
            fired: 0,
            critical: 0,
            held_back: 0,
            firing_ms: 0,
        });
        if episode.fired() {
            row.fired += 1;
            row.critical += u32::from(episode.is_critical());
            row.firing_ms += episode.firing_ms(scene.end_ms);
        } else {
            row.held_back += 1;
        }
    }
    Top::new(rules.into_values().collect(), ROWS_MAX, |row| {
        (Reverse((row.fired, row.held_back)), row.rule.clone())
    })
}

fn series(scene: &Scene) -> Top<SeriesRow> {
    let row = |episodes: Vec<&Episode>| {
        let fired: Vec<_> = episodes.iter().copied().filter(|episode| episode.fired()).collect();
        let (first, last) = (episodes.first()?, episodes.last()?);
        let peaks = episodes.iter().map(|episode| episode.peak_surprise);
        Some(SeriesRow {
            series: scene.series_text(first),
            fired: fired.len() as u32,
            critical: fired.iter().filter(|episode| episode.is_critical()).count() as u32,
            held_back: (episodes.len() - fired.len()) as u32,
            firing_ms: fired.iter().map(|episode| episode.firing_ms(scene.end_ms)).sum(),
            peak_surprise: peaks.fold(0.0, f64::max),
            first_ms: first.at_ms(),
            last_ms: last.at_ms(),
        })
    };
    let rows = by_series(&scene.episodes).into_values().filter_map(row).collect();
    Top::new(rows, SERIES_MAX, |row| {
        (Reverse((row.fired, row.held_back, row.firing_ms)), row.series.clone())
    })
}

fn metrics(scene: &Scene) -> Top<MetricRow> {
    let mut metrics: BTreeMap<&str, (MetricRow, BTreeSet<Fingerprint>)> = BTreeMap::new();
    for episode in &scene.episodes {
        let metric = scene.metric(episode);
        let (row, series) = metrics.entry(metric).or_insert_with(|| {
            let row = MetricRow {
                metric: metric.to_owned(),
                series: 0,
                episodes: 0,
                fired: 0,
                held_back: 0,
                noticed_only: 0,
            };
            (row, BTreeSet::new())
        });
        match episode.outcome() {
            Outcome::Fired => row.fired += 1,
            Outcome::HeldBack => row.held_back += 1,
            Outcome::NoticedOnly => row.noticed_only += 1,
            Outcome::CarriedOver => continue,
        }
        row.episodes += 1;
        series.insert(episode.fingerprint);
        row.series = series.len() as u32;
    }
    let rows = metrics.into_values().map(|(row, _)| row).filter(|row| row.episodes > 0);
    Top::new(rows.collect(), ROWS_MAX, |row| {
        (Reverse((row.episodes, row.fired)), row.metric.clone())
    })
}

fn flapping(scene: &Scene) -> Top<FlappingRow> {
    let row = |episodes: Vec<&Episode>| {
        let row = FlappingRow {
            series: scene.series_text(episodes.first()?),
            alerts: episodes.len() as u32,
            most_in_a_day: most_in_a_day(&episodes),
            fired_again: fired_again(&episodes).count() as u32,
        };
        (row.most_in_a_day >= FLAPPING_MIN || row.fired_again > 0).then_some(row)
    };
    let rows = by_series(&scene.episodes).into_values().filter_map(row).collect();
    Top::new(rows, ROWS_MAX, |row| {
        (Reverse((row.fired_again, row.most_in_a_day, row.alerts)), row.series.clone())
    })
}

/// Most alerts within any 24 hours; `episodes` are oldest first.
fn most_in_a_day(episodes: &[&Episode]) -> u32 {
    let mut oldest = 0;
    let mut most = 0;
    for (newest, episode) in episodes.iter().enumerate() {
        while episode.at_ms().saturating_sub(episodes[oldest].at_ms()) >= DAY_MS {
            oldest += 1;
        }
        most = most.max(newest - oldest + 1);
    }
    most as u32
}

fn longest(scene: &Scene) -> Top<LongRow> {
    let mut fired: Vec<_> = scene.episodes.iter().filter(|episode| episode.fired()).collect();
    let total = fired.len();
    fired.sort_by_key(|episode| Reverse(episode.firing_ms(scene.end_ms)));
    fired.truncate(LONGEST_MAX);
    let row = |episode: &&Episode| LongRow {
        series: scene.series_text(episode),
        rule: episode.rule.to_string(),
        severity: episode.severity,
        fired_ms: episode.at_ms(),
        firing_ms: episode.firing_ms(scene.end_ms),
        open: episode.is_open(),
    };
    Top { rows: fired.iter().map(row).collect(), total }
}

fn resolve_times(scene: &Scene) -> Option<ResolveTimes> {
    let resolved =
        scene.episodes.iter().filter(|episode| episode.fired() && episode.resolved.is_some());
    let mut times: Vec<i64> = resolved.map(|episode| episode.firing_ms(scene.end_ms)).collect();
    Some(ResolveTimes {
        resolved: times.len() as u32,
        p50_ms: quantile(&mut times, 0.5, i64::cmp)?,
        p90_ms: quantile(&mut times, 0.9, i64::cmp)?,
    })
}

fn own_alerts(scene: &Scene) -> Vec<OwnRow> {
    let mut own: BTreeMap<_, OwnRow> = BTreeMap::new();
    for episode in scene.own.iter().filter(|episode| episode.alerts()) {
        let series = scene.series_text(episode);
        let row = own.entry((&episode.rule, episode.fingerprint)).or_insert_with(|| OwnRow {
            rule: episode.rule.to_string(),
            series,
            fired: 0,
            firing_ms: 0,
            last_ms: 0,
            open: false,
        });
        row.fired += 1;
        row.firing_ms += episode.firing_ms(scene.end_ms);
        row.last_ms = episode.at_ms();
        row.open |= episode.is_open();
    }
    own.into_values().collect()
}
