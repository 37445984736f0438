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
    /// Bytes of records that were read and wait for the engine. When they are more, nothing is read; a partition that is stuck keeps
    /// its share of them, or its next record. As much again may wait
    /// within librdkafka, what is decoded ahead takes 8 MiB at the most, and dead letters under way take as much as what may wait.
    pub buffer_bytes_max: usize,
    /// Where poison goes; `None`: it is counted and left out.
    pub dead_letter_topic: Option<String>,
    /// How often offsets are committed to the group, for tools that show lag. Above 0.
    pub commit_every: Duration,
    /// Several processes share the group, and each has the state of its partitions; `None`: one process reads all of it.
    pub workers: Option<WorkerOptions>,
}

/// How processes share a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerOptions {
    /// Whoever is not heard of for so long is taken for dead, and others get its partitions. What brokers allow, by default 6
    /// seconds or more.
    pub session: Duration,
    /// Longest wait for the last checkpoints of partitions that go to somebody else; below [`Self::silence_max`].
    pub hand_over_max: Duration,
}

impl WorkerOptions {
    /// Heartbeats are sent this often.
    pub(super) fn heartbeat(&self) -> Duration {
        (self.session / 10).max(Duration::from_millis(1))
    }

    /// Whoever did nothing for so long is no member any more by its own clock. That is before the group's session is over, which began
    /// with a heartbeat that may have been a while ago by then.
    pub fn silence_max(&self) -> Duration {
        self.session.saturating_sub(2 * self.heartbeat())
    }
}

/// Properties that are ours to set where processes share a group.
const WORKER_PROPERTIES: [&str; 5] = [
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "group.instance.id",
    "group.protocol",
    "partition.assignment.strategy",
];

/// Properties that librdkafka takes only with the classic protocol of groups.
const CLASSIC_PROPERTIES: [&str; 4] = [
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "group.protocol.type",
    "partition.assignment.strategy",
];

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
    /// Workers share a topic, and what is for the fleet is shared by its partitions.
    #[error("workers read one topic, and no pattern of topics")]
    OneTopic,
    /// Workers leave objects under this name.
    #[error("the group of workers cannot be called so: group=`{group}`")]
    Group {
        /// What was asked for.
        group: String,
    },
    /// A property on which it rests that no two workers have a partition.
    #[error("property is not to be set where workers share a group: property=`{property}`")]
    Property {
        /// Its name.
        property: &'static str,
    },
    /// A property that says how a member does what with the other protocol of groups brokers do.
    #[error("property does not go with `group.protocol: consumer`: property=`{property}`")]
    Classic {
        /// Its name.
        property: &'static str,
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
            workers: None,
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
        if let Some(workers) = &self.workers {
            self.check_workers(workers)?;
        }
        if !self.is_classic()
            && let Some(property) = self.first_set(&CLASSIC_PROPERTIES)
        {
            return Err(KafkaOptionsError::Classic { property });
        }
        Ok(self.cluster.check()?)
    }

    /// Whether the group is of the classic protocol, where members share partitions among themselves, and not the broker among them.
    pub(super) fn is_classic(&self) -> bool {
        let protocol = self.cluster.properties.get("group.protocol");
        !protocol.is_some_and(|protocol| protocol.expose().eq_ignore_ascii_case("consumer"))
    }

    /// The first of these properties that is set.
    fn first_set(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|&name| self.cluster.properties.contains_key(name))
    }

    fn check_workers(&self, workers: &WorkerOptions) -> Result<(), KafkaOptionsError> {
        if self.topics.len() != 1 || self.topics[0].starts_with('^') {
            return Err(KafkaOptionsError::OneTopic);
        }
        if !is_topic(&self.group) {
            return Err(KafkaOptionsError::Group { group: self.group.clone() });
        }
        if workers.session < Duration::from_secs(1) {
            return Err(KafkaOptionsError::OutOfRange { option: "workers.session_timeout" });
        }
        if workers.hand_over_max >= workers.silence_max() {
            return Err(KafkaOptionsError::OutOfRange { option: "workers.hand_over_max" });
        }
        match self.first_set(&WORKER_PROPERTIES) {
            Some(property) => Err(KafkaOptionsError::Property { property }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn options() -> KafkaOptions {
        let cluster = Cluster { brokers: vec!["127.0.0.1:9".to_owned()], properties: [].into() };
        KafkaOptions::new(cluster, vec!["metrics".to_owned()], Format::REMOTE_WRITE_1)
    }

    #[test]
    fn workers_share_one_topic_and_what_keeps_them_apart_is_not_to_be_changed() {
        let seconds = Duration::from_secs;
        let workers = WorkerOptions { session: seconds(6), hand_over_max: seconds(4) };
        let of = |workers| KafkaOptions { workers: Some(workers), ..options() };
        of(workers).check().unwrap();
        let two = vec!["a".to_owned(), "b".to_owned()];
        let mut pinned = of(workers);
        let one = Secret::new("one");
        pinned.cluster.properties.insert("group.instance.id".to_owned(), one);
        for (options, message) in [
            (KafkaOptions { topics: two, ..of(workers) }, "one topic"),
            (KafkaOptions { topics: vec!["^m".to_owned()], ..of(workers) }, "one topic"),
            (KafkaOptions { group: "a/b".to_owned(), ..of(workers) }, "group=`a/b`"),
            (of(WorkerOptions { hand_over_max: seconds(5), ..workers }), "hand_over_max"),
            (of(WorkerOptions { session: seconds(0), ..workers }), "session_timeout"),
            (pinned, "property=`group.instance.id`"),
        ] {
            let error = options.check().unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn what_only_the_classic_protocol_of_groups_has_does_not_go_with_the_other() {
        let set = |mut options: KafkaOptions, all: &[(&str, &str)]| {
            let secret = |&(name, value): &(&str, &str)| (name.to_owned(), Secret::new(value));
            options.cluster.properties.extend(all.iter().map(secret));
            options
        };
        let other = || set(options(), &[("group.protocol", "Consumer")]);
        other().check().unwrap();
        assert!(!other().is_classic());
        for property in CLASSIC_PROPERTIES {
            let error = set(other(), &[(property, "1")]).check().unwrap_err().to_string();
            assert!(error.ends_with(&format!("consumer`: property=`{property}`")), "{error}");
        }
        let classic = [("group.protocol", "classic"), ("session.timeout.ms", "9000")];
        set(options(), &classic).check().unwrap();
        let session = Duration::from_secs(6);
        let workers = WorkerOptions { session, hand_over_max: Duration::from_secs(4) };
        let workers = KafkaOptions { workers: Some(workers), ..other() };
        let error = workers.check().unwrap_err().to_string();
        assert!(error.ends_with("property=`group.protocol`"), "{error}");
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
