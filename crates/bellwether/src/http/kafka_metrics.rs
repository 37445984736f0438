//! Own figures about topics of Kafka. Names of topics come from the configuration and the brokers; without any, nothing is shown.

use std::fmt;

use bellwether_connect::source::kafka::{POISON_REASONS, PartitionFigures, SourceFigures};
use bellwether_engine::RejectReason;

use super::exposition::Families;
use crate::service::App;

pub(super) fn metrics(families: &mut Families<'_>, app: &App) -> fmt::Result {
    let Some(figures) = app.topics.figures() else { return Ok(()) };
    counters(families, &figures)?;
    families.counters(
        "bellwether_kafka_poison_records",
        "Records that cannot be taken",
        "reason",
        POISON_REASONS.iter().zip(figures.poison),
    )?;
    families.counters(
        "bellwether_kafka_samples_rejected",
        "Samples of records refused",
        "reason",
        RejectReason::ALL
            .iter()
            .map(|reason| (reason.as_str(), figures.samples_rejected[reason.index()])),
    )?;
    let paused = u8::from(figures.is_paused);
    for (name, help, value) in [
        (
            "paused",
            "Whether a partition is paused because what was read of it waits",
            paused.into(),
        ),
        (
            "dead_letters_under_way",
            "Records that cannot be taken, were read, and are not in the dead-letter topic yet",
            figures.letters_under_way as f64,
        ),
        ("brokers_up", "Brokers to which there is a connection", figures.brokers_up as f64),
        ("partitions", "Partitions that are read", figures.partitions.len() as f64),
    ] {
        families.gauge(&format!("bellwether_kafka_{name}"), help, value)?;
    }
    partitions(families, &figures)
}

fn counters(families: &mut Families<'_>, figures: &SourceFigures) -> fmt::Result {
    for (name, help, count) in [
        ("records", "Records read, whatever became of them", figures.records),
        ("record_bytes", "Bytes of the values of records", figures.record_bytes),
        (
            "records_taken",
            "Records that the engine took, those in whose place an empty request came included",
            figures.records_taken,
        ),
        (
            "records_known",
            "Records read that had been taken before, and were left out",
            figures.records_known,
        ),
        ("heartbeats", "Heartbeats among the records taken", figures.heartbeats),
        (
            "samples_received",
            "Samples of records, whatever became of them",
            figures.samples_received,
        ),
        ("samples_accepted", "Samples of records taken", figures.samples_accepted),
        (
            "parts_invalid",
            "Parts of records that could not be taken while the rest was",
            figures.parts_invalid,
        ),
        (
            "dead_letters",
            "Records that are in the dead-letter topic for sure",
            figures.dead_letters,
        ),
        (
            "dead_letter_failures",
            "Times that the dead-letter topic did not take a record; it is tried again unless it is given up",
            figures.dead_letter_failures,
        ),
        (
            "dead_letters_given_up",
            "Records that cannot be taken and that the dead-letter topic never will",
            figures.dead_letters_given_up,
        ),
        (
            "pauses",
            "Times that a partition was paused because what was read of it waits",
            figures.pauses,
        ),
        ("rebalances", "Times that partitions came or went", figures.rebalances),
        (
            "rereads",
            "Times that a partition was read again from a record that the engine had refused",
            figures.rereads,
        ),
        (
            "positions_lost",
            "Times that the next record of a partition did not exist any more",
            figures.positions_lost,
        ),
        ("records_lost", "Records that had gone by then", figures.records_lost),
        ("commit_failures", "Commits to the consumer group that failed", figures.commit_failures),
        ("client_errors", "Errors of the Kafka client", figures.client_errors),
    ] {
        families.counter(&format!("bellwether_kafka_{name}"), help, &count)?;
    }
    Ok(())
}

/// How far each partition is.
fn partitions(families: &mut Families<'_>, figures: &SourceFigures) -> fmt::Result {
    let labelled: Vec<_> = figures
        .partitions
        .iter()
        .map(|partition| {
            let labels = [
                ("topic".to_owned(), partition.at.topic.to_string()),
                ("partition".to_owned(), partition.at.partition.to_string()),
            ];
            (labels, partition)
        })
        .collect();
    let with = |figure: fn(&PartitionFigures) -> Option<f64>| {
        labelled
            .iter()
            .filter_map(move |(labels, partition)| Some((&labels[..], figure(partition)?)))
    };
    families.labelled_gauges(
        "bellwether_kafka_lag_records",
        "Records of a partition that are there and not taken, as of some seconds ago",
        with(|partition| partition.lag().map(|lag| lag as f64)),
    )?;
    families.labelled_gauges(
        "bellwether_kafka_next_offset",
        "Offset of a partition that the engine takes next",
        with(|partition| partition.next.map(|next| next as f64)),
    )
}
