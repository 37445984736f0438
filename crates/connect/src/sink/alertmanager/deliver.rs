//! Delivers a batch even when an alert in it is bad.
//!
//! A server may refuse a whole batch because of one alert (422 does, 400 takes the valid ones). The bad
//! one is found by halving: of 256 alerts it costs a dozen requests, and the others arrive.

use super::alert::PostableAlert;
use super::book::Item;

/// Posts alerts.
pub(super) trait Post {
    fn post(&self, alerts: &[&PostableAlert]) -> impl Future<Output = Posted> + Send;
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Posted {
    /// All alerts were taken.
    Taken,
    /// At least one alert is bad, and would be again. The others may or may not have been taken.
    Refused(String),
    /// Try again later.
    Failed {
        /// Why.
        error: String,
        /// Whether the server may have taken the alerts all the same.
        maybe_received: bool,
    },
}

/// What became of alerts of a batch. Each is reported once.
#[derive(Debug, PartialEq)]
pub(super) enum Report {
    Taken(Vec<Item>),
    Rejected { item: Item, error: String },
    Lost { items: Vec<Item>, error: String, maybe_received: bool },
}

/// Delivers `batch`; `report` hears what becomes of each alert.
pub(super) async fn deliver(
    post: &impl Post,
    batch: Vec<Item>,
    report: &mut (impl FnMut(Report) + Send),
) {
    let mut rest = batch;
    let mut sane = false;
    while !rest.is_empty() {
        let error = match post_items(post, &rest).await {
            Posted::Taken => return report(Report::Taken(rest)),
            Posted::Failed { error, maybe_received } => {
                return report(Report::Lost { items: rest, error, maybe_received });
            }
            Posted::Refused(error) => error,
        };
        // Who refuses an empty list too refuses everything: not the alerts are bad but the address.
        if !sane && post.post(&[]).await != Posted::Taken {
            return report(Report::Lost { items: rest, error, maybe_received: true });
        }
        sane = true;
        match isolate(post, rest, error, report).await {
            Some(remaining) => rest = remaining,
            None => return,
        }
    }
}

/// Finds one bad alert in the refused `suspects`, delivering some good ones on the way. Returns those that
/// are yet to be delivered, or nothing when the server failed and all is reported.
async fn isolate(
    post: &impl Post,
    mut suspects: Vec<Item>,
    mut error: String,
    report: &mut (impl FnMut(Report) + Send),
) -> Option<Vec<Item>> {
    let mut untried = Vec::new();
    // Whether exactly `suspects` was refused, not only something that they are part of.
    let mut refused = true;
    while !(refused && suspects.len() <= 1) {
        let right = suspects.split_off(suspects.len().div_ceil(2));
        match post_items(post, &suspects).await {
            Posted::Taken => {
                report(Report::Taken(suspects));
                suspects = right;
                refused = false;
                if suspects.is_empty() {
                    return Some(untried);
                }
            }
            Posted::Refused(newer) => {
                untried.extend(right);
                error = newer;
                refused = true;
            }
            Posted::Failed { error, maybe_received } => {
                suspects.extend(right);
                suspects.extend(untried);
                report(Report::Lost { items: suspects, error, maybe_received });
                return None;
            }
        }
    }
    for item in suspects {
        report(Report::Rejected { item, error: error.clone() });
    }
    Some(untried)
}

async fn post_items(post: &impl Post, items: &[Item]) -> Posted {
    post.post(&items.iter().map(|item| &item.post).collect::<Vec<_>>()).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bellwether_detect::Severity;
    use bellwether_engine::ChangeKind;
    use parking_lot::Mutex;

    use super::super::alert::{Change, Naming};
    use super::super::book::{AlertBook, Next};
    use super::super::options::AlertmanagerOptions;
    use super::*;
    use crate::sink::testing::event;

    /// A server that refuses every batch with one of the bad hosts in it.
    #[derive(Default)]
    struct Fussy {
        bad: BTreeSet<String>,
        /// Refuses even the empty list.
        refuses_all: bool,
        /// Fails from this request on.
        fails_from: Option<usize>,
        /// Batches longer than this are refused.
        longest: Option<usize>,
        requests: Mutex<usize>,
        taken: Mutex<Vec<String>>,
    }

    impl Post for Fussy {
        async fn post(&self, alerts: &[&PostableAlert]) -> Posted {
            let mut requests = self.requests.lock();
            *requests += 1;
            if self.fails_from.is_some_and(|first| *requests >= first) {
                return Posted::Failed { error: "down".to_owned(), maybe_received: false };
            }
            let hosts: Vec<String> =
                alerts.iter().map(|alert| alert.labels["instance"].clone()).collect();
            let too_long = self.longest.is_some_and(|longest| hosts.len() > longest);
            if self.refuses_all || too_long || hosts.iter().any(|host| self.bad.contains(host)) {
                return Posted::Refused("bad".to_owned());
            }
            self.taken.lock().extend(hosts);
            Posted::Taken
        }
    }

    fn batch(alerts: u128) -> Vec<Item> {
        let mut book = AlertBook::new(&AlertmanagerOptions::default());
        for episode in 0..alerts {
            let host = format!("host-{episode}");
            let labels = [("instance", host.as_str())];
            let event = event(episode, ChangeKind::Firing, Severity::Warning, &labels);
            book.note(&Change::of(&event, &Naming::new(None, false)).unwrap(), 0);
        }
        match book.next(0) {
            Next::Send(items) => items,
            Next::WaitMs(_) => Vec::new(),
        }
    }

    /// Delivers `alerts` alerts; returns how many were taken, rejected and lost.
    async fn outcome(server: &Fussy, alerts: u128) -> (usize, usize, usize) {
        let (mut taken, mut rejected, mut lost) = (0, 0, 0);
        let mut report = |report| match report {
            Report::Taken(items) => taken += items.len(),
            Report::Rejected { item, .. } => {
                assert!(server.bad.contains(&item.post.labels["instance"]));
                rejected += 1;
            }
            Report::Lost { items, .. } => lost += items.len(),
        };
        deliver(server, batch(alerts), &mut report).await;
        assert_eq!(server.taken.lock().len(), taken, "no alert is delivered twice");
        (taken, rejected, lost)
    }

    #[tokio::test]
    async fn one_bad_alert_of_256_costs_at_most_16_requests_wherever_it_is() {
        let mut most_requests = 0;
        for position in 0..256 {
            let server = Fussy { bad: [format!("host-{position}")].into(), ..Fussy::default() };
            assert_eq!(outcome(&server, 256).await, (255, 1, 0), "{position}");
            most_requests = most_requests.max(*server.requests.lock());
        }
        println!(
            "reliability bad alert: of 256 alerts the 255 others delivered, wherever the bad one is, in {most_requests} requests at most"
        );
        assert!(most_requests <= 16, "{most_requests}");
    }

    #[tokio::test]
    async fn several_bad_alerts_are_all_found() {
        let server =
            Fussy { bad: [0, 1, 99].map(|n| format!("host-{n}")).into(), ..Fussy::default() };
        assert_eq!(outcome(&server, 100).await, (97, 3, 0));
        let alone = Fussy { bad: ["host-0".to_owned()].into(), ..Fussy::default() };
        assert_eq!(outcome(&alone, 1).await, (0, 1, 0));
    }

    #[tokio::test]
    async fn a_server_that_refuses_everything_is_unwell_and_no_alert_is_bad() {
        let server = Fussy { refuses_all: true, ..Fussy::default() };
        assert_eq!(outcome(&server, 9).await, (0, 0, 9));
    }

    #[tokio::test]
    async fn a_batch_that_is_too_large_is_split_and_nothing_is_rejected() {
        let server = Fussy { longest: Some(10), ..Fussy::default() };
        assert_eq!(outcome(&server, 256).await, (256, 0, 0));
    }

    #[tokio::test]
    async fn a_failure_in_between_loses_no_alert() {
        for fails_from in 1..14 {
            let server = Fussy {
                bad: ["host-3".to_owned()].into(),
                fails_from: Some(fails_from),
                ..Fussy::default()
            };
            let (taken, rejected, lost) = outcome(&server, 64).await;
            assert_eq!(taken + rejected + lost, 64, "{fails_from}");
        }
    }
}
