//! Where events and gauges go.

use bellwether_connect::Endpoint;
use bellwether_connect::sink::gauges::GaugesOptions;
use bellwether_connect::sink::webhook::WebhookOptions;
use bellwether_eventlog::{EventLogOptions, JsonLinesOptions};

use super::Builder;
use super::endpoint::Kind;
use crate::config::raw::{RawEventLog, RawGauges, RawJsonLines, RawKafka, RawSinks, RawWebhook};
use crate::config::{SinksConfig, url};

const REMOTE_WRITE: Kind = Kind {
    noun: "remote-write server",
    example: "http://prometheus:9090/api/v1/write",
    url: url::exact,
    identity: url::shown,
};
const WEBHOOK: Kind = Kind {
    noun: "webhook",
    example: "https://hooks.example/bellwether",
    url: url::exact,
    identity: |url| url,
};

impl Builder<'_, '_> {
    pub(super) fn gauges(&mut self, raw: &RawGauges) -> GaugesOptions {
        #[cfg(feature = "kafka")]
        let topic = self.kafka_gauges(raw.kafka.as_ref());
        #[cfg(not(feature = "kafka"))]
        self.no_kafka("gauges.kafka", raw.kafka.is_some());
        GaugesOptions {
            series_max: raw.series_max,
            stale_after_ms: raw.stale_after.ms(),
            flush_interval_ms: raw.flush_interval.ms() as u64,
            samples_per_request_max: raw.samples_per_request_max,
            queue_samples_max: raw.queue_samples_max,
            timeout_ms: raw.timeout.ms() as u64,
            targets: self.endpoints("gauges.remote_write", REMOTE_WRITE, &raw.remote_write),
            #[cfg(feature = "kafka")]
            topic,
        }
    }

    pub(super) fn sinks(&mut self, raw: &RawSinks, source: Option<&RawKafka>) -> SinksConfig {
        let queue_events_max = raw.queue_events_max;
        let json_lines = raw.json_lines.as_ref();
        if json_lines.is_some_and(|file| raw.event_log.enabled && file.path == raw.event_log.path) {
            let message = "`sinks.event_log.path` is the same";
            self.faults.value("sinks.json_lines.path", message, "change one of them");
        }
        let mut webhooks: Vec<WebhookOptions> = Vec::new();
        let mut endpoints = Vec::new();
        for (index, raw) in raw.webhooks.iter().enumerate() {
            let webhook = self.webhook(index, raw, &endpoints, queue_events_max);
            endpoints.extend(webhook.iter().map(|webhook| webhook.endpoint.clone()));
            webhooks.extend(webhook);
        }
        SinksConfig {
            stdout: raw.stdout.into(),
            json_lines: json_lines.map(|raw| self.json_lines(raw, queue_events_max)),
            event_log_folder: raw.event_log.path.clone().into(),
            event_log: self.event_log(&raw.event_log, queue_events_max),
            webhooks,
            kafka: self.kafka_events(raw.kafka.as_ref(), source, queue_events_max),
            queue_events_max,
        }
    }

    fn json_lines(&mut self, raw: &RawJsonLines, queue_events_max: usize) -> JsonLinesOptions {
        if raw.path.trim().is_empty() || raw.path.ends_with(['/', '.']) {
            let mend = "for example `events.jsonl`; it starts at `data_dir`";
            self.faults.value("sinks.json_lines.path", "this names no file", mend);
        }
        JsonLinesOptions {
            path: raw.path.clone().into(),
            rotate_bytes: raw.rotate_bytes.bytes(),
            files_max: raw.files_max,
            queue_events_max,
        }
    }

    fn event_log(&mut self, raw: &RawEventLog, queue_events_max: usize) -> Option<EventLogOptions> {
        if raw.path.trim().is_empty() {
            let mend = "for example `events`; it starts at `data_dir`";
            self.faults.value("sinks.event_log.path", "the folder has no name", mend);
        }
        raw.enabled.then(|| EventLogOptions {
            folder: raw.path.clone().into(),
            flush_interval_ms: raw.flush_interval.ms() as u64,
            keep_ms: raw.keep.ms() as u64,
            queue_events_max,
        })
    }

    /// One webhook; `None` when it has no usable URL or secret. `earlier` are those before it.
    fn webhook(
        &mut self,
        index: usize,
        raw: &RawWebhook,
        earlier: &[Endpoint],
        queue_events_max: usize,
    ) -> Option<WebhookOptions> {
        let field = format!("sinks.webhooks[{index}]");
        let endpoint = self.endpoint(&field, WEBHOOK, &raw.into(), earlier);
        let secret = match (raw.secret.as_ref(), raw.secret_file.as_deref()) {
            (None, None) => None,
            (direct, file) => Some(self.signing_key(&field, "secret", direct, file)?),
        };
        Some(WebhookOptions {
            name: format!("webhook_{index}"),
            endpoint: endpoint?,
            secret,
            severity: raw.severity.into(),
            timeout_ms: raw.timeout.ms() as u64,
            give_up_after_ms: raw.give_up_after.ms() as u64,
            queue_events_max,
        })
    }
}
