//! What headers say of a record.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rdkafka::message::{Headers, OwnedHeaders};

use super::line::Record;
use super::poison::Poison;
use crate::kafka::HEARTBEAT_HEADER;

/// The header in which Grafana Mimir says how it has written a record: four bytes, big-endian.
const VERSION_HEADER: &str = "Version";

/// Whether `record` says no more than that time passes for its partition.
pub(super) fn is_heartbeat(record: &Record) -> bool {
    let headers = record.headers.as_ref().filter(|_| record.value.is_none());
    let is_named = |key: &str| key.eq_ignore_ascii_case(HEARTBEAT_HEADER);
    headers.is_some_and(|headers| values(headers, is_named).is_ok_and(|found| found.len() == 1))
}

/// The version of Grafana Mimir's format in which `record` is written, if it says so.
pub(super) fn version_of(record: &Record) -> Option<u32> {
    let found = values(record.headers.as_ref()?, |key| key == VERSION_HEADER).ok()?;
    Some(u32::from_be_bytes(found.first()?.as_slice().try_into().ok()?))
}

/// The values of the headers whose name `is_named`.
///
/// # Errors
/// When a name is not UTF-8.
pub(super) fn values(
    headers: &OwnedHeaders,
    is_named: impl Fn(&str) -> bool,
) -> Result<Vec<Vec<u8>>, Poison> {
    // rdkafka panics at a name that is not UTF-8, and has no other way to the names. Nothing is changed when it does.
    let found = catch_unwind(AssertUnwindSafe(|| {
        let headers = headers.as_borrowed();
        let named = headers.iter().filter(|header| is_named(header.key));
        named.map(|header| header.value.unwrap_or_default().to_vec()).collect()
    }));
    found.map_err(|_| Poison::Headers)
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Header;

    use super::*;

    fn record(headers: &[(&str, &[u8])]) -> Record {
        let owned = headers.iter().fold(OwnedHeaders::new(), |all, &(key, value)| {
            all.insert(Header { key, value: Some(value) })
        });
        Record { headers: Some(owned), ..Record::default() }
    }

    #[test]
    fn a_heartbeat_has_its_header_and_no_value() {
        let beat = || record(&[("bellwether.heartbeat", b"1")]);
        assert!(is_heartbeat(&beat()));
        assert!(!is_heartbeat(&Record { value: Some(Vec::new()), ..beat() }));
        assert!(!is_heartbeat(&record(&[("heartbeat", b"1")])));
        assert!(!is_heartbeat(&Record::default()));
    }

    #[test]
    fn a_version_has_four_bytes_and_the_first_one_counts() {
        assert_eq!(version_of(&record(&[("Version", b"\0\0\x01\x02")])), Some(258));
        let two: [(&str, &[u8]); 2] = [("Version", b"\0\0\0\x02"), ("Version", b"\0\0\0\x01")];
        assert_eq!(version_of(&record(&two)), Some(2));
        // Whoever else has a header of that name does not mean Mimir's.
        assert_eq!(version_of(&record(&[("Version", b"2"), ("version", b"\0\0\0\x02")])), None);
        assert_eq!(version_of(&record(&[])), None);
        assert_eq!(version_of(&Record::default()), None);
    }
}
