//! How what survives a restart is doing: journal, checkpoints, the states of silent series.

use std::time::Duration;

use bellwether_runtime::cold::ColdFigures;
use bellwether_runtime::{Kept, Phase};

use super::{Check, Status, check};

/// A failure that was over in a moment is told for so long: health is looked at now and then only.
const FAILURE_TOLD: Duration = Duration::from_secs(30);
/// What was missing at the start is told until so many checkpoints were made; the first may be made at once.
const GAPS_TOLD_CHECKPOINTS: u64 = 2;

pub(super) fn journal(phase: Phase, kept: &Kept) -> Check {
    match (phase, &kept.journal_error) {
        (Phase::Restoring, _) => {
            check(Status::Critical, "the newest checkpoint is being read".to_owned())
        }
        (Phase::Replaying { records, of }, _) => {
            check(Status::Critical, format!("it is being read: records=`{records}`, of=`{of}`"))
        }
        (Phase::Unrecorded, error) => {
            let error = error.as_deref().unwrap_or("no reason is known");
            let message = format!("it cannot be written, requests are refused: {error}");
            check(Status::Critical, message)
        }
        (Phase::Ready, Some(error)) => check(Status::Degraded, error.clone()),
        (Phase::Ready, None) => written(kept),
    }
}

/// Nothing is wrong with writing it.
fn written(kept: &Kept) -> Check {
    let failure = kept.journal_failure.as_ref().filter(|(at, _)| at.elapsed() < FAILURE_TOLD);
    if let Some((_, error)) = failure {
        return check(Status::Degraded, format!("it is written again, and could not be: {error}"));
    }
    if let Some(error) = &kept.reserve_error {
        return check(Status::Degraded, format!("the reserve cannot be written: {error}"));
    }
    let Kept { journal_gaps, journal_records_missing, checkpoints, .. } = kept;
    if *journal_gaps > 0 && *checkpoints < GAPS_TOLD_CHECKPOINTS {
        let message = format!(
            "records were missing at the start, the log says where: places=`{journal_gaps}`, \
             records_at_least=`{journal_records_missing}`"
        );
        return check(Status::Degraded, message);
    }
    check(Status::Healthy, "it is written".to_owned())
}

pub(super) fn checkpoints(kept: &Kept) -> Check {
    if let Some(error) = &kept.checkpoint_error {
        let message = format!("the last one failed, the journal grows: {error}");
        return check(Status::Degraded, message);
    }
    match &kept.checkpoint_removal_error {
        Some(error) => {
            check(Status::Degraded, format!("those that are too old cannot be removed: {error}"))
        }
        None => check(Status::Healthy, format!("made since the start: {}", kept.checkpoints)),
    }
}

pub(super) fn cold(kept: &Kept) -> Check {
    let ColdFigures { bytes, lost, error, .. } = &kept.cold;
    match error {
        Some(error) => check(Status::Degraded, format!("{lost} states are lost: {error}")),
        None => check(Status::Healthy, format!("{bytes} bytes in files, {lost} states lost")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[track_caller]
    fn is(found: &Check, status: Status, message: &str) {
        assert!(found.status == status && found.message.contains(message), "{found:?}");
    }

    #[test]
    fn a_failure_that_is_over_is_told_for_a_moment_more() {
        let failed = |at: Instant| Kept {
            journal_failure: Some((at, "no space".to_owned())),
            ..Kept::default()
        };
        let now = Instant::now();
        is(&journal(Phase::Ready, &failed(now)), Status::Degraded, "no space");
        let long_ago = now.checked_sub(FAILURE_TOLD).unwrap();
        is(&journal(Phase::Ready, &failed(long_ago)), Status::Healthy, "it is written");
    }

    #[test]
    fn what_was_missing_at_the_start_is_told_until_checkpoints_were_made_since() {
        let missing = |checkpoints| Kept {
            journal_gaps: 1,
            journal_records_missing: 147,
            checkpoints,
            ..Kept::default()
        };
        let words = "places=`1`, records_at_least=`147`";
        is(&journal(Phase::Ready, &missing(1)), Status::Degraded, words);
        is(&journal(Phase::Ready, &missing(2)), Status::Healthy, "it is written");
    }

    #[test]
    fn a_checkpoint_that_failed_and_an_old_one_that_stays_have_words_of_their_own() {
        let stays =
            Kept { checkpoint_removal_error: Some("not allowed".to_owned()), ..Kept::default() };
        is(&checkpoints(&stays), Status::Degraded, "too old cannot be removed: not allowed");
        let failed = Kept { checkpoint_error: Some("no space".to_owned()), ..stays };
        is(&checkpoints(&failed), Status::Degraded, "the last one failed");
        is(&checkpoints(&Kept::default()), Status::Healthy, "made since the start: 0");
    }
}
