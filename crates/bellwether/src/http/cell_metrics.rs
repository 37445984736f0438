//! Own figures of a worker about the partitions that it owns; of other processes nothing is shown.

use std::fmt;

use bellwether_runtime::cells::{CellFigures, CellsFigures};

use super::exposition::Families;
use crate::service::App;

pub(super) fn metrics(families: &mut Families<'_>, app: &App) -> fmt::Result {
    let Some(cells) = app.topics.cells() else { return Ok(()) };
    let figures = cells.figures();
    counters(families, &figures)?;
    for (name, help, value) in [
        ("partitions", "Partitions whose state this worker has", figures.open.len() as f64),
        (
            "last_open_seconds",
            "How long it took to claim and restore the last partition",
            figures.last_opening_took.as_secs_f64(),
        ),
    ] {
        families.gauge(&format!("bellwether_worker_{name}"), help, value)?;
    }
    partitions(families, &figures)
}

fn counters(families: &mut Families<'_>, figures: &CellsFigures) -> fmt::Result {
    for (name, help, count) in [
        ("opened", "Partitions claimed and restored", figures.opened),
        (
            "open_failures",
            "Attempts at that which failed; it is tried again",
            figures.open_failures,
        ),
        (
            "fenced",
            "Partitions given up because another worker had claimed them, or the session was over",
            figures.fenced,
        ),
        ("checkpoints", "Checkpoints of partitions made", figures.checkpoints),
        ("checkpoint_bytes", "Bytes of these", figures.checkpoint_bytes),
        (
            "checkpoint_failures",
            "Attempts at one that failed; it is tried again",
            figures.checkpoint_failures,
        ),
        (
            "checkpoints_rejected",
            "Checkpoints that did not verify, so that an older one was taken",
            figures.checkpoints_rejected,
        ),
        (
            "hand_overs_late",
            "Partitions that had to go before their last checkpoint was made",
            figures.hand_overs_late,
        ),
        (
            "events_known",
            "Events that were made again and not produced, because the topic had them",
            figures.events_known,
        ),
    ] {
        families.counter(&format!("bellwether_worker_{name}"), help, &count)?;
    }
    families.counter(
        "bellwether_worker_open_seconds",
        "Time that claiming and restoring took",
        &figures.opening_took.as_secs_f64(),
    )
}

/// How each partition is doing.
fn partitions(families: &mut Families<'_>, figures: &CellsFigures) -> fmt::Result {
    let labelled: Vec<_> = figures
        .open
        .iter()
        .map(|(at, cell)| {
            let labels = [
                ("topic".to_owned(), at.topic.to_string()),
                ("partition".to_owned(), at.partition.to_string()),
            ];
            (labels, cell)
        })
        .collect();
    let with = |figure: fn(&CellFigures) -> Option<f64>| {
        labelled.iter().filter_map(move |(labels, cell)| Some((&labels[..], figure(cell)?)))
    };
    families.labelled_gauges(
        "bellwether_worker_series",
        "Series known in a partition",
        with(|cell| Some(cell.series as f64)),
    )?;
    families.labelled_gauges(
        "bellwether_worker_epoch",
        "How often a partition has been claimed",
        with(|cell| Some(cell.epoch as f64)),
    )?;
    families.labelled_gauges(
        "bellwether_worker_checkpoint_timestamp_seconds",
        "When the newest checkpoint of a partition was made, or read",
        with(|cell| Some(cell.checkpoint_at?.as_ms() as f64 / 1000.0)),
    )
}
