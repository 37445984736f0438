//! The part of a fleet's limits that one partition of its topic has.
//!
//! So nobody needs to be asked: whoever owns a partition knows its part. How many partitions there are is part of a cell's
//! configuration, and so is what follows from it.

use bellwether_engine::{Settings, Tenants};

/// What of `fleet`, which is for a topic, is for each of its `partitions`. Limits are rounded up, so that none becomes nothing.
pub(super) fn share_of(fleet: &Settings, partitions: usize) -> Settings {
    let parts = partitions.max(1);
    let mut share = fleet.clone();
    share.budget.per_day /= parts as f64;
    share.budget.cap_per_day = share.budget.cap_per_day.div_ceil(parts as u32);
    share.deep.memory_bytes = share.deep.memory_bytes.div_ceil(parts);
    let series = &mut share.series;
    for limit in [&mut series.active_max, &mut series.per_metric_max, &mut series.cold_max] {
        *limit = limit.div_ceil(parts);
    }
    series.cold_bytes_max = series.cold_bytes_max.div_ceil(parts as u64);
    share.tenants = share.tenants.map(|tenants| share_of_tenants(tenants, parts));
    share
}

fn share_of_tenants(mut tenants: Tenants, parts: usize) -> Tenants {
    for limits in tenants.limits.values_mut() {
        limits.series_max = limits.series_max.div_ceil(parts);
    }
    tenants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_the_fleet_is_shared_and_what_is_for_a_series_is_not() {
        let mut fleet = Settings::default();
        fleet.budget.per_day = 4.0;
        fleet.budget.cap_per_day = 9;
        fleet.series.per_metric_max = 0;
        let share = share_of(&fleet, 8);
        assert!((share.budget.per_day - 0.5).abs() < 1e-12);
        assert_eq!(share.budget.cap_per_day, 2, "rounded up");
        assert_eq!(share.series.active_max, fleet.series.active_max / 8);
        assert_eq!(share.series.per_metric_max, 0, "no limit stays none");
        assert_eq!(
            share.budget.per_series_per_day.to_bits(),
            fleet.budget.per_series_per_day.to_bits()
        );
        assert_eq!(share.digest, fleet.digest);
        assert_eq!(share_of(&fleet, 1), fleet);
        assert_eq!(share_of(&fleet, 0), fleet, "a topic has a partition");
    }
}
