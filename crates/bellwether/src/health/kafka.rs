//! How the topics are doing that are read.

use bellwether_connect::source::kafka::{PartitionFigures, SourceFigures};
use bellwether_runtime::cells::CellsFigures;

use super::{Check, SILENT_MAX_MS, Status, Vitals};

/// Of the last thousand records so many are poison: that is no bad record, that is a wrong format.
const POISON_PER_THOUSAND_MAX: u64 = 500;

pub(super) fn check(figures: &SourceFigures, vitals: &Vitals) -> Check {
    let lag: u64 = figures.partitions.iter().filter_map(PartitionFigures::lag).sum();
    let silent_ms = vitals.now_ms - figures.last_record_ms.unwrap_or(vitals.started_ms);
    let (status, message) = if figures.poison_per_thousand >= POISON_PER_THOUSAND_MAX {
        let per_thousand = figures.poison_per_thousand;
        let message =
            format!("{per_thousand} of the last 1000 records cannot be read: is `format` right?");
        (Status::Critical, message)
    } else if let Some(error) = &figures.last_error {
        (Status::Degraded, format!("{error}; {lag} records behind"))
    } else if figures.is_paused {
        (
            Status::Degraded,
            format!("partitions are paused until what was read is taken; {lag} records behind"),
        )
    } else if figures.partitions.is_empty() && vitals.cells.is_some() {
        // There may be more workers than partitions.
        (Status::Healthy, "no partition is ours".to_owned())
    } else if figures.partitions.is_empty() {
        (Status::Degraded, "no partition is read".to_owned())
    } else if silent_ms > SILENT_MAX_MS {
        (Status::Degraded, format!("no record for {} s", silent_ms / 1000))
    } else {
        let partitions = figures.partitions.len();
        (Status::Healthy, format!("{partitions} partitions, {lag} records behind"))
    };
    Check { status, message }
}

/// How the partitions of a worker are doing.
pub(super) fn check_cells(figures: &CellsFigures) -> Check {
    let partitions = figures.open.len();
    match &figures.last_error {
        Some(error) => Check {
            status: Status::Degraded,
            message: format!("{error}; {partitions} partitions are ours"),
        },
        None => {
            Check { status: Status::Healthy, message: format!("{partitions} partitions are ours") }
        }
    }
}

#[cfg(test)]
mod tests {
    use bellwether_runtime::TopicPartition;

    use super::*;

    fn well() -> SourceFigures {
        let at = TopicPartition { topic: "metrics".into(), partition: 0 };
        SourceFigures {
            partitions: vec![PartitionFigures { at, next: Some(5), end: Some(9) }],
            last_record_ms: Some(99_999_000),
            ..SourceFigures::default()
        }
    }

    #[track_caller]
    fn is(figures: &SourceFigures, status: Status, message: &str) {
        let vitals = Vitals { now_ms: 100_000_000, ..Vitals::default() };
        let found = check(figures, &vitals);
        assert!(found.status == status && found.message.contains(message), "{found:?}");
    }

    #[test]
    fn each_trouble_has_its_own_words() {
        is(&well(), Status::Healthy, "1 partitions, 4 records behind");
        let failing = SourceFigures { last_error: Some("no broker".to_owned()), ..well() };
        is(&failing, Status::Degraded, "no broker; 4 records behind");
        is(&SourceFigures { is_paused: true, ..well() }, Status::Degraded, "paused");
        is(&SourceFigures { partitions: Vec::new(), ..well() }, Status::Degraded, "no partition");
        is(&SourceFigures { last_record_ms: Some(1), ..well() }, Status::Degraded, "no record for");
        let garbage = SourceFigures { poison_per_thousand: 500, ..failing };
        is(&garbage, Status::Critical, "500 of the last 1000 records");
    }
}
