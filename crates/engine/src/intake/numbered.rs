//! Samples whose series come by number: what history is made of.
//!
//! A series that was admitted by a clone of its labels is known again by that alone, as long as series come in the order in
//! which they came last time. Everything else is found as in a request.

use bellwether_series::LabelSet;
use bellwether_wire::remote_write::RawSample;

use super::lookup::Recognised;
use super::tenants::Stamp;
use super::{Intake, Refusal, Routed, Work};
use crate::outcome::RejectReason;
use crate::record::Samples;

impl Intake {
    pub(super) fn route_numbered(
        &mut self,
        samples: Samples<'_>,
        work: &mut [Work],
        routed: &mut Routed,
    ) {
        let newest = self.clock.latest_now().plus_ms(self.settings.ordering.future_max_ms);
        for row in samples.rows {
            if row.at > newest {
                routed.outcome.reject(RejectReason::Future, 1, || {
                    format!("timestamp is too far in the future: ahead of {newest}")
                });
                continue;
            }
            let Some(labels) = samples.series.get(row.series as usize) else {
                routed.outcome.reject(RejectReason::InvalidLabels, 1, || {
                    format!("series is not known: number=`{}`", row.series)
                });
                continue;
            };
            let sample = [RawSample { timestamp: row.at, value: row.value }];
            match self.recognise_labels(labels, work, routed) {
                Ok(Recognised::Series(index)) => self.take(index, &sample, newest, work, routed),
                Ok(Recognised::Unelected) => Self::leave_out(&sample, newest, routed),
                Err((reason, message)) => routed.outcome.reject(reason, 1, || message),
            }
        }
    }

    #[inline]
    fn recognise_labels(
        &mut self,
        labels: &LabelSet,
        work: &mut [Work],
        routed: &mut Routed,
    ) -> Result<Recognised, Refusal> {
        if let Some(Some(entry)) = self.entries.get(self.guess)
            && entry.labels.is_clone_of(labels)
        {
            self.guess += 1;
            return Ok(Recognised::Series(self.guess - 1));
        }
        if self.settings.tenants.is_some() {
            // Nobody sent them: their own labels say whose they are.
            return self.find_or_create(labels.clone(), work).map(Recognised::Series);
        }
        self.recognise(&Stamp::none(), labels.as_wire(), Some(labels), work, routed)
    }
}
