//! Prometheus remote read: the question as a client asks it, the answer of raw samples (`SAMPLES`).
//!
//! ```text
//! queries ── encode ──▶ protobuf ── compress ──▶ POST ──▶ body ── decompress ──▶ protobuf ── decode ──▶ one request for each
//! ```
//!
//! The answer to a query is a message whose first field is `TimeSeries`, as that of a write request is. So it is decoded as one,
//! with the same bounds, and its series look like those that remote write would have brought.
//!
//! Messages: `prometheus/prometheus:prompb/remote.proto`. The streamed chunks of newer servers are not asked for: whoever wants
//! bounded memory asks for short times.

use bellwether_series::{MatchOp, Matchers, Timestamp, put_varint};

use crate::remote_write::{DecodeError, Limits, Reader, WriteRequest, bytes_tag, varint_tag};

const QUERIES: u32 = bytes_tag(1);
const START: u32 = varint_tag(1);
const END: u32 = varint_tag(2);
const MATCHERS: u32 = bytes_tag(3);
const MATCHER_OP: u32 = varint_tag(1);
const MATCHER_NAME: u32 = bytes_tag(2);
const MATCHER_VALUE: u32 = bytes_tag(3);
const RESULTS: u32 = bytes_tag(1);

/// The body of a question, not compressed yet: the samples of the series that match, for each of `queries`, from `first` to `last`,
/// both included.
pub fn encode(queries: &[Matchers], first: Timestamp, last: Timestamp) -> Vec<u8> {
    let mut body = Vec::new();
    for matchers in queries {
        let mut query = Vec::new();
        put_number(&mut query, START, first.as_ms() as u64);
        put_number(&mut query, END, last.as_ms() as u64);
        for matcher in matchers.all() {
            let mut message = Vec::new();
            let op = match matcher.op() {
                MatchOp::Equal => 0,
                MatchOp::NotEqual => 1,
                MatchOp::Regex => 2,
                MatchOp::NotRegex => 3,
            };
            put_number(&mut message, MATCHER_OP, op);
            put_bytes(&mut message, MATCHER_NAME, matcher.label().as_bytes());
            put_bytes(&mut message, MATCHER_VALUE, matcher.value().as_bytes());
            put_bytes(&mut query, MATCHERS, &message);
        }
        put_bytes(&mut body, QUERIES, &query);
    }
    body
}

/// The answer to each query of a decompressed body, in their order. `limits` hold for each.
///
/// # Errors
/// [`DecodeError::TooLarge`], [`DecodeError::Malformed`] and [`DecodeError::TooManyObjects`].
pub fn decode(body: &[u8], limits: &Limits) -> Result<Vec<WriteRequest>, DecodeError> {
    let mut reader = Reader::new(body);
    let mut answers = Vec::new();
    while !reader.is_done() {
        let tag = reader.tag()?;
        if tag == RESULTS {
            let result = reader.bytes()?;
            answers.push(WriteRequest::decode(body[result].to_vec(), limits)?);
        } else {
            reader.skip(tag)?;
        }
    }
    Ok(answers)
}

fn put_number(out: &mut Vec<u8>, tag: u32, number: u64) {
    put_varint(out, u64::from(tag));
    put_varint(out, number);
}

fn put_bytes(out: &mut Vec<u8>, tag: u32, bytes: &[u8]) {
    put_varint(out, u64::from(tag));
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use bellwether_series::{LabelSet, Matcher};
    use prost::Message;

    use super::*;
    use crate::remote_write::{RawSample, WriteRequestBuilder};

    /// As in `prompb/remote.proto`, but for hints, which are not sent.
    #[derive(Clone, PartialEq, Message)]
    struct ReadRequest {
        #[prost(message, repeated, tag = "1")]
        queries: Vec<Query>,
        #[prost(int32, repeated, tag = "2")]
        accepted_response_types: Vec<i32>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Query {
        #[prost(int64, tag = "1")]
        start_timestamp_ms: i64,
        #[prost(int64, tag = "2")]
        end_timestamp_ms: i64,
        #[prost(message, repeated, tag = "3")]
        matchers: Vec<LabelMatcher>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct LabelMatcher {
        #[prost(int32, tag = "1")]
        r#type: i32,
        #[prost(string, tag = "2")]
        name: String,
        #[prost(string, tag = "3")]
        value: String,
    }

    fn matchers(all: &[(&str, MatchOp, &str)]) -> Matchers {
        let one = |&(label, op, value): &_| Matcher::new(label, op, value).unwrap();
        Matchers::new(all.iter().map(one).collect())
    }

    #[test]
    fn a_question_is_what_the_protocol_says() {
        let all = [
            ("__name__", MatchOp::Equal, "up"),
            ("a", MatchOp::NotEqual, ""),
            ("b", MatchOp::Regex, "x|y"),
            ("c", MatchOp::NotRegex, "z.*"),
        ];
        let queries = [matchers(&all), matchers(&all[..1])];
        let body = encode(&queries, Timestamp::from_ms(-5), Timestamp::from_ms(1_700_000_000_000));
        let expected = |count| Query {
            start_timestamp_ms: -5,
            end_timestamp_ms: 1_700_000_000_000,
            matchers: (0..)
                .zip(&all[..count])
                .map(|(r#type, &(name, _, value))| LabelMatcher {
                    r#type,
                    name: name.to_owned(),
                    value: value.to_owned(),
                })
                .collect(),
        };
        let asked = ReadRequest::decode(&*body).unwrap();
        assert_eq!(asked.queries, [expected(4), expected(1)]);
        assert!(asked.accepted_response_types.is_empty(), "raw samples are the default");
    }

    #[test]
    fn an_answer_has_the_series_of_each_query() {
        let labels = |name| LabelSet::from_pairs([("__name__", name)]).unwrap();
        let sample = |ms, value| RawSample { timestamp: Timestamp::from_ms(ms), value };
        let stale = f64::from_bits(0x7ff0_0000_0000_0002);
        let mut body = Vec::new();
        for name in ["one", "two"] {
            let mut builder = WriteRequestBuilder::default();
            builder.series(&labels(name), &[sample(1, 2.5), sample(2, stale)]);
            put_bytes(&mut body, RESULTS, &builder.encode());
        }
        put_bytes(&mut body, RESULTS, b"");
        let answers = decode(&body, &Limits::default()).unwrap();
        assert_eq!(answers.len(), 3);
        for (answer, name) in answers.iter().zip(["one", "two"]) {
            let series = answer.series().next().unwrap();
            assert_eq!(series.labels, labels(name).as_wire());
            assert_eq!(series.samples, [sample(1, 2.5), sample(2, stale)]);
        }
        assert_eq!(answers[2].series_count(), 0);
    }

    #[test]
    fn an_answer_beyond_the_limits_or_cut_short_is_refused() {
        let mut body = Vec::new();
        put_bytes(&mut body, RESULTS, &[0x0a, 2, 0x12, 0].repeat(3));
        let limits = Limits { samples_max: 2, ..Limits::default() };
        let error = decode(&body, &limits).unwrap_err();
        assert!(matches!(error, DecodeError::TooManyObjects { .. }), "{error}");
        assert!(decode(&body, &Limits::default()).is_ok());
        let error = decode(&body[..body.len() - 1], &Limits::default()).unwrap_err();
        assert!(matches!(error, DecodeError::Malformed { .. }), "{error}");
    }
}
