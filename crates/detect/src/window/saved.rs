//! A window in a saved state: only as many values or codes as it holds. How many have which code follows from these.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    BUCKETS, Coded, Content, EMPTY, PLACES, QuantileWindow, Quartiles, RING, SETTLED, Watched,
};
use crate::saved::bytes;

#[derive(Serialize, Deserialize)]
struct Saved<'w> {
    quartiles: Quartiles,
    head: u16,
    skip: u16,
    since_relay: u16,
    content: SavedContent<'w>,
}

#[derive(Serialize, Deserialize)]
enum SavedContent<'w> {
    Exact(Cow<'w, [f64]>),
    Coded {
        base: f64,
        width: f64,
        #[serde(with = "bytes")]
        codes: Cow<'w, [u8]>,
    },
}

impl Serialize for QuantileWindow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { quartiles, head, skip, since_relay, .. } = *self;
        let len = usize::from(self.len);
        let content = match &self.content {
            Content::Exact(values) => SavedContent::Exact(values[..len].into()),
            Content::Coded(coded) => SavedContent::Coded {
                base: coded.base,
                width: coded.width,
                codes: coded.codes[..len].into(),
            },
        };
        Saved { quartiles, head, skip, since_relay, content }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for QuantileWindow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let saved = Saved::deserialize(deserializer)?;
        saved.window().ok_or_else(|| serde::de::Error::custom("no sound window"))
    }
}

impl Saved<'_> {
    /// `None` if a value, a code or the head has no place.
    fn window(self) -> Option<QuantileWindow> {
        let (len, content) = match self.content {
            SavedContent::Exact(read) => {
                let mut values = [0.0; SETTLED];
                values.get_mut(..read.len())?.copy_from_slice(&read);
                (read.len(), Content::Exact(values))
            }
            SavedContent::Coded { base, width, codes: read } => {
                let mut codes = [EMPTY; PLACES];
                codes
                    .get_mut(..read.len())
                    .filter(|codes| codes.len() <= RING)?
                    .copy_from_slice(&read);
                if read.iter().any(|&code| usize::from(code) >= BUCKETS) {
                    return None;
                }
                (read.len(), Content::Coded(Coded { base, width, codes }))
            }
        };
        let is_exact = matches!(content, Content::Exact(_));
        let has_place = if is_exact { len < SETTLED } else { usize::from(self.head) <= len };
        let Self { quartiles, head, skip, since_relay, .. } = self;
        let len = len as u16;
        let watched = match &content {
            Content::Exact(_) => Watched::default(),
            Content::Coded(coded) => Watched::of(coded, quartiles, len),
        };
        let window = QuantileWindow { quartiles, head, len, skip, since_relay, watched, content };
        (has_place && usize::from(head) < RING).then_some(window)
    }
}
