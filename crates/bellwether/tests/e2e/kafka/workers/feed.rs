//! What goes into the topic, at a steady pace.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::{RawSample, WriteRequestBuilder};

use super::super::Broker;
use super::super::records::Clients;

/// Series in one record.
pub(super) const SERIES: i64 = 2;
/// A fault comes this often, in minutes, once detectors have their samples, and lasts a few.
const FAULT_EVERY: i64 = 200;
const FAULT_MINUTES: i64 = 8;
/// The first minute, in milliseconds.
const START_MS: i64 = 1_760_000_000_000;

/// A thread that produces.
pub(in super::super) struct Feed(JoinHandle<()>);

impl Feed {
    /// Produces so many records to each of the partitions, evenly within `time`.
    pub(in super::super) fn start(
        broker: &Broker,
        partitions: i32,
        records: i64,
        time: Duration,
    ) -> Self {
        let clients = Clients::new(broker);
        Self(std::thread::spawn(move || {
            let began = Instant::now();
            for minute in 0..records {
                for partition in 0..partitions {
                    clients.produce(partition, &record(partition, minute));
                }
                let due = began + time.mul_f64((minute + 1) as f64 / records as f64);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if minute % 100 == 0 {
                    clients.flush();
                }
            }
            clients.flush();
        }))
    }

    /// Waits until all is with the broker.
    pub(in super::super) fn finish(self) {
        self.0.join().unwrap();
    }
}

/// A minute of all series of a partition; again and again one of them goes wrong.
fn record(partition: i32, minute: i64) -> Vec<u8> {
    let mut builder = WriteRequestBuilder::default();
    for series in 0..SERIES {
        let (instance, number) = (format!("host-{partition}"), series.to_string());
        let labels = LabelSet::from_pairs([
            ("__name__", "load"),
            ("instance", instance.as_str()),
            ("number", number.as_str()),
        ]);
        let noise = (minute * 7919 + series * 104_729 + i64::from(partition) * 31) % 17;
        let place = (minute + i64::from(partition) * 17) % FAULT_EVERY;
        let is_faulty = series == 0 && minute > FAULT_EVERY / 2 && place < FAULT_MINUTES;
        let value = 100.0 + noise as f64 + if is_faulty { 500.0 } else { 0.0 };
        let timestamp = Timestamp::from_ms(START_MS + minute * 60_000);
        builder.series(&labels.unwrap(), &[RawSample { timestamp, value }]);
    }
    builder.encode()
}
