//! Requests cut into smaller ones, as another sender might have sent them.

use std::collections::BTreeSet;

use bellwether_runtime::stored;
use bellwether_wire::remote_write::{DecodeError, WriteRequest, WriteRequestBuilder};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Most cuts through one request.
const CUTS_MAX: u64 = 4;

/// Cuts requests at random places; equal seeds cut alike.
pub(super) struct Cutter {
    random: Xoshiro256PlusPlus,
}

impl Cutter {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    /// The parts of `request`, which put together are the same: at least two, or none at all if it has too few samples
    /// to be cut. Metadata is in the first, since it is what a request begins with.
    pub(super) fn cut(&mut self, request: &WriteRequest) -> Result<Vec<WriteRequest>, DecodeError> {
        let samples = request.sample_count() as u64;
        if samples < 2 {
            return Ok(Vec::new());
        }
        let count = 1 + self.random.next_u64() % CUTS_MAX;
        let places: BTreeSet<u64> =
            (0..count).map(|_| 1 + self.random.next_u64() % (samples - 1)).collect();
        let (limits, mut parts) = (stored::limits(), Vec::with_capacity(places.len() + 1));
        let mut builder = WriteRequestBuilder::default();
        for metadata in request.metadata() {
            builder.metadata(metadata.family, metadata.kind, "", "");
        }
        let (mut places, mut done) = (places.into_iter().peekable(), 0);
        for series in request.series() {
            let mut rest = series.samples;
            while let Some(place) = places.next_if(|&place| place < done + rest.len() as u64) {
                let (before, behind) = rest.split_at((place - done) as usize);
                if !before.is_empty() {
                    builder.wire_series(series.labels, before);
                }
                parts.push(WriteRequest::decode(builder.encode(), &limits)?);
                (rest, done) = (behind, place);
            }
            builder.wire_series(series.labels, rest);
            done += rest.len() as u64;
        }
        parts.push(WriteRequest::decode(builder.encode(), &limits)?);
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use bellwether_series::{LabelSet, Timestamp};
    use bellwether_wire::remote_write::{MetricType, RawSample};

    use super::*;

    fn request(lengths: &[i64]) -> WriteRequest {
        let mut builder = WriteRequestBuilder::default();
        builder.metadata("m", MetricType::Counter, "help", "");
        for (index, &length) in lengths.iter().enumerate() {
            let job = index.to_string();
            let labels = LabelSet::from_pairs([("__name__", "m"), ("job", &job)]).unwrap();
            let sample = |at| RawSample { timestamp: Timestamp::from_ms(at), value: at as f64 };
            builder.series(&labels, &(0..length).map(sample).collect::<Vec<_>>());
        }
        WriteRequest::decode(builder.encode(), &stored::limits()).unwrap()
    }

    /// Series and sample, one after the other.
    fn samples(request: &WriteRequest) -> Vec<(Vec<u8>, RawSample)> {
        let of = |labels: &[u8], sample: &RawSample| (labels.to_owned(), *sample);
        let series = request.series();
        series.flat_map(|s| s.samples.iter().map(move |sample| of(s.labels, sample))).collect()
    }

    #[test]
    fn parts_put_together_are_the_whole() {
        let mut cutter = Cutter::new(1);
        let mut most = 0;
        for round in 0..200_i64 {
            let whole = request(&[1, 1 + round % 5, 7, 1]);
            let parts = cutter.cut(&whole).unwrap();
            most = most.max(parts.len());
            assert!(parts.len() >= 2 && parts.iter().all(|part| part.sample_count() > 0));
            assert_eq!(parts.iter().flat_map(samples).collect::<Vec<_>>(), samples(&whole));
            let families: Vec<_> = parts.iter().map(|part| part.metadata().count()).collect();
            assert_eq!((families[0], families.iter().sum::<usize>()), (1, 1));
        }
        assert_eq!(most as u64, 1 + CUTS_MAX);
    }

    #[test]
    fn what_has_one_sample_is_not_cut() {
        assert!(Cutter::new(1).cut(&request(&[1])).unwrap().is_empty());
        assert!(Cutter::new(1).cut(&request(&[])).unwrap().is_empty());
        assert_eq!(Cutter::new(1).cut(&request(&[1, 1])).unwrap().len(), 2);
    }
}
