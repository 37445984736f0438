//! From the raw structs to the effective configuration: the checks that a schema cannot express.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bellwether_connect::source::receiver::ReceiverOptions;
use bellwether_engine::{
    Budget, DeepTier, Ordering, Rule, Selection, SeriesLimits, Settings, Tenants,
};
use bellwether_series::{LabelLimits, Matchers};
use bellwether_signal::{SelectorError, parse_selector};
use bellwether_wire::remote_write::Limits;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{DefaultMessageFormatter, Error, MessageFormatter};

use super::fault::{Collector, Faults};
use super::raw::{RawConfig, RawLog, RawLogFormat, RawLogLevel, RawRemoteWrite, RawRuntime};
use super::{
    Config, HealthConfig, LogConfig, LogFormat, RuntimeConfig, digest, schema, shape, tree,
};

mod alerting;
mod calendar;
mod client;
mod client_tls;
mod durability;
mod endpoint;
mod gateway;
mod groups;
mod ha;
mod kafka;
mod outputs;
mod presets;
mod rules;
mod secret;
mod server;
mod tenants;
mod web;

pub(super) use client::client;
pub(super) use web::web;

/// Most `${NAME}` without a value that are reported.
const MISSING_VARIABLES_MAX: usize = 100;

/// What stands in for a variable without a value. Whatever is wrong with it is not reported.
const STAND_IN: &str = "0";

/// The configuration that `text` is, or `None` and why in `faults`, or in `web_faults` for the file that
/// `server.web_config_file` names.
pub(super) fn config(
    text: &str,
    folder: &Path,
    variables: &HashMap<String, String>,
    faults: &mut Collector<'_>,
    web_faults: &mut Option<Faults>,
) -> Option<Config> {
    let node = document(text, variables.clone(), faults)?;
    faults.understand(&node);
    let json = shape::fit(&schema::json_schema(), &node, faults);
    let Ok(raw) = serde_json::from_value::<RawConfig>(json) else {
        // The schema is made from `RawConfig`, so what fits one fits the other. The cause may hold
        // values, so it is not shown.
        let mend = "compare it with docs/configuration.md";
        faults.value("", "the file does not fit the schema", mend);
        return None;
    };
    Builder { faults, folder, variables, web_faults }.config(&raw)
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
    variables: &'a HashMap<String, String>,
    /// What is wrong with the web configuration file.
    web_faults: &'a mut Option<Faults>,
}

impl Builder<'_, '_> {
    fn config(&mut self, raw: &RawConfig) -> Option<Config> {
        let server = self.server(&raw.server);
        let security = self.security(&raw.server, server.as_ref());
        if raw.data_dir.trim().is_empty() {
            let mend = "for example `./bellwether-data`";
            self.faults.value("data_dir", "the folder has no name", mend);
        }
        let fallback = self.fallback(&raw.defaults);
        let own = self.rules(&raw.defaults, &fallback, &raw.rules);
        let mut presets = self.presets(&raw.preset, &raw.defaults, &fallback);
        presets.rules.retain(|rule| own.iter().all(|own| own.name != rule.name));
        let preset_rules = presets.rules.len();
        let rules = own.into_iter().chain(presets.rules).chain([fallback]).collect();
        let (tenants, senders) = self.tenants(raw, security.as_ref()).unzip();
        let engine = self.engine(raw, rules, presets.exclude, tenants);
        let mut alertmanagers = self.alertmanagers(&raw.alerting);
        let gauges = self.gauges(&raw.gauges);
        let sinks = self.sinks(&raw.sinks, raw.kafka.as_ref());
        let remote_write = remote_write(&raw.remote_write);
        let kafka = self.kafka(raw.kafka.as_ref(), &remote_write.limits);
        let workers = self.workers(raw);
        // Of workers the topic is the journal.
        let durability = durability::durability(&raw.journal, &raw.checkpoints, &raw.series);
        let durability = durability.filter(|_| workers.is_none());
        let runtime = runtime(&raw.runtime);
        let gateway = self.gateway(raw, runtime);
        let server = server?;
        alertmanagers.external_url.clone_from(&server.external_url);
        Some(Config {
            server,
            security: security?,
            data_dir: raw.data_dir.clone().into(),
            durability,
            remote_write,
            kafka,
            workers,
            tenants: senders,
            gateway,
            runtime,
            engine,
            preset_rules,
            alertmanagers,
            gauges,
            sinks,
            health: HealthConfig {
                alert_after_ms: raw.health.alert_after.ms(),
                history_max: raw.health.history_max,
            },
            log: log(&raw.log),
        })
    }

    fn engine(
        &mut self,
        raw: &RawConfig,
        rules: Vec<Rule>,
        preset_exclude: Vec<Matchers>,
        tenants: Option<Tenants>,
    ) -> Settings {
        let RawConfig { labels, series, ordering, signals, .. } = raw;
        let budget = &raw.alerting.budget;
        let mut exclude = self.selectors("signals.exclude", &signals.exclude);
        exclude.extend(preset_exclude);
        let groups = self.groups(&raw.groups, &rules);
        let mut settings = Settings {
            ordering: Ordering {
                lateness_ms: ordering.lateness.ms(),
                future_max_ms: ordering.future_max.ms(),
                held_samples_max: ordering.held_samples_max,
            },
            series: SeriesLimits {
                active_max: series.active_max,
                per_metric_max: series.per_metric_max,
                time_to_live_ms: series.time_to_live.ms(),
                idle_after_ms: series.idle_after.ms(),
                cold_max: series.cold_max,
                cold_bytes_max: series.cold_bytes_max.bytes(),
                metadata_max: series.metadata_max,
                labels: LabelLimits {
                    labels_max: labels.labels_max,
                    name_bytes_max: labels.name_bytes_max.bytes() as usize,
                    value_bytes_max: labels.value_bytes_max.bytes() as usize,
                    total_bytes_max: labels.total_bytes_max.bytes() as usize,
                },
            },
            ha: self.ha(&raw.ha),
            selection: Selection {
                include: self.selectors("signals.include", &signals.include),
                exclude,
            },
            rules,
            budget: Budget {
                per_day: budget.per_day,
                per_series_per_day: budget.per_series_per_day,
                cap_per_day: budget.cap_per_day,
            },
            gauges: self.selectors("gauges.match", &raw.gauges.r#match),
            calendar: self.calendar(&raw.calendar),
            deep: DeepTier { memory_bytes: raw.deep.memory_bytes_max.bytes() as usize },
            groups,
            tenants,
            ..Settings::default()
        };
        settings.digest = Arc::from(digest::digest(&settings));
        settings
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

fn remote_write(raw: &RawRemoteWrite) -> ReceiverOptions {
    let limits = Limits {
        body_bytes_max: raw.body_bytes_max.bytes() as usize,
        decoded_bytes_max: raw.decoded_bytes_max.bytes() as usize,
        series_max: raw.series_max,
        samples_max: raw.samples_max,
        objects_max: raw.objects_max,
        ..Limits::default()
    };
    let refusal_delay = Duration::from_millis(raw.refusal_delay.ms() as u64);
    let defaults = ReceiverOptions::default();
    let bodies_bytes_max = raw.bodies_bytes_max.bytes() as usize;
    ReceiverOptions {
        limits,
        decodes_max: if raw.decodes_max == 0 { defaults.decodes_max } else { raw.decodes_max },
        bodies_bytes_max: (bodies_bytes_max > 0).then_some(bodies_bytes_max),
        refusal_delay,
    }
}

fn runtime(raw: &RawRuntime) -> RuntimeConfig {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from).min(64);
    let shards = if raw.shards == 0 { cores() } else { raw.shards };
    RuntimeConfig {
        shards,
        queue_requests_max: raw.queue_requests_max,
        tenant_under_way_max: raw.tenant_under_way_max,
    }
}

fn log(raw: &RawLog) -> LogConfig {
    LogConfig {
        format: match raw.format {
            RawLogFormat::Text => LogFormat::Text,
            RawLogFormat::Json => LogFormat::Json,
        },
        messages_max: raw.messages_max,
        level: match raw.level {
            RawLogLevel::Error => tracing::Level::ERROR,
            RawLogLevel::Warn => tracing::Level::WARN,
            RawLogLevel::Info => tracing::Level::INFO,
            RawLogLevel::Debug => tracing::Level::DEBUG,
            RawLogLevel::Trace => tracing::Level::TRACE,
        },
    }
}
