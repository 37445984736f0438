//! What is scraped, when it answers and when it does not.

use bellwether_series::Timestamp;

/// One scraped process, or the evaluator of recording rules.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) job: &'static str,
    pub(super) instance: String,
    /// When within a scrape interval it is scraped.
    pub(super) offset_ms: i64,
    pub(super) outages: Vec<Outage>,
    down: bool,
}

/// A time during which nothing of a target arrives. Outages of a target do not overlap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outage {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) kind: OutageKind,
}

/// Why nothing arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutageKind {
    /// Samples were lost on the way: no stale markers, the process went on.
    Lost,
    /// The target was withdrawn for a planned restart: stale markers, `up` among them.
    Withdrawn,
    /// The target died unannounced: stale markers, and `up` is 0 until it is back.
    Dead,
}

/// What the scraper sees of a target at one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scrape {
    /// Samples.
    Answered,
    /// The first samples of a new process.
    Restarted,
    /// Nothing, and nobody knows.
    Lost,
    /// The target is down; `first` at the first such step, which writes the stale markers.
    Down { first: bool, dead: bool },
}

impl Target {
    pub(super) fn new(job: &'static str, instance: String, offset_ms: i64) -> Self {
        Self { job, instance, offset_ms, outages: Vec::new(), down: false }
    }

    /// Moves on to `at`.
    pub(super) fn scrape(&mut self, at: Timestamp) -> Scrape {
        let outage = self.outages.iter().find(|outage| outage.start <= at && at < outage.end);
        let was_down = self.down;
        self.down = outage.is_some_and(|outage| outage.kind != OutageKind::Lost);
        match outage.map(|outage| outage.kind) {
            Some(OutageKind::Lost) => Scrape::Lost,
            Some(kind) => Scrape::Down { first: !was_down, dead: kind == OutageKind::Dead },
            None if was_down => Scrape::Restarted,
            None => Scrape::Answered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_goes_down_once_and_comes_back_as_a_new_process() {
        let mut target = Target::new("cart", String::new(), 0);
        let (start, end) = (Timestamp::from_ms(60), Timestamp::from_ms(180));
        target.outages.push(Outage { start, end, kind: OutageKind::Dead });
        let seen: Vec<Scrape> =
            (0..5).map(|step| target.scrape(Timestamp::from_ms(step * 60))).collect();
        let expected = [
            Scrape::Answered,
            Scrape::Down { first: true, dead: true },
            Scrape::Down { first: false, dead: true },
            Scrape::Restarted,
            Scrape::Answered,
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn lost_samples_restart_nothing() {
        let mut target = Target::new("cart", String::new(), 0);
        let (start, end) = (Timestamp::from_ms(60), Timestamp::from_ms(120));
        target.outages.push(Outage { start, end, kind: OutageKind::Lost });
        let seen: Vec<Scrape> =
            (0..3).map(|step| target.scrape(Timestamp::from_ms(step * 60))).collect();
        assert_eq!(seen, [Scrape::Answered, Scrape::Lost, Scrape::Answered]);
    }
}
