//! Brokers, properties, and what is wrong with them.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaConfRes;

use crate::secret::Secret;

/// Properties that are ours to set, because what we promise rests on them.
pub const RESERVED_PROPERTIES: [&str; 9] = [
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "log.queue",
    "transactional.id",
];

/// Longest name of a topic, in bytes. The journal has room for it.
const TOPIC_BYTES_MAX: usize = 249;

/// Whether a topic can be called `name`.
pub fn is_topic(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=TOPIC_BYTES_MAX).contains(&name.len())
        && name.bytes().all(legal)
        && !matches!(name, "." | "..")
}

/// Where a cluster is, and how it is talked to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// `host:port` of brokers to begin with; they name the others.
    pub brokers: Vec<String>,
    /// Properties of librdkafka, by name. They win over ours.
    pub properties: BTreeMap<String, Secret>,
}

/// What a client is for: librdkafka has properties of its own for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Consumer,
    Producer,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No broker is named.
    #[error("no broker is named")]
    NoBrokers,
    /// A property that is ours to set.
    #[error("property is not to be set: property=`{property}`")]
    Reserved {
        /// Its name.
        property: String,
    },
    /// librdkafka has no such property.
    #[error("librdkafka has no such property: property=`{property}`")]
    Unknown {
        /// Its name.
        property: String,
    },
    /// librdkafka does not take the value, or was built without what it needs.
    #[error("librdkafka does not take the value: property=`{property}`")]
    Value {
        /// Its name. The value may be a secret.
        property: String,
    },
    /// The properties do not go together, or the system refuses something.
    #[error("client cannot be started: {reason}")]
    Client {
        /// As librdkafka says it.
        reason: String,
    },
}

impl Cluster {
    /// Whether librdkafka takes all of it. Nothing is connected to.
    ///
    /// # Errors
    /// The first thing that it does not take.
    pub fn check(&self) -> Result<(), ClientError> {
        self.config(Role::Consumer, &[])?.create_native_config().map_err(ClientError::from)?;
        Ok(())
    }

    /// The configuration of a client: `own`, and above it what the properties say.
    pub(crate) fn config(
        &self,
        role: Role,
        own: &[(&str, String)],
    ) -> Result<ClientConfig, ClientError> {
        if self.brokers.is_empty() {
            return Err(ClientError::NoBrokers);
        }
        let reserved = |name: &&String| RESERVED_PROPERTIES.contains(&name.as_str());
        if let Some(property) = self.properties.keys().find(reserved) {
            return Err(ClientError::Reserved { property: property.clone() });
        }
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers.join(","));
        config.set("client.id", "bellwether");
        if role == Role::Producer {
            config.set("enable.idempotence", "true");
        }
        for (name, value) in own {
            config.set(*name, value.as_str());
        }
        for (name, value) in &self.properties {
            config.set(name.as_str(), value.expose());
        }
        // Everything: what is logged is for our own filter to say.
        config.set_log_level(rdkafka::config::RDKafkaLogLevel::Info);
        Ok(config)
    }
}

impl From<KafkaError> for ClientError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, _, property, _) => {
                Self::Unknown { property }
            }
            KafkaError::ClientConfig(_, _, property, _) => Self::Value { property },
            KafkaError::ClientCreation(reason) => Self::Client { reason },
            other => Self::Client { reason: describe(&other) },
        }
    }
}

/// What a human needs to know of `error`: the code and what it stands for. Never a value of a property.
pub(crate) fn describe(error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::AllBrokersDown) => "no broker can be reached".to_owned(),
        Some(code) => code.to_string(),
        None => match error {
            KafkaError::ClientConfig(_, _, property, _) => format!("property `{property}`"),
            other => other.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(properties: &[(&str, &str)]) -> Cluster {
        let secret = |&(name, value): &(&str, &str)| (name.to_owned(), Secret::new(value));
        Cluster {
            brokers: vec!["127.0.0.1:9".to_owned()],
            properties: properties.iter().map(secret).collect(),
        }
    }

    fn fault(properties: &[(&str, &str)]) -> String {
        cluster(properties).check().unwrap_err().to_string()
    }

    #[test]
    fn properties_of_librdkafka_are_taken_and_win_over_ours() {
        let cluster = cluster(&[("client.id", "mine"), ("fetch.wait.max.ms", "7")]);
        cluster.check().unwrap();
        let own = [("fetch.wait.max.ms", "100".to_owned()), ("linger.ms", "3".to_owned())];
        let config = cluster.config(Role::Producer, &own).unwrap();
        let value = |name| config.get(name);
        assert_eq!(value("client.id"), Some("mine"));
        assert_eq!(value("fetch.wait.max.ms"), Some("7"));
        assert_eq!((value("linger.ms"), value("enable.idempotence")), (Some("3"), Some("true")));
    }

    #[test]
    fn what_is_wrong_is_named_and_no_value_is_shown() {
        assert_eq!(
            fault(&[("fetch.canary", "1")]),
            "librdkafka has no such property: property=`fetch.canary`"
        );
        assert_eq!(
            fault(&[("fetch.wait.max.ms", "canary")]),
            "librdkafka does not take the value: property=`fetch.wait.max.ms`"
        );
        for property in RESERVED_PROPERTIES {
            let fault = fault(&[(property, "true")]);
            assert_eq!(fault, format!("property is not to be set: property=`{property}`"));
        }
        assert!(matches!(Cluster::default().check(), Err(ClientError::NoBrokers)));
    }
}
