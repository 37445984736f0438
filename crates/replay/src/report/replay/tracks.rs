//! The judgements around the alerts that stand out most, kept while a replay goes on.
//!
//! An alert is followed from when it fires, with what the window over all judgements still has of the time before, until a
//! while after it was resolved. Only so many are followed: a greater one takes the place of the smallest. So memory is
//! bounded by the window and the number of tracks, whatever the number of rows, series and alerts.

use bellwether_detect::tail::Tail;
use bellwether_detect::{ExpectedBand, Severity};
use bellwether_engine::{ChangeKind, Event, Score};
use bellwether_series::{Fingerprint, Timestamp};
use serde::{Deserialize, Serialize};

use super::judgements::Judgements;
use super::recent::Recent;

/// Most alerts that are followed: some more than are shown, since several may be one incident.
const TRACKS_MAX: usize = 64;
/// Samples from before an alert fired.
const BEFORE_SAMPLES: usize = 240;
/// Samples from after it was resolved.
const AFTER_SAMPLES: usize = 120;
/// Most points of a track; of a longer one every second is left out, then every second of those that are left, and so on.
const POINTS_MAX: usize = 960;

/// A judgement with the band that was expected.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Point {
    pub(super) at: Timestamp,
    pub(super) value: f64,
    pub(super) surprise: f64,
    pub(super) expected: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
}

impl Point {
    fn of(score: &Score, tail: &Tail) -> Self {
        let ExpectedBand { lower, upper } = score.band(tail);
        let Score { at, value, surprise, expected, .. } = *score;
        Self { at, value, surprise, expected: expected.center, lower, upper }
    }
}

/// What was judged around one alert.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Track {
    pub(super) episode: Fingerprint,
    series: Fingerprint,
    /// Peak surprise over the threshold.
    excess: f64,
    pub(super) points: Vec<Point>,
    /// Samples that one point stands for: it is the most surprising of them.
    stride: usize,
    /// How many samples the newest point stands for.
    filled: usize,
    is_over: bool,
    after: usize,
}

impl Track {
    fn take(&mut self, point: Point) {
        self.after += usize::from(self.is_over);
        match self.points.last_mut() {
            Some(newest) if self.filled < self.stride => {
                if point.surprise > newest.surprise {
                    *newest = point;
                }
                self.filled += 1;
            }
            _ => {
                self.points.push(point);
                self.filled = 1;
            }
        }
        if self.points.len() >= POINTS_MAX {
            let more = |pair: &[Point]| {
                pair.iter().copied().reduce(|a, b| if b.surprise > a.surprise { b } else { a })
            };
            self.points = self.points.chunks(2).filter_map(more).collect();
            self.stride *= 2;
            self.filled = self.stride;
        }
    }

    fn goes_on(&self) -> bool {
        self.after < AFTER_SAMPLES
    }
}

/// All that is followed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tracks {
    recent: Recent,
    #[serde(skip)]
    tail: Tail,
    kept: Vec<Track>,
    /// The series of tracks that go on, in order.
    followed: Vec<Fingerprint>,
}

impl Tracks {
    pub(super) fn new(memory_bytes: usize) -> Self {
        let recent = Recent::new(memory_bytes);
        Self { recent, tail: Tail::new(), kept: Vec::new(), followed: Vec::new() }
    }

    /// Takes the judgements of some records.
    pub(super) fn begin(&mut self, judgements: Vec<Judgements>) {
        self.recent.push(judgements);
    }

    /// The judgements of one of these records.
    pub(super) fn judged(&self, record: usize) -> impl Iterator<Item = &[Score]> {
        self.recent.judged(record)
    }

    /// Takes the events of one of these records after the other.
    pub(super) fn hear_all(&mut self, record: usize, events: &[Event]) {
        if !self.followed.is_empty() {
            self.follow(record);
        }
        for event in events.iter().filter(|event| event.severity > Severity::Info) {
            self.hear(record, event);
        }
        if !events.is_empty() {
            self.look();
        }
    }

    /// The track of an episode.
    pub(super) fn of(&self, episode: Fingerprint) -> Option<&Track> {
        self.kept.iter().find(|track| track.episode == episode)
    }

    fn follow(&mut self, record: usize) {
        let Self { recent, tail, kept, followed } = self;
        let mut has_ended = false;
        for score in recent.judged(record).flatten() {
            if followed.binary_search(&score.fingerprint).is_err() {
                continue;
            }
            let of_series =
                |track: &&mut Track| track.series == score.fingerprint && track.goes_on();
            for track in kept.iter_mut().filter(of_series) {
                track.take(Point::of(score, tail));
                has_ended |= !track.goes_on();
            }
        }
        if has_ended {
            self.look();
        }
    }

    fn look(&mut self) {
        let going_on = self.kept.iter().filter(|track| track.goes_on());
        self.followed = going_on.map(|track| track.series).collect();
        self.followed.sort_unstable();
        self.followed.dedup();
    }

    fn hear(&mut self, record: usize, event: &Event) {
        let excess = (event.peak_surprise - event.threshold).max(0.0);
        let is_over = event.change == ChangeKind::Resolved;
        if let Some(track) = self.kept.iter_mut().find(|track| track.episode == event.episode_id) {
            track.excess = excess;
            track.is_over = is_over;
            return;
        }
        let smallest =
            self.kept.iter().enumerate().min_by(|a, b| a.1.excess.total_cmp(&b.1.excess));
        let place = match smallest {
            Some((place, least)) if self.kept.len() >= TRACKS_MAX => {
                if least.excess >= excess {
                    return;
                }
                Some(place)
            }
            _ => None,
        };
        // An alert of a group or of the engine itself has no samples of its own.
        let before = self.recent.of(event.fingerprint, BEFORE_SAMPLES, record);
        if before.is_empty() {
            return;
        }
        let points = before.iter().map(|score| Point::of(score, &self.tail)).collect();
        place.map(|place| self.kept.swap_remove(place));
        self.kept.push(Track {
            episode: event.episode_id,
            series: event.fingerprint,
            excess,
            points,
            stride: 1,
            filled: 1,
            is_over,
            after: 0,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::score;
    use super::*;
    use crate::report::testing::{DAY_MS, MINUTE_MS, life};

    fn take(tracks: &mut Tracks, score: Score, events: &[Event]) {
        tracks.begin(vec![Judgements::of_record(vec![score])]);
        tracks.hear_all(0, events);
    }

    #[test]
    fn an_alert_is_followed_from_before_it_fired_until_a_while_after() {
        let events = life("m", "i", 600 * MINUTE_MS).events();
        let series = events[0].fingerprint;
        let mut tracks = Tracks::new(1 << 20);
        for minute in 0..1000 {
            let at = Timestamp::from_ms(minute * MINUTE_MS);
            let now: Vec<_> = events.iter().filter(|event| event.at_ms == at).cloned().collect();
            take(&mut tracks, score(series, at, 0.0), &now);
        }
        let points = &tracks.of(events[0].episode_id).unwrap().points;
        let fired = 601;
        let resolved = 600 + 15;
        assert_eq!(points.len() as i64, 240 + (resolved - fired) + AFTER_SAMPLES as i64);
        assert_eq!(points[239].at.as_ms(), fired * MINUTE_MS);
        assert!(tracks.followed.is_empty());
    }

    #[test]
    fn a_long_alert_keeps_few_points_and_its_peak() {
        let event = life("m", "i", 0).events().remove(0);
        let mut tracks = Tracks::new(1 << 20);
        for minute in 0..50_000 {
            let at = Timestamp::from_ms(minute * MINUTE_MS);
            let surprise = if minute == 31_234 { 9.0 } else { 1.0 };
            let now = (minute == 1).then(|| event.clone());
            take(&mut tracks, score(event.fingerprint, at, surprise), now.as_slice());
        }
        let points = &tracks.of(event.episode_id).unwrap().points;
        assert!((POINTS_MAX / 2..POINTS_MAX).contains(&points.len()), "{}", points.len());
        assert!(points.iter().any(|point| point.surprise > 8.9));
        assert!(points.is_sorted_by_key(|point| point.at));
    }

    #[test]
    fn the_greatest_are_kept() {
        let mut tracks = Tracks::new(1 << 20);
        let peak = |number: i64| 6.0 + (number * 37 % 100) as f64 / 10.0;
        let mut kept = Vec::new();
        for number in 0..100 {
            let mut life = life("m", &number.to_string(), number * DAY_MS);
            life.peak = peak(number);
            let event = life.events().remove(0);
            let at_peak = score(event.fingerprint, event.at_ms, 5.0);
            take(&mut tracks, at_peak, std::slice::from_ref(&event));
            kept.push((peak(number), event.episode_id));
        }
        kept.sort_by(|a, b| b.0.total_cmp(&a.0));
        let is_kept = |&(_, id): &(f64, Fingerprint)| tracks.of(id).is_some();
        assert!(kept[..TRACKS_MAX].iter().all(is_kept) && !kept[TRACKS_MAX..].iter().any(is_kept));
    }
}
