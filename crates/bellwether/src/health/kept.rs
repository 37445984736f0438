//! How what survives a restart is doing: journal, checkpoints, the states of silent series.

use std::time::Duration;

use bellwether_runtime::cold::ColdFigures;
use bellwether_runtime::{Kept, Phase};

use super::{Check, Status, check};

/// A failure that was over in a moment is told for so long: health is looked at now and then only.
const FAILURE_TOLD: Duration = Duration::from_secs(30);
/// What was found damaged at the start is told until so many checkpoints were made; the first may be made at once.
const DAMAGE_TOLD_CHECKPOINTS: u64 = 2;

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
    match damage(kept) {
        Some(damage) if kept.checkpoints < DAMAGE_TOLD_CHECKPOINTS => {
            check(Status::Degraded, format!("at the start {damage}, the log says where"))
        }
        _ => check(Status::Healthy, "it is written".to_owned()),
    }
}

/// What was wrong with it at the start.
fn damage(kept: &Kept) -> Option<String> {
    let Kept { journal_gaps: places, journal_records_missing: least, .. } = kept;
    let unreadable = kept.journal_records_unreadable;
    if *places > 0 {
        let known = format!("places=`{places}`, records_at_least=`{least}`");
        return Some(format!("records were missing ({known})"));
    }
    if kept.journal_tail_damaged {
        return Some("its last record was damaged, which may have been acknowledged".to_owned());
    }
    (unreadable > 0).then(|| format!("`{unreadable}` records of another version were passed over"))
}

pub(super) fn checkpoints(kept: &Kept) -> Check {
    if let Some(error) = &kept.checkpoint_error {
        let message = format!("the last one failed, the journal grows: {error}");
        return check(Status::Degraded, message);
    }
    let rejected = kept.checkpoints_rejected;
    if rejected > 0 && kept.checkpoints < DAMAGE_TOLD_CHECKPOINTS {
        let message = format!("`{rejected}` were not valid at the start, the log says which");
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
    fn what_was_damaged_at_the_start_is_told_until_checkpoints_were_made_since() {
        let missing = |checkpoints| Kept {
            journal_gaps: 1,
            journal_records_missing: 147,
            checkpoints,
            ..Kept::default()
        };
        let words = "places=`1`, records_at_least=`147`";
        is(&journal(Phase::Ready, &missing(1)), Status::Degraded, words);
        is(&journal(Phase::Ready, &missing(2)), Status::Healthy, "it is written");
        let found = Kept {
            journal_tail_damaged: true,
            checkpoints_rejected: 2,
            checkpoints: 1,
            ..Kept::default()
        };
        is(&journal(Phase::Ready, &found), Status::Degraded, "its last record was damaged");
        is(&checkpoints(&found), Status::Degraded, "`2` were not valid at the start");
        let passed = Kept { journal_records_unreadable: 3, ..Kept::default() };
        is(&journal(Phase::Ready, &passed), Status::Degraded, "`3` records of another version");
        let later = Kept { checkpoints: 2, ..found };
        is(&checkpoints(&later), Status::Healthy, "made since the start");
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
