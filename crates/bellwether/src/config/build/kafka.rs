//! Kafka: from the keys to the options of the source.

use bellwether_wire::remote_write::Limits;

use super::Builder;
use crate::config::raw::{RawConfig, RawKafka, RawKafkaEvents};
use crate::config::{KafkaConfig, KafkaEventsConfig, WorkersConfig};

#[cfg(not(feature = "kafka"))]
impl Builder<'_, '_> {
    /// Whoever asks for Kafka hears of it elsewhere.
    #[expect(clippy::unused_self, reason = "as with Kafka")]
    pub(super) fn workers(&mut self, _: &RawConfig) -> Option<WorkersConfig> {
        None
    }

    pub(super) fn kafka(&mut self, raw: Option<&RawKafka>, _: &Limits) -> Option<KafkaConfig> {
        self.no_kafka("kafka", raw.is_some());
        None
    }

    pub(super) fn kafka_events(
        &mut self,
        raw: Option<&RawKafkaEvents>,
        _: Option<&RawKafka>,
        _: usize,
    ) -> Option<KafkaEventsConfig> {
        self.no_kafka("sinks.kafka", raw.is_some());
        None
    }

    /// What is asked for is not part of this program.
    pub(super) fn no_kafka(&mut self, field: &str, is_asked_for: bool) {
        if is_asked_for {
            let mend = "remove it, or build with the cargo feature `kafka`";
            self.faults.value(field, "this bellwether was built without Kafka", mend);
        }
    }
}

#[cfg(feature = "kafka")]
mod with_kafka {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use bellwether_connect::kafka::{ClientError, Cluster, is_topic};
    use bellwether_connect::objects::{ObjectStoreError, ObjectStoreOptions};
    use bellwether_connect::sink::gauges::TopicOptions;
    use bellwether_connect::sink::kafka::{EventKey, KafkaEventsOptions, TransactionOptions};
    use bellwether_connect::source::kafka::{
        KafkaOptions, KafkaOptionsError, StartAt, TenantFrom, WorkerOptions,
    };
    use bellwether_connect::{Secret, kafka};
    use bellwether_wire::{Compression, Format, Message, Precision};

    use super::{
        Builder, KafkaConfig, KafkaEventsConfig, Limits, RawConfig, RawKafka, RawKafkaEvents,
        WorkersConfig,
    };
    use crate::config::fault::join;
    use crate::config::raw::{
        RawEventKey, RawKafkaGauges, RawMessage, RawStart, RawTenantFrom, RawWorkers,
    };

    /// Whether a consumer sees records of transactions that are not committed.
    const ISOLATION: &str = "isolation.level";

    fn worker_options(raw: &RawWorkers) -> WorkerOptions {
        WorkerOptions {
            session: Duration::from_millis(raw.session_timeout.ms() as u64),
            hand_over_max: Duration::from_millis(raw.hand_over_max.ms() as u64),
        }
    }

    impl Builder<'_, '_> {
        /// What is read, if anything is. `limits` bound what a record may hold.
        pub(in super::super) fn kafka(
            &mut self,
            raw: Option<&RawKafka>,
            limits: &Limits,
        ) -> Option<KafkaConfig> {
            let raw = raw?;
            let properties = (&raw.properties, &raw.properties_files);
            let cluster = self.cluster("kafka", &raw.brokers, properties)?;
            let record_bytes_max = raw.record_bytes_max.bytes() as usize;
            let options = KafkaOptions {
                topics: raw.topics.clone(),
                group: raw.group.clone(),
                instance: raw.instance.clone(),
                format: format(raw),
                start: match raw.start {
                    RawStart::Earliest => StartAt::Earliest,
                    RawStart::Latest => StartAt::Latest,
                },
                tenant_from: match raw.tenant_from {
                    RawTenantFrom::Header => TenantFrom::Header,
                    RawTenantFrom::Key => TenantFrom::Key,
                },
                limits: Limits { body_bytes_max: record_bytes_max, ..limits.clone() },
                record_bytes_max,
                under_way_max: raw.under_way_max,
                buffer_bytes_max: raw.buffer_bytes_max.bytes() as usize,
                dead_letter_topic: raw.dead_letter_topic.clone(),
                commit_every: Duration::from_millis(raw.commit_interval.ms() as u64),
                workers: raw.workers.as_ref().map(worker_options),
                cluster,
            };
            let Err(error) = options.check() else { return Some(options) };
            let (key, message, mend) = match error {
                KafkaOptionsError::OutOfRange { option: "topics" } => (
                    "topics",
                    "no topic is named".to_owned(),
                    "name one, for example `topics: [metrics]`",
                ),
                KafkaOptionsError::OutOfRange { option: option @ "workers.hand_over_max" } => (
                    option,
                    "whoever hands over for longer than a session is taken for dead".to_owned(),
                    "make it less than four fifths of `session_timeout`",
                ),
                KafkaOptionsError::OneTopic => (
                    "topics",
                    "workers share the partitions of one topic".to_owned(),
                    "name one topic, or leave `workers` out",
                ),
                KafkaOptionsError::Group { .. } => (
                    "group",
                    "workers leave checkpoints under this name".to_owned(),
                    "write letters, digits, `.`, `_` and `-`",
                ),
                KafkaOptionsError::Property { property } => {
                    let message = format!("workers rest on how `{property}` is set");
                    ("properties", message, "remove it; see `workers.session_timeout`")
                }
                KafkaOptionsError::OutOfRange { option } => {
                    (option, "there is no value".to_owned(), "leave the key out for the default")
                }
                KafkaOptionsError::Topic { ref topic } => {
                    let is_dead_letter = raw.dead_letter_topic.as_ref() == Some(topic);
                    (
                        if is_dead_letter { "dead_letter_topic" } else { "topics" },
                        "no topic can be called so".to_owned(),
                        "write letters, digits, `.`, `_` and `-`, or a regular expression that begins with `^`",
                    )
                }
                other => ("", other.to_string(), "look at the brokers and the properties"),
            };
            self.faults.value(&join("kafka", key), message, mend);
            None
        }

        /// Where workers keep checkpoints, if there are workers.
        pub(in super::super) fn workers(&mut self, raw: &RawConfig) -> Option<WorkersConfig> {
            let workers = raw.kafka.as_ref()?.workers.as_ref()?;
            let objects = ObjectStoreOptions {
                url: workers.checkpoints.clone().unwrap_or_default(),
                properties: workers.properties.clone(),
            };
            let (key, mend) = match objects.check() {
                Ok(()) => {
                    return Some(WorkersConfig {
                        objects,
                        checkpoint_every_ms: raw.checkpoints.every.ms(),
                        generations_kept: raw.checkpoints.keep,
                    });
                }
                Err(ObjectStoreError::Property { property }) => {
                    let at = format!("kafka.workers.properties.{property}");
                    let message = "stores of objects have no such property";
                    self.faults.value(&at, message, "look at the crate `object_store`");
                    return None;
                }
                Err(_) => (
                    "kafka.workers.checkpoints",
                    "write `file:///folder` that all workers see, or `s3://bucket/prefix`",
                ),
            };
            self.faults.value(key, "this is not the URL of a store of objects", mend);
            None
        }

        /// The topic that events go to, if there is one.
        pub(in super::super) fn kafka_events(
            &mut self,
            raw: Option<&RawKafkaEvents>,
            source: Option<&RawKafka>,
            queue_events_max: usize,
        ) -> Option<KafkaEventsConfig> {
            let raw = raw?;
            let properties = (&raw.properties, &raw.properties_files);
            let cluster = self.cluster("sinks.kafka", &raw.brokers, properties);
            let topic = self.topic("sinks.kafka.topic", raw.topic.as_deref());
            let transactions = self.transactions(raw, source);
            Some(KafkaEventsOptions {
                name: "kafka".to_owned(),
                cluster: cluster?,
                topic: topic?,
                key: match raw.key {
                    RawEventKey::Series => EventKey::Series,
                    RawEventKey::Episode => EventKey::Episode,
                    RawEventKey::Event => EventKey::Event,
                },
                severity: raw.severity.into(),
                queue_events_max,
                transactions,
                produced_within: source
                    .and_then(|source| source.workers.as_ref())
                    .map(|workers| worker_options(workers).silence_max()),
            })
        }

        /// How events are committed together with what is read; `None` when they are not, or cannot be.
        fn transactions(
            &mut self,
            raw: &RawKafkaEvents,
            source: Option<&RawKafka>,
        ) -> Option<TransactionOptions> {
            const KEY: &str = "sinks.kafka.transactions";
            if !raw.transactions {
                return None;
            }
            let Some(source) = source else {
                let message =
                    "there is no topic to be read whose offsets could be committed with events";
                self.faults.value(KEY, message, "add `kafka`, or remove it");
                return None;
            };
            let set = |brokers: &[String]| brokers.iter().cloned().collect::<BTreeSet<_>>();
            if set(&raw.brokers) != set(&source.brokers) {
                let message = "a transaction is of one cluster, and `kafka.brokers` are others";
                let mend = "name the same brokers in both, or remove it";
                self.faults.value(KEY, message, mend);
                return None;
            }
            let clients = [
                ("kafka", &source.properties, &source.properties_files),
                ("sinks.kafka", &raw.properties, &raw.properties_files),
            ];
            for (client, properties, files) in clients {
                for (key, is_set) in [
                    ("properties", properties.contains_key(ISOLATION)),
                    ("properties_files", files.contains_key(ISOLATION)),
                ] {
                    if is_set {
                        let at = format!("{client}.{key}.{ISOLATION}");
                        let message = "transactions rest on how this property is set";
                        self.faults.value(&at, message, "remove it");
                    }
                }
            }
            let is_shared = source.workers.is_some();
            let id = if is_shared {
                source.group.clone()
            } else {
                format!("{}-{}", source.group, source.instance)
            };
            Some(TransactionOptions { id, is_shared })
        }

        /// The topic that gauges go to, if there is one.
        pub(in super::super) fn kafka_gauges(
            &mut self,
            raw: Option<&RawKafkaGauges>,
        ) -> Option<TopicOptions> {
            let raw = raw?;
            let properties = (&raw.properties, &raw.properties_files);
            let cluster = self.cluster("gauges.kafka", &raw.brokers, properties);
            let topic = self.topic("gauges.kafka.topic", raw.topic.as_deref());
            Some(TopicOptions { cluster: cluster?, topic: topic? })
        }

        /// The name of a topic that is produced to.
        pub(in super::super) fn topic(
            &mut self,
            field: &str,
            name: Option<&str>,
        ) -> Option<String> {
            let name = name.unwrap_or_default();
            if is_topic(name) {
                return Some(name.to_owned());
            }
            let mend = "name one, for example `topic: bellwether-events`: letters, digits, `.`, `_` and `-`";
            self.faults.value(field, "this is not the name of a topic", mend);
            None
        }

        /// How the cluster is reached that stands under `field`; `None` if librdkafka would not have it.
        pub(in super::super) fn cluster(
            &mut self,
            field: &str,
            brokers: &[String],
            (values, files): (&BTreeMap<String, Secret>, &BTreeMap<String, String>),
        ) -> Option<Cluster> {
            let mut properties = values.clone();
            let mut fits = true;
            for (name, file) in files {
                let at = format!("{field}.properties_files.{name}");
                if values.contains_key(name) {
                    let message = "`properties` has it too";
                    self.faults.value(&at, message, "keep one of them");
                    fits = false;
                    continue;
                }
                match self.text_file(&at, file).map(Secret::new) {
                    Some(text) => {
                        let text = text.expose().trim_end_matches(['\n', '\r']);
                        properties.insert(name.clone(), Secret::new(text));
                    }
                    None => fits = false,
                }
            }
            let cluster = Cluster { brokers: brokers.to_vec(), properties };
            let error = cluster.check().err();
            let place = |property: &str| {
                let key =
                    if values.contains_key(property) { "properties" } else { "properties_files" };
                format!("{field}.{key}.{property}")
            };
            let needs_tls = |property: &str| {
                ["ssl.", "sasl.", "security."].iter().any(|prefix| property.starts_with(prefix))
            };
            let (at, message, mend) = match &error {
                None => return fits.then_some(cluster),
                Some(ClientError::NoBrokers) => (
                    format!("{field}.brokers"),
                    "no broker is named",
                    "name one, for example `brokers: [\"kafka:9092\"]`",
                ),
                Some(ClientError::Reserved { property }) => {
                    (place(property), "this property is not to be set", "remove it")
                }
                Some(ClientError::Unknown { property }) => (
                    place(property),
                    "librdkafka has no such property",
                    "look at CONFIGURATION.md of librdkafka",
                ),
                Some(ClientError::Value { property }) if needs_tls(property) && !kafka::HAS_TLS => {
                    let mend = "build with the cargo feature `kafka-ssl`; the container image is";
                    (place(property), "this bellwether has no TLS and SASL for Kafka", mend)
                }
                Some(ClientError::Value { property }) => (
                    place(property),
                    "librdkafka does not take this value",
                    "look at CONFIGURATION.md of librdkafka",
                ),
                Some(_) => (
                    field.to_owned(),
                    "librdkafka does not take these properties together",
                    "look at CONFIGURATION.md of librdkafka",
                ),
            };
            self.faults.value(&at, message, mend);
            None
        }
    }

    /// How records are written.
    fn format(raw: &RawKafka) -> Format {
        let precision = |default| raw.precision.map_or(default, Precision::from);
        let message = match raw.format {
            RawMessage::RemoteWrite => Message::RemoteWrite1,
            RawMessage::RemoteWrite2 => Message::RemoteWrite2,
            RawMessage::Json => Message::Json,
            RawMessage::Telegraf => Message::Telegraf(precision(Precision::Seconds)),
            RawMessage::Influx => Message::Influx(precision(Precision::Nanoseconds)),
            RawMessage::Otlp => Message::Otlp,
            RawMessage::OtlpJson => Message::OtlpJson,
            RawMessage::Arrow => Message::Arrow,
        };
        Format::new(message, Compression::from(raw.compression))
    }
}
