//! The gateway: from the keys to its options.

use super::Builder;
use crate::config::raw::RawGateway;
use crate::config::{GatewayConfig, RuntimeConfig};

#[cfg(not(feature = "kafka"))]
impl Builder<'_, '_> {
    pub(super) fn gateway(
        &mut self,
        raw: Option<&RawGateway>,
        _: RuntimeConfig,
    ) -> Option<GatewayConfig> {
        self.no_kafka("gateway", raw.is_some());
        None
    }
}

#[cfg(feature = "kafka")]
mod with_kafka {
    use std::time::Duration;

    use bellwether_connect::gateway::{GatewayOptions, GatewayOptionsError};

    use super::{Builder, GatewayConfig, RawGateway, RuntimeConfig};
    use crate::config::fault::join;
    use crate::config::text::DurationText;

    impl Builder<'_, '_> {
        /// What a gateway produces to, if anything. `runtime` says how many requests may wait, and for how many threads.
        pub(in super::super) fn gateway(
            &mut self,
            raw: Option<&RawGateway>,
            runtime: RuntimeConfig,
        ) -> Option<GatewayConfig> {
            let raw = raw?;
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

    fn time(text: DurationText) -> Duration {
        Duration::from_millis(text.ms().unsigned_abs())
    }
}
