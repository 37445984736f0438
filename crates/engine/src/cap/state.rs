//! The state of the daily cap.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use bellwether_series::{Fingerprint, Timestamp};
use serde::{Deserialize, Serialize};

use super::AlertCap;
use crate::event::Event;
use crate::settings::Settings;
use crate::state::{Kind, Reader, StateError, Writer};

/// The cap's own alert, as far as it differs from others of its kind.
#[derive(Serialize, Deserialize)]
struct Own<'c> {
    at: Timestamp,
    cap: f64,
    episode_id: Fingerprint,
    /// That under which it fired.
    config_digest: Cow<'c, str>,
    fired_ms: i64,
}

impl AlertCap {
    /// Appends its state to `out`. Equal states give equal bytes.
    pub fn save(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::of(out, Kind::AlertCap, &self.settings);
        writer.put(&(self.day, self.fired));
        writer.put(&self.held_back);
        writer.put(&self.own.as_ref().map(|(event, fired_ms)| Own {
            at: event.at_ms,
            cap: event.expected,
            episode_id: event.episode_id,
            config_digest: Cow::Borrowed(&event.config_digest),
            fired_ms: *fired_ms,
        }));
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
        let own: Option<Own<'_>> = reader.take()?;
        cap.own = own.map(|own| {
            let event = Event {
                id: format!("{}-0", own.episode_id),
                episode_id: own.episode_id,
                config_digest: Arc::from(&*own.config_digest),
                ..cap.cap_event(own.at, own.cap)
            };
            (event, own.fired_ms)
        });
        reader.end()?;
        Ok(cap)
    }
}
