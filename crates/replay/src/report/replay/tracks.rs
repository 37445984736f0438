//! The judgements around the alerts that stand out most, kept while a replay goes on.
//!
//! An alert is followed from when it fires, with what the window over all judgements still has of the time before, until a
//! while after it was resolved. Only so many are followed: a greater one takes the place of the smallest. So memory is
//! bounded by the window and the number of tracks, whatever the number of rows, series and alerts.

use bellwether_detect::Severity;
use bellwether_engine::{ChangeKind, Event, Score};
use bellwether_series::Fingerprint;
use serde::{Deserialize, Serialize};

use super::recent::Recent;

/// Most alerts that are followed: some more than are shown, since several may be one incident.
const TRACKS_MAX: usize = 64;
/// Samples from before an alert fired.
const BEFORE_SAMPLES: usize = 240;
/// Samples from after it was resolved.
const AFTER_SAMPLES: usize = 120;
/// Most points of a track; of a longer one every second is left out, then every second of those that are left, and so on.
const POINTS_MAX: usize = 960;

/// What was judged around one alert.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Track {
    pub(super) episode: Fingerprint,
    series: Fingerprint,
    /// Peak surprise over the threshold.
    excess: f64,
    pub(super) points: Vec<Score>,
    /// Samples that one point stands for: it is the most surprising of them.
    stride: usize,
    /// How many samples the newest point stands for.
    filled: usize,
    is_over: bool,
    after: usize,
}

impl Track {
    fn take(&mut self, score: Score) {
        self.after += usize::from(self.is_over);
        match self.points.last_mut() {
            Some(newest) if self.filled < self.stride => {
                if score.surprise > newest.surprise {
                    *newest = score;
                }
                self.filled += 1;
            }
            _ => {
                self.points.push(score);
                self.filled = 1;
            }
        }
        if self.points.len() >= POINTS_MAX {
            let more = |pair: &[Score]| {
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
    kept: Vec<Track>,
    /// The series of tracks that go on, in order.
    followed: Vec<Fingerprint>,
}

impl Tracks {
    pub(super) fn new(memory_bytes: usize) -> Self {
        Self { recent: Recent::new(memory_bytes), kept: Vec::new(), followed: Vec::new() }
    }

    /// Takes the judgements and the events of a record.
    pub(super) fn take(&mut self, scores: &[Score], events: &[Event]) {
        if !self.followed.is_empty() {
            self.follow(scores);
        }
        self.recent.push(scores);
        for event in events.iter().filter(|event| event.severity > Severity::Info) {
            self.hear(event);
        }
        if !events.is_empty() {
            self.look();
        }
    }

    /// The track of an episode.
    pub(super) fn of(&self, episode: Fingerprint) -> Option<&Track> {
        self.kept.iter().find(|track| track.episode == episode)
    }

    fn follow(&mut self, scores: &[Score]) {
        let mut has_ended = false;
        for score in scores {
            if self.followed.binary_search(&score.fingerprint).is_err() {
                continue;
            }
            let of_series =
                |track: &&mut Track| track.series == score.fingerprint && track.goes_on();
            for track in self.kept.iter_mut().filter(of_series) {
                track.take(*score);
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

    fn hear(&mut self, event: &Event) {
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
        let points = self.recent.of(event.fingerprint, BEFORE_SAMPLES);
        if points.is_empty() {
            return;
        }
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
    use bellwether_series::Timestamp;

    use super::*;
    use crate::report::testing::{DAY_MS, MINUTE_MS, life};

    fn score(series: Fingerprint, at: Timestamp, surprise: f64) -> Score {
        let (value, expected, lower, upper) = (1.0, 1.0, 0.0, 2.0);
        Score { fingerprint: series, at, value, surprise, expected, lower, upper }
    }

    #[test]
    fn an_alert_is_followed_from_before_it_fired_until_a_while_after() {
        let events = life("m", "i", 600 * MINUTE_MS).events();
        let series = events[0].fingerprint;
        let mut tracks = Tracks::new(1 << 20);
        for minute in 0..1000 {
            let at = Timestamp::from_ms(minute * MINUTE_MS);
            let now: Vec<_> = events.iter().filter(|event| event.at_ms == at).cloned().collect();
            tracks.take(&[score(series, at, 0.0)], &now);
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
            tracks.take(&[score(event.fingerprint, at, surprise)], now.as_slice());
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
            tracks
                .take(&[score(event.fingerprint, event.at_ms, 5.0)], std::slice::from_ref(&event));
            kept.push((peak(number), event.episode_id));
        }
        kept.sort_by(|a, b| b.0.total_cmp(&a.0));
        let is_kept = |&(_, id): &(f64, Fingerprint)| tracks.of(id).is_some();
        assert!(kept[..TRACKS_MAX].iter().all(is_kept) && !kept[TRACKS_MAX..].iter().any(is_kept));
    }
}
