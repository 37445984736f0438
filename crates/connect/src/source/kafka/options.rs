//! What is read, and how much at a time.

use std::time::Duration;

use bellwether_wire::Format;
use bellwether_wire::remote_write::Limits;

use crate::kafka::{ClientError, Cluster, is_topic};

/// What is read, and how much at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaOptions {
    /// Where the topics are.
    pub cluster: Cluster,
    /// Names of topics; one that begins with `^` is a regular expression over names. At least one.
    pub topics: Vec<String>,
    /// The consumer group.
    pub group: String,
    /// Who we are in it. Of two members that say the same the one that came last has all partitions, and the other none.
    pub instance: String,
    /// What records are written in.
    pub format: Format,
    /// Where a partition begins of which the engine has taken nothing.
    pub start: StartAt,
    /// What names the tenant of a record, where there are tenants.
    pub tenant_from: TenantFrom,
    /// Bounds on what one record holds.
    pub limits: Limits,
    /// Largest value of a record, in bytes; a larger one is poison.
    pub record_bytes_max: usize,
    /// Records of all partitions that are with the engine at a time; at least 1.
    pub under_way_max: usize,
    /// Bytes of records that were read and wait for the engine. When they are more, nothing is read. As much again may wait
    /// within librdkafka.
    pub buffer_bytes_max: usize,
    /// Where poison goes; `None`: it is counted and left out.
    pub dead_letter_topic: Option<String>,
    /// How often offsets are committed to the group, for tools that show lag. Above 0.
    pub commit_every: Duration,
}

/// Where a partition begins of which the engine has taken nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// With the oldest record that there is.
    Earliest,
    /// With the next record that comes.
    Latest,
}

/// What names the tenant of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantFrom {
    /// Its header of the same name as with HTTP.
    Header,
    /// Its key.
    Key,
}

/// Why options are unusable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaOptionsError {
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
    /// librdkafka does not take it.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl KafkaOptions {
    /// Defaults for what stands in no file: everything but where and what.
    pub fn new(cluster: Cluster, topics: Vec<String>, format: Format) -> Self {
        Self {
            cluster,
            topics,
            group: "bellwether".to_owned(),
            instance: "bellwether".to_owned(),
            format,
            start: StartAt::Earliest,
            tenant_from: TenantFrom::Header,
            limits: Limits::default(),
            record_bytes_max: 16 << 20,
            under_way_max: 32,
            buffer_bytes_max: 32 << 20,
            dead_letter_topic: None,
            commit_every: Duration::from_secs(5),
        }
    }

    /// Whether they can be used. Nothing is connected to.
    ///
    /// # Errors
    /// The first thing that cannot.
    pub fn check(&self) -> Result<(), KafkaOptionsError> {
        let in_range = [
            ("topics", !self.topics.is_empty()),
            ("group", !self.group.is_empty()),
            ("instance", !self.instance.is_empty()),
            ("record_bytes_max", self.record_bytes_max > 0),
            ("under_way_max", self.under_way_max > 0),
            ("buffer_bytes_max", self.buffer_bytes_max > 0),
            ("commit_every", !self.commit_every.is_zero()),
        ];
        if let Some((option, _)) = in_range.into_iter().find(|(_, good)| !good) {
            return Err(KafkaOptionsError::OutOfRange { option });
        }
        let patterns = self.topics.iter().filter(|topic| !topic.starts_with('^'));
        let names = patterns.chain(&self.dead_letter_topic);
        if let Some(topic) = names.into_iter().find(|name| !is_topic(name)) {
            return Err(KafkaOptionsError::Topic { topic: topic.clone() });
        }
        Ok(self.cluster.check()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> KafkaOptions {
        let cluster = Cluster { brokers: vec!["127.0.0.1:9".to_owned()], properties: [].into() };
        KafkaOptions::new(cluster, vec!["metrics".to_owned()], Format::REMOTE_WRITE_1)
    }

    #[test]
    fn the_defaults_can_be_used_and_what_cannot_is_named() {
        options().check().unwrap();
        let pattern = KafkaOptions { topics: vec!["^metrics-(a|b)".to_owned()], ..options() };
        pattern.check().unwrap();
        for (options, message) in [
            (KafkaOptions { topics: Vec::new(), ..options() }, "option=`topics`"),
            (KafkaOptions { under_way_max: 0, ..options() }, "option=`under_way_max`"),
            (KafkaOptions { topics: vec!["a/b".to_owned()], ..options() }, "topic=`a/b`"),
            (KafkaOptions { dead_letter_topic: Some("..".to_owned()), ..options() }, "topic=`..`"),
            (KafkaOptions { topics: vec!["x".repeat(250)], ..options() }, "topic=`xxx"),
            (KafkaOptions { cluster: Cluster::default(), ..options() }, "no broker"),
        ] {
            let error = options.check().unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
