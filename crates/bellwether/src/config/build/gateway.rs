//! The gateway: from the keys to its options.

use super::Builder;
use crate::config::raw::RawConfig;
use crate::config::{GatewayConfig, RuntimeConfig};

#[cfg(not(feature = "kafka"))]
impl Builder<'_, '_> {
    pub(super) fn gateway(&mut self, raw: &RawConfig, _: RuntimeConfig) -> Option<GatewayConfig> {
        self.no_kafka("gateway", raw.gateway.is_some());
        None
    }
}

#[cfg(feature = "kafka")]
mod with_kafka {
    use std::time::Duration;

    use bellwether_connect::gateway::{GatewayOptions, GatewayOptionsError};

    use super::{Builder, GatewayConfig, RawConfig, RuntimeConfig};
    use crate::config::fault::join;
    use crate::config::raw::{RawCompression, RawGateway, RawKafka, RawMessage};
    use crate::config::text::DurationText;

    impl Builder<'_, '_> {
        /// What a record may hold: all labels of a series, and what its reader takes.
        fn gateway_records(&mut self, config: &RawConfig, raw: &RawGateway) {
            // Twice: names and values are framed.
            if raw.record_bytes_max.bytes() < 2 * config.labels.total_bytes_max.bytes() {
                let message = "the labels of one series may be larger";
                let mend = "write twice as much as `labels.total_bytes_max`, or more";
                self.faults.value("gateway.record_bytes_max", message, mend);
            }
            let Some(kafka) = config.kafka.as_ref().filter(|kafka| reads_it(kafka, raw)) else {
                return;
            };
            if raw.record_bytes_max.bytes() > kafka.record_bytes_max.bytes() {
                let message = "`kafka.record_bytes_max` is less, and that topic is read";
                let mend = "write as much as there, or less";
                self.faults.value("gateway.record_bytes_max", message, mend);
            }
            if kafka.format != RawMessage::RemoteWrite || kafka.compression != RawCompression::None
            {
                let message = "a gateway writes remote write that is not compressed to that topic";
                let mend = "leave out `format` and `compression`";
                self.faults.value("kafka.format", message, mend);
            }
        }

        /// What a gateway produces to, if anything. `runtime` says how many requests may wait, and for how many threads.
        pub(in super::super) fn gateway(
            &mut self,
            config: &RawConfig,
            runtime: RuntimeConfig,
        ) -> Option<GatewayConfig> {
            let raw = config.gateway.as_ref()?;
            self.gateway_records(config, raw);
            let properties = (&raw.properties, &raw.properties_files);
            let cluster = self.cluster("gateway", &raw.brokers, properties);
            let topic = self.topic("gateway.topic", raw.topic.as_deref());
            let options = GatewayOptions {
                cluster: cluster?,
                topic: topic?,
                record_bytes_max: raw.record_bytes_max.bytes() as usize,
                buffer_bytes_max: raw.buffer_bytes_max.bytes() as usize,
                queue_requests_max: runtime.queue_requests_max,
                threads: runtime.shards,
                confirm_timeout: time(raw.confirm_timeout),
                heartbeat_every: time(raw.heartbeat_interval),
                metadata_every: time(raw.metadata_interval),
            };
            let (key, message, mend) = match options.check() {
                Ok(()) => return Some(options),
                Err(GatewayOptionsError::OutOfRange { option: option @ "buffer_bytes_max" }) => (
                    option.to_owned(),
                    "not even one record has room".to_owned(),
                    "write more than `record_bytes_max`",
                ),
                Err(GatewayOptionsError::Acks { property }) => (
                    format!("properties.{property}"),
                    "what not all replicas have confirmed is not safe".to_owned(),
                    "remove it",
                ),
                Err(error) => {
                    (String::new(), error.to_string(), "look at the brokers and the properties")
                }
            };
            self.faults.value(&join("gateway", &key), message, mend);
            None
        }
    }

    /// Whether the topic is read under the same configuration.
    fn reads_it(kafka: &RawKafka, gateway: &RawGateway) -> bool {
        gateway.topic.as_ref().is_some_and(|topic| kafka.topics.contains(topic))
    }

    fn time(text: DurationText) -> Duration {
        Duration::from_millis(text.ms().unsigned_abs())
    }
}
