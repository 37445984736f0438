//! The labels that all series of a resource have.

use super::any_value::{self, KeyValue};
use super::names::push_label_name;
use crate::remote_write::{Assembler, DecodeError, LabelBuffer, Reader, bytes_tag};

const ATTRIBUTES: u32 = bytes_tag(1);

/// Attributes of a resource that become labels: those that Prometheus' guide to OpenTelemetry names, which tell machines and
/// workloads apart, and the names of hosts and nodes. Versions and process ids are not among them: a series that changes its
/// labels begins anew.
pub const PROMOTED: [&str; 17] = [
    "cloud.availability_zone",
    "cloud.region",
    "container.name",
    "deployment.environment",
    "deployment.environment.name",
    "host.name",
    "k8s.cluster.name",
    "k8s.container.name",
    "k8s.cronjob.name",
    "k8s.daemonset.name",
    "k8s.deployment.name",
    "k8s.job.name",
    "k8s.namespace.name",
    "k8s.node.name",
    "k8s.pod.name",
    "k8s.replicaset.name",
    "k8s.statefulset.name",
];

/// What a resource says about the service that it is; used again for the next one.
#[derive(Debug, Default)]
pub(super) struct Resource {
    namespace: Vec<u8>,
    name: Vec<u8>,
    instance: Vec<u8>,
}

impl Resource {
    pub(super) fn clear(&mut self) {
        self.namespace.clear();
        self.name.clear();
        self.instance.clear();
    }

    /// Reads a `Resource`; its labels go to `labels`, but for those of [`Self::finish`].
    pub(super) fn read(
        &mut self,
        body: &[u8],
        mut message: Reader<'_>,
        labels: &mut LabelBuffer,
        assembler: &mut Assembler,
    ) -> Result<(), DecodeError> {
        while !message.is_done() {
            let offset = message.at();
            match message.tag()? {
                ATTRIBUTES => {
                    assembler.object(offset)?;
                    self.read_attribute(body, message.message()?, labels)?;
                }
                tag => message.skip(tag)?,
            }
        }
        Ok(())
    }

    fn read_attribute(
        &mut self,
        body: &[u8],
        message: Reader<'_>,
        labels: &mut LabelBuffer,
    ) -> Result<(), DecodeError> {
        let KeyValue { key, value } = KeyValue::read(body, message)?;
        let (Ok(key), Some(value)) = (str::from_utf8(key), value) else { return Ok(()) };
        let text = match key {
            "service.namespace" => &mut self.namespace,
            "service.name" => &mut self.name,
            "service.instance.id" => &mut self.instance,
            key if PROMOTED.contains(&key) => {
                let before = labels.mark();
                let mut written = Ok(());
                labels.push_with(
                    |text| push_label_name(key, text),
                    |text| written = any_value::write(body, value, text),
                );
                // A resource says each key once. Were that not held to, each attribute would be compared with any number of them.
                if labels.newest_is_known(before) {
                    labels.truncate(before);
                }
                return written;
            }
            _ => return Ok(()),
        };
        text.clear();
        any_value::write(body, value, text)
    }

    /// Adds `job` and `instance`, as far as the resource says them.
    pub(super) fn finish(&self, labels: &mut LabelBuffer) {
        if !self.name.is_empty() {
            labels.push_with(
                |text| text.extend_from_slice(b"job"),
                |text| {
                    if !self.namespace.is_empty() {
                        text.extend_from_slice(&self.namespace);
                        text.push(b'/');
                    }
                    text.extend_from_slice(&self.name);
                },
            );
        }
        if !self.instance.is_empty() {
            labels.push(b"instance", &self.instance);
        }
    }
}
