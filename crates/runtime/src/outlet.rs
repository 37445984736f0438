//! The way from the sequencer to a shard. Records are of any size, so what may be under way is bounded in samples too: a sample
//! takes 24 bytes there, and nothing else counts them.

use bellwether_engine::Work;
use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::shard::ToShard;

/// Samples that may be under way to a shard; those of one record may, however many they are.
pub(crate) const SAMPLES_MAX: usize = 1 << 16;
/// Buffers that have held more are not used again: what the largest request needs would be kept for every one under way.
const SAMPLES_KEPT: usize = 1 << 13;

/// The way to a shard, and what is under way to it.
pub(crate) struct Outlet {
    to_shard: Sender<ToShard>,
    finished: Receiver<Finished>,
    samples: usize,
    /// `None`: any number, where nobody works at the same time.
    samples_max: Option<usize>,
    spare: Vec<Work>,
}

/// Buffers that a shard is done with, empty, and how many samples were in them.
pub(crate) struct Finished {
    pub(crate) work: Work,
    pub(crate) samples: usize,
}

impl Outlet {
    /// The way into `to_shard`, and the way back of its buffers.
    pub(crate) fn new(
        to_shard: Sender<ToShard>,
        samples_max: Option<usize>,
    ) -> (Self, Sender<Finished>) {
        let (finish, finished) = unbounded();
        (Self { to_shard, finished, samples: 0, samples_max, spare: Vec::new() }, finish)
    }

    /// Empty buffers.
    pub(crate) fn buffers(&mut self) -> Work {
        while let Ok(finished) = self.finished.try_recv() {
            self.take_back(finished);
        }
        self.spare.pop().unwrap_or_default()
    }

    /// Sends `work` as soon as there is room for its samples. False when the shard is gone.
    pub(crate) fn work(&mut self, elapsed_ms: i64, work: Work) -> bool {
        let samples = work.samples();
        while self.samples > 0 && self.samples_max.is_some_and(|max| self.samples + samples > max) {
            match self.finished.recv() {
                Ok(finished) => self.take_back(finished),
                Err(_) => return false,
            }
        }
        self.samples += samples;
        self.send(ToShard::Work { elapsed_ms, work })
    }

    /// Sends what takes no room. False when the shard is gone.
    pub(crate) fn send(&self, message: ToShard) -> bool {
        self.to_shard.send(message).is_ok()
    }

    fn take_back(&mut self, Finished { work, samples }: Finished) {
        self.samples -= samples;
        if samples <= SAMPLES_KEPT {
            self.spare.push(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bellwether_engine::{Intake, Record, RecordBody, Settings};
    use bellwether_series::{LabelSet, Timestamp};
    use bellwether_wire::remote_write::{Limits, RawSample, WriteRequest, WriteRequestBuilder};

    use super::*;

    fn work(samples: usize) -> Work {
        let labels = LabelSet::from_pairs([("__name__", "up")]).unwrap();
        let at = |index| Timestamp::from_ms(index as i64 * 60_000);
        let samples: Vec<_> =
            (0..samples).map(|index| RawSample { timestamp: at(index), value: 1.0 }).collect();
        let mut builder = WriteRequestBuilder::default();
        builder.series(&labels, &samples);
        let write = WriteRequest::decode(builder.encode(), &Limits::default()).unwrap();
        let mut work = [Work::default()];
        let body = RecordBody::Request { tenant: "", write: &write };
        let received_at = at(samples.len());
        Intake::new(Arc::new(Settings::default()), 0)
            .apply(&Record { received_at, body }, &mut work);
        let [work] = work;
        assert_eq!(work.samples(), samples.len());
        work
    }

    fn finished(samples: usize) -> Finished {
        Finished { work: Work::default(), samples }
    }

    #[test]
    fn more_samples_than_may_be_under_way_wait_until_others_are_done_with() {
        let (to_shard, messages) = unbounded();
        let (mut outlet, finish) = Outlet::new(to_shard, Some(10));
        assert!(outlet.work(0, work(6)) && outlet.work(0, work(4)));
        finish.send(finished(6)).unwrap();
        finish.send(finished(4)).unwrap();
        assert!(outlet.work(0, work(5)));
        assert_eq!((outlet.samples, outlet.finished.len()), (9, 1), "it waited for one of them");
        assert!(outlet.work(0, work(1)), "there is room for as many");
        assert_eq!(outlet.finished.len(), 1);
        assert!(outlet.work(0, work(0)));
        // Nothing comes back any more: who would have to wait for ever is told.
        drop(finish);
        assert!(outlet.work(0, work(4)));
        assert!(!outlet.work(0, work(3)));
        assert_eq!(messages.len(), 6);
    }

    #[test]
    fn a_record_with_more_samples_than_that_goes_alone() {
        let (to_shard, _messages) = unbounded();
        let (mut outlet, finish) = Outlet::new(to_shard, Some(3));
        assert!(outlet.work(0, work(5)));
        finish.send(finished(5)).unwrap();
        assert!(outlet.work(0, work(4)));
        drop(finish);
        assert!(!outlet.work(0, work(1)));
    }

    #[test]
    fn buffers_are_used_again_unless_they_have_become_large() {
        let (to_shard, _messages) = unbounded();
        let (mut outlet, finish) = Outlet::new(to_shard, None);
        finish.send(finished(0)).unwrap();
        _ = outlet.buffers();
        assert!(outlet.spare.is_empty());
        for samples in [1, SAMPLES_KEPT, SAMPLES_KEPT + 1] {
            outlet.samples += samples;
            finish.send(finished(samples)).unwrap();
        }
        _ = outlet.buffers();
        assert_eq!(outlet.spare.len(), 1, "of three one is in use and one was too large");
    }
}
