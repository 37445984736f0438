//! `bellwether demo`: the whole thing on a generated fleet with known incidents.
//!
//! The engine and the receiver are the real ones with the defaults of `run`, but for the deep tier, which is off; what
//! is known of incidents stays on this side of the socket.

mod feed;
mod judge;
mod report;

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bellwether_engine::Event;
use bellwether_replay::fleet::{Fleet, FleetConfig};
use bellwether_runtime::{EventSink, SinkStats};
use bellwether_wire::remote_write::compress;
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use tracing::Level;

use crate::cli::{DemoArgs, RunArgs};
use crate::config::{LogConfig, LogFormat};
use crate::health::alert_file::AlertFile;
use crate::run::live;
use crate::service::{App, Service};
use crate::{logging, output};

use feed::Sender;
use judge::Judge;
use report::Streamed;

/// Longest wait for the engine to come to the end of what it was sent.
const DECIDE_MAX: Duration = Duration::from_mins(1);
/// How often that is looked at.
const DECIDE_POLL: Duration = Duration::from_millis(2);

/// Runs the demonstration.
///
/// # Errors
/// When it cannot start, or its output cannot be printed.
pub fn demo(args: &DemoArgs) -> anyhow::Result<()> {
    let _logging = logging::init(LogConfig {
        format: LogFormat::Text,
        level: Level::WARN,
        messages_max: 10_000,
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let fleet = FleetConfig { seed: args.seed, ..FleetConfig::default() };
    runtime.block_on(show(args, &fleet))
}

async fn show(args: &DemoArgs, config: &FleetConfig) -> anyhow::Result<()> {
    let (to_judge, events) = mpsc::channel();
    let service = start(args, to_judge).await?;
    let url = format!("http://{}", service.address);
    let fleet = Fleet::new(config);
    if !args.json {
        output::print(&format!(
            "seed {}: {} series, {} days, {} incidents; sending to {url}/api/v1/write\n\n",
            config.seed,
            fleet.series().len(),
            config.days,
            fleet.incidents().len(),
        ))?;
    }
    let mut audience = Audience {
        judge: Judge::new(&fleet),
        events,
        bar: progress_bar(fleet.steps_total()),
        quiet: args.json,
    };
    let streamed = stream(&service, config, fleet, &mut audience).await?;
    if args.json {
        let mut report = report::json(&streamed, &audience.judge);
        if args.serve {
            report["serving"] = url.as_str().into();
        }
        output::print(&format!("{report:#}\n"))?;
    } else {
        output::print(&report::table(&streamed, &audience.judge))?;
    }
    if args.serve {
        if !args.json {
            output::print(&format!("\nserving {url}/api/v1/summary until Ctrl-C\n"))?;
        }
        tokio::signal::ctrl_c().await.context("cannot listen to signals")?;
    }
    service.stop().await;
    Ok(())
}

/// What `run` starts without a configuration, but for the address and who hears of events.
async fn start(args: &DemoArgs, to_judge: mpsc::Sender<Arc<Event>>) -> anyhow::Result<Service> {
    let run = RunArgs { listen: Some(args.listen), ..RunArgs::default() };
    let mut config = live::load(&run)?;
    // It leaves nothing behind.
    config.durability = None;
    // Two weeks of the deep tier take a minute; the base tier takes seconds.
    config.engine.deep.memory_bytes = 0;
    config.sinks.event_log = None;
    let judge = Arc::new(ToJudge(Mutex::new(to_judge)));
    let service = Service::start(run, config, vec![judge], AlertFile::within(None)).await?;
    service.recover().await?;
    Ok(service)
}

/// Tells the judge of each event.
struct ToJudge(Mutex<mpsc::Sender<Arc<Event>>>);

impl EventSink for ToJudge {
    fn name(&self) -> &'static str {
        "judge"
    }

    fn publish(&self, event: &Arc<Event>) {
        // Nobody judges any more once the report is printed.
        _ = self.0.lock().send(Arc::clone(event));
    }

    fn stats(&self) -> SinkStats {
        SinkStats::default()
    }

    fn close(&self, _limit: Duration) {}
}

/// Who watches the stream.
struct Audience {
    judge: Judge,
    events: mpsc::Receiver<Arc<Event>>,
    bar: ProgressBar,
    quiet: bool,
}

impl Audience {
    /// Takes in what the engine has said by now, and prints the incidents that were found.
    fn watch(&mut self) -> anyhow::Result<()> {
        for event in self.events.try_iter() {
            let found = self.judge.note(&event);
            if let Some(finding) = found.filter(|_| !self.quiet) {
                let line = report::found_line(&finding);
                self.bar.suspend(|| output::print(&line))?;
            }
        }
        Ok(())
    }
}

/// Sends the whole fleet and waits for the last decision.
async fn stream(
    service: &Service,
    config: &FleetConfig,
    fleet: Fleet,
    audience: &mut Audience,
) -> anyhow::Result<Streamed> {
    let started = Instant::now();
    let sender = Sender::new(service.address)?;
    let mut streamed = Streamed {
        seed: config.seed,
        series: fleet.series().len(),
        samples: 0,
        days: config.days,
        took: Duration::ZERO,
    };
    let mut requests = 0;
    // Blocks this thread only, which has nothing else to do.
    for body in feed::generate(fleet)? {
        sender.send(body.compressed).await?;
        requests += 1;
        streamed.samples += body.samples;
        audience.bar.inc(body.rounds);
        audience.bar.set_message(output::time(body.until));
        audience.watch()?;
    }
    // When the engine has decided about an empty request, it has told of everything before.
    sender.send(compress(&[])).await?;
    decided(&service.app, requests + 1).await?;
    audience.watch()?;
    audience.bar.finish_and_clear();
    streamed.took = started.elapsed();
    Ok(streamed)
}

/// Waits until the engine has decided about so many requests.
async fn decided(app: &App, requests: u64) -> anyhow::Result<()> {
    let started = Instant::now();
    while app.engine.stats().decided().latency_buckets.iter().sum::<u64>() < requests {
        ensure!(started.elapsed() < DECIDE_MAX, "the engine does not come to an end");
        tokio::time::sleep(DECIDE_POLL).await;
    }
    Ok(())
}

/// Drawn on standard error, and only if that is a terminal.
fn progress_bar(rounds: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {percent}% {eta} left");
    ProgressBar::new(rounds).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn every_sample_of_a_fleet_is_taken_and_every_incident_accounted_for() {
        // An error means that somebody installed one before; either will do.
        _ = rustls::crypto::ring::default_provider().install_default();
        let config = FleetConfig {
            days: 4,
            interval_ms: 10 * 60_000,
            nodes: 2,
            instances_per_service: 1,
            ..FleetConfig::default()
        };
        let args =
            DemoArgs { seed: 1, json: true, serve: false, listen: "127.0.0.1:0".parse().unwrap() };
        let (to_judge, events) = mpsc::channel();
        let service = start(&args, to_judge).await.unwrap();
        let fleet = Fleet::new(&config);
        let (incidents, series) = (fleet.incidents().len(), fleet.series().len());
        let bar = progress_bar(fleet.steps_total());
        let mut audience = Audience { judge: Judge::new(&fleet), events, bar, quiet: true };
        let streamed = stream(&service, &config, fleet, &mut audience).await.unwrap();

        let stats = service.app.engine.stats();
        assert_eq!(streamed.samples, stats.samples_accepted());
        let counts = stats.decided().counts;
        assert_eq!(counts.dropped.iter().sum::<u64>(), 0, "{counts:?}");
        assert!(counts.judged > streamed.samples / 2, "{counts:?}");
        let report = report::json(&streamed, &audience.judge);
        assert_eq!((&report["incidents"], &report["series"]), (&incidents.into(), &series.into()));
        let figure = |name: &str| report[name].as_u64().unwrap();
        assert_eq!(figure("found") + figure("missed"), incidents as u64);
        let table = report::table(&streamed, &audience.judge);
        assert!(table.contains(&format!("of {incidents} incidents found")), "{table}");
        service.stop().await;
    }
}
