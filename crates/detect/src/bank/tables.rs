//! What banks share.

use crate::autoencoder::Autoencoder;
use crate::combine::Combiner;
use crate::ordinary::Ordinary;
use crate::tail::Tail;

/// What all banks of an engine share: tables of functions that are too slow to compute per sample, and weights.
#[derive(Debug, Clone)]
pub struct Tables {
    pub(super) tail: Tail,
    pub(super) combiner: Combiner,
    pub(super) ordinary: Ordinary,
    /// With the shipped weights; a test holds that they are sound.
    pub(super) autoencoder: Option<Autoencoder>,
}

impl Default for Tables {
    fn default() -> Self {
        let autoencoder = Autoencoder::shipped().ok();
        let (tail, combiner) = (Tail::default(), Combiner::default());
        Self { ordinary: Ordinary::new(&tail, &combiner), tail, combiner, autoencoder }
    }
}
