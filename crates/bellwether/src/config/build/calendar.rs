//! Time zone, holidays and maintenance.

use std::sync::Arc;

use bellwether_engine::{
    Calendar, DaysOfMonth, Holiday, Maintenance, MaintenanceTime, Months, TimeInterval, TimeRange,
    Weekdays, Years, Zone, instant,
};

use super::Builder;
use crate::config::raw::{RawCalendar, RawMaintenance, RawTimeInterval, RawTimeRange};
use crate::config::shape::nearest;

impl Builder<'_, '_> {
    pub(super) fn calendar(&mut self, raw: &RawCalendar) -> Calendar {
        let zone = self.zone("calendar.time_zone", &raw.time_zone);
        let mend = "write `2026-12-25` for one day, or `12-25` for that day of every year";
        let holidays =
            self.each("calendar.holidays", &raw.holidays, Holiday::parse, "a date", mend);
        let mut maintenance: Vec<Maintenance> = Vec::with_capacity(raw.maintenance.len());
        for (index, raw) in raw.maintenance.iter().enumerate() {
            let window = self.maintenance(&format!("calendar.maintenance[{index}]"), raw, &zone);
            if let Some(first) = maintenance.iter().position(|earlier| earlier.name == window.name)
                && raw.name.is_some()
            {
                let message = format!("calendar.maintenance[{first}] has the same name");
                let field = format!("calendar.maintenance[{index}].name");
                self.faults.value(&field, message, "give each of them a name of its own");
            }
            maintenance.push(window);
        }
        Calendar { zone, holidays, maintenance }
    }

    fn zone(&mut self, field: &str, name: &str) -> Zone {
        if let Some(zone) = Zone::named(name) {
            return zone;
        }
        let names = Zone::names();
        let mend = match nearest(name, names.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write the name of a place as the IANA database does, for example `Europe/Berlin`, or `UTC`".to_owned(),
        };
        self.faults.value(field, "there is no such time zone", mend);
        Zone::UTC
    }

    fn maintenance(&mut self, field: &str, raw: &RawMaintenance, zone: &Zone) -> Maintenance {
        let name = raw.name.as_deref().unwrap_or_default();
        if name.trim().is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
            let mend =
                "write what people call it in 1 to 200 bytes, for example `name: Database upgrade`";
            self.faults.value(
                &format!("{field}.name"),
                if name.is_empty() {
                    "the maintenance has no name"
                } else {
                    "this cannot be its name"
                },
                mend,
            );
        }
        let match_field = format!("{field}.match");
        let selectors = raw.r#match.as_deref().unwrap_or_default();
        if selectors.is_empty() {
            let mend = "add one, for example `match: ['{job=\"postgres\"}']`; `{__name__=~\".+\"}` is every series";
            self.faults.value(&match_field, "the maintenance is about no series", mend);
        }
        let times_field = format!("{field}.time_intervals");
        let times = raw.time_intervals.as_deref().unwrap_or_default();
        if times.is_empty() {
            let mend = "add one, for example `time_intervals: [{ weekdays: [saturday] }]`";
            self.faults.value(&times_field, "nothing says when", mend);
        }
        let time = |(index, raw): (usize, &RawTimeInterval)| {
            self.maintenance_time(&format!("{times_field}[{index}]"), raw, zone)
        };
        let times = times.iter().enumerate().filter_map(time).collect();
        let matchers = self.selectors(&match_field, selectors);
        Maintenance { name: Arc::from(name), matchers, times }
    }

    fn maintenance_time(
        &mut self,
        field: &str,
        raw: &RawTimeInterval,
        zone: &Zone,
    ) -> Option<MaintenanceTime> {
        let RawTimeInterval { start, end, times, weekdays, days_of_month, months, years, location } =
            raw;
        let lists = [weekdays, days_of_month, months, years];
        let recurs = !times.is_empty() || lists.iter().any(|list| !list.is_empty());
        if start.is_some() || end.is_some() {
            if recurs || location.is_some() {
                let mend = "put `start` and `end` into an entry of their own";
                self.faults.value(field, "this cannot both come once and recur", mend);
            }
            return self.once(field, start.as_deref(), end.as_deref());
        }
        if !recurs {
            let mend = "say when, for example `weekdays: [saturday]`; what is never to be judged goes under `signals.exclude`";
            self.faults.value(field, "this never ends", mend);
            return None;
        }
        let times = times.iter().enumerate();
        let range = |(index, raw)| self.time_range(&format!("{field}.times[{index}]"), raw);
        let times = times.filter_map(range).collect();
        let zone = match location {
            Some(location) => self.zone(&format!("{field}.location"), location),
            None => zone.clone(),
        };
        let at = |key: &str| format!("{field}.{key}");
        Some(MaintenanceTime::Recurring(TimeInterval {
            times,
            weekdays: self.each(
                &at("weekdays"),
                weekdays,
                Weekdays::parse,
                "a day of the week or a range of them",
                "write for example `saturday` or `monday:friday`",
            ),
            days_of_month: self.each(
                &at("days_of_month"),
                days_of_month,
                DaysOfMonth::parse,
                "a day of the month or a range of them",
                "write for example `15`, `1:7`, or from the end of the month `-1` or `-3:-1`",
            ),
            months: self.each(
                &at("months"),
                months,
                Months::parse,
                "a month or a range of them",
                "write for example `may`, `5` or `november:february`",
            ),
            years: self.each(
                &at("years"),
                years,
                Years::parse,
                "a year or a range of them",
                "write for example `2026` or `2026:2028`",
            ),
            zone,
        }))
    }

    fn once(
        &mut self,
        field: &str,
        start: Option<&str>,
        end: Option<&str>,
    ) -> Option<MaintenanceTime> {
        let mend = "write date, time and offset, for example `2026-12-24T22:00:00+01:00` or `2026-12-24T21:00:00Z`";
        let mut is_whole = true;
        for (key, text) in [("start", start), ("end", end)] {
            let message = match text.map(instant) {
                Some(Some(_)) => continue,
                Some(None) => "this is not a time".to_owned(),
                None => format!("there is no `{key}`"),
            };
            is_whole = false;
            self.faults.value(&format!("{field}.{key}"), message, mend);
        }
        let (start, end) = (start?, end?);
        let once = MaintenanceTime::once(start, end);
        if once.is_none() && is_whole {
            let message = "this ends before it begins";
            self.faults.value(&format!("{field}.end"), message, "write a time after `start`");
        }
        once
    }

    fn time_range(&mut self, field: &str, raw: &RawTimeRange) -> Option<TimeRange> {
        let (start, end) = (raw.start_time.as_deref(), raw.end_time.as_deref());
        let range = TimeRange::parse(start.unwrap_or_default(), end.unwrap_or_default());
        if range.is_none() {
            let mend = "write two different times from `00:00` to `24:00`, for example `{ start_time: 22:00, end_time: 02:00 }`";
            self.faults.value(field, "this is not a range of times of the day", mend);
        }
        range
    }

    /// What `parse` makes of each of `texts`, each of which should be `what`.
    fn each<T>(
        &mut self,
        field: &str,
        texts: &[String],
        parse: impl Fn(&str) -> Option<T>,
        what: &str,
        mend: &str,
    ) -> Vec<T> {
        let one = |(index, text): (usize, &String)| {
            let parsed = parse(text);
            if parsed.is_none() {
                let message = format!("this is not {what}");
                self.faults.value(&format!("{field}[{index}]"), message, mend);
            }
            parsed
        };
        texts.iter().enumerate().filter_map(one).collect()
    }
}
