//! Gates in words: what somebody who was woken up understands at once, and what to do about it.

use bellwether_detect::{Muted, Opinion, Standing};
use bellwether_engine::{
    Assessment, DropReason, Gate, Importance, Limit, RejectReason, Threshold, Trace, number_text,
    one_in_text,
};

use crate::report::{duration_text, time_text};

/// Why the sample of `trace` ended where it did, in a sentence or two.
pub fn why_words(trace: &Trace) -> String {
    let judged = trace.judged.as_ref();
    match trace.gate {
        Gate::Refused(reason) => format!("refused at the door: {}", refused(reason)),
        Gate::Dropped(reason) => format!("left out: {}", dropped(reason)),
        Gate::SeriesEnded => {
            "a stale marker: the sender says that the series ended here; its alert ended with it".into()
        }
        Gate::Maintenance => {
            let name = trace.maintenance.as_deref().unwrap_or("a maintenance");
            format!("in the maintenance window `{name}`: neither judged nor learned from")
        }
        Gate::NoRate => {
            "the first sample of a counter, or the first after a reset or a stale marker: there is no rate yet".into()
        }
        Gate::WarmUp => {
            "warming up: no detector has seen enough of this series yet; most need 60 samples".into()
        }
        gate => judged.map_or_else(|| gate.as_str().to_owned(), |judged| judged_words(trace, judged)),
    }
}

fn judged_words(trace: &Trace, judged: &Assessment) -> String {
    let surprise = judged.surprise;
    let since = trace.since.map(|at| time_text(at.as_ms()) + " UTC").unwrap_or_default();
    let lasts = duration_text(judged.policy.for_ms);
    let Some(threshold) = judged.threshold else { return trace.gate.as_str().to_owned() };
    let fires_at = two(threshold.value);
    match trace.gate {
        Gate::Direction => {
            "the departure is on the side that the rule does not watch (`direction`)".into()
        }
        Gate::MinDeviation => {
            let by = departure(judged).map(|by| format!(" by {}", number_text(by)));
            format!(
                "unlikely, but the value differs{} from what was expected, which is less than the rule's floor \
                 (`min_deviation`)",
                by.unwrap_or_default()
            )
        }
        Gate::BelowInfo => {
            let least = two(threshold.notable);
            format!(
                "ordinary: one in {} observations is as surprising (surprise {}; an event takes {least}, an alert \
                 {fires_at}){}",
                one_in_text(surprise),
                two(surprise),
                unheard(judged)
            )
        }
        Gate::BelowThreshold => format!(
            "surprising, one in {}, but below the firing threshold: {} of {fires_at}, set by {}{}",
            one_in_text(surprise),
            two(surprise),
            limit_words(&threshold, surprise),
            unheard(judged)
        ),
        Gate::Pending => format!(
            "over the threshold ({} of {fires_at}) since {since}, and has to stay there for {lasts} (`for`)",
            two(surprise)
        ),
        Gate::Importance => format!(
            "over the threshold ({} of {fires_at}) for {lasts}, but the rule's importance is {}: an event, and no alert \
             unless the surprise exceeds the threshold by 3",
            two(surprise),
            importance(judged.policy.importance)
        ),
        Gate::GroupSilence => format!(
            "over the threshold ({} of {fires_at}) since {since}, but the group of this series alerts already, and speaks for it",
            two(surprise)
        ),
        Gate::AlreadyFiring => format!("its alert has been firing since {since}; this makes it no worse"),
        Gate::KeepFiring => format!(
            "calm since {since}, while an episode is open: that ends when it has been calm for {} (`keep_firing_for`)",
            duration_text(judged.policy.keep_firing_for_ms)
        ),
        Gate::Resolved => format!("calm since {since}, long enough: the episode ended here"),
        Gate::Cap => {
            "it would alert, but its day had reached the cap on alerts (`budget.cap_per_day`) before it began: an event only".into()
        }
        _ => format!("surprise {} is over the threshold of {fires_at} for {lasts}", two(surprise)),
    }
}

/// What keeps `surprise` below `threshold`, in words.
pub fn limit_words(threshold: &Threshold, surprise: f64) -> String {
    let share = number_text(threshold.share_per_day);
    match threshold.limit(surprise) {
        Limit::Fleet => {
            format!(
                "the budget of the fleet (`budget.per_day`), {share} false alarms a day for each"
            )
        }
        Limit::Series => {
            format!(
                "the budget of a single series (`budget.per_series_per_day`), {share} false alarms a day"
            )
        }
        Limit::Debt => format!(
            "the series' own debt, since it alerted more often than its budget allows; {} would do without that",
            two(threshold.without_debt)
        ),
        Limit::Group => format!(
            "its group of {} series, which alerts for them; by itself {} would do, as in a rule of its own",
            threshold.members.unwrap_or_default(),
            two(threshold.by_budget)
        ),
    }
}

/// Says that detectors that were surprised did not count, if there are any.
fn unheard(judged: &Assessment) -> String {
    let is_muted = |opinion: &&Opinion, why| opinion.muted == Some(why) && opinion.surprise >= 1.0;
    let count = |why| {
        let scored = judged.opinions.iter().map(|(opinion, _)| opinion);
        scored.filter(|opinion| is_muted(opinion, why)).count()
    };
    let scored = judged.opinions.iter().filter(|(opinion, _)| opinion.standing == Standing::Scored);
    let of = scored.count();
    match (count(Muted::MinDeviation), count(Muted::Direction)) {
        (0, 0) => String::new(),
        (small, 0) => {
            format!("; {small} of {of} detectors did not count: smaller than `min_deviation`")
        }
        (_, other) => format!(
            "; {other} of {of} detectors did not count: not the `direction` that is watched"
        ),
    }
}

/// How far the value is from what the loudest detector expected that does not count.
fn departure(judged: &Assessment) -> Option<f64> {
    let muted = judged.opinions.iter().filter(|(opinion, _)| opinion.muted.is_some());
    let (loudest, _) =
        muted.max_by(|(one, _), (other, _)| one.surprise.total_cmp(&other.surprise))?;
    loudest.expected.map(|expected| (judged.value - expected.center).abs())
}

fn refused(reason: RejectReason) -> String {
    let words = match reason {
        RejectReason::InvalidLabels => "its labels are not valid",
        RejectReason::LabelLimit => "its labels are too many or too long (`labels`)",
        RejectReason::SeriesLimit => "the limit on series is reached (`series.active_max`)",
        RejectReason::TenantLimit => {
            "its tenant has as many series as it may (`tenants.series_max`)"
        }
        RejectReason::UnknownTenant => {
            "its tenant is not one of the configuration (`tenants.allow`)"
        }
        RejectReason::MetricLimit => {
            "the limit on series of its metric is reached (`series.per_metric_max`)"
        }
        RejectReason::ClusterLimit => {
            "the limit on clusters of replicas is reached (`ha.clusters_max`)"
        }
        RejectReason::Future => {
            "its time is too far ahead of its receipt (`ordering.future_max`): a clock is wrong"
        }
        #[allow(
            unreachable_patterns,
            reason = "reasons are added elsewhere; their own word will do"
        )]
        _ => reason.as_str(),
    };
    words.to_owned()
}

fn dropped(reason: DropReason) -> &'static str {
    match reason {
        DropReason::Duplicate => "the same sample again",
        DropReason::Conflict => {
            "another value for a time that has one already; the first one stays"
        }
        DropReason::Late => {
            "older than the newest sample of its series by more than `ordering.lateness`"
        }
        DropReason::HeldLimit => {
            "more samples wait for their order than `ordering.held_samples_max`"
        }
        DropReason::NonFinite => "not a number, or infinite",
        DropReason::Excluded => "the configuration does not watch this series (`signals`)",
        DropReason::HistogramBucket => {
            "a bucket of a histogram is not judged; its `_sum` and `_count` are"
        }
        DropReason::OwnMetric => "one of bellwether's own metrics",
        DropReason::Replica => {
            "from a replica that is not the elected one of its pair (`ha`); the other one is heard"
        }
        #[allow(
            unreachable_patterns,
            reason = "reasons are added elsewhere; their own word will do"
        )]
        _ => reason.as_str(),
    }
}

fn importance(importance: Importance) -> &'static str {
    match importance {
        Importance::Low => "low",
        Importance::Normal => "normal",
        Importance::High => "high",
    }
}

/// A surprise as it is shown.
fn two(surprise: f64) -> String {
    format!("{surprise:.2}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bellwether_series::{Fingerprint, LabelSet, Timestamp};

    use super::*;

    fn at(gate: Gate) -> Trace {
        Trace {
            fingerprint: Fingerprint::from_u128(1),
            labels: LabelSet::from_pairs([("__name__", "depth")]).unwrap(),
            at: Timestamp::from_ms(0),
            sent: 1.0,
            gate,
            since: None,
            episode: None,
            config_digest: "digest".into(),
            rule: None,
            maintenance: Some("upgrade".into()),
            judged: None,
        }
    }

    #[test]
    fn what_ends_before_a_judgement_says_why_in_words_of_its_own() {
        let refused = RejectReason::ALL.map(Gate::Refused);
        let dropped = DropReason::ALL.map(Gate::Dropped);
        let others = [Gate::SeriesEnded, Gate::Maintenance, Gate::NoRate, Gate::WarmUp];
        let all: Vec<Gate> = refused.into_iter().chain(dropped).chain(others).collect();
        let words: BTreeSet<String> = all.iter().map(|&gate| why_words(&at(gate))).collect();
        assert_eq!(words.len(), all.len(), "{words:#?}");
        assert!(words.iter().all(|words| !words.contains('\n')));
        assert!(why_words(&at(Gate::Maintenance)).contains("`upgrade`"));
    }

    #[test]
    fn a_limit_is_named_by_the_smallest_change_that_would_let_it_fire() {
        let threshold = Threshold {
            value: 9.0,
            notable: 3.0,
            without_debt: 8.0,
            raised_by: 1.0,
            by_budget: 5.0,
            share_per_day: 0.001,
            is_of_fleet: true,
            members: Some(7),
        };
        let alone = Threshold { members: None, ..threshold };
        let series = Threshold { is_of_fleet: false, ..alone };
        for (threshold, surprise, words) in [
            (threshold, 8.5, "the series' own debt, since it alerted more often than its budget"),
            (
                threshold,
                6.0,
                "its group of 7 series, which alerts for them; by itself 5.00 would do",
            ),
            (
                threshold,
                4.0,
                "the budget of the fleet (`budget.per_day`), 0.001 false alarms a day",
            ),
            (alone, 6.0, "the budget of the fleet"),
            (
                series,
                6.0,
                "the budget of a single series (`budget.per_series_per_day`), 0.001 false",
            ),
        ] {
            let said = limit_words(&threshold, surprise);
            assert!(said.starts_with(words), "{said}");
        }
    }
}
