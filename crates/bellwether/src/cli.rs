//! The command line.

#![expect(
    clippy::doc_markdown,
    reason = "doc comments here are help texts, which show no Markdown"
)]

mod eval;
mod explain;
mod history;
mod inputs;
mod learn;
mod plan;
mod report;
mod resume;
mod server;
mod tune;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::PRESETS;

pub use eval::EvalArgs;
pub use explain::ExplainArgs;
pub use history::HistoryArgs;
pub use inputs::InputArgs;
pub(crate) use learn::parse_exclusion;
pub use learn::{ExcludeArgs, WarmStartArgs};
pub use plan::{FailOn, PlanArgs, PlanFormat};
pub use report::{ReportArgs, ReportFormat};
pub use resume::ResumeArgs;
pub use server::ServerArgs;
pub use tune::{TuneArgs, TuneFormat};

/// Streaming anomaly detection for Prometheus metrics.
///
/// Prometheus writes its samples to bellwether (remote_write). Bellwether learns what is normal for each
/// series and sends an alert to Alertmanager when one behaves surprisingly. No thresholds to set.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  bellwether demo                            see it find incidents in a generated fleet
  bellwether run                             run with embedded defaults on 127.0.0.1:2355
  bellwether check bellwether.yml            find every fault of a configuration
  bellwether run --config bellwether.yml     run with that configuration

To feed it, add to prometheus.yml:
  remote_write:
    - url: http://127.0.0.1:2355/api/v1/write")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Receive metrics, detect anomalies and alert.
    ///
    /// Listens for Prometheus remote_write, keeps its data in a folder and prints each change of an alert on
    /// standard output; logs go to standard error. SIGTERM and SIGINT stop it cleanly, SIGHUP reads the
    /// configuration again.
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Show the whole thing on a generated fleet with known incidents.
    ///
    /// Starts the real engine and its real receiver, streams two weeks of a small fleet into it faster than
    /// real time, and ends with a table of what was found, missed and false. Needs nothing else installed.
    #[command(after_help = DEMO_HELP)]
    Demo(DemoArgs),
    /// Receive metrics and hand them on to a topic of Kafka, from which others detect.
    ///
    /// Takes Prometheus remote_write and OpenTelemetry as `run` does, splits each request among the partitions of the topic so that what is
    /// judged together is together, and answers once the brokers have confirmed all of it. Keeps nothing: start as many as
    /// you like. SIGTERM and SIGINT stop it cleanly, SIGHUP reads the configuration again.
    #[command(after_help = GATEWAY_HELP)]
    Gateway(GatewayArgs),
    /// Run recorded history through the same engine.
    ///
    /// Of files with history (CSV, JSON lines, Parquet, Arrow IPC) it gives the events that `run` would have given:
    /// events.jsonl and events.parquet, with --scores also every judgement, and summary.json. What a file holds is found out
    /// from its content, which columns mean what from their names, and shown. The same of what a server with Prometheus' API has
    /// stored: name its URL, --start and --end.
    ///
    /// Of a journal that `run` wrote it gives the events that `run` gave: events.jsonl, one a line, and summary.json. With
    /// --verify it replays it in several ways that must not matter (shards, other requests, interruptions) and compares. Of
    /// a corpus it writes for every series a file with one row for each of its rows: timestamp,score,is_alert,is_firing.
    ///
    /// With --exclude it gives the events of a history in which an incident never was, and with --write-state a `run` goes on
    /// from there: an incident that was learned is unlearned.
    ///
    /// Exit code 0: done, and with --verify nothing differs. 1: something differs, or it cannot be done. 2: wrong usage.
    #[command(after_help = REPLAY_HELP)]
    Replay(ReplayArgs),
    /// Learn from history, so that `run` alerts from its first minute.
    ///
    /// Replays history as `replay` does, and writes what the engine has learned by its end into the data folder of a `run` that
    /// is not running: it goes on with it as after a restart. Nobody is told of what fired in the history. The labels must be
    /// those under which the series will be received.
    ///
    /// A folder in which something was learned already is refused without --force, a folder in use always.
    ///
    /// Exit code 0: done. 1: it cannot be done, and nothing has changed. 2: wrong usage.
    #[command(after_help = learn::WARM_START_HELP)]
    WarmStart(WarmStartArgs),
    /// Say which alerts another configuration would change.
    ///
    /// Replays files with history, or a journal, under both configurations, and holds the alerts of one against those of the other,
    /// matched by series and time: which appear, vanish, change severity or rule, or come at another time.
    ///
    /// Exit code 0: the plan was made. 1: it cannot be made. 2: wrong usage. 3: it was made, and has a change that
    /// --fail-on names.
    #[command(after_help = plan::HELP)]
    Plan(PlanArgs),
    /// Find a configuration that suits recorded history.
    ///
    /// Replays files with history, a journal or a labelled corpus under the default configuration and others that --seed draws,
    /// and scores each by blocks of time. With labels the best F1 of windows wins, without them whoever finds most of the faults that
    /// are put in; within --per-day, and only if it is better than the default for sure on blocks that had no say. Says what was
    /// tried, what won and by how much; writes what `check` accepts.
    ///
    /// Exit code 0: a configuration was written, be it the default. 1: that cannot be done. 2: wrong usage.
    #[command(after_help = tune::HELP)]
    Tune(TuneArgs),
    /// Say why there is an alert, or why there was none.
    ///
    /// Of an event: what was expected, what each detector said, the threshold and what set it, recomputed from the journal, or
    /// from the files of a replay, and compared with what was stored. Of series at a time: what became of the newest sample of each, and what stopped it.
    ///
    /// Exit code 0: explained, and equal to what was stored where it was recomputed. 1: not equal, or it cannot be
    /// explained. 2: wrong usage.
    #[command(after_help = explain::HELP)]
    Explain(ExplainArgs),
    /// Score results against labels: how many incidents are found, how early, at what noise.
    ///
    /// RESULTS is what `replay --scores` or `replay --corpus` wrote, or the results of any other detector: for every series a file of its id, CSV
    /// with the columns timestamp, score and, if it has one, is_alert; plain or gzip. Prints for every dataset VUS-PR and
    /// AUC-PR of the scores, and of the alerts event-wise precision, recall and F1, F1 of ranges, false alarms a day of a
    /// series, and the median delay; for the dataset `nab` also the NAB score.
    ///
    /// Exit code 0: done, and with --baseline no figure is worse. 1: one is, or it cannot be done. 2: wrong usage.
    #[command(after_help = eval::HELP)]
    Eval(EvalArgs),
    /// Say what fired in a day or a week, what it cost of the budget, and what to tune.
    ///
    /// Reads the event log of the data folder, or any file of events, also while bellwether runs. Without a period
    /// it is about the seven days (UTC) up to the newest event. Exit code 0: the report was made. 1: no event could
    /// be read. 2: wrong usage.
    #[command(after_help = report::HELP)]
    Report(ReportArgs),
    /// Find everything that is wrong with configuration files.
    ///
    /// Starts nothing and connects to nothing; files that `*_file` keys name are read. Prints each fault with
    /// file, line, field and a mend. Exit code 0: every file is good. 1: some file is not. 2: wrong usage.
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// List the presets, or print what one of them stands for.
    ///
    /// A preset is a set of rules for what is commonly measured, which the key `preset` of a configuration names.
    #[command(after_help = PRESETS_HELP)]
    Presets(PresetsArgs),
    /// Print the JSON Schema of the configuration file, for editors.
    #[command(after_help = SCHEMA_HELP)]
    Schema,
    /// Print the completion script of a shell.
    #[command(after_help = COMPLETIONS_HELP)]
    Completions(CompletionsArgs),
}

const RUN_HELP: &str = "\
Examples:
  bellwether run
  bellwether run --config /etc/bellwether/bellwether.yml
  bellwether run --listen 127.0.0.1:2355 --data-dir /var/lib/bellwether";

const GATEWAY_HELP: &str = "\
Examples:
  bellwether gateway --config /etc/bellwether/bellwether.yml
  bellwether gateway --config bellwether.yml --listen 127.0.0.1:2356";

const DEMO_HELP: &str = "\
Examples:
  bellwether demo
  bellwether demo --seed 7 --json
  bellwether demo --serve --listen 127.0.0.1:2355    then look at http://127.0.0.1:2355/api/v1/summary";

const REPLAY_HELP: &str = "\
Examples:
  bellwether replay metrics.parquet --output results
  bellwether replay january.csv.gz february.csv.gz --output results --config candidate.yml --scores
  bellwether replay export.csv --time ts --value temp --label site --output results
  bellwether replay huge/ --partition 1/4 --output results-1
  bellwether replay huge/ --output results --resume
  bellwether replay http://127.0.0.1:9090 --match '{job=\"api\"}' --start 2026-01-01 --end 2026-02-01 --output results
  bellwether replay https://victoria.example --step 1m --start 2026-01-01 --end 2026-02-01 --http-config http.yml --output results
  bellwether replay bellwether-data --output results
  bellwether replay bellwether-data --output results --config candidate.yml
  bellwether replay bellwether-data --output results --exclude 2026-02-03T10:00:00Z/2026-02-03T14:30:00Z
  bellwether replay bellwether-data --exclude '2026-02-03/2026-02-04,{job=\"api\"}' --write-state bellwether-data
  bellwether replay --verify bellwether-data
  bellwether replay --verify bellwether-data --events bellwether-data/events
  bellwether replay --corpus datasets/manifest.json --output results
  bellwether replay --corpus datasets/manifest.json --output results --config bellwether.yml";

const CHECK_HELP: &str = "\
Examples:
  bellwether check bellwether.yml
  bellwether check deploy/*.yml && systemctl reload bellwether";

const PRESETS_HELP: &str = "\
Examples:
  bellwether presets
  bellwether presets node-exporter";

const SCHEMA_HELP: &str = "\
Example:
  bellwether schema > bellwether.schema.json
  and as the first line of a configuration: # yaml-language-server: $schema=bellwether.schema.json";

const COMPLETIONS_HELP: &str = "\
Examples:
  bellwether completions bash > /etc/bash_completion.d/bellwether
  bellwether completions zsh > ~/.zfunc/_bellwether
  bellwether completions fish > ~/.config/fish/completions/bellwether.fish";

/// Options of `bellwether run`.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    /// Configuration file; embedded defaults without one.
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address and port to listen on, instead of `server.listen` [default: 127.0.0.1:2355].
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Folder for data, instead of `data_dir` [default: ./bellwether-data].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Options of `bellwether gateway`.
#[derive(Debug, Clone, Args)]
pub struct GatewayArgs {
    /// Configuration file; its key `gateway` names the topic.
    #[arg(long, short, value_name = "FILE")]
    pub config: PathBuf,
    /// Address and port to listen on, instead of `server.listen` [default: 127.0.0.1:2355].
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

/// Options of `bellwether demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Seed of the generated fleet; the same seed gives the same fleet and the same result.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Print one JSON object with incidents, found, missed and false_alarms instead of tables.
    #[arg(long)]
    pub json: bool,
    /// Stay up afterwards, so that its API can be looked at; Ctrl-C ends it.
    #[arg(long)]
    pub serve: bool,
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
}

/// What neither a corpus nor a verification has. The group of `HistoryArgs` itself is empty: it has groups in it.
const OF_FILES: [&str; 9] = [
    "ColumnArgs",
    "ServerArgs",
    "ExcludeArgs",
    "scores",
    "partition",
    "threads",
    "sort_memory",
    "report_memory",
    "series_max",
];

/// Options of `bellwether replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Files with history, folders of such files, URLs of servers with Prometheus' API, or a journal: the data folder of `run`, or
    /// the folder `journal` in it. They are only read.
    #[arg(value_name = "INPUT", required_unless_present = "corpus")]
    pub inputs: Vec<PathBuf>,
    /// Manifest of a corpus instead: a JSON file that lists its series and where their data is.
    #[arg(long, value_name = "MANIFEST_JSON", conflicts_with_all = ["inputs"], conflicts_with_all = OF_FILES)]
    pub corpus: Option<PathBuf>,
    /// Folder for the results [default with --write-state: `replay` in that folder].
    #[arg(long, value_name = "DIR", required_unless_present_any = ["verify", "write_state"])]
    pub output: Option<PathBuf>,
    /// Configuration file, in force throughout. Without one a journal is replayed under what was in force when it was
    /// written, anything else under embedded defaults.
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Replay the journal in several ways and compare what they give; no results are written.
    #[arg(long, requires = "inputs", conflicts_with_all = ["corpus", "output"], conflicts_with_all = OF_FILES)]
    pub verify: bool,
    /// Compare with these events, written by `run`, too: a file of JSON lines, a Parquet file, or the folder of an
    /// event log.
    #[arg(long, value_name = "EVENTS", conflicts_with = "corpus")]
    pub events: Option<PathBuf>,
    /// Seed of the places where --verify cuts requests and interrupts [default: 1].
    #[arg(long, value_name = "N", conflicts_with = "corpus")]
    pub seed: Option<u64>,
    /// Write what the engine has learned by the end into this data folder, for a `run` to go on with; none may be running.
    #[arg(long, value_name = "DATA_DIR", conflicts_with_all = ["corpus", "verify", "partition"])]
    pub write_state: Option<PathBuf>,
    /// Let --write-state replace what was learned before, even if more was known then.
    #[arg(long, requires = "write_state")]
    pub force: bool,
    /// What is left out.
    #[command(flatten)]
    pub excluded: ExcludeArgs,
    /// What only files with history have.
    #[command(flatten)]
    pub history: HistoryArgs,
    /// How an interrupted replay goes on.
    #[command(flatten)]
    pub resume: ResumeArgs,
}

/// Options of `bellwether check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Configuration files.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Options of `bellwether presets`.
#[derive(Debug, Clone, Args)]
pub struct PresetsArgs {
    /// The preset to print; without it all are listed.
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(PRESETS.map(|preset| preset.name)))]
    pub name: Option<String>,
}

/// Options of `bellwether completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_option_is_documented() {
        let mut cli = Cli::command();
        cli.build();
        for command in cli.get_subcommands().filter(|command| command.get_name() != "help") {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            assert!(command.get_after_help().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
        }
    }
}
