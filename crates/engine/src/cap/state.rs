//! The state of the daily cap.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use bellwether_series::{Fingerprint, METRIC_NAME, Timestamp};
use serde::{Deserialize, Serialize};

use super::{AlertCap, Own};
use crate::event::Event;
use crate::settings::Settings;
use crate::state::{Kind, Reader, StateError, Writer};

/// A tenant's alert about the cap, as far as it differs from others of its kind.
#[derive(Serialize, Deserialize)]
struct SavedOwn<'c> {
    tenant: Cow<'c, str>,
    /// The label that carries it; `None` without tenants.
    label: Option<Cow<'c, str>>,
    at: Timestamp,
    cap: f64,
    episode_id: Fingerprint,
    /// That under which it fired.
    config_digest: Cow<'c, str>,
    fired_ms: i64,
}

/// The label that carries the tenant in one of the cap's own events. The configuration may have another one since.
fn label_of_tenant(event: &Event) -> Option<&str> {
    event.labels.iter().map(|(name, _)| name).find(|&name| name != METRIC_NAME)
}

impl AlertCap {
    /// Appends its state to `out`. Equal states give equal bytes.
    pub fn save(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::of(out, Kind::AlertCap, &self.settings);
        writer.put(&(self.day, &self.fired));
        writer.put(&self.held_back);
        let own = self.own.iter().map(|(tenant, Own { firing, fired_ms })| SavedOwn {
            tenant: Cow::Borrowed(tenant),
            label: label_of_tenant(firing).map(Cow::Borrowed),
            at: firing.at_ms,
            cap: firing.expected,
            episode_id: firing.episode_id,
            config_digest: Cow::Borrowed(&firing.config_digest),
            fired_ms: *fired_ms,
        });
        writer.put(&own.collect::<Vec<_>>());
    }

    /// The cap that was saved as `bytes` under these `settings`.
    ///
    /// # Errors
    /// Whatever [`StateError`] lists.
    pub fn restore(settings: Arc<Settings>, bytes: &[u8]) -> Result<Self, StateError> {
        let mut reader = Reader::begin(bytes, Kind::AlertCap, &settings)?;
        let mut cap = Self::new(settings);
        reader.part("alert cap");
        (cap.day, cap.fired) = reader.take()?;
        cap.held_back = reader.take::<BTreeSet<_>>()?;
        let own: Vec<SavedOwn<'_>> = reader.take()?;
        let own = own.into_iter().map(|saved| {
            let whose = saved.label.as_deref().map(|label| (label, &*saved.tenant));
            let firing = Event {
                id: format!("{}-0", saved.episode_id),
                episode_id: saved.episode_id,
                config_digest: Arc::from(&*saved.config_digest),
                ..cap.cap_event(whose, saved.at, saved.cap)
            };
            (Box::from(&*saved.tenant), Own { firing, fired_ms: saved.fired_ms })
        });
        cap.own = own.collect();
        reader.end()?;
        Ok(cap)
    }
}
