//! What `bellwether tune --format json` prints.

use bellwether_replay::tune::BLOCKS;
use serde_json::{Value, json};

use super::text::Report;

/// All that is known of a search.
pub(super) fn json(report: &Report<'_>) -> Value {
    let Report { candidates, arena, found, args } = report;
    let tried = report.by_rank().into_iter().filter_map(|index| {
        let (trial, candidate) = (found.trials.get(&index)?, candidates.get(index)?);
        let blocks: Vec<_> = (0..BLOCKS).map(|block| trial.block(block)).collect();
        let sum = trial.sum(&trial.covered());
        Some(json!({
            "candidate": index,
            "keys": candidate,
            "differs": candidate.words(),
            "value": arena.objective().value(&sum),
            "f1": sum.f1(),
            "windows": sum.windows,
            "found": sum.found,
            "false_alarms": sum.false_alarms,
            "false_alarms_per_day": trial.false_alarms_per_day(),
            "worst_block_per_day": trial.worst_per_day(),
            "blocks": blocks,
            "block_days": trial.days,
        }))
    });
    json!({
        "version": 1,
        "objective": arena.objective(),
        "per_day": args.per_day,
        "seed": args.seed,
        "trials": args.trials,
        "rungs": found.rungs,
        "choice": found.choice,
        "tried": tried.collect::<Value>(),
        "output": args.output,
    })
}
