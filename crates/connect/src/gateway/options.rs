//! What a gateway produces to, and how much it holds at a time.

use std::time::Duration;

use crate::kafka::{ClientError, Cluster, is_topic};

/// Properties of librdkafka that say whose confirmation is waited for, under both of their names.
const ACKS: [&str; 2] = ["acks", "request.required.acks"];
/// Room for headers and framing of a record beside its value, in bytes.
const OVERHEAD_BYTES: usize = 64 << 10;

/// What a gateway produces to, and how much it holds at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayOptions {
    /// Where the topic is.
    pub cluster: Cluster,
    /// The topic. It must exist, unless the brokers make topics by themselves.
    pub topic: String,
    /// Largest value of a record, in bytes, before compression; at least 64 KiB. Only the labels of one series can make a larger
    /// one.
    pub record_bytes_max: usize,
    /// Bytes of records that may wait for their confirmation; beyond it senders are told to come back.
    pub buffer_bytes_max: usize,
    /// Requests that may wait to be split; beyond it senders are told to come back. At least 1.
    pub queue_requests_max: usize,
    /// Threads that split requests; at least 1.
    pub threads: usize,
    /// A record that is not confirmed by then is given up, and its request answered 503. Above 0.
    pub confirm_timeout: Duration,
    /// How often each partition gets a heartbeat. Above 0.
    pub heartbeat_every: Duration,
    /// All partitions are told again what a metric family is when somebody says it after so long. Above 0.
    pub metadata_every: Duration,
}

/// Why options are unusable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayOptionsError {
    /// A value is out of range.
    #[error("option is out of range: option=`{option}`")]
    OutOfRange {
        /// Name of the field.
        option: &'static str,
    },
    /// No topic can be called so.
    #[error("no topic can be called so: topic=`{topic}`")]
    Topic {
        /// What was asked for.
        topic: String,
    },
    /// Brokers would confirm what is not safe yet.
    #[error("all replicas must confirm: property=`{property}`")]
    Acks {
        /// Name of the property.
        property: &'static str,
    },
    /// librdkafka does not take it.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl GatewayOptions {
    /// Smallest [`Self::record_bytes_max`].
    pub const RECORD_BYTES_MIN: usize = 64 << 10;

    /// Defaults for everything but where and what.
    pub fn new(cluster: Cluster, topic: String) -> Self {
        Self {
            cluster,
            topic,
            // With its overhead below what brokers take unless they are told otherwise: 1048588 bytes.
            record_bytes_max: 900 << 10,
            buffer_bytes_max: 64 << 20,
            queue_requests_max: 64,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            confirm_timeout: Duration::from_secs(10),
            heartbeat_every: Duration::from_secs(10),
            metadata_every: Duration::from_mins(10),
        }
    }

    /// Whether they can be used. Nothing is connected to.
    ///
    /// # Errors
    /// The first thing that cannot.
    pub fn check(&self) -> Result<(), GatewayOptionsError> {
        let in_range = [
            ("record_bytes_max", self.record_bytes_max >= Self::RECORD_BYTES_MIN),
            ("buffer_bytes_max", self.buffer_bytes_max >= self.record_bytes_max),
            ("queue_requests_max", self.queue_requests_max > 0),
            ("threads", self.threads > 0),
            ("confirm_timeout", !self.confirm_timeout.is_zero()),
            ("heartbeat_every", !self.heartbeat_every.is_zero()),
            ("metadata_every", !self.metadata_every.is_zero()),
        ];
        if let Some((option, _)) = in_range.into_iter().find(|(_, good)| !good) {
            return Err(GatewayOptionsError::OutOfRange { option });
        }
        if !is_topic(&self.topic) {
            return Err(GatewayOptionsError::Topic { topic: self.topic.clone() });
        }
        let all = |value: &str| matches!(value, "all" | "-1");
        let weaker = |&&property: &&&str| {
            let value = self.cluster.properties.get(property);
            value.is_some_and(|value| !all(value.expose()))
        };
        if let Some(property) = ACKS.iter().find(weaker) {
            return Err(GatewayOptionsError::Acks { property });
        }
        Ok(self.cluster.check()?)
    }

    /// What we ask of the producer.
    pub(super) fn producer(&self) -> Vec<(&'static str, String)> {
        let kibibytes = (self.buffer_bytes_max >> 10).clamp(1, 2_147_483_647);
        let record_bytes = self.record_bytes_max.saturating_add(OVERHEAD_BYTES);
        vec![
            ("linger.ms", "5".to_owned()),
            ("compression.codec", "lz4".to_owned()),
            ("message.max.bytes", record_bytes.min(1_000_000_000).to_string()),
            ("message.timeout.ms", self.confirm_timeout.as_millis().max(1).to_string()),
            ("queue.buffering.max.kbytes", kibibytes.to_string()),
            ("topic.metadata.refresh.interval.ms", "10000".to_owned()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn options() -> GatewayOptions {
        let cluster = Cluster { brokers: vec!["127.0.0.1:9".to_owned()], properties: [].into() };
        GatewayOptions::new(cluster, "metrics".to_owned())
    }

    fn with(name: &str, value: &str) -> GatewayOptions {
        let properties = [(name.to_owned(), Secret::new(value))].into();
        let cluster = Cluster { properties, ..options().cluster };
        GatewayOptions { cluster, ..options() }
    }

    #[test]
    fn the_defaults_can_be_used_and_what_cannot_is_named() {
        options().check().unwrap();
        with("acks", "all").check().unwrap();
        with("linger.ms", "20").check().unwrap();
        for (options, message) in [
            (GatewayOptions { record_bytes_max: 1000, ..options() }, "option=`record_bytes_max`"),
            (GatewayOptions { buffer_bytes_max: 1000, ..options() }, "option=`buffer_bytes_max`"),
            (GatewayOptions { topic: "^all".to_owned(), ..options() }, "topic=`^all`"),
            (with("acks", "1"), "property=`acks`"),
            (with("request.required.acks", "0"), "property=`request.required.acks`"),
            (with("enable.idempotence", "false"), "not to be set"),
            (with("linger.canary", "1"), "property=`linger.canary`"),
        ] {
            let error = options.check().unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
