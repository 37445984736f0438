//! Encodes requests, as a sender does.

use bellwether_series::{LabelSet, put_varint};

use super::{MetricType, RawSample};

/// Builds the protobuf body of a request; [`compress`](super::compress) makes it ready to send.
///
/// ```
/// use bellwether_series::{LabelSet, Timestamp};
/// use bellwether_wire::remote_write::{Limits, RawSample, WriteRequest, WriteRequestBuilder};
///
/// let labels = LabelSet::from_pairs([("__name__", "up"), ("job", "j")])?;
/// let sample = RawSample { timestamp: Timestamp::from_ms(1_700_000_000_000), value: 1.0 };
/// let mut builder = WriteRequestBuilder::default();
/// builder.series(&labels, &[sample]);
/// let request = WriteRequest::decode(builder.encode(), &Limits::default())?;
/// assert_eq!(request.series().next().unwrap().labels, labels.as_wire());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct WriteRequestBuilder {
    body: Vec<u8>,
    message: Vec<u8>,
}

impl WriteRequestBuilder {
    /// Adds a series with its samples, in the order given.
    pub fn series(&mut self, labels: &LabelSet, samples: &[RawSample]) {
        self.wire_series(labels.as_wire(), samples);
    }

    /// Adds a series as it was received: `labels` are those of a [`SeriesRef`](super::SeriesRef).
    pub fn wire_series(&mut self, labels: &[u8], samples: &[RawSample]) {
        self.message.clear();
        self.message.extend_from_slice(labels);
        for sample in samples {
            let timestamp = sample.timestamp.as_ms() as u64;
            let timestamp_bytes = (64 - (timestamp | 1).leading_zeros()).div_ceil(7);
            self.message.extend_from_slice(&[0x12, 10 + timestamp_bytes as u8, 0x09]);
            self.message.extend_from_slice(&sample.value.to_bits().to_le_bytes());
            self.message.push(0x10);
            put_varint(&mut self.message, timestamp);
        }
        self.put_message(0x0A);
    }

    /// Adds what is known of a metric family.
    pub fn metadata(&mut self, family: &str, kind: MetricType, help: &str, unit: &str) {
        self.message.clear();
        self.message.push(0x08);
        put_varint(&mut self.message, kind.to_wire());
        for (tag, text) in [(0x12, family), (0x22, help), (0x2A, unit)] {
            self.message.push(tag);
            put_varint(&mut self.message, text.len() as u64);
            self.message.extend_from_slice(text.as_bytes());
        }
        self.put_message(0x1A);
    }

    /// Bytes of what was added since the last [`Self::encode`].
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Whether nothing was added since the last [`Self::encode`].
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Takes the encoded body out; the builder is empty afterwards and may be used again.
    pub fn encode(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }

    fn put_message(&mut self, tag: u8) {
        self.body.push(tag);
        put_varint(&mut self.body, self.message.len() as u64);
        self.body.extend_from_slice(&self.message);
    }
}

#[cfg(test)]
mod tests {
    use bellwether_series::Timestamp;

    use super::*;

    #[test]
    fn the_body_is_what_prometheus_sends() {
        let labels = LabelSet::from_pairs([("job", "j"), ("__name__", "up")]).unwrap();
        let sample = RawSample { timestamp: Timestamp::from_ms(1_700_000_000_000), value: 1.0 };
        let mut builder = WriteRequestBuilder::default();
        assert!(builder.is_empty());
        builder.series(&labels, &[sample]);
        assert_eq!((builder.is_empty(), builder.bytes()), (false, 46));
        let expected = b"\x0a\x2c\x0a\x0e\x0a\x08__name__\x12\x02up\x0a\x08\x0a\x03job\x12\x01j\
            \x12\x10\x09\0\0\0\0\0\0\xf0\x3f\x10\x80\xd0\x95\xff\xbc\x31";
        assert_eq!(builder.encode(), expected);
        assert!(builder.is_empty());
        assert_eq!(builder.encode(), b"");
    }
}
