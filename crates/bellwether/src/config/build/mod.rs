//! From the raw structs to the effective configuration: the checks that a schema cannot express.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use bellwether_connect::http::ServerLimits;
use bellwether_engine::{Budget, Ordering, Selection, SeriesLimits, Settings};
use bellwether_series::{LabelLimits, Matchers};
use bellwether_signal::{SelectorError, parse_selector};
use bellwether_wire::remote_write::Limits;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{DefaultMessageFormatter, Error, MessageFormatter};

use super::fault::Collector;
use super::raw::{
    RawConfig, RawLog, RawLogFormat, RawLogLevel, RawRemoteWrite, RawRuntime, RawServer,
};
use super::text::{BytesText, DurationText};
use super::{
    Config, LogConfig, LogFormat, RuntimeConfig, ServerConfig, digest, schema, shape, tree, url,
};

mod alerting;
mod rules;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Most `${NAME}` without a value that are reported.
const MISSING_VARIABLES_MAX: usize = 100;

/// What stands in for a variable without a value. Whatever is wrong with it is not reported.
const STAND_IN: &str = "0";

/// The configuration that `text` is, or `None` and why in `faults`.
pub(super) fn config(
    text: &str,
    folder: &Path,
    variables: &HashMap<String, String>,
    faults: &mut Collector<'_>,
) -> Option<Config> {
    let node = document(text, variables.clone(), faults)?;
    faults.locate(&node, "");
    let json = shape::fit(&schema::json_schema(), &node, faults);
    let Ok(raw) = serde_json::from_value::<RawConfig>(json) else {
        // The schema is made from `RawConfig`, so what fits one fits the other. The cause may hold
        // values, so it is not shown.
        let mend = "compare it with docs/configuration.md";
        faults.value("", "the file does not fit the schema", mend);
        return None;
    };
    Builder { faults, folder }.config(&raw)
}

fn set_it(variable: &str) -> String {
    format!("set it, or give it a default: `${{{variable}:-value}}`")
}

/// The document that `text` is. Variables that are not set are reported and stood in for, so that the
/// rest can be checked.
fn document(
    text: &str,
    mut variables: HashMap<String, String>,
    faults: &mut Collector<'_>,
) -> Option<tree::Node> {
    for _ in 0..MISSING_VARIABLES_MAX {
        let error = match tree::parse(text, &variables) {
            Ok(node) => return Some(node),
            Err(error) => error,
        };
        let span = error.location().map_or(0..0, |location| tree::bytes(text, &location));
        match error.without_snippet() {
            Error::UnresolvedProperty { name, .. } => {
                faults.text(span, format!("environment variable {name} is not set"), set_it(name));
                variables.insert(name.clone(), STAND_IN.to_owned());
            }
            Error::PropertyRequiredButUnset { name, message, .. }
            | Error::PropertyRequiredButEmpty { name, message, .. } => {
                let separator = if message.is_empty() { "" } else { ": " };
                let message =
                    format!("environment variable {name} has no value{separator}{message}");
                faults.text(span, message, set_it(name));
                variables.insert(name.clone(), STAND_IN.to_owned());
            }
            other => {
                let line = text[span.start..].lines().next().unwrap_or_default();
                let line_before = text[..span.start].lines().last().unwrap_or_default();
                let (message, mend) = syntax(other, &format!("{line_before}{line}"));
                faults.text(span, message, mend);
                return None;
            }
        }
    }
    None
}

/// What is wrong with a text that is not YAML, and a mend. `line` is where it was noticed.
fn syntax(error: &Error, line: &str) -> (String, &'static str) {
    match error {
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or_default().escape_debug();
            (format!("the key `{key}` is there twice"), "keep one of them")
        }
        Error::MultipleDocuments { .. } => {
            ("there is a second document".to_owned(), "remove the line `---` and what follows it")
        }
        Error::InvalidPropertyName { .. } => (
            "this is not the name of an environment variable".to_owned(),
            "write `${NAME}` or `${NAME:-default}`",
        ),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => (
            "the nesting is too deep".to_owned(),
            "at most 64 levels are read; no key is that deep",
        ),
        Error::RecursiveReferencesRequireWeakTypes { .. } => (
            "this alias stands within what it stands for".to_owned(),
            "write out what is meant here",
        ),
        Error::AliasError { error, .. } if matches!(**error, Error::Budget { .. }) => {
            aliases_too_large()
        }
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::Budget {
            breach:
                BudgetBreach::Aliases { .. }
                | BudgetBreach::Anchors { .. }
                | BudgetBreach::AliasAnchorRatio { .. }
                | BudgetBreach::RecordedAnchorEvents { .. }
                | BudgetBreach::RecordedAnchorBytes { .. }
                | BudgetBreach::MergeKeys { .. },
            ..
        } => aliases_too_large(),
        Error::Budget { .. } => {
            let mend = "the whole file may have 250000 keys and values; remove what is not needed";
            ("the document is too large".to_owned(), mend)
        }
        _ => {
            let message = DefaultMessageFormatter.format_message(error).into_owned();
            let mend = if line.contains("${") {
                "`${…}` cannot stand within `{ }` or `[ ]`: give the key a line of its own"
            } else {
                "look at quotes, brackets and indentation here and on the line above"
            };
            (message, mend)
        }
    }
}

fn aliases_too_large() -> (String, &'static str) {
    let mend = "write out what they stand for, or use fewer of them";
    ("anchors and aliases make the document too large".to_owned(), mend)
}

/// Collects faults while values are built. A value that has a fault is replaced by any valid one: the
/// configuration is then thrown away.
struct Builder<'a, 'b> {
    faults: &'a mut Collector<'b>,
    folder: &'a Path,
}

impl Builder<'_, '_> {
    fn config(&mut self, raw: &RawConfig) -> Option<Config> {
        let server = self.server(&raw.server);
        let remote_write = self.remote_write(&raw.remote_write);
        let runtime = runtime(&raw.runtime);
        if raw.data_dir.trim().is_empty() {
            self.faults.value(
                "data_dir",
                "the folder has no name",
                "for example `./bellwether-data`",
            );
        }
        let engine = self.engine(raw);
        let mut alertmanagers = self.alertmanagers(&raw.alerting);
        let server = server?;
        alertmanagers.external_url.clone_from(&server.external_url);
        Some(Config {
            server,
            data_dir: raw.data_dir.clone().into(),
            remote_write,
            runtime,
            engine,
            alertmanagers,
            log: log(&raw.log),
        })
    }

    fn server(&mut self, raw: &RawServer) -> Option<ServerConfig> {
        let listen = raw.listen.parse::<SocketAddr>();
        if listen.is_err() {
            let mend =
                "write an IP address and a port, for example `127.0.0.1:2355` or `[::]:2355`";
            self.faults.value("server.listen", "this is not an address to listen on", mend);
        }
        let external_url = raw.external_url.as_deref().map(url::parse);
        if let Some(Err((message, mend))) = external_url {
            self.faults.value("server.external_url", message, mend);
        }
        let connections_max = raw.connections_max;
        Some(ServerConfig {
            listen: listen.ok()?,
            external_url: external_url.and_then(Result::ok),
            limits: ServerLimits { connections_max, ..ServerLimits::default() },
        })
    }

    fn remote_write(&mut self, raw: &RawRemoteWrite) -> Limits {
        let bytes = 1 << 10..=1 << 30;
        let body = self.bytes("remote_write.body_bytes_max", &raw.body_bytes_max, &bytes);
        let decoded = self.bytes("remote_write.decoded_bytes_max", &raw.decoded_bytes_max, &bytes);
        Limits {
            body_bytes_max: body,
            decoded_bytes_max: decoded,
            series_max: raw.series_max,
            samples_max: raw.samples_max,
            objects_max: raw.objects_max,
            ..Limits::default()
        }
    }

    fn engine(&mut self, raw: &RawConfig) -> Settings {
        let total_bytes = 64..=1 << 20;
        let labels = LabelLimits {
            labels_max: raw.labels.labels_max,
            name_bytes_max: self.bytes(
                "labels.name_bytes_max",
                &raw.labels.name_bytes_max,
                &(8..=1 << 16),
            ),
            value_bytes_max: self.bytes(
                "labels.value_bytes_max",
                &raw.labels.value_bytes_max,
                &(8..=1 << 20),
            ),
            total_bytes_max: self.bytes(
                "labels.total_bytes_max",
                &raw.labels.total_bytes_max,
                &total_bytes,
            ),
        };
        let ordering = Ordering {
            lateness_ms: self.ms("ordering.lateness", &raw.ordering.lateness, 0..=HOUR_MS),
            future_max_ms: self.ms(
                "ordering.future_max",
                &raw.ordering.future_max,
                SECOND_MS..=7 * DAY_MS,
            ),
            held_samples_max: raw.ordering.held_samples_max,
        };
        let time_to_live_ms =
            self.ms("series.time_to_live", &raw.series.time_to_live, MINUTE_MS..=365 * DAY_MS);
        let budget = &raw.alerting.budget;
        let mut settings = Settings {
            ordering,
            series: SeriesLimits {
                active_max: raw.series.active_max,
                time_to_live_ms,
                metadata_max: raw.series.metadata_max,
                labels,
            },
            selection: Selection {
                include: self.selectors("signals.include", &raw.signals.include),
                exclude: self.selectors("signals.exclude", &raw.signals.exclude),
            },
            rules: self.rules(&raw.defaults, &raw.rules),
            budget: Budget {
                per_day: budget.per_day,
                per_series_per_day: budget.per_series_per_day,
                cap_per_day: budget.cap_per_day,
            },
            ..Settings::default()
        };
        settings.digest = Arc::from(digest::digest(&settings));
        settings
    }

    /// Milliseconds of `text`, reported when they are not within `range`.
    fn ms(&mut self, field: &str, text: &DurationText, range: RangeInclusive<i64>) -> i64 {
        let ms = text.to_ms();
        if ms.is_none() {
            let mend = "write a number and a unit, for example `30s`, `2m`, `1h30m` or `1d`";
            self.faults.value(field, "this is not a duration", mend);
        } else if ms.is_some_and(|ms| !range.contains(&ms)) {
            let text = |ms: i64| DurationText::from_ms(ms).as_str().to_owned();
            let mend = format!("allowed: {} to {}", text(*range.start()), text(*range.end()));
            self.faults.value(field, "the duration is out of range", mend);
        }
        ms.unwrap_or_default()
    }

    /// Bytes of `text`, reported when they are not within `range`.
    fn bytes(&mut self, field: &str, text: &BytesText, range: &RangeInclusive<u64>) -> usize {
        let bytes = text.to_bytes();
        if bytes.is_none() {
            let mend = "write a whole number with `B`, `KiB`, `MiB` or `GiB`, for example `32MiB`";
            self.faults.value(field, "this is not a number of bytes", mend);
        } else if bytes.is_some_and(|bytes| !range.contains(&bytes)) {
            let text = |bytes: u64| match BytesText::from_bytes(bytes) {
                BytesText::Plain(bytes) => bytes.to_string(),
                BytesText::WithUnit(text) => text,
            };
            let mend = format!("allowed: {} to {}", text(*range.start()), text(*range.end()));
            self.faults.value(field, "the number of bytes is out of range", mend);
        }
        bytes.unwrap_or_default() as usize
    }

    fn selectors(&mut self, field: &str, texts: &[String]) -> Vec<Matchers> {
        let selector =
            |(index, text): (usize, &String)| self.selector(&format!("{field}[{index}]"), text);
        texts.iter().enumerate().map(selector).collect()
    }

    fn selector(&mut self, field: &str, text: &str) -> Matchers {
        let error = match parse_selector(text) {
            Ok(matchers) => return matchers,
            Err(error) => error,
        };
        let (what, cause) = match &error {
            SelectorError::Syntax { cause, .. } => ("this is not PromQL", cause.clone()),
            SelectorError::Matcher(error) => {
                let source = std::error::Error::source(error).map(ToString::to_string);
                ("a pattern in it is no regular expression", source.unwrap_or_default())
            }
            _ => ("this is not a plain selector", String::new()),
        };
        // The cause quotes the text; what came from the environment is not shown.
        let cause = if self.faults.may_repeat(field, text) { cause } else { String::new() };
        let cause = cause.split_whitespace().collect::<Vec<_>>().join(" ");
        let separator = if cause.is_empty() { "" } else { ": " };
        let message = format!("{what}{separator}{cause}");
        let mend = "write a selector like `up{job=\"node\"}` or `{__name__=~\"http_.*\"}`, in single quotes";
        self.faults.value(field, message, mend);
        Matchers::default()
    }
}

fn runtime(raw: &RawRuntime) -> RuntimeConfig {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from).min(64);
    let shards = if raw.shards == 0 { cores() } else { raw.shards };
    RuntimeConfig { shards, queue_requests_max: raw.queue_requests_max }
}

fn log(raw: &RawLog) -> LogConfig {
    LogConfig {
        format: match raw.format {
            RawLogFormat::Text => LogFormat::Text,
            RawLogFormat::Json => LogFormat::Json,
        },
        level: match raw.level {
            RawLogLevel::Error => tracing::Level::ERROR,
            RawLogLevel::Warn => tracing::Level::WARN,
            RawLogLevel::Info => tracing::Level::INFO,
            RawLogLevel::Debug => tracing::Level::DEBUG,
            RawLogLevel::Trace => tracing::Level::TRACE,
        },
        anomalies: raw.anomalies,
    }
}
