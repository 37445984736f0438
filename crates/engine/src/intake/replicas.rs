//! Series that replicas write: whose samples they are, and whether that one is heard.

use std::sync::Arc;

use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::remote_write::RawSample;

use super::aliases::Alias;
use super::clusters::Clusters;
use super::lookup::Recognised;
use super::tenants::Stamp;
use super::{Intake, Refusal, Routed, Work};
use crate::outcome::RejectReason;
use crate::outputs::DropReason;
use crate::settings::Settings;

/// Aliases for each series that may be known: one for each replica of a pair.
const ALIASES_PER_SERIES: usize = 2;

impl Intake {
    /// What an alias with these label bytes means; `None` if nothing is remembered that holds. `field` is the stamp of the tenant, `hash` that of both; without it only the alias that is expected is
    /// looked at.
    #[inline]
    pub(super) fn recall(
        &mut self,
        hash: Option<u64>,
        field: &[u8],
        wire: &[u8],
    ) -> Option<Recognised> {
        let alias = match hash {
            None => self.aliases.next(field, wire)?,
            Some(hash) => self.aliases.find(hash, field, wire)?,
        };
        alias.used_ms = self.elapsed_ms;
        let failover_ms = self.settings.ha.failover_ms;
        self.clusters.hear_again(alias.standing, self.elapsed_ms, failover_ms)?;
        alias.meaning(&self.entries)
    }

    /// What a replica means that wrote these `labels`. A series is created if it is new and may be.
    pub(super) fn hear_replica(
        &mut self,
        stamp: &Stamp<'_>,
        (wire, labels): (&[u8], &LabelSet),
        replica: &str,
        work: &mut [Work],
        routed: &mut Routed,
    ) -> Result<Recognised, Refusal> {
        let ha = &self.settings.ha;
        let cluster = self.settings.cluster(labels);
        let heard = self.clusters.hear(cluster, replica, self.elapsed_ms, ha);
        let Some((standing, takes_over)) = heard else {
            let message = format!(
                "limit on clusters of replicas is reached: limit=`{}`, series=`{labels}`",
                ha.clusters_max
            );
            return Err((RejectReason::ClusterLimit, message));
        };
        routed.counts.failovers += u64::from(takes_over);
        let series = if standing.is_elected {
            let identity = ha.identity(labels);
            let identity =
                identity.map_err(|error| (RejectReason::InvalidLabels, error.to_string()))?;
            Some(self.find_or_create(identity, work)?)
        } else {
            None
        };
        let known = |index: usize| {
            let entry = self.entries.get(index).and_then(Option::as_ref);
            entry.map(|entry| (index as u32, entry.labels.clone()))
        };
        let alias =
            Alias::new((stamp.field(), wire), standing, series.and_then(known), self.elapsed_ms);
        let aliases_max = self.settings.series.active_max.saturating_mul(ALIASES_PER_SERIES);
        self.aliases.put(alias, aliases_max, &self.hasher);
        Ok(series.map_or(Recognised::Unelected, Recognised::Series))
    }

    /// Counts the samples of a replica that is not elected.
    pub(super) fn leave_out(samples: &[RawSample], newest: Timestamp, routed: &mut Routed) {
        for sample in samples {
            if sample.timestamp > newest {
                routed.outcome.reject(RejectReason::Future, 1, || {
                    format!("timestamp is too far in the future: ahead of {newest}")
                });
                continue;
            }
            routed.outcome.accepted_samples += 1;
            routed.counts.drop_one(DropReason::Replica);
        }
    }

    /// Forgets series that under `settings` are known by other labels, and who was elected by others. To be called before
    /// these are in force.
    pub(super) fn reconsider_replicas(&mut self, settings: &Settings, work: &mut [Work]) {
        // Limits on labels may have changed too, and apply to labels as they are written.
        self.aliases.clear();
        if !self.settings.tenants_alike(settings) {
            // Every series is known by other labels then.
            (self.clusters, self.families) = (Clusters::default(), Arc::default());
            (0..self.entries.len()).for_each(|index| self.forget(index, work));
            return;
        }
        if self.settings.ha.labels_alike(&settings.ha) {
            return;
        }
        self.clusters = Clusters::default();
        for index in 0..self.entries.len() {
            let Some(entry) = &self.entries[index] else { continue };
            if settings.ha.replica(&entry.labels).is_some() {
                self.forget(index, work);
            }
        }
    }
}
