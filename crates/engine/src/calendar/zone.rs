//! Time zones: what the clocks of a place say at an instant.
//!
//! The database of zones is part of the program, so an answer does not depend on the machine it is given on.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time zone of the IANA database.
#[derive(Clone, PartialEq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone with this name, such as `Europe/Berlin`, in upper or lower case; `None` when there is none.
    pub fn named(name: &str) -> Option<Self> {
        TimeZoneDatabase::bundled().get(name).ok().filter(|zone| !zone.is_unknown()).map(Self)
    }

    /// The names of all zones, in no particular order.
    pub fn names() -> Vec<String> {
        TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect()
    }

    /// Its name in the database.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The time without a change of clocks around `at_ms`.
    pub(super) fn stretch(&self, at_ms: i64) -> Stretch {
        let at = instant(at_ms);
        // Changes happen at whole seconds, so the one at `at` itself is before the millisecond after it.
        let just_after = instant(at_ms.saturating_add(1));
        let before = self.0.preceding(just_after).next();
        let after = self.0.following(at).next();
        let offset_ms = i64::from(self.0.to_offset(at).seconds()) * 1000;
        // Where there are no dates there are no changes either: what was found is not around `at_ms`.
        let from_ms = before.map_or(i64::MIN, |change| change.timestamp().as_millisecond());
        let until_ms = after.map_or(i64::MAX, |change| change.timestamp().as_millisecond());
        let from_ms = if from_ms <= at_ms { from_ms } else { i64::MIN };
        let until_ms = if at_ms < until_ms { until_ms } else { i64::MAX };
        Stretch { from_ms, until_ms, offset_ms }
    }
}

/// The time without a change of clocks: from one instant until just before another, in Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the unit ends the name")]
pub(super) struct Stretch {
    pub(super) from_ms: i64,
    pub(super) until_ms: i64,
    /// Local time less UTC.
    pub(super) offset_ms: i64,
}

impl Stretch {
    /// What the clocks say at `at_ms`, at the nearest time that has a date.
    pub(super) fn clocks(&self, at_ms: i64) -> DateTime {
        TimeZone::UTC.to_datetime(instant(at_ms.saturating_add(self.offset_ms)))
    }

    /// The part of it that is in the same `length_ms` of local time as `at_ms`: its day, its minute.
    pub(super) fn within(&self, at_ms: i64, length_ms: i64) -> (i64, i64) {
        let local_ms = at_ms.saturating_add(self.offset_ms);
        let start_ms = at_ms.saturating_sub(local_ms.rem_euclid(length_ms));
        (self.from_ms.max(start_ms), self.until_ms.min(start_ms.saturating_add(length_ms)))
    }
}

/// The instant at `ms`, or the nearest one that has a date.
fn instant(ms: i64) -> Timestamp {
    let (min, max) = (Timestamp::MIN.as_millisecond(), Timestamp::MAX.as_millisecond());
    Timestamp::from_millisecond(ms.clamp(min, max)).unwrap_or_default()
}

/// By its name: the rules of a zone belong to no report.
impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name)
            .ok_or_else(|| D::Error::custom(format_args!("no such time zone: name=`{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn zone(name: &str) -> Zone {
        Zone::named(name).expect("a zone")
    }

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    /// Instants, and what the clocks say then.
    fn said(name: &str, instants: &[&str]) -> Vec<String> {
        let zone = zone(name);
        let said = |text: &&str| zone.stretch(ms(text)).clocks(ms(text)).to_string();
        instants.iter().map(said).collect()
    }

    #[test]
    fn clocks_go_forward_in_spring_and_back_in_autumn() {
        // Directive 2000/84/EC: at 01:00 UTC on the last Sunday of March and of October.
        assert_eq!(
            said("Europe/Berlin", &["2026-03-29T00:59:59.999Z", "2026-03-29T01:00:00Z"]),
            ["2026-03-29T01:59:59.999", "2026-03-29T03:00:00"]
        );
        assert_eq!(
            said("Europe/Berlin", &["2026-10-25T00:59:59.999Z", "2026-10-25T01:00:00Z"]),
            ["2026-10-25T02:59:59.999", "2026-10-25T02:00:00"]
        );
        // Energy Policy Act of 2005: at 02:00 local time on the second Sunday of March, the first of November.
        assert_eq!(
            said("America/New_York", &["2026-03-08T06:59:59Z", "2026-03-08T07:00:00Z"]),
            ["2026-03-08T01:59:59", "2026-03-08T03:00:00"]
        );
        assert_eq!(
            said("America/New_York", &["2026-11-01T05:59:59Z", "2026-11-01T06:00:00Z"]),
            ["2026-11-01T01:59:59", "2026-11-01T01:00:00"]
        );
    }

    #[test]
    fn a_stretch_reaches_from_one_change_to_the_next() {
        let berlin = zone("Europe/Berlin");
        let (spring, autumn) = (ms("2026-03-29T01:00:00Z"), ms("2026-10-25T01:00:00Z"));
        let summer = Stretch { from_ms: spring, until_ms: autumn, offset_ms: 2 * HOUR_MS };
        for at in [spring, spring + 1, ms("2026-07-01T00:00:00Z"), autumn - 1] {
            assert_eq!(berlin.stretch(at), summer);
        }
        assert_eq!(berlin.stretch(spring - 1).until_ms, spring);
        assert_eq!(berlin.stretch(autumn).from_ms, autumn);
        assert_eq!(berlin.stretch(autumn).offset_ms, HOUR_MS);
        let always = Stretch { from_ms: i64::MIN, until_ms: i64::MAX, offset_ms: 0 };
        assert_eq!(Zone::UTC.stretch(spring), always);
        assert_eq!(zone("UTC").stretch(spring), always);
    }

    #[test]
    fn the_rules_hold_beyond_the_table() {
        assert_eq!(
            said("Europe/Berlin", &["2126-07-01T10:00:00Z", "2126-01-01T10:00:00Z"]),
            ["2126-07-01T12:00:00", "2126-01-01T11:00:00"]
        );
    }

    #[test]
    fn any_time_is_somewhere() {
        for name in ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC"] {
            // Beyond the years -9999 to 9999 there are no dates.
            for at in [i64::MIN, -400_000_000_000_000, -1, 0, 300_000_000_000_000, i64::MAX] {
                let stretch = zone(name).stretch(at);
                stretch.clocks(at);
                for length_ms in [60_000, 24 * HOUR_MS] {
                    let (from_ms, until_ms) = stretch.within(at, length_ms);
                    assert!(from_ms <= at && at <= until_ms, "{name} {at}");
                }
            }
        }
    }

    #[test]
    fn a_day_begins_at_local_midnight_even_where_offsets_are_odd() {
        let at = ms("2026-05-04T20:00:00Z");
        let (from_ms, until_ms) = zone("Asia/Kathmandu").stretch(at).within(at, 24 * HOUR_MS);
        assert_eq!((from_ms, until_ms), (ms("2026-05-04T18:15:00Z"), ms("2026-05-05T18:15:00Z")));
    }

    #[test]
    fn zones_have_the_names_of_the_database() {
        assert_eq!(zone("europe/berlin").name(), "Europe/Berlin");
        assert_eq!(format!("{:?}", zone("America/New_York")), "America/New_York");
        assert_eq!(Zone::named("Europe/Atlantis"), None);
        assert_eq!(Zone::named("Etc/Unknown"), None);
        assert_eq!(Zone::named("Local"), None);
        assert_eq!((Zone::UTC.name(), zone("UTC").name()), ("UTC", "UTC"));
        assert!(Zone::names().iter().any(|name| name == "Pacific/Chatham"));
    }
}
