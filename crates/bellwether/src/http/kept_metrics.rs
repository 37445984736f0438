//! Figures of what survives a restart: journal and checkpoints.

use std::fmt;

use bellwether_runtime::{Kept, Phase, Stats};

use super::exposition::Families;

/// Figures of the journal and the checkpoints; nothing where there are none.
pub(super) fn metrics(families: &mut Families<'_>, stats: &Stats) -> fmt::Result {
    let (replayed, of) = match stats.phase() {
        Phase::Replaying { records, of } => (records, of),
        Phase::Restoring | Phase::Ready | Phase::Unrecorded => (0, 0),
    };
    families.gauge(
        "bellwether_recovery_records_left",
        "Records of the journal that are still to be applied after a start; 0 once it is ready",
        of.saturating_sub(replayed) as f64,
    )?;
    let kept = stats.kept();
    let Kept { journal, cold, checkpoint_at, checkpoint_took, .. } = &kept;
    families.gauge(
        "bellwether_journal_failed",
        "Whether the journal cannot be written, so that requests are refused",
        f64::from(u8::from(journal.failed)),
    )?;
    for (name, help, value) in [
        ("segments", "Files of the journal", journal.segments),
        ("bytes", "Bytes of the journal", journal.bytes),
    ] {
        families.gauge(&format!("bellwether_journal_{name}"), help, value as f64)?;
    }
    for (name, help, value) in [
        ("segments", "Files of series out of memory", cold.segments),
        ("bytes", "Bytes of these files, of series that are back included", cold.bytes),
        ("waiting_bytes", "Bytes that wait in memory to be written to them", cold.waiting_bytes),
    ] {
        families.gauge(&format!("bellwether_cold_{name}"), help, value as f64)?;
    }
    counters(families, &kept)?;
    families.gauge(
        "bellwether_checkpoint_duration_seconds",
        "How long the last attempt at a checkpoint took",
        checkpoint_took.as_secs_f64(),
    )?;
    families.gauge(
        "bellwether_checkpoint_success_timestamp_seconds",
        "When this process made its newest checkpoint; 0 before the first",
        checkpoint_at.map_or(0.0, |at| at.as_ms() as f64 / 1000.0),
    )
}

fn counters(families: &mut Families<'_>, kept: &Kept) -> fmt::Result {
    let Kept { journal, cold, .. } = kept;
    for (name, help, count) in [
        ("journal_records", "Records written to the journal", journal.records),
        ("journal_commits", "Groups of records written to the journal", journal.commits),
        ("journal_syncs", "Times that the journal was made durable", journal.syncs),
        (
            "journal_failures",
            "Writes to the journal that failed, and attempts to go on that did",
            journal.failures,
        ),
        (
            "journal_gaps",
            "Places at which records were missing when the journal was read at the start",
            kept.journal_gaps,
        ),
        (
            "journal_records_missing",
            "Records that were missing there, as far as it is known how many",
            kept.journal_records_missing,
        ),
        (
            "journal_tails_damaged",
            "Whether its last record was damaged at the start, which may have been acknowledged",
            u64::from(kept.journal_tail_damaged),
        ),
        (
            "journal_records_unreadable",
            "Records that were passed over at the start because this version does not understand them",
            kept.journal_records_unreadable,
        ),
        (
            "journal_records_refused",
            "Requests refused because the journal takes none so large",
            journal.records_refused,
        ),
        (
            "journal_groups_full",
            "Groups written before all that waited was in them, because they were full",
            journal.groups_full,
        ),
        (
            "journal_segments_removed",
            "Files of the journal removed because checkpoints cover them",
            journal.segments_removed,
        ),
        (
            "journal_segments_given_up",
            "Files of the journal kept for replay only that were removed before their time, because the disk was full",
            journal.segments_given_up,
        ),
        (
            "cold_segments_removed",
            "Files of series out of memory removed because no checkpoint needs them",
            cold.segments_removed,
        ),
        (
            "cold_failures",
            "Writes of series out of memory that failed; what they were to write waits",
            cold.failures,
        ),
        (
            "cold_states_lost",
            "States of series out of memory that are damaged, missing, or were too many to wait for the disk",
            cold.lost,
        ),
        ("checkpoints", "Checkpoints made", kept.checkpoints),
        ("checkpoint_failures", "Attempts at a checkpoint that failed", kept.checkpoint_failures),
        (
            "checkpoints_rejected",
            "Checkpoints that were not valid at the start",
            kept.checkpoints_rejected,
        ),
    ] {
        families.counter(&format!("bellwether_{name}"), help, &count)?;
    }
    Ok(())
}
