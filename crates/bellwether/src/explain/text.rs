//! Explanations for a terminal: the answer first, what it rests on below.

use std::fmt::Write;

use bellwether_detect::{DetectorName, Muted, Standing, Steps};
use bellwether_engine::{Event, HEALTH_RULE, SignalKind, number_text, one_in_text};
use bellwether_replay::explain::{
    DetectorLine, EventExplanation, JudgedLine, Recomputation, SampleLine, WhyNot, limit_words,
    p_value,
};
use bellwether_replay::report::duration_text;
use bellwether_series::Timestamp;

use crate::output::{one_line, time};
use crate::report::wrap;

/// Columns of the names in front of what is said.
const NAME_WIDTH: usize = 12;
/// Most columns.
const WIDTH: usize = 100;
/// Surprise of a detector from which it is worth saying that it does not count.
const WORTH_SAYING: f64 = 1.0;

/// Why there is an event. `input`: what people call that from which it was recomputed.
pub(super) fn event(explanation: &EventExplanation, input: &str) -> String {
    let EventExplanation { event, found_in, recomputed, .. } = explanation;
    let labels = one_line(&event.labels.to_string());
    let mut text = format!("{} at {}\n{labels}\n\n", change(event), time(event.at_ms));
    for line in wrap(&one_line(&event.explanation), WIDTH) {
        add(&mut text, format_args!("{line}\n"));
    }
    text.push('\n');
    let sample = recomputed.as_ref().and_then(|recomputed| recomputed.sample.as_ref());
    let unit = unit(event.signal);
    row(&mut text, "event", &format!("{}, from {found_in}", event.id));
    row(&mut text, "rule", &event.rule);
    row(
        &mut text,
        "value",
        &format!(
            "{}{unit}, expected {}{unit} ({})",
            number(event.value),
            number(event.expected),
            band(event.lower, event.upper)
        ),
    );
    let judged = sample.and_then(|sample| sample.judged.as_ref());
    row(&mut text, "began", &format!("{}, {} before", time(event.starts_at_ms), lasted(event)));
    // The engine's own alerts have no surprise.
    if event.threshold > 0.0 {
        let (p, one_in) = (p_text(explanation.p_value), one_in_text(event.surprise));
        row(&mut text, "surprise", &format!("{}, p = {p}: one in {one_in}", two(event.surprise)));
        row(&mut text, "threshold", &threshold(event.threshold, event.surprise, judged));
    }
    if let Some(judged) = judged {
        row(&mut text, "class", &class(judged));
    }
    detectors(&mut text, &lines(event, judged));
    if let Some(sample) = sample {
        standing(&mut text, sample);
    }
    row(
        &mut text,
        "digests",
        &format!("configuration {}, state {}", event.config_digest, event.state_digest),
    );
    text.push('\n');
    verdict(&mut text, event, recomputed.as_ref(), input);
    text
}

/// Why nothing alerted.
pub(super) fn moment(answer: &WhyNot) -> String {
    let mut text = String::new();
    if let Some(at) = answer.adopted_at_ms {
        let what = adopted(at);
        for line in wrap(&format!("BY THE JOURNAL ALONE, which is not how it was: {what}"), WIDTH) {
            add(&mut text, format_args!("{line}\n"));
        }
        text.push('\n');
    }
    for (index, sample) in answer.series.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        moment_of(&mut text, answer, sample);
    }
    if answer.more > 0 {
        add(
            &mut text,
            format_args!("\n{} more series match; --limit shows more of them\n", answer.more),
        );
    }
    text
}

fn moment_of(text: &mut String, answer: &WhyNot, sample: &SampleLine) {
    add(text, format_args!("{}\n", one_line(&sample.labels.to_string())));
    let head = if sample.gate == "passed" { "ALERT" } else { "no alert" };
    for (index, line) in
        wrap(&format!("{head}: {}", one_line(&sample.why)), WIDTH - 4).iter().enumerate()
    {
        let indent = if index == 0 { "  " } else { "    " };
        add(text, format_args!("{indent}{line}\n"));
    }
    let age_ms = sample.age_ms.unwrap_or_default();
    let age = match age_ms {
        0 => String::new(),
        _ => format!(", {} before {}", duration_text(age_ms), time(answer.at_ms)),
    };
    row(text, "sample", &format!("{} at {}{age}", number(sample.sent), time(sample.at_ms)));
    let interval_ms = sample.judged.as_ref().map_or(i64::MAX, |judged| judged.interval_ms);
    if age_ms > interval_ms.saturating_mul(3) {
        row(
            text,
            "",
            "nothing came between: without a sample nothing alerts, unless a rule asks for `absent`",
        );
    }
    if sample.repeated > 0 {
        row(text, "", &format!("{} more samples of that time were left out", sample.repeated));
    }
    if let Some(episode) = &sample.episode_id {
        row(text, "episode", &episode.to_string());
    }
    if !sample.events.is_empty() {
        row(text, "events", &sample.events.join(", "));
    }
    if let Some(rule) = &sample.rule {
        row(text, "rule", rule);
    }
    if let Some(judged) = &sample.judged {
        if let Some(surprise) = judged.surprise {
            let p = p_text(judged.p_value.unwrap_or_default());
            row(text, "surprise", &format!("{}, p = {p}", two(surprise)));
            let fires_at = judged.threshold.map_or(f64::NAN, |threshold| threshold.threshold.value);
            row(text, "threshold", &threshold(fires_at, surprise, Some(judged)));
        }
        row(text, "class", &class(judged));
        detectors(text, &judged.detectors);
    }
    standing(text, sample);
}

/// What happened, as a headline.
fn change(event: &Event) -> String {
    let change = serde_json::to_value(event.change).unwrap_or_default();
    let change = change.as_str().unwrap_or_default().to_uppercase();
    let whom = if event.alert { "" } else { ", an event only" };
    format!("{change} ({}{whom})", event.severity)
}

fn lasted(event: &Event) -> String {
    duration_text(event.at_ms.ms_since(event.starts_at_ms))
}

/// From where it fires, and what makes it so.
fn threshold(fires_at: f64, surprise: f64, judged: Option<&JudgedLine>) -> String {
    let parts = judged.and_then(|judged| Some((judged, judged.threshold?)));
    let Some((judged, parts)) = parts else { return two(fires_at) };
    let lasts = duration_text(judged.for_ms);
    let of = limit_words(&parts.threshold, surprise.min(parts.threshold.value - 1e-9));
    format!("{} if it lasts for {lasts}; set by {of}", two(fires_at))
}

fn class(judged: &JudgedLine) -> String {
    let class = judged.class.unwrap_or("group");
    format!("{class}, sampled every {}", duration_text(judged.interval_ms))
}

/// What the detectors said: as recomputed, else as the event holds it.
fn lines(event: &Event, judged: Option<&JudgedLine>) -> Vec<DetectorLine> {
    if let Some(judged) = judged {
        return judged.detectors.clone();
    }
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    let stored = event.detectors.iter().map(|said| DetectorLine {
        name: said.name,
        standing: Standing::Scored,
        surprise: Some(said.surprise),
        p_value: Some(p_value(said.surprise)),
        expected: finite(said.expected),
        lower: finite(said.lower),
        upper: finite(said.upper),
        muted: None,
    });
    stored.collect()
}

fn detectors(text: &mut String, lines: &[DetectorLine]) {
    if lines.iter().all(|line| line.surprise.is_none()) {
        return;
    }
    add(
        text,
        format_args!(
            "\n  {:<18} {:>8} {:>9} {:>11}  band\n",
            "detector", "surprise", "p", "expected"
        ),
    );
    for line in lines.iter().filter(|line| line.standing != Standing::NotApplicable) {
        let name = line.name.as_str();
        let (Some(surprise), Some(p)) = (line.surprise, line.p_value) else {
            add(text, format_args!("  {name:<18} warming up\n"));
            continue;
        };
        let expected = line.expected.map_or_else(String::new, number);
        let band = match (line.lower, line.upper) {
            (Some(lower), Some(upper)) => band(lower, upper),
            _ => "judges shapes".to_owned(),
        };
        let muted = match line.muted.filter(|_| surprise >= WORTH_SAYING) {
            None => "",
            Some(Muted::MinDeviation) => "; does not count: below min_deviation",
            Some(Muted::Direction) => "; does not count: not the direction",
        };
        let (surprise, p) = (two(surprise), p_text(p));
        add(
            text,
            format_args!("  {name:<18} {surprise:>8} {p:>9} {expected:>11}  {band}{muted}\n"),
        );
    }
    let apart: Vec<_> =
        lines.iter().filter(|line| line.standing == Standing::NotApplicable).collect();
    if !apart.is_empty() {
        let names: Vec<_> = apart.iter().map(|line| DetectorName::as_str(line.name)).collect();
        add(
            text,
            format_args!("  with nothing to say about such a series: {}\n", names.join(", ")),
        );
    }
    text.push('\n');
}

/// How one surprise came about, and which gates were passed.
fn standing(text: &mut String, sample: &SampleLine) {
    if let Some(steps) = sample.judged.as_ref().and_then(|judged| judged.steps) {
        row(text, "steps", &steps_words(&steps));
    }
    let stopped = match (sample.gate, sample.reason) {
        ("passed", _) => "stopped by none".to_owned(),
        (gate, Some(reason)) => format!("stopped by {gate} ({reason})"),
        (gate, None) => format!("stopped by {gate}"),
    };
    let passed = sample.gates_passed.join(", ");
    let passed = if passed.is_empty() { passed } else { format!("; passed: {passed}") };
    row(text, "gates", &(stopped + &passed));
}

fn steps_words(steps: &Steps) -> String {
    let all = [
        ("detectors agree on", steps.agreed),
        ("calibrated by its own past", steps.calibrated),
        ("deep tier", steps.deep),
        ("both tiers", steps.fused.filter(|_| steps.deep.is_some())),
        (
            "as far as so young a series can know",
            steps.believed.filter(|_| steps.believed < steps.fused),
        ),
        (
            "with what watches something else",
            Some(steps.combined).filter(|_| steps.believed != Some(steps.combined)),
        ),
        (
            "as often as this series claims it",
            Some(steps.surprise).filter(|_| (steps.surprise - steps.claim).abs() > 1e-9),
        ),
    ];
    let said = all.iter().filter_map(|(name, value)| Some(format!("{name} {}", two((*value)?))));
    said.collect::<Vec<_>>().join(" -> ")
}

/// Whether it came out again as it was stored.
fn verdict(text: &mut String, event: &Event, recomputed: Option<&Recomputation>, input: &str) {
    let Some(recomputed) = recomputed else {
        text.push_str(if *event.rule == *HEALTH_RULE {
            "not recomputed: an alert on the engine's own health follows from the wall clock, and no journal gives it\n"
        } else {
            "not recomputed: this is what the event says; name the journal with --journal\n"
        });
        return;
    };
    match (recomputed.found, recomputed.equal) {
        (false, _) if recomputed.adopted_at_ms.is_some() => {
            add(text, format_args!("NOT RECOMPUTED: the {input} alone does not give this event\n"));
        }
        (false, _) => add(
            text,
            format_args!(
                "NOT RECOMPUTED: the {input} does not give this event; it may have lost the records, or another version wrote it\n"
            ),
        ),
        (true, None) => add(
            text,
            format_args!("recomputed from the {input}; nothing is stored to compare it with\n"),
        ),
        (true, Some(true)) => add(
            text,
            format_args!("recomputed from the {input}: every field equals what was stored\n"),
        ),
        (true, Some(false)) => {
            text.push_str("RECOMPUTED OTHERWISE: these fields differ from what was stored\n");
            for difference in &recomputed.differences {
                let shown = |value: &Option<serde_json::Value>| {
                    value.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string)
                };
                add(
                    text,
                    format_args!(
                        "  {}: stored {}, recomputed {}\n",
                        one_line(&difference.field),
                        one_line(&shown(&difference.stored)),
                        one_line(&shown(&difference.recomputed))
                    ),
                );
            }
        }
    }
    if let (Some(at), Some(false)) = (recomputed.adopted_at_ms, recomputed.equal) {
        for line in wrap(&format!("that is why, or may be: {}", adopted(at)), WIDTH) {
            add(text, format_args!("{line}\n"));
        }
    }
    if recomputed.found && recomputed.sample.is_none() {
        text.push_str("no sample caused it: something ended, or time passed\n");
    }
}

/// Why a journal is not all that an engine has learned from.
fn adopted(at: Timestamp) -> String {
    format!(
        "what a `warm-start` or `replay --write-state` had learned was adopted at {}, and no journal has that",
        time(at)
    )
}

fn unit(signal: SignalKind) -> &'static str {
    match signal {
        SignalKind::Value => "",
        SignalKind::Rate => "/s",
    }
}

fn row(text: &mut String, name: &str, what: &str) {
    for (index, line) in wrap(&one_line(what), WIDTH - NAME_WIDTH - 2).into_iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        add(text, format_args!("  {name:<NAME_WIDTH$}{line}\n"));
    }
}

fn band(lower: f64, upper: f64) -> String {
    format!("{} to {}", number(lower), number(upper))
}

fn number(value: f64) -> String {
    if value.is_finite() { number_text(value) } else { value.to_string() }
}

fn two(surprise: f64) -> String {
    format!("{surprise:.2}")
}

/// A probability.
fn p_text(p: f64) -> String {
    if p >= 0.001 { format!("{p:.3}") } else { format!("{p:.1e}") }
}

/// Appends to a text, which takes everything.
fn add(text: &mut String, what: std::fmt::Arguments<'_>) {
    _ = text.write_fmt(what);
}
