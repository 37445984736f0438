//! What is known of series, asked of the threads that know it: each of them gives its part.

use std::sync::Arc;

use bellwether_engine::{SeriesView, Usage};
use bellwether_series::LabelSet;
use crossbeam_channel::Receiver;

/// Chooses series by their labels.
pub type Wanted = Arc<dyn Fn(&LabelSet) -> bool + Send + Sync>;

/// At most `limit` of all series in `parts`, in order of their labels. Blocks until nobody can send any more.
pub(crate) fn in_order(parts: &Receiver<Vec<SeriesView>>, limit: usize) -> Vec<SeriesView> {
    let mut all: Vec<SeriesView> = parts.iter().flatten().collect();
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    all.truncate(limit);
    all
}

/// All `parts` together. Blocks until nobody can send any more.
pub(crate) fn in_all(parts: &Receiver<Usage>) -> Usage {
    let mut all = Usage::default();
    parts.iter().for_each(|part| all.merge(part));
    all
}
