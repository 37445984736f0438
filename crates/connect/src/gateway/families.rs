//! Which metric families all partitions have been told of.
//!
//! What a family is must reach every partition that has a series of it, and no gateway knows which ones have. So the first time that
//! somebody says it, all are told; and again when it is said after a while, since a partition may have begun anew. It is not told with
//! each request, as remote write 2.0 and OpenTelemetry say it. What is remembered here may be forgotten at any time: it is told once
//! more then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bellwether_series::Timestamp;
use bellwether_wire::remote_write::{MetadataRef, MetricType, WriteRequest};
use parking_lot::Mutex;

/// Families are looked through for old ones at most this often, in milliseconds.
const PRUNED_EVERY_MS: i64 = 60_000;

/// Which families all partitions have been told of, by tenant.
#[derive(Debug)]
pub(super) struct Families {
    every_ms: i64,
    told: Mutex<BTreeMap<Arc<str>, Told>>,
}

/// What was told for one tenant.
#[derive(Debug, Default)]
struct Told {
    /// When each family was told, in milliseconds.
    families: BTreeMap<Box<str>, i64>,
    pruned_ms: i64,
}

/// How much of what is said is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Most families of a tenant that are remembered.
    pub(super) families: usize,
    /// Most bytes of names in one request.
    pub(super) bytes: usize,
}

/// What is to be told now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News<'r> {
    pub(super) families: Vec<MetadataRef<'r>>,
    /// Families that are not told because of the limit.
    pub(super) refused: u64,
}

impl Families {
    /// What is said is told again when it is said after `every`.
    pub(super) fn new(every: Duration) -> Self {
        Self { every_ms: every.as_millis() as i64, told: Mutex::default() }
    }

    /// What all partitions are to be told of what `request` of `tenant` says at `now`. At most `room.families` of a tenant are
    /// remembered; what goes beyond `room.bytes` is left for the next time that it is said.
    pub(super) fn news<'r>(
        &self,
        tenant: &str,
        request: &'r WriteRequest,
        now: Timestamp,
        room: Room,
    ) -> News<'r> {
        let mut news = News::default();
        let mut bytes = 0;
        let mut seen = BTreeSet::new();
        // Engines make nothing of a family of which nothing is known, and the first word stands.
        let said = request.metadata().filter(|said| said.kind != MetricType::Unknown);
        let mut said = said.filter(|said| seen.insert(said.family)).peekable();
        if said.peek().is_none() {
            return news;
        }
        let now_ms = now.as_ms();
        let mut all = self.told.lock();
        let told = match all.get_mut(tenant) {
            Some(told) => told,
            None => all.entry(tenant.into()).or_default(),
        };
        for metadata in said {
            let known = told.families.get(metadata.family);
            if known.is_some_and(|at_ms| now_ms - at_ms < self.every_ms) {
                continue;
            }
            if known.is_none()
                && !told.has_room(news.families.len(), room.families, now_ms, self.every_ms)
            {
                news.refused += 1;
                continue;
            }
            bytes += metadata.family.len();
            if bytes > room.bytes {
                break;
            }
            news.families.push(metadata);
        }
        news
    }

    /// All partitions have been told of `families` of `tenant` at `now`, for sure.
    pub(super) fn note(&self, tenant: &str, families: Vec<Box<str>>, now: Timestamp) {
        let mut all = self.told.lock();
        let Some(told) = all.get_mut(tenant) else { return };
        told.families.extend(families.into_iter().map(|family| (family, now.as_ms())));
    }

    /// There are other partitions now, which have been told nothing.
    pub(super) fn forget(&self) {
        self.told.lock().clear();
    }

    /// How many are remembered.
    pub(super) fn count(&self) -> usize {
        self.told.lock().values().map(|told| told.families.len()).sum()
    }
}

impl Told {
    /// Whether one more than `more` can be remembered.
    fn has_room(&mut self, more: usize, families_max: usize, now_ms: i64, every_ms: i64) -> bool {
        if self.families.len() + more >= families_max && now_ms - self.pruned_ms >= PRUNED_EVERY_MS
        {
            self.pruned_ms = now_ms;
            self.families.retain(|_, at_ms| now_ms - *at_ms < every_ms);
        }
        self.families.len() + more < families_max
    }
}

#[cfg(test)]
mod tests {
    use bellwether_wire::remote_write::{Limits, WriteRequestBuilder};

    use super::*;

    const EVERY: Duration = Duration::from_mins(10);
    const ROOM: Room = Room { families: 3, bytes: 1000 };

    fn says(families: &[(&str, MetricType)]) -> WriteRequest {
        let mut builder = WriteRequestBuilder::default();
        for (family, kind) in families {
            builder.metadata(family, *kind, "", "");
        }
        WriteRequest::decode(builder.encode(), &Limits::default()).unwrap()
    }

    /// What is news at this minute, and how many are refused; all of it is noted.
    fn told(families: &Families, tenant: &str, minute: i64, names: &[&str]) -> (Vec<String>, u64) {
        let now = Timestamp::from_ms(1_000_000_000 + minute * 60_000);
        let said: Vec<_> = names.iter().map(|&name| (name, MetricType::Counter)).collect();
        let request = says(&said);
        let news = families.news(tenant, &request, now, ROOM);
        let names: Vec<_> = news.families.iter().map(|news| news.family.to_owned()).collect();
        let noted = names.iter().map(|name| name.as_str().into()).collect();
        families.note(tenant, noted, now);
        (names, news.refused)
    }

    #[test]
    fn a_family_is_told_once_in_a_while_and_once_for_each_tenant() {
        let families = Families::new(EVERY);
        let is = |tenant, minute, names: &[&str], expected: &[&str]| {
            let found = told(&families, tenant, minute, names);
            assert_eq!(found, (expected.iter().map(|&name| name.to_owned()).collect(), 0));
        };
        is("", 0, &["a", "b", "a"], &["a", "b"]);
        is("", 9, &["a", "b", "c"], &["c"]);
        is("shop", 9, &["a"], &["a"]);
        is("", 10, &["a", "c"], &["a"]);
        assert_eq!(families.count(), 4);
        families.forget();
        is("", 10, &["a", "b"], &["a", "b"]);
    }

    #[test]
    fn what_was_not_confirmed_is_told_again_and_what_is_not_known_never() {
        let families = Families::new(EVERY);
        let request = says(&[("a", MetricType::Gauge), ("x", MetricType::Unknown)]);
        for _ in 0..2 {
            let news = families.news("", &request, Timestamp::from_ms(0), ROOM);
            assert_eq!(news.families, [MetadataRef { family: "a", kind: MetricType::Gauge }]);
        }
        assert_eq!(families.count(), 0);
    }

    #[test]
    fn what_is_too_much_for_one_request_is_left_for_the_next() {
        let families = Families::new(EVERY);
        let request = says(&["aaaa", "bbbb", "c"].map(|name| (name, MetricType::Counter)));
        let room = Room { bytes: 8, ..ROOM };
        let told = || {
            let now = Timestamp::from_ms(0);
            let news = families.news("", &request, now, room).families;
            let names: Vec<Box<str>> = news.iter().map(|news| news.family.into()).collect();
            families.note("", names.clone(), now);
            names.join(" ")
        };
        assert_eq!([told(), told(), told()], ["aaaa bbbb", "c", ""]);
    }

    #[test]
    fn families_are_bounded_and_old_ones_make_room() {
        let families = Families::new(EVERY);
        assert_eq!(told(&families, "", 0, &["a", "b", "c", "d"]).1, 1);
        assert_eq!(told(&families, "", 5, &["d", "e"]), (Vec::new(), 2));
        assert_eq!(told(&families, "other", 5, &["d"]).1, 0, "the room of others is their own");
        assert_eq!(told(&families, "", 20, &["d"]), (vec!["d".to_owned()], 0));
        assert_eq!(families.count(), 2);
    }
}
