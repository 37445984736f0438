//! The configuration file: read, checked as a whole, and turned into what the other parts want.
//!
//! A file goes through four steps: YAML with places (`tree`), comparison with the JSON Schema
//! (`shape`), the raw structs that the schema is made from (`raw`), and the rules that no schema
//! can say (`build`). Each adds to one list of faults, so an operator sees all of them at once.

mod build;
pub mod client;
mod digest;
mod exposure;
mod fault;
mod mask;
mod preset;
mod raw;
mod schema;
mod shape;
mod text;
mod tree;
mod url;
pub mod web;

use std::collections::HashMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bellwether_connect::http::{SecurityOptions, ServerLimits};
use bellwether_connect::sink::alertmanager::AlertmanagerOptions;
use bellwether_connect::sink::gauges::GaugesOptions;
use bellwether_connect::sink::webhook::WebhookOptions;
use bellwether_connect::source::receiver::{ReceiverOptions, TenantOptions};
use bellwether_engine::Settings;
use bellwether_eventlog::{EventLogOptions, JsonLinesOptions};
use bellwether_runtime::checkpoint::CheckpointOptions;
use bellwether_runtime::cold::ColdOptions;
use bellwether_runtime::journal::JournalOptions;
use bellwether_runtime::storage::ReserveOptions;

pub use exposure::Exposed;
pub use fault::{Fault, Faults};
pub use preset::{PRESETS, Preset};
pub use schema::{json_schema, key_paths, web_json_schema, web_key_paths};
pub use text::parse_duration_ms;

/// Largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The effective configuration: parsed, checked and complete.
#[derive(Debug, Clone)]
pub struct Config {
    /// The HTTP server.
    pub server: ServerConfig,
    /// What the server asks of its clients.
    pub security: SecurityOptions,
    /// Folder for what must survive a restart; a relative one is relative to the working directory.
    pub data_dir: PathBuf,
    /// How what was learned survives a restart, in the data folder; `None` if it does not.
    pub durability: Option<DurabilityConfig>,
    /// What is received, and how much at a time.
    pub remote_write: ReceiverOptions,
    /// Topics of Kafka that are read, if any.
    pub kafka: Option<KafkaConfig>,
    /// Where checkpoints are kept, if this is one of several processes that share a topic.
    pub workers: Option<WorkersConfig>,
    /// The topic that a gateway produces to, if this is the configuration of one.
    pub gateway: Option<GatewayConfig>,
    /// Who is who among tenants, and how much each may send at a time; `None` where everything is of one. The engine has
    /// their limits on series.
    pub tenants: Option<TenantOptions>,
    /// Threads and queues.
    pub runtime: RuntimeConfig,
    /// What decides the engine's answers, its digest included.
    pub engine: Settings,
    /// How many of the engine's rules come from presets; they stand before its last rule.
    pub preset_rules: usize,
    /// The Alertmanagers, and how often they are told; their `external_url` is the server's.
    pub alertmanagers: AlertmanagerOptions,
    /// Derived gauges, and the servers that get them; `engine.gauges` says of which series.
    pub gauges: GaugesOptions,
    /// Where events go besides Alertmanager. Relative paths in it are relative to `data_dir`, which the command
    /// line may still change: whoever starts the sinks puts the two together.
    pub sinks: SinksConfig,
    /// When the engine raises an alert about itself.
    pub health: HealthConfig,
    /// What is logged, and how.
    pub log: LogConfig,
}

/// Topics of Kafka that are read.
#[cfg(feature = "kafka")]
pub type KafkaConfig = bellwether_connect::source::kafka::KafkaOptions;

/// Topics of Kafka that are read: of this program nobody can ask for any.
#[cfg(not(feature = "kafka"))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KafkaConfig {}

/// What processes that share a topic keep, and where.
#[cfg(feature = "kafka")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkersConfig {
    /// Where checkpoints are.
    pub objects: bellwether_connect::objects::ObjectStoreOptions,
    /// From one checkpoint of a partition to the next, in milliseconds; above 0.
    pub checkpoint_every_ms: i64,
    /// Checkpoints of each partition that are kept; at least 1.
    pub generations_kept: usize,
}

/// What processes that share a topic keep, and where: this program is none of them.
#[cfg(not(feature = "kafka"))]
pub type WorkersConfig = KafkaConfig;

/// A topic of Kafka that gets events.
#[cfg(feature = "kafka")]
pub type KafkaEventsConfig = bellwether_connect::sink::kafka::KafkaEventsOptions;

/// A topic of Kafka that gets events: of this program nobody can ask for one.
#[cfg(not(feature = "kafka"))]
pub type KafkaEventsConfig = KafkaConfig;

/// The topic that a gateway produces to.
#[cfg(feature = "kafka")]
pub type GatewayConfig = bellwether_connect::gateway::GatewayOptions;

/// The topic that a gateway produces to: this program has no gateway.
#[cfg(not(feature = "kafka"))]
pub type GatewayConfig = KafkaConfig;

/// The HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Address and port to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `http` or `https` URL under which people reach this server, without a slash at its end; `None` for
    /// the address it listens on.
    pub external_url: Option<String>,
    /// The file that [`Config::security`] was read from.
    pub web_config_file: Option<PathBuf>,
    /// Whether everybody who can reach `listen` may do everything.
    pub allow_unauthenticated: bool,
    /// How long a client may take, and how many there may be.
    pub limits: ServerLimits,
    /// Most events of severity info, and as many above it, that the API remembers; at least 1.
    pub events_max: usize,
    /// Most bytes of all answers of the API that are made or sent; one of them has half of it.
    pub answers_bytes_max: usize,
}

/// How what was learned survives a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurabilityConfig {
    /// The journal.
    pub journal: JournalOptions,
    /// The checkpoints.
    pub checkpoints: CheckpointOptions,
    /// The states of silent series.
    pub cold: ColdOptions,
    /// From one checkpoint to the next, in milliseconds; above 0.
    pub checkpoint_every_ms: i64,
    /// What is removed when the disk is full.
    pub reserve: ReserveOptions,
}

/// Threads and queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuntimeConfig {
    /// Threads that judge series: 1 to 64.
    pub shards: usize,
    /// Most requests waiting to be judged; at least 1.
    pub queue_requests_max: usize,
    /// Most requests of one tenant on their way to the shards; at least 1.
    pub tenant_under_way_max: usize,
}

/// Where events go besides Alertmanager.
#[derive(Debug, Clone, PartialEq)]
pub struct SinksConfig {
    /// How events are written to standard output.
    pub stdout: StdoutFormat,
    /// A rotated file of JSON lines, if there is to be one.
    pub json_lines: Option<JsonLinesOptions>,
    /// Folder of the event log, also when the log is switched off.
    pub event_log_folder: PathBuf,
    /// Parquet files by day, unless they are switched off.
    pub event_log: Option<EventLogOptions>,
    /// Servers that get events posted.
    pub webhooks: Vec<WebhookOptions>,
    /// A topic of Kafka that gets events.
    pub kafka: Option<KafkaEventsConfig>,
    /// Most events that wait for one sink, at least 1; the options above say the same.
    pub queue_events_max: usize,
}

/// How events are written to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StdoutFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
    /// Not at all.
    Off,
}

/// When the engine raises an alert about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthConfig {
    /// How long health must be degraded or critical first, in milliseconds; 0 and up.
    pub alert_after_ms: i64,
    /// Most changes of health that are remembered; at least 1.
    pub history_max: usize,
}

/// What is logged, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// How log messages are written.
    pub format: LogFormat,
    /// The least important messages that are logged.
    pub level: tracing::Level,
    /// Most messages that wait to be written; at least 1.
    pub messages_max: usize,
}

/// How log messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file cannot be read: path=`{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is larger than any sane configuration.
    #[error("configuration file is too large: path=`{}`, limit_bytes=`{FILE_BYTES_MAX}`", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is not text.
    #[error("configuration file is not UTF-8: path=`{}`", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// Others can reach the address to listen on, and nobody has to log in. To be decided by whoever starts it.
    #[error(transparent)]
    Exposed(#[from] Exposed),
    /// The file can be read and says something wrong. To be corrected by whoever wrote it.
    #[error(transparent)]
    Invalid(#[from] Faults),
}

impl Config {
    /// Reads the configuration in the file at `path`, or the embedded defaults, with this process'
    /// environment for `${NAME}`.
    ///
    /// # Errors
    /// Whatever [`ConfigError`] lists.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else {
            return Ok(Self::parse("", "defaults", Path::new("."), &HashMap::new())?);
        };
        let text = text_of(path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Ok(Self::parse(&text, &path.display().to_string(), folder, &environment())?)
    }

    /// Reads the configuration that `text` is. `name` is what reports call it, `folder` is where
    /// relative `*_file` keys start, `variables` replace `${NAME}`.
    ///
    /// # Errors
    /// When anything in it is wrong. Of the file that `server.web_config_file` names faults are told when this one has
    /// none.
    pub fn parse(
        text: &str,
        name: &str,
        folder: &Path,
        variables: &HashMap<String, String>,
    ) -> Result<Self, Faults> {
        let mut faults = fault::Collector::new(text);
        let mut web_faults = None;
        let config = build::config(text, folder, variables, &mut faults, &mut web_faults);
        match (faults.finish(name).or(web_faults), config) {
            (None, Some(config)) => Ok(config),
            (Some(faults), _) => Err(faults),
            (None, None) => unreachable!("what has no fault has a configuration"),
        }
    }
}

/// The variables of this process' environment that are text.
fn environment() -> HashMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The text of the file at `path`.
fn text_of(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(ConfigError::TooLarge { path: path.to_owned() });
    }
    String::from_utf8(bytes).map_err(|_| ConfigError::NotUtf8 { path: path.to_owned() })
}
