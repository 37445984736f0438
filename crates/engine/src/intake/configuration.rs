//! What another configuration makes of the series that are known.

use std::sync::Arc;

use super::cold::ColdSeries;
use super::per_metric::PerMetric;
use super::tenants::tenant_of_qualified;
use super::{Fate, Intake, Work};
use crate::outputs::DropReason;
use crate::partition::{Input, PARTITIONS};
use crate::settings::Settings;
use crate::units::Units;

impl Intake {
    /// Decides anew about every known series whose name is `affected`; those about which nothing changes
    /// keep their state.
    pub(super) fn reconsider(&mut self, affected: impl Fn(&str) -> bool, work: &mut [Work]) {
        for index in 0..self.entries.len() {
            let Some(entry) = &self.entries[index] else { continue };
            if !affected(entry.labels.metric_name()) {
                continue;
            }
            let (labels, old) = (entry.labels.clone(), entry.fate);
            let unchanged = match (old, self.judge(&labels)) {
                (Fate::Watched { kind, .. }, Ok(new_kind)) => kind == new_kind,
                (Fate::Dropped(reason), Err(new_reason)) => reason == new_reason,
                _ => false,
            };
            if !unchanged {
                self.dismiss(&labels, old, work);
                let fate = self.admit(&labels, work);
                if let Some(entry) = &mut self.entries[index] {
                    entry.fate = fate;
                }
            }
        }
    }

    pub(super) fn configure(&mut self, settings: &Arc<Settings>, work: &mut [Work]) {
        self.reconsider_replicas(settings, work);
        if !self.settings.groups_alike(settings) {
            self.dismiss_all(work);
        }
        if !self.settings.keeps_cold(settings) {
            self.cold = ColdSeries::default();
        }
        self.settings = Arc::clone(settings);
        self.count_units();
        self.count_per_metric();
        self.count_holdings();
        for partition in 0..PARTITIONS {
            let shard = partition % work.len();
            work[shard].inputs.push((partition as u8, Input::Configure(Arc::clone(settings))));
        }
        self.reconsider(|_| true, work);
        self.update_shares(work);
    }

    /// Counts anew: other series are named by other rules.
    pub(super) fn count_units(&mut self) {
        let mut units = Units::new(&self.settings.groups);
        for entry in self.entries.iter().flatten() {
            if matches!(entry.fate, Fate::Watched { .. }) {
                let party = units.party_of(&self.settings, &entry.labels);
                units.enter(party);
            }
        }
        self.cold.parties().for_each(|party| units.enter(party));
        self.units = units;
    }

    /// Counts anew: another limit may be in force.
    pub(super) fn count_per_metric(&mut self) {
        let series = self.entries.iter().flatten().map(|entry| &entry.labels);
        let series = series.map(|labels| (self.settings.tenant_of(labels), labels));
        self.per_metric = PerMetric::of(self.settings.series.per_metric_max, series);
    }

    /// Counts anew what each tenant has.
    pub(super) fn count_holdings(&mut self) {
        let mut holdings = self.holdings.emptied();
        for entry in self.entries.iter().flatten() {
            holdings.of_mut(self.settings.tenant_of(&entry.labels)).series += 1;
        }
        for family in self.families.keys() {
            let is_own = self.settings.tenants.is_some();
            let tenant = if is_own { tenant_of_qualified(family) } else { "" };
            holdings.of_mut(tenant).families += 1;
        }
        self.holdings = holdings;
    }

    /// Every series begins anew, where its new group is kept.
    fn dismiss_all(&mut self, work: &mut [Work]) {
        for index in 0..self.entries.len() {
            let Some(entry) = &mut self.entries[index] else { continue };
            let fate = std::mem::replace(&mut entry.fate, Fate::Dropped(DropReason::Excluded));
            let labels = entry.labels.clone();
            self.dismiss(&labels, fate, work);
        }
    }
}
