//! Asking by remote read: the samples that were stored, with their own times.

use bellwether_series::{LabelLimits, LabelSet, Timestamp};
use bellwether_wire::remote_read;
use bellwether_wire::remote_write::{DecodeError, Limits, compress, decompress};

use super::exchange::{Failure, Refusal, Server};
use super::{Answer, HistoryQuery, SeriesPage};

const HEADERS: [(&str, &str); 4] = [
    ("content-type", "application/x-protobuf"),
    ("content-encoding", "snappy"),
    ("accept-encoding", "snappy"),
    ("x-prometheus-remote-read-version", "0.1.0"),
];

/// The server has taken them already.
const ANY_LABELS: LabelLimits = LabelLimits {
    labels_max: usize::MAX,
    name_bytes_max: usize::MAX,
    value_bytes_max: usize::MAX,
    total_bytes_max: usize::MAX,
};

/// What the server has from `first` to `last`.
pub(super) async fn ask(
    server: &Server,
    query: &HistoryQuery,
    first: Timestamp,
    last: Timestamp,
) -> Result<Answer, Failure> {
    let selectors: Vec<_> =
        query.selectors.iter().map(|selector| selector.matchers.clone()).collect();
    let question = compress(&remote_read::encode(&selectors, first, last));
    let bytes_max = query.answer_bytes_max;
    let (body, path) = server.read().with(&HEADERS, question).ask(bytes_max).await?;
    let refused = |cause: String| Failure::Final(Refusal::new(path, cause));
    let answer = decode(&body, bytes_max).map_err(|error| match error {
        DecodeError::TooLarge { .. } => Failure::TooMuch(Refusal::new(path, error.to_string())),
        error => refused(format!("answer is not that of remote read: {error}")),
    })?;
    answer.map_err(|error| refused(format!("labels of a series are not valid: {error}")))
}

type Decoded = Result<Answer, bellwether_series::LabelError>;

fn decode(body: &[u8], bytes_max: usize) -> Result<Decoded, DecodeError> {
    // What is bounded is the size of the whole: nothing in it is smaller than a byte.
    let limits = Limits {
        body_bytes_max: bytes_max,
        decoded_bytes_max: bytes_max,
        series_max: bytes_max,
        samples_max: bytes_max,
        objects_max: bytes_max,
        ..Limits::default()
    };
    let decoded = decompress(body, &limits)?;
    let (mut series, mut histograms) = (Vec::new(), 0);
    for result in remote_read::decode(&decoded, &limits)? {
        histograms += result.histogram_count();
        for one in result.series() {
            let labels = match LabelSet::from_wire(one.labels, &ANY_LABELS) {
                Ok(labels) => labels,
                Err(error) => return Ok(Err(error)),
            };
            series.push(SeriesPage { labels, samples: one.samples.to_vec() });
        }
    }
    Ok(Ok(Answer { series, histograms, bytes: decoded.len() }))
}
